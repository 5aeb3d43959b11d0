"""What must be on record before a death may leave the building. Pure decisions.

A death is publishable while three things hold together: it stands on the person's record; the host authority or the victim
identification (DVI) confirmed it, or, where none functions, the head of the mission signed the identification; and the next of
kin were told, or the minister decided that they could not be found in time. Nothing here publishes: it says what may be.

A step belongs to the finding for which it was made. When that is taken back, or something else stood since, its steps count for
nothing in a later finding: another body, another identification, another word to the family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from alerts.kit.actor import Actor, Via
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.people.rules import AxisState, Nationality, Statement
from alerts.staff.rules import Role

PLACE_TELLS_BELOW = 500
"""Where fewer of ours are registered than this, place and initials together say who it is."""


class Step(StrEnum):
    """What one row records on the way to publication, or (`withdrawn`) takes back."""

    CONFIRMED = "confirmed"
    KIN_TOLD = "kin_told"
    KIN_NOT_FOUND = "kin_not_found"
    INITIALS = "initials"
    WITHDRAWN = "withdrawn"


class Basis(StrEnum):
    """On whose word somebody is known to be dead."""

    HOST_AUTHORITY = "host_authority"
    DVI = "dvi"
    HEAD_OF_MISSION = "head_of_mission"


class Missing(StrEnum):
    """What still stands between a possible death and its publication."""

    DEATH = "death"
    CONFIRMATION = "confirmation"
    KIN = "kin"


KIN = (Step.KIN_TOLD, Step.KIN_NOT_FOUND)
OF: Mapping[Step, str] = MappingProxyType({Step.CONFIRMED: "confirmation", **dict.fromkeys(KIN, "kin"), Step.INITIALS: "initials"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """One row as the rules need it. `finding_id`: the statement "dead" that stood when it was made."""

    id: UUID
    step: Step
    basis: Basis | None
    said_by: str
    as_of: datetime
    known_at: datetime
    withdraws: UUID | None = None
    finding_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of one possible death: the newest row of each sort, made for this finding, that nobody took back.

    `finding_id`: the statement that says dead; None: nobody's word stands that they are.
    """

    finding_id: UUID | None
    confirmation: Recorded | None = None
    kin: Recorded | None = None
    initials: Recorded | None = None

    @property
    def is_dead(self) -> bool:
        return self.finding_id is not None

    @property
    def missing(self) -> tuple[Missing, ...]:
        """In the order in which people go about it; empty when it may be published."""
        wants = ((self.is_dead, Missing.DEATH), (self.confirmation, Missing.CONFIRMATION), (self.kin, Missing.KIN))
        return tuple(name for there, name in wants if not there)

    @property
    def is_publishable(self) -> bool:
        return not self.missing


@dataclass(frozen=True, slots=True)
class Death:
    """A person of whom somebody says that they are dead, and what stands of it."""

    person_id: UUID
    nationality: Nationality
    mission_code: str | None
    place_code: str | None
    said: Statement
    standing: Standing


def stand(rows: Iterable[Recorded], said: AxisState | None) -> Standing:
    """What stands; the order given does not matter. A row taken back, or of another finding, counts for nothing.

    `said`: what stands of the person's condition, where it is that they are dead.
    """
    finding = said.finding if said is not None else frozenset()
    every = sorted(rows, key=lambda row: (row.known_at, row.id))
    withdrawn = {row.withdraws for row in every if row.withdraws is not None}
    newest = {OF[row.step]: row for row in every if row.step in OF and row.id not in withdrawn and row.finding_id in finding}
    return Standing(said.stands.id if said else None, newest.get("confirmation"), newest.get("kin"), newest.get("initials"))


def check_step(actor: Actor, step: Step, basis: Basis | None, *, is_dead: bool) -> None:
    """Whether this actor may record this. 403: another's signature; 409: nobody says that the person is dead; 422: no basis."""
    if not is_dead:
        raise ConflictError("not_said_dead", "Nobody says that this person is dead: say it first, with its source.")
    if (step is Step.CONFIRMED) != (basis is not None):
        raise InvalidError("basis_missing", "A confirmation names its basis, and nothing else has one.", field="basis")
    if basis is Basis.HEAD_OF_MISSION:
        _check_signature(actor, Role.HEAD_OF_MISSION, "Only the head of the mission, signed in, signs an identification.")
    if step is Step.KIN_NOT_FOUND:
        _check_signature(actor, Role.MINISTER, "Only the minister, signed in, decides that the family could not be found in time.")


def check_initials(*, of_ours_there: int | None, is_of_a_group: bool) -> None:
    """409 where initials would say who it is: a place with few of ours or none known, or a group that is known by its names."""
    if is_of_a_group:
        raise ConflictError("initials_identify", "The group is known by its names: initials would say who it is.")
    if of_ours_there is None or of_ours_there < PLACE_TELLS_BELOW:
        raise ConflictError("initials_identify", "Too few of ours are known there: place and initials would say who it is.")


def initials_of(name: str) -> str | None:
    """`S. C.`; None for a name without a letter."""
    letters = [word[0].upper() for word in name.split() if word[0].isalpha()]
    return " ".join(f"{letter}." for letter in letters[:4]) or None


def _check_signature(actor: Actor, role: Role, sentence: str) -> None:
    if actor.role != role or actor.via is not Via.SESSION:
        raise ForbiddenError("signature_of_another", sentence)
