"""What each answer of a provider means, as data. Codes are Twilio's own and FCM's own; reading them is in the adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from alerts.channels.ports import ReportedState, Verdict

LONGEST_WAIT_SECONDS = 3600.0


class Step(StrEnum):
    """What the fan-out does after an answer. Paging means: tell the staff on duty, once, not per message."""

    STOP_NUMBER = "stop_number"
    RECORD_OPT_OUT = "record_opt_out"
    PAGE_AND_KEEP_QUEUED = "page_and_keep_queued"
    BACK_OFF_SENDER = "back_off_sender"
    RESEND_ONCE_LATER = "resend_once_later"
    DO_NOT_REPEAT_TEXT = "do_not_repeat_text"
    EXPIRE = "expire"
    STOP_ALL_AND_PAGE = "stop_all_and_page"
    PRUNE_TOKEN = "prune_token"  # noqa: S105  (a step, not a secret)
    FAIL_ON_CHANNEL = "fail_on_channel"


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of the table: the verdict, the step that follows, and the provider's meaning in a few words."""

    verdict: Verdict
    step: Step
    meaning: str


ANYTHING_ELSE = Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "not in the table: counted and alarmed")

# Codes of a refused request (2xxxx) and of a receipt (3xxxx). 429 and 20429 are not here: they are "not now", not "no".
TWILIO_ANSWERS: Mapping[str, Answer] = {
    "21211": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "not a valid number"),
    "21614": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "not a mobile number"),
    "21217": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "the number does not look valid"),
    "21610": Answer(Verdict.OPTED_OUT, Step.RECORD_OPT_OUT, "the person has opted out"),
    "21408": Answer(Verdict.NO_PERMISSION, Step.PAGE_AND_KEEP_QUEUED, "sending to this region is switched off"),
    "21611": Answer(Verdict.SENDER_BACKOFF, Step.BACK_OFF_SENDER, "this sender's queue is full"),
    "20003": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the credentials are refused"),
    "30001": Answer(Verdict.SENDER_BACKOFF, Step.BACK_OFF_SENDER, "the queue overflowed"),
    "30002": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the account is suspended"),
    "30003": Answer(Verdict.OTHER, Step.RESEND_ONCE_LATER, "the handset is off or out of reach"),
    "30004": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "blocked"),
    "30005": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "unknown handset"),
    "30006": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "a landline, or a carrier that cannot be reached"),
    "30007": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "filtered by a carrier"),
    "30036": Answer(Verdict.OTHER, Step.EXPIRE, "the validity period ended first"),
}

# A region that no rule of ours lists as served: for good, not a switch that somebody forgot.
UNSERVED_REGION = Answer(Verdict.UNSUPPORTED_COUNTRY, Step.FAIL_ON_CHANNEL, "no sender of this provider reaches the region")

NOT_NOW_CODES = frozenset({"20429", "429"})

# FCM's errorCode, or the RPC status where it gives none. INVALID_ARGUMENT is decided by the field it names.
FCM_ANSWERS: Mapping[str, Answer] = {
    "UNREGISTERED": Answer(Verdict.DEAD_TOKEN, Step.PRUNE_TOKEN, "the app is gone from the device"),
    "NOT_FOUND": Answer(Verdict.DEAD_TOKEN, Step.PRUNE_TOKEN, "the token names nothing"),
    "SENDER_ID_MISMATCH": Answer(Verdict.DEAD_TOKEN, Step.PRUNE_TOKEN, "the token belongs to another sender"),
    "INVALID_ARGUMENT": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "a field of the request is not accepted"),
    "UNAUTHENTICATED": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the credentials are refused"),
    "PERMISSION_DENIED": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the account may not send for this project"),
    "THIRD_PARTY_AUTH_ERROR": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "the certificate for this platform is refused"),
}

# Twilio's word → how far the message got. A word that is not here is stored raw, counted and alarmed.
TWILIO_STATES: Mapping[str, ReportedState] = {
    "accepted": ReportedState.ACCEPTED,
    "scheduled": ReportedState.ACCEPTED,
    "queued": ReportedState.ACCEPTED,
    "sending": ReportedState.ACCEPTED,
    "sent": ReportedState.SENT,
    "delivered": ReportedState.DELIVERED,
    "read": ReportedState.DELIVERED,
    "partially_delivered": ReportedState.DELIVERED,
    "undelivered": ReportedState.UNDELIVERED,
    "failed": ReportedState.FAILED,
    "canceled": ReportedState.FAILED,
}


def twilio_answer(code: str, *, is_region_served: bool = True) -> Answer:
    """The row of a Twilio code. 21408 means two things: a switch left off, or a region that nobody serves."""
    if code == "21408" and not is_region_served:
        return UNSERVED_REGION
    return TWILIO_ANSWERS.get(code, ANYTHING_ELSE)


def twilio_state(raw_status: str) -> ReportedState | None:
    """How far Twilio says the message got, or None for a word that we do not know."""
    return TWILIO_STATES.get(raw_status)


def reported_state(source: str, raw_status: str) -> ReportedState | None:
    """How far a provider says the message got, in the words of its dialect; None for a word that we do not know."""
    return TWILIO_STATES.get(raw_status) if source == "twilio" else None


def parse_retry_after(header: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header (a number or a date), between 0 and one hour; None if it says nothing usable."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT_SECONDS)
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - (now or datetime.now(UTC))).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)
