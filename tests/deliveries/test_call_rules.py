from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deliveries.call_list.rules import REACHED, TO_TRY_AGAIN, Claim, Outcome, check_free, check_mine, check_outcome, next_try_at
from alerts.kit.errors import ConflictError, InvalidError

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)


def test_one_caller_per_row_at_a_time() -> None:
    check_free(None, "a", NOW)
    check_free(Claim("a", SOON), "a", NOW)
    check_free(Claim("b", NOW), "a", NOW)
    with pytest.raises(ConflictError) as refused:
        check_free(Claim("b", SOON), "a", NOW)
    assert refused.value.extra["retry_after"] == 300
    check_mine(Claim("a", SOON), "a", NOW)
    for claim in (None, Claim("b", SOON), Claim("a", NOW)):
        with pytest.raises(ConflictError):
            check_mine(claim, "a", NOW)


@given(st.sampled_from(list(Outcome)), st.booleans(), st.none() | st.timedeltas(timedelta(days=-3), timedelta(days=20)))
def test_an_outcome_says_what_belongs_to_it_and_no_more(outcome: Outcome, has_contact: bool, ahead: timedelta | None) -> None:
    at = None if ahead is None else NOW + ahead
    is_time_right = (at is not None) == (outcome is Outcome.CALL_BACK_AT)
    is_ahead = at is None or NOW < at <= NOW + timedelta(days=14)
    if (outcome in REACHED) == has_contact and is_time_right and is_ahead:
        check_outcome(outcome, has_contact=has_contact, call_back_at=at, now=NOW)
    else:
        with pytest.raises(InvalidError):
            check_outcome(outcome, has_contact=has_contact, call_back_at=at, now=NOW)


@given(st.sampled_from(list(Outcome)), st.integers(1, 500))
def test_calling_goes_on_only_where_it_may_help(outcome: Outcome, tries: int) -> None:
    at = SOON if outcome is Outcome.CALL_BACK_AT else None
    again = next_try_at(outcome, tries=tries, again_seconds=900, call_back_at=at, now=NOW)
    assert (again is not None) == (outcome in TO_TRY_AGAIN)
    if outcome is Outcome.NO_ANSWER:
        assert again is not None
        assert timedelta(seconds=900) <= again - NOW <= timedelta(seconds=900 * 16)


def test_the_wait_after_no_answer_doubles() -> None:
    waits = [next_try_at(Outcome.NO_ANSWER, tries=n, again_seconds=900, call_back_at=None, now=NOW) for n in (1, 2, 3, 9)]
    assert [(at - NOW).total_seconds() / 900 for at in waits if at] == [1, 2, 4, 16]
