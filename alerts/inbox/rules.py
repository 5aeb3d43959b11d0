"""What a message from a citizen says, and which moves its row knows. Pure decisions.

Cautious by design: only a message that is nothing but the asked-for answer is understood. "selamat
pagi", "belum aman" and "aman tapi…" hold the same words and mean something else, so a person reads them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from alerts.kit.errors import ConflictError
from alerts.kit.text import is_control, is_hidden, visible

OPT_IN_WORDS = frozenset({"start", "unstop", "mulai"})
LONG_CHARACTERS = 918
"""More than this does not fit six linked GSM-7 parts: flagged, so that nobody takes a part for the whole."""
LONG_SEGMENTS = 7


class Understood(StrEnum):
    """What the message is taken for. `urgent_unread` is read first, by a person. `lapsit`: a mission's report, from its duty phone."""

    SAFE = "safe"
    NEED_HELP = "need_help"
    OPT_OUT = "opt_out"
    UNCLEAR = "unclear"
    URGENT_UNREAD = "urgent_unread"
    LAPSIT = "lapsit"
    CREW = "crew"


class WayIn(StrEnum):
    """How a message came. By the open link anybody may write, without our having texted them."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    OPEN_LINK = "open_link"


class Flag(StrEnum):
    """Something about the form or the sender that a reader should know."""

    EMPTY = "empty"
    LONG = "long"
    CONTROL_CHARACTERS = "control_characters"
    HIDDEN_CHARACTERS = "hidden_characters"
    HAS_MEDIA = "has_media"
    SEVERAL_PEOPLE = "several_people"
    NO_OPEN_INCIDENT = "no_open_incident"
    WANTS_TO_REGISTER = "wants_to_register"
    BAD_NUMBER = "bad_number"
    PERHAPS_A_PROGRAM = "perhaps_a_program"
    LAPSIT_OF_A_STRANGER = "lapsit_of_a_stranger"
    LAPSIT_NOT_FILED = "lapsit_not_filed"
    SENT_TWICE = "sent_twice"
    CODE_REFUSED = "code_refused"
    CODE_NOT_LOOKED_AT = "code_not_looked_at"


class State(StrEnum):
    """`received` until a task has looked; `unmatched` waits for a person; `handled` was read by one."""

    RECEIVED = "received"
    MATCHED = "matched"
    UNMATCHED = "unmatched"
    HANDLED = "handled"


ALLOWED: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.RECEIVED: frozenset({State.MATCHED, State.UNMATCHED}),
        State.MATCHED: frozenset({State.HANDLED}),
        State.UNMATCHED: frozenset({State.HANDLED}),
        State.HANDLED: frozenset(),
    }
)

SAFE_WORDS = frozenset({"1", "aman"})
HELP_WORDS = frozenset({"2", "tolong"})
OPT_OUT_WORDS = frozenset(
    {
        *("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "optout", "opt out", "revoke", "unreg"),
        *("berhenti", "berhenti sms", "stop sms", "berhenti berlangganan"),
    }
)
URGENT_WORD = re.compile(r"(?<!\w)(?:tolong\w*|help|sos|darurat|emergency)(?!\w)")
# Citizens know these two words from the service's register abroad; a person answers them.
REGISTER_WORDS = re.compile(r"(?<!\w)lapor\s+diri(?!\w)")
WHATSAPP_PREFIX = "whatsapp:"
BEGINS_WITH_TWO = re.compile(r"2(?!\d)")
TRAILING_MARKS = " .,!"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a message was taken, and what was odd about it."""

    understood: Understood
    flags: frozenset[Flag]

    @property
    def is_for_a_person(self) -> bool:
        return self.understood in (Understood.UNCLEAR, Understood.URGENT_UNREAD)


def understand(text: str, *, segments: int = 1, media: int = 0, carrier_opted_out: bool = False) -> Reading:
    """How to take a whole message.

    `segments` and `media` are counts the carrier reports; `carrier_opted_out` is its own word that it
    took the message for an opt-out (it then blocks the number whatever we think).
    """
    flags = _flags(text, segments, media)
    if carrier_opted_out:
        return Reading(Understood.OPT_OUT, flags)
    return Reading(_take(text, flags), flags)


def split_sender(sender: str) -> tuple[WayIn, str]:
    """The way and the number of what a carrier names as the sender: `whatsapp:+62…` is a number too."""
    if sender[: len(WHATSAPP_PREFIX)].lower() == WHATSAPP_PREFIX:
        return WayIn.WHATSAPP, sender[len(WHATSAPP_PREFIX) :].strip()
    return WayIn.SMS, sender


def is_opt_in(text: str) -> bool:
    """The words by which a carrier lets a number through again after STOP; only when they are the whole message."""
    return text.strip().strip(".!").casefold() in OPT_IN_WORDS


def is_urgent(text: str) -> bool:
    """Looks through disguises on purpose (NFKC, hidden characters): a call for help is read first, however written."""
    plain = unicodedata.normalize("NFKC", visible(text)).strip().casefold()
    return bool(URGENT_WORD.search(plain) or BEGINS_WITH_TWO.match(plain))


def check_move(state: State, to: State) -> None:
    """409 for a move that a message in this state does not know."""
    if to not in ALLOWED[state]:
        raise ConflictError(f"message_{state}", "The message was handled before, or nobody has looked whose it is yet.", state=state.value)


def _take(text: str, flags: frozenset[Flag]) -> Understood:
    whole = text.strip(" \t\r\n").casefold()
    # Anything hidden, cut off or attached means that what we see is not the whole message.
    is_whole = not flags & {Flag.HIDDEN_CHARACTERS, Flag.CONTROL_CHARACTERS, Flag.HAS_MEDIA, Flag.LONG}
    if is_whole and whole in SAFE_WORDS:
        return Understood.SAFE
    if is_whole and whole in HELP_WORDS:
        return Understood.NEED_HELP
    if is_whole and " ".join(whole.rstrip(TRAILING_MARKS).split()) in OPT_OUT_WORDS:
        return Understood.OPT_OUT
    return Understood.URGENT_UNREAD if is_urgent(text) else Understood.UNCLEAR


def _flags(text: str, segments: int, media: int) -> frozenset[Flag]:
    found = {
        Flag.EMPTY: not visible(text).strip(),
        Flag.LONG: len(text) > LONG_CHARACTERS or segments >= LONG_SEGMENTS,
        Flag.CONTROL_CHARACTERS: any(is_control(c) for c in text),
        Flag.HIDDEN_CHARACTERS: any(is_hidden(c) for c in text),
        Flag.HAS_MEDIA: media > 0,
        Flag.WANTS_TO_REGISTER: bool(REGISTER_WORDS.search(unicodedata.normalize("NFKC", visible(text)).casefold())),
    }
    return frozenset(flag for flag, is_set in found.items() if is_set)
