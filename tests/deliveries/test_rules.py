from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.ports import Verdict
from alerts.deliveries.rules import ALLOWED, TERMINAL, State, backoff_seconds, may_move, refused, states_before


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


def test_every_verdict_has_an_end_and_only_our_own_faults_are_tried_again() -> None:
    again = {verdict for verdict in Verdict if refused(verdict) is State.QUEUED}
    assert again == {Verdict.NO_PERMISSION, Verdict.SENDER_BACKOFF, Verdict.STOP_ALL}
    assert refused(Verdict.OPTED_OUT) is State.OPTED_OUT


@given(st.integers(1, 50))
def test_waiting_grows_and_ends_at_an_hour(attempt: int) -> None:
    assert backoff_seconds(attempt, base=15) <= backoff_seconds(attempt + 1, base=15) <= 3600
