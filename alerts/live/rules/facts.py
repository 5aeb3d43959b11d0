"""What a sheet is made of: rows as the loader hands them over. Counts are already those known at the asked time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from alerts.incidents.rules import SiagaLevel
from alerts.live.rules.agreement import Agreement
from alerts.live.schemas import CrewLine, FamiliesAsking, Reach, Register, Spoken
from alerts.people.deaths.rules import Death
from alerts.reports.chasing.rules import Said
from alerts.reports.rules.codes import Category, NeedState, Outcome, Target
from alerts.reports.rules.guards import Problem
from alerts.reports.rules.standing import FiledLine, FiledReport


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """The incident. `places` are the codes of its countries and provinces; other areas have only `area_names`.

    `levels`: an area's code or name, and its Siaga level.
    """

    id: UUID
    title: str
    kind: str
    status: str
    state: str
    urgency: str
    severity: str
    occurred_at: datetime
    opened_at: datetime
    is_replayed: bool
    places: tuple[str, ...] = ()
    area_names: tuple[str, ...] = ()
    levels: tuple[tuple[str, SiagaLevel], ...] = ()


@dataclass(frozen=True, slots=True)
class MissionFacts:
    """A mission that answers for places of the incident, when its first report is due, and what was said of its clock by whom."""

    code: str
    name: str
    basis: str
    is_assumed: bool
    places: tuple[str, ...]
    report_due_at: datetime | None
    words: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """One check of one report: whom somebody asked, and how far they came."""

    report: FiledReport
    position: int
    target: Target
    name: str
    places: tuple[str, ...]
    outcome: Outcome
    at: datetime | None = None
    by: str | None = None
    answer: str | None = None
    found: int | None = None


@dataclass(frozen=True, slots=True)
class NeedFacts:
    """One need of one report. `how_many` is in the words of the filer."""

    report: FiledReport
    position: int
    what: str
    how_many: str | None
    by_when: datetime | None
    state: NeedState


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """Where people stand by their own answers. `safe_contacted` of `safe` have staff behind them."""

    answered: int = 0
    safe: int = 0
    safe_contacted: int = 0
    need_help: int = 0
    need_help_says_safe: int = 0
    other: int = 0


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """Everything a sheet is computed from. Reports and lines may be more than were known: the rules choose.

    `named` are own citizens; `possible_deaths` are the named dead of whom nobody knows that they are foreign; `deaths` are all
    the named dead, with what stands of their publication. `told_dead` is the number of confirmed deaths that the public was told.
    """

    incident: IncidentFacts
    missions: tuple[MissionFacts, ...] = ()
    reports: tuple[FiledReport, ...] = ()
    lines: tuple[FiledLine, ...] = ()
    checks: tuple[CheckFacts, ...] = ()
    needs: tuple[NeedFacts, ...] = ()
    register: Register | None = None
    reach: tuple[Reach, ...] = ()
    answers: AnswerFacts = AnswerFacts()
    counted_at: datetime | None = None
    named: Mapping[Category, int] = field(default_factory=lambda: MappingProxyType({}))
    possible_deaths: int = 0
    deaths: tuple[Death, ...] = ()
    told_dead: Spoken | None = None
    agreement: Agreement = field(default_factory=Agreement)
    help_cases: int | None = None
    families: FamiliesAsking = field(default_factory=FamiliesAsking)
    problems: Mapping[UUID, tuple[Problem, ...]] = field(default_factory=lambda: MappingProxyType({}))
    crew: tuple[CrewLine, ...] = ()
    resolutions: Mapping[str, UUID] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def publishable_deaths(self) -> tuple[Death, ...]:
        """The deaths that may be published: confirmed, and the family told or decided about."""
        return tuple(death for death in self.deaths if death.standing.is_publishable)

    @property
    def mission_names(self) -> dict[str, str]:
        return {mission.code: mission.name for mission in self.missions}
