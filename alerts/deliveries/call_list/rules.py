"""Why somebody must be telephoned, what a call may end with, and when to try again. Pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.kit.errors import ConflictError, InvalidError

AGAIN_FACTOR_MAX = 16
"""No answer: the wait doubles, up to this many times the first one."""
CALL_BACK_DAYS_MAX = 14


class Gap(StrEnum):
    """Why the messages are not enough, the worst knowledge first. `unanswered`: handed over or delivered, and silence since.

    `urgent_unread`: they wrote what may be a call for help, and nobody has read it.
    """

    URGENT_UNREAD = "urgent_unread"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown"
    UNANSWERED = "unanswered"


class Outcome(StrEnum):
    """How a call ended. The first two are contact made: they become check-ins."""

    REACHED_SAFE = "reached_safe"
    REACHED_NEED_HELP = "reached_need_help"
    NO_ANSWER = "no_answer"
    WRONG_NUMBER = "wrong_number"
    NUMBER_DEAD = "number_dead"
    REFUSED = "refused"
    CALL_BACK_AT = "call_back_at"


REACHED = frozenset({Outcome.REACHED_SAFE, Outcome.REACHED_NEED_HELP})
TO_TRY_AGAIN = frozenset({Outcome.NO_ANSWER, Outcome.CALL_BACK_AT})


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has a row open, and until when."""

    by: str
    until: datetime


def check_free(claim: Claim | None, caller: str, now: datetime) -> None:
    """409 while somebody else has the row open: nobody is called by two at once."""
    if claim is not None and claim.by != caller and claim.until > now:
        wait = (claim.until - now).total_seconds()
        raise ConflictError("called_by_another", "Somebody else is calling this person now.", retry_after=max(1, round(wait)))


def check_mine(claim: Claim | None, caller: str, now: datetime) -> None:
    """409 unless the caller has the row open; an hour later somebody else may have called."""
    if claim is None or claim.by != caller or claim.until <= now:
        raise ConflictError("row_not_open", "Open the row first: it is yours for a while, and nobody else calls meanwhile.")


def check_outcome(outcome: Outcome, *, has_contact: bool, call_back_at: datetime | None, now: datetime) -> None:
    """422 for a contact without who, when and how, or one that was not made, and for a time to call back that cannot be."""
    if (outcome in REACHED) != has_contact:
        raise InvalidError("contact_needed", "For somebody whom you reached say who, when and how; for nobody else.", field="contact")
    if (outcome is Outcome.CALL_BACK_AT) != (call_back_at is not None):
        raise InvalidError("call_back_time", "Say when to call back, and only then.", field="call_back_at")
    if call_back_at is not None and not now < call_back_at <= now + timedelta(days=CALL_BACK_DAYS_MAX):
        raise InvalidError("call_back_time", "A time to call back lies ahead, within two weeks.", field="call_back_at")


def next_try_at(outcome: Outcome, *, tries: int, again_seconds: float, call_back_at: datetime | None, now: datetime) -> datetime | None:
    """When to call again; None: calling this person is over. `tries` counts this call too."""
    if outcome is Outcome.NO_ANSWER:
        return now + timedelta(seconds=again_seconds * min(AGAIN_FACTOR_MAX, 2 ** min(max(0, tries - 1), 10)))
    return call_back_at if outcome is Outcome.CALL_BACK_AT else None
