from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.ports import Step
from alerts.deliveries.rules import (
    ALLOWED,
    TERMINAL,
    Outcome,
    State,
    attempt_name,
    backoff_seconds,
    may_move,
    parse_attempt_name,
    refused,
    states_before,
)


def test_unknown_is_left_by_evidence_only_and_never_back_to_the_queue() -> None:
    assert ALLOWED[State.UNKNOWN] == {State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED}


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_what_was_handed_over_cannot_be_unsent(state: State) -> None:
    assert states_before(state) == [State.QUEUED]


def test_a_late_delivery_corrects_a_failure_and_nothing_corrects_a_delivery() -> None:
    assert may_move(State.UNDELIVERED, State.DELIVERED)
    assert may_move(State.FAILED, State.DELIVERED)
    assert ALLOWED[State.DELIVERED] == frozenset()


@given(st.lists(st.sampled_from(list(State)), max_size=30))
def test_whatever_news_comes_in_whatever_order_a_state_never_falls_back(news: list[State]) -> None:
    rank = {State.QUEUED: 0, State.SENDING: 1, State.UNKNOWN: 2, State.ACCEPTED: 3, State.SENT: 4}
    state, highest = State.UNKNOWN, 2
    for after in news:
        if may_move(state, after):
            assert rank.get(after, 5) >= highest
            state, highest = after, rank.get(after, 5)
    assert state is State.DELIVERED or State.DELIVERED not in news or state not in TERMINAL - {State.UNDELIVERED, State.FAILED}


def test_every_refusal_has_an_end_and_only_our_own_faults_are_tried_again() -> None:
    again = {step for step in Step if refused(step) is State.QUEUED}
    assert again == {Step.PAGE_AND_KEEP_QUEUED, Step.BACK_OFF_SENDER, Step.STOP_ALL_AND_PAGE}
    assert refused(Step.RECORD_OPT_OUT) is State.OPTED_OUT


@given(st.integers(1, 50))
def test_waiting_grows_and_ends_at_an_hour(attempt: int) -> None:
    assert backoff_seconds(attempt, base=15) <= backoff_seconds(attempt + 1, base=15) <= 3600


@pytest.mark.parametrize(
    ("outcome", "slow_down"),
    [
        (Outcome(State.QUEUED, code="20429", retry_after=3), True),
        (Outcome(State.QUEUED, code="21611", step=Step.BACK_OFF_SENDER), True),
        (Outcome(State.QUEUED, code="not_begun"), False),
        (Outcome(State.QUEUED, code="no_connection:ConnectionRefusedError"), False),
        (Outcome(State.QUEUED, code="20003", step=Step.STOP_ALL_AND_PAGE), False),
        (Outcome(State.ACCEPTED, provider_id="SM1"), False),
        (Outcome(State.UNKNOWN, code="http_500"), False),
    ],
)
def test_only_the_carriers_own_word_slows_a_lane_down(outcome: Outcome, slow_down: bool) -> None:
    assert outcome.is_not_now is slow_down


@given(st.integers(1, 2**40), st.integers(1, 2**15 - 1))
def test_an_attempts_name_is_read_back(delivery_id: int, number: int) -> None:
    assert parse_attempt_name(attempt_name(delivery_id, number)) == (delivery_id, number)


@pytest.mark.parametrize("name", ["", "-", "1", "1-", "-1", "a-1", "1-b", "1-2-3", "１-1", f"{2**63}-1", "1-99999", " 1-1"])
def test_no_other_name_is(name: str) -> None:
    assert parse_attempt_name(name) is None
