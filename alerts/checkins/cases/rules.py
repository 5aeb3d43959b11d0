"""Which mission owns a call for help, which moves a case knows, and what may be told to whoever asked. Pure decisions.

A case is closed only by somebody of the staff who made contact and says with whom, when and how: phones are lent and
caller ids forged, so a later "safe" by a link, a message or a keypress stands beside the call and waits for a person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from alerts.checkins.rules import Answer, Contact
from alerts.incidents.rules import Claim, is_at_least
from alerts.kit.errors import ConflictError, InvalidError
from alerts.missions.rules import Basis, Responsibility, Role

NOTE_CHARACTERS = 2_000


class CaseState(StrEnum):
    """How far a call for help has come. `referred`: handed to somebody else who can help, with our contact."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    BEING_HELPED = "being_helped"
    RESOLVED = "resolved"
    REFERRED = "referred"


class EntryKind(StrEnum):
    """What one line of a case's history is."""

    RAISED = "raised"
    CLAIM = "claim"
    SAYS_SAFE = "says_safe"
    NOTE = "note"
    MOVED = "moved"
    ASSIGNED = "assigned"


CURRENT = frozenset({CaseState.OPEN, CaseState.ACKNOWLEDGED, CaseState.BEING_HELPED})
CLOSED = frozenset(CaseState) - CURRENT
# Help that has stopped is said to have stopped: the citizen is told from this state.
ALLOWED: Mapping[CaseState, frozenset[CaseState]] = MappingProxyType(
    {
        CaseState.OPEN: frozenset({CaseState.ACKNOWLEDGED, CaseState.BEING_HELPED, *CLOSED}),
        CaseState.ACKNOWLEDGED: frozenset({CaseState.BEING_HELPED, *CLOSED}),
        CaseState.BEING_HELPED: frozenset({CaseState.ACKNOWLEDGED, *CLOSED}),
        CaseState.RESOLVED: frozenset(),
        CaseState.REFERRED: frozenset(),
    }
)


class Heard(StrEnum):
    """What one more answer does to the case of whoever gives it."""

    RAISES = "raises"
    ADDS = "adds"
    SAYS_SAFE = "says_safe"
    CLOSES = "closes"


@dataclass(frozen=True, slots=True)
class Owner:
    """The mission that has the case; None: the ministry's crisis centre. `is_assumed`: nothing says that it is theirs."""

    mission_code: str | None
    is_assumed: bool = False


def hear(answer: Answer, rung: Claim, *, contacted_at: datetime | None, last_call_at: datetime | None) -> Heard | None:
    """What an answer means for the open case whose last call for help came at `last_call_at` (None: there is no case).

    Only a contact made by staff *after* the last call closes it (to the minute: that is how people write times down).
    None: nothing is to be done.
    """
    if answer is Answer.NEED_HELP:
        return Heard.RAISES if last_call_at is None else Heard.ADDS
    if last_call_at is None:
        return None
    if answer is Answer.OTHER:
        return Heard.ADDS
    is_after = contacted_at is not None and contacted_at >= last_call_at.replace(second=0, microsecond=0)
    return Heard.CLOSES if is_at_least(rung, Claim.CONTACT_MADE) and is_after else Heard.SAYS_SAFE


def check_move(state: CaseState, to: CaseState, contact: Contact | None) -> None:
    """409 for a move that the state does not know; 422 for closing without who, when and how."""
    if to not in ALLOWED[state]:
        raise ConflictError(f"case_{state}", "This call for help is not in a state that allows this.", state=state.value)
    if to in CLOSED and contact is None:
        raise InvalidError("contact_needed", "Only somebody who made contact closes it: say who, when and how.", field="contact")


def check_contact_after_call(contact: Contact, last_call_at: datetime) -> None:
    """422 for a contact that was made before the person (last) called for help: it says nothing about this call."""
    if contact.when < last_call_at.replace(second=0, microsecond=0):
        raise InvalidError("contact_before_call", "This contact was made before the last call for help.", field="contact.when")


def choose_owner(of_place: Sequence[Responsibility], of_incident: Sequence[Responsibility]) -> Owner:
    """Who has the case, from those who answer for the person's place and those who act in the incident.

    The mission that acts for the person's place, first one that is in the incident too. Where nobody is known to, or the
    place is not known: the incident's mission, if there is exactly one of the strongest kind (assumed). Else the ministry.
    """
    acting = [part for part in of_place if part.role is Role.ACTS]
    in_incident = {part.mission_code for part in of_incident}
    both = [part for part in acting if part.mission_code in in_incident]
    if both:
        first = _strongest(both)[0]
        return Owner(first.mission_code, first.is_assumed)
    elsewhere = _strongest([part for part in of_incident if part.role is Role.ACTS])
    if len({part.mission_code for part in elsewhere}) == 1:
        return Owner(elsewhere[0].mission_code, is_assumed=True)
    if acting and not of_incident:
        first = _strongest(acting)[0]
        return Owner(first.mission_code, first.is_assumed)
    return Owner(None)


def _strongest(parts: Collection[Responsibility]) -> list[Responsibility]:
    """For a province its consulate; for a whole country the embassy, since a consulate acts in its own district only."""
    ranks = {id(part): _rank(part) for part in parts}
    best = min(ranks.values(), default=0)
    return [part for part in parts if ranks[id(part)] == best]


def _rank(part: Responsibility) -> int:
    order = (Basis.ACCREDITATION, Basis.COVER, Basis.DISTRICT) if len(part.place) == 2 else tuple(Basis)
    return order.index(part.basis)
