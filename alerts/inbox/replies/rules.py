"""Whether a call for help is answered by text or WhatsApp, and the states of that answer. Pure decisions.

At most one per case and state, so that two machines can never talk to each other; to people of the register only; never
where a phone that sounds betrays where somebody hides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from alerts.channels.country_rules import CountryRule, Known
from alerts.channels.ports import WHATSAPP_SESSION_SECONDS
from alerts.checkins.cases.rules import CaseState
from alerts.inbox.rules import WayIn

EXERCISE_WORD = "LATIHAN"
VALIDITY_SECONDS = 3600
"""A sentence about now that arrives tomorrow would mislead."""
TOLD = frozenset({CaseState.OPEN, CaseState.ACKNOWLEDGED, CaseState.BEING_HELPED})


class ReplyState(StrEnum):
    """Where one reply stands: the words of deliveries."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


_PROVIDER = frozenset({ReplyState.ACCEPTED, ReplyState.SENT, ReplyState.DELIVERED, ReplyState.UNDELIVERED, ReplyState.FAILED})
_SETTLED = frozenset({ReplyState.DELIVERED, ReplyState.UNDELIVERED, ReplyState.FAILED})
ALLOWED: Mapping[ReplyState, frozenset[ReplyState]] = MappingProxyType(
    {
        ReplyState.QUEUED: frozenset({ReplyState.SENDING, ReplyState.CANCELLED}),
        ReplyState.SENDING: _PROVIDER | {ReplyState.UNKNOWN, ReplyState.QUEUED},
        ReplyState.UNKNOWN: _PROVIDER,
        ReplyState.ACCEPTED: _SETTLED | {ReplyState.SENT},
        ReplyState.SENT: _SETTLED,
        ReplyState.UNDELIVERED: frozenset({ReplyState.DELIVERED}),
        ReplyState.FAILED: frozenset({ReplyState.DELIVERED}),
        ReplyState.DELIVERED: frozenset(),
        ReplyState.CANCELLED: frozenset(),
    }
)
"""`sending → queued` only when the carrier surely has nothing. `unknown` is never sent again: the page says the same."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What decides whether somebody is answered. `wrote_seconds_ago`: since the call that is answered."""

    way: WayIn
    told: CaseState
    wrote_seconds_ago: float
    is_known: bool
    is_opted_out: bool
    is_quiet: bool


def may_reply(caller: Caller, rule: CountryRule) -> bool:
    """Only by the way it came, to a known person who wants messages, and where that way is open: `rule` is that of its channel.

    A text where texts go both ways for certain. By WhatsApp they wrote to us, so it goes both ways; but free words are allowed
    for a day, in which the reply must have arrived.
    """
    is_wanted = caller.is_known and not caller.is_opted_out and not caller.is_quiet and caller.told in TOLD
    if caller.way is WayIn.WHATSAPP:
        is_open = caller.wrote_seconds_ago + VALIDITY_SECONDS <= WHATSAPP_SESSION_SECONDS
        return is_wanted and is_open and rule.outbound is not Known.NO
    return is_wanted and caller.way is WayIn.SMS and rule.two_way is Known.YES and rule.outbound is Known.YES


def reply_text(sentence: str, *, is_exercise: bool) -> str:
    return f"{EXERCISE_WORD}: {sentence}" if is_exercise else sentence


def states_before(after: ReplyState) -> list[str]:
    """From where a state may be reached: the guard of every UPDATE."""
    return [before.value for before, afters in ALLOWED.items() if after in afters]
