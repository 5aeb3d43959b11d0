"""What may be said of one person, on four independent axes, and what stands of it. Pure decisions.

*How the current state of an axis is derived.* Statements are read in the order of what they speak of
(`as_of`, then when we learnt it). A later one replaces the one that stands when

1. it is *worse news* (dead after injured, reported missing after reached), on whatever rung; or
2. it stands on the *same rung or a higher one* of the ladder of claims; or
3. the axis follows life itself (place, wish) and the news is of the same gravity.

Otherwise, that is for better news on a lower rung, the earlier one goes on standing and the later one
is shown beside it as `also_claimed`: alarm is quick, reassurance needs proof. "Not known" and "not
asked" replace nothing. A withdrawn statement counts for nothing from the moment the withdrawal was known.
The axes never look at each other: an evacuee may be injured, and a dead man may be "in hospital".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from alerts.incidents.rules import Claim, is_at_least
from alerts.kit.actor import Actor
from alerts.kit.errors import InvalidError
from alerts.staff.rules import Role


class Axis(StrEnum):
    """Four independent questions about one person."""

    CONDITION = "condition"
    CONTACT = "contact"
    PLACE = "place"
    WISH = "wish"


class Nationality(StrEnum):
    """Of one person; `unverified` until somebody has seen proof."""

    OWN = "own"
    OWN_CHILD_DUAL = "own_child_dual"
    FOREIGN_FAMILY = "foreign_family"
    FOREIGN_HELPED = "foreign_helped"
    UNVERIFIED = "unverified"


class Source(StrEnum):
    """Who says it; for a mission the statement also carries its code."""

    MISSION = "mission"
    MINISTRY = "ministry"
    HOST_STATE = "host_state"
    MEDIA = "media"
    FAMILY = "family"
    SELF = "self"


GRAVITY: Mapping[Axis, Mapping[str, int]] = MappingProxyType(
    {
        Axis.CONDITION: {
            "not_known": 0,
            "unhurt": 1,
            "lightly_injured": 2,
            "ill": 3,
            "seriously_injured": 4,
            "dead": 5,
        },
        Axis.CONTACT: {
            "reported": 1,
            "corroborated": 1,
            "contact_made": 1,
            "verified": 1,
            "unaccounted": 2,
            "reported_missing": 3,
        },
        Axis.PLACE: {
            "home": 1,
            "safe_third_place": 1,
            "in_place": 1,
            "sheltering": 1,
            "en_route": 1,
            "in_hospital": 2,
            "detained": 2,
            "trapped": 3,
        },
        Axis.WISH: {"not_asked": 0, "leave": 1, "stay": 1},
    }
)
"""The codes of each axis, and how grave each is. 0 says nothing at all."""

FOLLOWS_LIFE = frozenset({Axis.PLACE, Axis.WISH})
SEES_NAMES = frozenset({Role.DUTY_OFFICER, Role.MISSION_STAFF, Role.HEAD_OF_MISSION})


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the rules need it. `claim` is the rung on which it stands."""

    id: UUID
    axis: Axis
    value: str
    claim: Claim
    as_of: datetime
    known_at: datetime
    authority_confirmed: bool = False
    said_by: str = ""


@dataclass(frozen=True, slots=True)
class AxisState:
    """What stands on one axis, and a later, better claim that does not stand yet.

    `others`: the other statements of the same word, unbroken by another that stood between.
    """

    stands: Statement
    also_claimed: Statement | None = None
    others: frozenset[UUID] = frozenset()

    @property
    def finding(self) -> frozenset[UUID]:
        """Every statement on which what stands rests; something else that stood in between begins a new finding."""
        return self.others | {self.stands.id}


@dataclass(frozen=True, slots=True)
class PersonState:
    """One person and what stands of them at the moment asked about."""

    id: UUID
    citizen_id: UUID | None
    nationality: Nationality
    mission_code: str | None
    place_code: str | None
    state: Mapping[Axis, AxisState]


@dataclass(frozen=True, slots=True)
class Filed:
    """What a statement says and the rung on which it will stand."""

    value: str
    claim: Claim


def file_statement(axis: Axis, value: str, claim: Claim, *, has_contact: bool) -> Filed:
    """The value and rung on which a statement stands; 422 for a word that the axis does not know.

    "Contact made" without who, when and how stands as *reported*, on every axis; on the contact axis the
    value itself is the ladder. "Verified" is a claim of its own and names its basis elsewhere.
    """
    if value not in GRAVITY[axis]:
        known = ", ".join(GRAVITY[axis])
        raise InvalidError("unknown_value", f"On the axis {axis} a statement is one of: {known}.", field="value")
    if axis is Axis.CONTACT and value in set(Claim):
        claim = Claim(value)
    stands = Claim.REPORTED if claim is Claim.CONTACT_MADE and not has_contact else claim
    if axis is Axis.CONTACT and value in set(Claim):
        value = stands.value
    return Filed(value, stands)


def current(statements: Iterable[Statement], withdrawn: frozenset[UUID] = frozenset()) -> dict[Axis, AxisState]:
    """What stands on each axis; an axis of which nothing was said is absent. The order given does not matter."""
    states: dict[Axis, AxisState] = {}
    for said in sorted(statements, key=lambda each: (each.as_of, each.known_at, each.id)):
        if said.id not in withdrawn:
            states[said.axis] = _after(states.get(said.axis), said)
    return states


def sees_names(actor: Actor) -> bool:
    """Whether this role may read the name of somebody it may know of at all."""
    return actor.role in SEES_NAMES


def _after(state: AxisState | None, said: Statement) -> AxisState:
    if state is None:
        return AxisState(said)
    is_same = said.value == state.stands.value
    if _replaces(state.stands, said):
        return AxisState(said, others=state.finding if is_same else frozenset())
    if is_same:
        return replace(state, others=state.others | {said.id})
    return replace(state, also_claimed=said) if GRAVITY[said.axis][said.value] else state


def _replaces(stands: Statement, said: Statement) -> bool:
    gravity = GRAVITY[said.axis]
    before, after = gravity[stands.value], gravity[said.value]
    if not after:
        return not before
    if after > before or is_at_least(said.claim, stands.claim):
        return True
    return said.axis in FOLLOWS_LIFE and after == before
