"""One message: its states, who may decide on it, how it is composed, and what an approval is bound to.

Pure decisions. Words are those of CAP 1.2 where CAP has them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from alerts.channels.ports import LINK_PLACE
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError

EXERCISE_WORD = "LATIHAN"
LANGUAGES = ("id", "en")
FREEZE_AT_ONCE_MAX = 20_000
VALIDITY_SECONDS_MAX = 36_000
"""Twilio keeps a message for at most ten hours; a warning older than that would only mislead."""


class MsgType(StrEnum):
    """CAP's msgType, as CAP spells it."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"


class State(StrEnum):
    """Where the message stands with the people who answer for it (not with those who receive it)."""

    DRAFT = "draft"
    FREEZING = "freezing"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What can be done to a message."""

    EDIT = "edit"
    SUBMIT = "submit"
    FROZEN = "frozen"
    APPROVE = "approve"
    REJECT = "reject"
    CANCEL = "cancel"


class Channel(StrEnum):
    """Ways to a person, in the order in which they are tried; `none`: no way reaches them, and they are counted all the same."""

    PUSH = "push"
    WEB_PUSH = "web_push"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    EMAIL = "email"
    VOICE = "voice"
    NONE = "none"


class Purpose(StrEnum):
    """Why a message goes out, beside what CAP's msgType says. `synthetic`: to our own made-up citizen, to see that the chain works."""

    ALERT = "alert"
    FIRST_ALERT = "first_alert"
    FOLLOW_UP = "follow_up"
    STILL_VALID = "still_valid"
    SYNTHETIC = "synthetic"


class Unreachable(StrEnum):
    """Why no way reaches a person, as known when the list was frozen."""

    NO_ADDRESS = "no_address"
    NO_PROVIDER = "no_provider"
    OPTED_OUT = "opted_out"


class ResendUnknown(StrEnum):
    """What may be done when nobody knows whether a message went out."""

    NEVER = "never"
    ONCE = "once"


class Variant(StrEnum):
    """Which tail a number's country permits: asking for a reply, a link, both or neither."""

    PLAIN = "plain"
    REPLY = "reply"
    LINK = "link"
    REPLY_LINK = "reply_link"


ALLOWED: Mapping[tuple[State, Move], State] = MappingProxyType(
    {
        (State.DRAFT, Move.EDIT): State.DRAFT,
        (State.REJECTED, Move.EDIT): State.DRAFT,
        (State.SUBMITTED, Move.EDIT): State.DRAFT,
        (State.FREEZING, Move.EDIT): State.DRAFT,
        (State.APPROVED, Move.EDIT): State.DRAFT,  # only until it is released: see `check_edit`
        (State.DRAFT, Move.SUBMIT): State.FREEZING,
        (State.SUBMITTED, Move.SUBMIT): State.FREEZING,  # anew: the old approval request is void
        (State.FREEZING, Move.FROZEN): State.SUBMITTED,
        (State.SUBMITTED, Move.APPROVE): State.APPROVED,
        (State.SUBMITTED, Move.REJECT): State.REJECTED,
        (State.DRAFT, Move.CANCEL): State.CANCELLED,
        (State.FREEZING, Move.CANCEL): State.CANCELLED,
        (State.SUBMITTED, Move.CANCEL): State.CANCELLED,
        (State.REJECTED, Move.CANCEL): State.CANCELLED,
        (State.APPROVED, Move.CANCEL): State.CANCELLED,
    }
)

REPLY_TAIL = MappingProxyType(
    {"id": "Balas 1 bila AMAN, 2 bila perlu TOLONG.", "en": "Reply 1 if safe (AMAN), 2 if you need help (TOLONG)."}
)
CANCEL_TEXT = MappingProxyType(
    {
        "id": "KOREKSI: pesan kami sebelumnya tidak berlaku lagi. Abaikan petunjuknya dan tunggu kabar resmi berikutnya.",
        "en": "CORRECTION: our earlier message no longer holds. Disregard its instructions and wait for our next notice.",
    }
)


def next_state(state: State, move: Move) -> State:
    """The state after a move; raises ConflictError when the state forbids it."""
    after = ALLOWED.get((state, move))
    if after is None:
        raise ConflictError("move_not_allowed", f"a message that is {state} cannot take the step '{move}'", state=state.value)
    return after


def check_edit(*, is_released: bool) -> None:
    """Once it was released to the workers, a text is corrected, not edited."""
    if is_released:
        raise ConflictError("already_released", "this message is being sent: cancel or correct it")


def check_decider(staff_id: UUID | None, hands: Iterable[UUID]) -> None:
    """Whoever created, edited or submitted any version cannot approve it."""
    if staff_id is None or staff_id in set(hands):
        raise ForbiddenError("own_work", "whoever wrote, edited or submitted this message cannot approve it")


def check_approval(*, given_hash: str, current_hash: str | None, count: int) -> None:
    """An approval names exactly what was submitted, and somebody must be there to receive it."""
    if given_hash != current_hash:
        raise ConflictError("content_changed", "this is no longer what was submitted", content_hash=current_hash)
    if count == 0:
        raise ConflictError("empty_audience", "nobody is on the frozen list: there is nothing to approve")


def check_texts(texts: Mapping[str, str], *, is_exercise: bool) -> dict[str, str]:
    """Both languages, not empty; an exercise's begin with LATIHAN by construction, an actual one's never do."""
    ready = {}
    for language in LANGUAGES:
        body = " ".join(texts.get(language, "").split())
        if not body:
            raise InvalidError("text_missing", f"the text in '{language}' is missing", field=f"texts.{language}")
        if LINK_PLACE in body:
            raise InvalidError("text_reserved", f"a text must not contain {LINK_PLACE}", field=f"texts.{language}")
        says_exercise = body.upper().startswith(EXERCISE_WORD)
        if says_exercise and not is_exercise:
            raise InvalidError("exercise_word", f"an actual alert must not begin with {EXERCISE_WORD}", field=f"texts.{language}")
        ready[language] = f"{EXERCISE_WORD}: {body}" if is_exercise and not says_exercise else body
    return ready


def compose(body: str, language: str, variant: Variant) -> str:
    """The text of one variant; the link's place is marked, and filled in for each person at sending."""
    parts = [body]
    if variant in (Variant.REPLY, Variant.REPLY_LINK):
        parts.append(REPLY_TAIL[language])
    if variant in (Variant.LINK, Variant.REPLY_LINK):
        parts.append(LINK_PLACE)
    return " ".join(parts)


def all_variants(texts: Mapping[str, str]) -> dict[tuple[str, Variant], str]:
    """Every text that may leave, by language and variant."""
    return {(language, variant): compose(body, language, variant) for language, body in texts.items() for variant in Variant}


def default_resend(*, severity: str, urgency: str) -> ResendUnknown:
    """An unknown may be sent once more where silence is the greater harm."""
    is_grave = severity == "Extreme" and urgency == "Immediate"
    return ResendUnknown.ONCE if is_grave else ResendUnknown.NEVER


def default_validity_seconds(severity: str) -> int:
    """How long a carrier may keep trying: the graver, the sooner a late copy misleads."""
    return {"Extreme": 3600, "Severe": 7200}.get(severity, 14_400)


@dataclass(frozen=True)
class Submission:
    """All that an approval is bound to."""

    broadcast_id: UUID
    incident_id: UUID
    msg_type: MsgType
    references: Sequence[UUID]
    texts: Mapping[tuple[str, Variant], str]
    areas: Sequence[Mapping[str, Any]]
    list_ids: Sequence[UUID]
    channels: Sequence[Channel]
    validity_seconds: int
    resend_unknown: ResendUnknown
    audience_number: int
    audience_count: int


def content_hash(submission: Submission) -> str:
    """SHA-256, hex, over a canonical form: any change of any part is another hash."""
    texts = sorted((language, variant.value, body) for (language, variant), body in submission.texts.items())
    content = {
        "broadcast": str(submission.broadcast_id),
        "incident": str(submission.incident_id),
        "msg_type": submission.msg_type.value,
        "references": sorted(map(str, submission.references)),
        "texts": texts,
        "areas": list(submission.areas),
        "lists": sorted(map(str, submission.list_ids)),
        "channels": sorted(channel.value for channel in submission.channels),
        "validity_seconds": submission.validity_seconds,
        "resend_unknown": submission.resend_unknown.value,
        "audience": [submission.audience_number, submission.audience_count],
    }
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
