"""Whom to page, when and by what; the states of one message to staff; its text. Pure decisions.

A page repeats by design, every round with new messages, until somebody acts. Within a round nothing is repeated: what may
have been sent is `unknown`, and stays so unless the carrier says more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from alerts.kit.i18n import N_, find_zone, translator
from alerts.staff.rules import Role

ACTUAL, EXERCISE = "Actual", "Exercise"
EXERCISE_WORD = "LATIHAN"
TITLE_MAX, TEXT_MAX = 60, 400
ROUNDS_OF_MISSION = 3
"""So many of a mission's people are paged, one more in each round, before the ministry is paged too."""


class ContactKind(StrEnum):
    """An address of somebody of the staff. A phone serves texts and calls; WhatsApp, which not every number has, is one of its own."""

    PHONE = "phone"
    WHATSAPP = "whatsapp"
    PUSH = "push"
    WEB_PUSH = "web_push"
    EMAIL = "email"


class Channel(StrEnum):
    """Ways to staff, by the words that the senders have."""

    PUSH = "push"
    WEB_PUSH = "web_push"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    VOICE = "voice"
    EMAIL = "email"


class State(StrEnum):
    """Where one message to staff stands: the words of deliveries."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """What a message to staff is about. Higher slices may bring words of their own: the tables take any."""

    APPROVAL = "approval"
    ALARM = "alarm"


class AlarmKind(StrEnum):
    """What went wrong with sending, so that a person must look."""

    STOP_ALL = "stop_all"
    NO_PERMISSION = "no_permission"
    DEAD_TOKENS = "dead_tokens"
    CONTENT_FILTERED = "content_filtered"
    CONTENT_REFUSED = "content_refused"
    UNREAD_ANSWER = "unread_answer"
    NOBODY_TO_PAGE = "nobody_to_page"
    ROUND_TRIP_LATE = "round_trip_late"
    PROMISE_BROKEN = "promise_broken"
    MESSAGE_STUCK = "message_stuck"
    CODES_GUESSED = "codes_guessed"
    OTHER = "other"


class StopReason(StrEnum):
    """Why a page stopped. The first by a person's word, the others because there is nothing left to do."""

    ACKNOWLEDGED = "acknowledged"
    DONE = "done"
    SUPERSEDED = "superseded"


_PROVIDER = frozenset({State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED})

ALLOWED: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.QUEUED: frozenset({State.SENDING, State.CANCELLED, State.EXPIRED}),
        State.SENDING: _PROVIDER | {State.UNKNOWN, State.QUEUED},
        State.UNKNOWN: _PROVIDER,
        State.ACCEPTED: frozenset({State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED}),
        State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED, State.FAILED}),
        State.UNDELIVERED: frozenset({State.DELIVERED}),
        State.FAILED: frozenset({State.DELIVERED}),
        State.DELIVERED: frozenset(),
        State.EXPIRED: frozenset(),
        State.CANCELLED: frozenset(),
    }
)
"""`sending → queued` only when the carrier surely has nothing: no byte left, or it said "not now"."""


def states_before(after: State) -> list[str]:
    """From where a state may be reached: the guard of every UPDATE."""
    return [before.value for before, afters in ALLOWED.items() if after in afters]


WAYS: Mapping[ContactKind, tuple[Channel, ...]] = MappingProxyType(
    {
        ContactKind.PUSH: (Channel.PUSH,),
        ContactKind.WEB_PUSH: (Channel.WEB_PUSH,),
        ContactKind.PHONE: (Channel.SMS, Channel.VOICE),
        ContactKind.WHATSAPP: (Channel.WHATSAPP,),
        ContactKind.EMAIL: (Channel.EMAIL,),
    }
)
CONTACTS_MAX: Mapping[ContactKind, int] = MappingProxyType(
    {ContactKind.PHONE: 3, ContactKind.WHATSAPP: 2, ContactKind.PUSH: 5, ContactKind.WEB_PUSH: 5, ContactKind.EMAIL: 2}
)


@dataclass(frozen=True)
class Contact:
    """One current address, without the address itself."""

    id: UUID
    kind: ContactKind


@dataclass(frozen=True)
class Candidate:
    """Somebody who may be paged. `position` is the place in the roster (1 is first), None for who is not in it.

    `hours` are local times in `zone`; None: always. Hours over midnight (22:00 to 06:00) are fine.
    """

    staff_id: UUID
    position: int | None = None
    is_on: bool = True
    hours: tuple[time, time] | None = None
    zone: str = "Asia/Jakarta"
    language: str = "id"
    is_of_mission: bool = False
    contacts: Sequence[Contact] = field(default_factory=tuple)


def is_on_duty(candidate: Candidate, now: datetime) -> bool:
    """Whether the roster names the person for this hour."""
    if candidate.position is None or not candidate.is_on:
        return False
    if candidate.hours is None:
        return True
    begins, ends = candidate.hours
    local = now.astimezone(find_zone(candidate.zone)).time()
    return begins <= local < ends if begins < ends else local >= begins or local < ends


def on_duty(candidates: Iterable[Candidate], now: datetime) -> list[Candidate]:
    """Who is on duty by the roster; everybody of the role where the roster names nobody for this hour."""
    everybody = list(candidates)
    return [each for each in everybody if is_on_duty(each, now)] or everybody


def ladder(candidates: Iterable[Candidate], *, excluded: Iterable[UUID], now: datetime) -> list[Candidate]:
    """In what order people are paged: on duty by the roster, then the rest of the roster, then others of the role.

    The last two are better than silence: they are reached only when all before them did nothing. Who touched the message
    and who has no address is left out.
    """
    out = set(excluded)
    usable = [each for each in candidates if each.staff_id not in out and each.contacts]
    return sorted(usable, key=lambda each: ladder_key(each, now))


def ladder_key(candidate: Candidate, now: datetime) -> tuple[bool, bool, int, str]:
    """Who comes first of a role sorts first."""
    return not is_on_duty(candidate, now), candidate.position is None, candidate.position or 0, str(candidate.staff_id)


def with_ministry(mission: Sequence[Candidate], ministry: Sequence[Candidate]) -> list[Candidate]:
    """A mission's page goes on to the ministry's duty officers once the first of its own people did nothing, however many they are."""
    return [*mission[:ROUNDS_OF_MISSION], *ministry, *mission[ROUNDS_OF_MISSION:]]


def people_of_round(rungs: Sequence[Candidate], number: int, *, is_quiet: bool, is_at_once: bool = False) -> list[tuple[Candidate, bool]]:
    """Round 1 pages the first; every further round adds the next deputy and pages again all before. With whether they are new.

    `is_at_once`: what is over before a second round pages everybody in the first.
    In a quiet incident nobody at a mission is paged twice: a phone that rings again may give them away.
    """
    before = len(rungs) if is_at_once and number > 1 else number - 1
    until = len(rungs) if is_at_once else number
    repeated = [(each, False) for each in rungs[:before] if not (is_quiet and each.is_of_mission)]
    return repeated + [(each, True) for each in rungs[before:until]]


def channels_of(candidate: Candidate, configured: Iterable[str], *, is_quiet: bool, is_new: bool = True) -> list[tuple[Contact, Channel]]:
    """Every way to the person that has a sender: all at once, because nobody knows which of them wakes somebody.

    No call to a mission in a quiet incident. Mail wakes nobody: it comes once, and again only to who has nothing else.
    """
    have = set(configured)
    ways = [(contact, channel) for contact in candidate.contacts for channel in WAYS[contact.kind] if channel.value in have]
    if is_quiet and candidate.is_of_mission:
        ways = [way for way in ways if way[1] is not Channel.VOICE]
    waking = [way for way in ways if way[1] is not Channel.EMAIL]
    return waking if waking and not is_new else ways


@dataclass(frozen=True)
class PageStep:
    """One step of a page that goes by steps: the first of a role (`is_ministry`: not the mission's), by these ways, then so long a wait."""

    role: Role
    ways: frozenset[Channel]
    seconds: float
    is_ministry: bool = False


def step_at(plan: Sequence[PageStep], number: int) -> tuple[PageStep, int]:
    """The step of a round and how many deputies it asks beside the first: the last step goes on, with one more each time."""
    return plan[min(number, len(plan)) - 1], max(0, number - len(plan))


def people_of_step(rungs: Sequence[Candidate], deputies: int, *, is_quiet: bool) -> list[tuple[Candidate, bool]]:
    """The first of the role and so many deputies. A quiet page asks each person at a mission once; the ministry's are asked again."""
    asked = enumerate(rungs[: deputies + 1])
    return [(each, at == deputies) for at, each in asked if not (is_quiet and each.is_of_mission and at < deputies)]


def backoff_seconds(attempt: int, *, base: float) -> float:
    """How long to wait after the n-th attempt that surely did not send: doubling, at most a minute."""
    return float(min(base * 2 ** max(0, attempt - 1), 60))


def ready_text(body: str, *, status: str, limit: int = TEXT_MAX) -> str:
    """One line, cut to what fits; an exercise's begins with LATIHAN by construction, an actual one's never does."""
    line = " ".join(body.split())
    while line.upper().startswith(EXERCISE_WORD):
        line = line[len(EXERCISE_WORD) :].lstrip(" :-–")
    line = f"{EXERCISE_WORD}: {line}" if status == EXERCISE else line
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def in_both(message: str, **values: object) -> dict[str, str]:
    """A sentence of the catalogue in both languages, with numbers as each writes them."""
    texts = {}
    for lang in ("id", "en"):
        words = translator(lang)
        texts[lang] = words.gettext(message, **{k: words.number(v) if isinstance(v, int) else v for k, v in values.items()})
    return texts


ALARM_TEXTS: Mapping[AlarmKind, str] = MappingProxyType(
    {
        AlarmKind.STOP_ALL: N_("SIAGA: %(sender)s refuses our account. Nothing goes out by it until somebody mends it."),
        AlarmKind.NO_PERMISSION: N_("SIAGA: %(sender)s may not send to a country that it serves: the permission is switched off there."),
        AlarmKind.DEAD_TOKENS: N_("SIAGA: %(sender)s calls %(count)s devices dead at once. None was removed: look at the account first."),
        AlarmKind.CONTENT_FILTERED: N_("SIAGA: carriers filter our text (%(count)s by %(sender)s). The same text is not repeated."),
        AlarmKind.CONTENT_REFUSED: N_("SIAGA: %(sender)s refuses our text (%(count)s messages). It will refuse it again."),
        AlarmKind.UNREAD_ANSWER: N_("SIAGA: %(sender)s gave answers that we cannot read (%(count)s). Those messages failed."),
        AlarmKind.OTHER: N_("SIAGA: something went wrong with %(sender)s (%(count)s times). The log says more."),
        AlarmKind.ROUND_TRIP_LATE: N_(
            "SIAGA: no test message by %(sender)s came back for %(count)s minutes. Alerts may not arrive either."
        ),
        AlarmKind.PROMISE_BROKEN: N_("SIAGA: a promise of the tables does not hold: %(sender)s (%(count)s rows). Run `siaga doctor`."),
        AlarmKind.MESSAGE_STUCK: N_(
            "SIAGA: a message could not be made ready and does not go out: %(sender)s. Open the incident and do it anew."
        ),
        AlarmKind.CODES_GUESSED: N_(
            "SIAGA: too many refused codes in reports by SMS of %(sender)s (%(count)s). Somebody may be guessing: call the mission."
        ),
        AlarmKind.NOBODY_TO_PAGE: N_("SIAGA: nobody with an address can be paged for the role %(sender)s."),
    }
)


NOT_CALLED = frozenset({AlarmKind.UNREAD_ANSWER, AlarmKind.OTHER})
"""Alarms that wait for a reader: nobody is called up for them."""


def alarm_texts(kind: AlarmKind, *, sender: str, count: int) -> dict[str, str]:
    """What the people on duty read, in both languages. No text of ours names a person or a number."""
    wanted = {"sender": sender, "count": count}
    return in_both(ALARM_TEXTS[kind], **wanted)


def attempt_name(notice_id: UUID, number: int) -> str:
    """How an attempt is called outside: `n<hex>-<number>`, never like one of a delivery."""
    return f"n{notice_id.hex}-{number}"


def parse_attempt(name: str) -> tuple[UUID, int] | None:
    """The notice and the attempt's number, or None for any other name."""
    head, dash, tail = name.partition("-")
    if not dash or not head.startswith("n") or len(head) != 33 or not (tail.isascii() and tail.isdigit()):
        return None
    try:
        return UUID(head[1:]), int(tail)
    except ValueError:
        return None
