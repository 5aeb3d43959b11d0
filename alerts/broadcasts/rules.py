"""One message: its states, who may decide on it, how it is composed, and what an approval is bound to.

Pure decisions. Words are those of CAP 1.2 where CAP has them.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from alerts.channels.ports import LINK_PLACE
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.kit.text import visible

EXERCISE_WORD = "LATIHAN"
SPOKEN_MARK = re.compile(rf"^(?:{EXERCISE_WORD}\b[\s:.,–-]*)+", re.IGNORECASE)
SAYS_EXERCISE = re.compile(rf"[\W_]*{EXERCISE_WORD}", re.IGNORECASE)
LANGUAGES = ("id", "en")
FREEZE_AT_ONCE_MAX = 20_000
VALIDITY_SECONDS_MAX = 36_000
PROMISE_MARGIN_SECONDS = 900
PROMISE_STALE = timedelta(minutes=2)
"""A promise so near is past before the text that makes it is with everybody of a wave."""
PROMISES_KEPT = 3
"""So often at least a repeated promise can be kept, unless somebody says how long the message holds."""
WAVE_SHARE_MAX = 0.25
WAVE_PEOPLE_MAX = 500
"""Twilio keeps a message for at most ten hours; a warning older than that would only mislead."""


class MsgType(StrEnum):
    """CAP's msgType, as CAP spells it."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"


class State(StrEnum):
    """Where the message stands with the people who answer for it (not with those who receive it).

    `held`: a first alert that one person released; it goes out when its hold ends, unless somebody stops it.
    """

    DRAFT = "draft"
    FREEZING = "freezing"
    SUBMITTED = "submitted"
    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What can be done to a message."""

    EDIT = "edit"
    SUBMIT = "submit"
    FROZEN = "frozen"
    HOLD = "hold"
    RELEASE = "release"
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


ALL_WAYS = tuple(channel for channel in Channel if channel is not Channel.NONE)
"""What a message goes by unless somebody says otherwise: whatever reaches a person, one after the other."""


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
    WORDS_BARRED = "words_barred"


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
        (State.FREEZING, Move.HOLD): State.HELD,  # a first alert
        (State.FREEZING, Move.RELEASE): State.APPROVED,  # words that two people approved beforehand
        (State.HELD, Move.RELEASE): State.APPROVED,  # the hold ended, or a second person confirmed
        (State.HELD, Move.CANCEL): State.CANCELLED,
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
CODE_WORD = MappingProxyType({"id": "Kode", "en": "Code"})
CODE_SAMPLE = "xxxxxx"
"""Shown where there is no message yet: as long as a real one."""
CANCEL_TEXT = MappingProxyType(
    {
        "id": "KOREKSI: pesan kami sebelumnya tidak berlaku lagi. Abaikan petunjuknya dan tunggu kabar resmi berikutnya.",
        "en": "CORRECTION: our earlier message no longer holds. Disregard its instructions and wait for our next notice.",
    }
)

STILL_VALID_TEXT = MappingProxyType(
    {
        "id": "Belum ada perkembangan baru. Pesan kami sebelumnya tetap berlaku: ikuti petunjuknya dan petugas setempat.",
        "en": "Nothing new so far. Our earlier message still holds: follow it and local officials.",
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
    """Both languages, not empty; an exercise's begin with LATIHAN by construction, an actual one's never do, however it is dressed up.

    What nobody sees is taken out first (it comes with copied text): who approves must read what is sent, letter by letter.
    """
    ready = {}
    for language in LANGUAGES:
        body = " ".join(visible(texts.get(language, "")).split())
        if not body:
            raise InvalidError("text_missing", f"the text in '{language}' is missing", field=f"texts.{language}")
        if LINK_PLACE in body:
            raise InvalidError("text_reserved", f"a text must not contain {LINK_PLACE}", field=f"texts.{language}")
        if SAYS_EXERCISE.match(unicodedata.normalize("NFKC", body)) and not is_exercise:
            raise InvalidError("exercise_word", f"an actual alert must not begin with {EXERCISE_WORD}", field=f"texts.{language}")
        ready[language] = mark(body) if is_exercise else body
    return ready


def mark(words: str) -> str:
    """The same words as an exercise says them: LATIHAN in front, once, however often and in whatever letters it stood there."""
    return f"{EXERCISE_WORD}: {SPOKEN_MARK.sub('', words)}"


def compose(body: str, language: str, variant: Variant, *, code: str = "") -> str:
    """The text of one variant; the link's place is marked, and filled in for each person at sending.

    `code`: the message's own, by which the public page says whether it is ours; it stands last, and in no address, which some
    countries bar.
    """
    parts = [body]
    if variant in (Variant.REPLY, Variant.REPLY_LINK):
        parts.append(REPLY_TAIL[language])
    if variant in (Variant.LINK, Variant.REPLY_LINK):
        parts.append(LINK_PLACE)
    if code:
        parts.append(say_code(code, language))
    return " ".join(parts)


def say_code(code: str, language: str) -> str:
    """How a message says its code: no address, no full stop, so that nothing is typed with it."""
    return f"{CODE_WORD[language]} {code}"


def without_code(words: str, language: str, *, code: str) -> str:
    """The text for an ear: nobody types what was read aloud to them."""
    return words.removesuffix(f" {say_code(code, language)}") if code else words


def all_variants(texts: Mapping[str, str], *, code: str = "") -> dict[tuple[str, Variant], str]:
    """Every text that may leave, by language and variant."""
    return {(language, variant): compose(body, language, variant, code=code) for language, body in texts.items() for variant in Variant}


def say_time(at: datetime, language: str) -> str:
    """A time of day as a text says it, in its own offset, which is always said: `04.17 (UTC+3)`."""
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02d}" if rest else "") if minutes else ""
    return f"{at:%H.%M} (UTC{offset})" if language == "id" else f"{at:%H:%M} (UTC{offset})"


def say_promise(at: datetime, language: str) -> str:
    """The fixed sentence that promises the next message."""
    return f"Kabar berikutnya pukul {say_time(at, language)}." if language == "id" else f"Next message at {say_time(at, language)}."


def with_promise(texts: Mapping[str, str], at: datetime | None) -> dict[str, str]:
    """The texts as they are sent: with the promise of the next message, where one was made."""
    return {language: f"{body} {say_promise(at, language)}" if at else body for language, body in texts.items()}


def is_promise_past(at: datetime | None, *, now: datetime) -> bool:
    """Whether who is told now would read a promise of what has been: its time is over, or will be before the text is there."""
    return at is not None and at - now <= PROMISE_STALE


def check_promise(at: datetime, *, now: datetime, validity_seconds: int) -> None:
    """A promise lies ahead, and while the message holds: nobody can say "still valid" of what is over."""
    if at <= now:
        raise InvalidError("promise_passed", "The promised time of the next message has passed.", field="next_message_at")
    if at > now + timedelta(seconds=validity_seconds):
        raise InvalidError("promise_after_end", "The next message is promised for after the end of this one.", field="next_message_at")


def first_promise(every_minutes: int, *, after: datetime) -> datetime:
    """When a message that goes out at `after` promises the next one: a whole minute, as the text says it, and never earlier."""
    promised = after + timedelta(minutes=every_minutes)
    said = promised.replace(second=0, microsecond=0)
    return said if said == promised else said + timedelta(minutes=1)


def next_promise(due_at: datetime, every_minutes: int | None, *, now: datetime, ends_at: datetime) -> datetime | None:
    """When "nothing new" is said next after what was due, in the rhythm that was approved; None: not again while it holds."""
    if every_minutes is None:
        return None
    every = timedelta(minutes=every_minutes)
    after = due_at + every * max(1, (now - due_at) // every + 1)
    return after if after < ends_at else None


def validity_for(promised_at: datetime | None, *, every_minutes: int | None = None, now: datetime, default: int) -> int:
    """How long a message holds whose author said nothing: as its severity asks, and a little longer than what it promises."""
    if promised_at is None:
        return default
    wanted = int((promised_at - now).total_seconds()) + PROMISE_MARGIN_SECONDS + (PROMISES_KEPT - 1) * 60 * (every_minutes or 0)
    return min(VALIDITY_SECONDS_MAX, max(default, wanted))


def wave_limit(first_count: int) -> int:
    """How many latecomers may follow an approved list without a new approval."""
    return max(int(first_count * WAVE_SHARE_MAX), WAVE_PEOPLE_MAX)


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
    purpose: Purpose = Purpose.ALERT
    next_message_at: datetime | None = None
    next_message_every_minutes: int | None = None
    still_valid_texts: Mapping[str, str] | None = None
    later_texts: Mapping[tuple[str, Variant], str] | None = None


def content_hash(submission: Submission) -> str:
    """SHA-256, hex, over a canonical form: any change of any part is another hash."""
    texts, later = _in_order(submission.texts), _in_order(submission.later_texts or {})
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
        "purpose": submission.purpose.value,
        "next_message_at": submission.next_message_at.astimezone(UTC).isoformat() if submission.next_message_at else None,
        "next_message_every_minutes": submission.next_message_every_minutes,
        "still_valid": dict(submission.still_valid_texts) if submission.still_valid_texts else None,
    }
    if later:
        content["later_texts"] = later
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _in_order(texts: Mapping[tuple[str, Variant], str]) -> list[tuple[str, str, str]]:
    return sorted((language, variant.value, body) for (language, variant), body in texts.items())
