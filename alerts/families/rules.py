"""What a family's enquiry may be, which moves it knows, and what a caller may be told. Pure decisions.

An enquiry makes nobody missing: it says that somebody asks. A caller is told only what the person themselves allowed, to one of
our staff who spoke with them, and only while nothing worse is known since. Everybody else hears that we have their question and
will call. Of a death nobody hears by this way at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from alerts.citizens.rules import fold_name
from alerts.kit.errors import ConflictError
from alerts.kit.ids import CODE_LETTERS

REFERENCE_LETTERS = 6
NAME_MAX, WORDS_MAX = 200, 2_000


class EnquiryState(StrEnum):
    """How far an enquiry has come."""

    OPEN = "open"
    IN_HAND = "in_hand"
    CLOSED = "closed"


class Relation(StrEnum):
    """What the caller is to the person sought."""

    PARENT = "parent"
    SPOUSE = "spouse"
    CHILD = "child"
    SIBLING = "sibling"
    OTHER_FAMILY = "other_family"
    FRIEND = "friend"
    EMPLOYER = "employer"
    OTHER = "other"


class EntryKind(StrEnum):
    """What one line of an enquiry's history is."""

    NOTED = "noted"
    MOVED = "moved"
    ASSIGNED = "assigned"
    RECOGNISED = "recognised"
    JOINED = "joined"
    SEPARATED = "separated"
    PERMITTED = "permitted"
    TOLD = "told"


class Tell(StrEnum):
    """What a person may allow us to tell those who ask."""

    REACHED = "reached"
    SAFE = "safe"
    PLACE = "place"
    MESSAGE = "message"


ALLOWED: Mapping[EnquiryState, frozenset[EnquiryState]] = MappingProxyType(
    {
        EnquiryState.OPEN: frozenset({EnquiryState.IN_HAND, EnquiryState.CLOSED}),
        EnquiryState.IN_HAND: frozenset({EnquiryState.OPEN, EnquiryState.CLOSED}),
        EnquiryState.CLOSED: frozenset({EnquiryState.OPEN}),
    }
)


@dataclass(frozen=True, slots=True)
class Known:
    """What else is known of the person sought, as far as it forbids to pass anything on.

    `is_possibly_dead`: anybody at all says so. `worse_at`: the newest word of something bad (a call for help, an injury).
    """

    is_possibly_dead: bool = False
    worse_at: datetime | None = None


def may_tell(allowed: Collection[Tell], contacted_at: datetime | None, known: Known) -> tuple[Tell, ...]:
    """What the caller may hear now, in the order of saying it; empty: only that we have the question and will call."""
    if contacted_at is None or known.is_possibly_dead:
        return ()
    if known.worse_at is not None and known.worse_at >= contacted_at.replace(second=0, microsecond=0):
        return ()
    return tuple(each for each in Tell if each in allowed)


@dataclass(frozen=True, slots=True)
class Described:
    """Whom a caller asked after, as far as that tells people apart."""

    name: str
    phone_index: bytes | None = None
    place_code: str | None = None


def is_surely_the_same(one: Described, other: Described) -> bool:
    """Whether two calls of one caller are about one person, so that nobody has to be asked.

    The name is said alike to the letter (twins are called alike, and parents: a near name is for a person to decide), and neither
    number nor place contradicts it.
    """
    pairs = ((one.phone_index, other.phone_index), (one.place_code, other.place_code))
    return fold_name(one.name) == fold_name(other.name) and all(a is None or b is None or a == b for a, b in pairs)


def check_move(state: EnquiryState, to: EnquiryState) -> None:
    """409 for a move that the state does not know."""
    if to not in ALLOWED[state]:
        raise ConflictError(f"enquiry_{state}", "This enquiry is not in a state that allows this.", state=state.value)


def check_join(one: object, into: object, *, are_of_one_incident: bool, is_joined: bool) -> None:
    """409 for two that cannot be one: the same one, of two events, or one that belongs to another already."""
    if one == into or not are_of_one_incident:
        raise ConflictError("cannot_join", "These two enquiries cannot be one.")
    if is_joined:
        raise ConflictError("joined_already", "This enquiry belongs to another already: separate it first.")


def new_reference() -> str:
    """What the caller writes down: `k7m-2qp`. It says nothing, opens nothing, and is asked for on the next call."""
    letters = [secrets.choice(CODE_LETTERS) for _ in range(REFERENCE_LETTERS)]
    return f"{''.join(letters[:3])}-{''.join(letters[3:])}"


def fold_reference(typed: str) -> str | None:
    """A reference as it is kept, from however it was read out; None for what is none."""
    letters = [letter for letter in typed.casefold() if letter.isalnum()]
    if len(letters) != REFERENCE_LETTERS or any(letter not in CODE_LETTERS for letter in letters):
        return None
    return f"{''.join(letters[:3])}-{''.join(letters[3:])}"
