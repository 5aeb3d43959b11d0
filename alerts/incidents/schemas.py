"""Wire types of incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from alerts.incidents.rules import (
    Certainty,
    Kind,
    LevelBasis,
    ListKind,
    Severity,
    SiagaLevel,
    State,
    Status,
    Urgency,
)
from alerts.kit.http import View, Wire
from alerts.missions.rules import Basis
from alerts.missions.rules import Role as Part
from alerts.places import AreaKind, AreaSpec, area_from

Name = Annotated[str, Field(min_length=1, max_length=200)]
QuietReason = Annotated[str, Field(min_length=3, max_length=500)]
LIST_MEMBERS_MAX = 20_000


class CircleIn(Wire):
    """Everything within `radius_km` of a point, in decimal degrees."""

    lat: float
    lon: float
    radius_km: float


class PolygonIn(Wire):
    """A closed ring of [lat, lon] corners, latitude first as in CAP; the last repeats the first."""

    points: Annotated[list[tuple[float, float]], Field(max_length=1_000)]


class AreaIn(Wire):
    """One area: `code` for a country (ISO 3166-1 alpha-2) or a province (ISO 3166-2), else `geometry`.

    `level_basis` is for those who write a level down on somebody's word.
    """

    kind: AreaKind
    code: Annotated[str, Field(max_length=10)] | None = None
    geometry: CircleIn | PolygonIn | None = None
    name: Name | None = None
    siaga_level: SiagaLevel | None = None
    level_basis: LevelBasis | None = None

    def spec(self) -> AreaSpec:
        """The checked area; 422 naming `kind`, `code` or `geometry`."""
        geometry = None if self.geometry is None else self.geometry.model_dump()
        return area_from(kind=self.kind, code=self.code, geometry=geometry)


class ListIn(Wire):
    """People named one by one: a flight, a ship or a group, as `source` gave them in `version`."""

    kind: ListKind
    name: Name
    source: Name
    version: Annotated[str, Field(min_length=1, max_length=60)]
    members: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(max_length=LIST_MEMBERS_MAX, description="external ids of the register; unknown ones are kept and counted"),
    ]


class LevelIn(Wire):
    """The Siaga level of one area; null takes it away."""

    area_id: UUID
    siaga_level: SiagaLevel | None
    level_basis: LevelBasis | None = None


Areas = Annotated[list[AreaIn], Field(max_length=200)]
Lists = Annotated[list[ListIn], Field(max_length=20)]


class IncidentOpen(Wire):
    """What is known in the first minute. At least one area or one list."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "earthquake",
                    "title": "Gempa bumi di Türkiye selatan",
                    "status": "Actual",
                    "urgency": "Immediate",
                    "severity": "Extreme",
                    "certainty": "Observed",
                    "occurred_at": "2023-02-06T04:17:00+03:00",
                    "areas": [{"kind": "country", "code": "TR", "siaga_level": "III", "level_basis": "minister"}],
                }
            ]
        }
    )

    kind: Kind
    title: Name
    status: Status = Status.ACTUAL
    urgency: Urgency = Urgency.UNKNOWN
    severity: Severity = Severity.UNKNOWN
    certainty: Certainty = Certainty.UNKNOWN
    occurred_at: AwareDatetime
    is_replayed: bool = Field(default=False, description="a past crisis played again: pages say so")
    is_quiet: bool = Field(default=False, description="attackers may hear a phone: no call, no sound, no repeats, neutral first words")
    quiet_reason: QuietReason | None = Field(default=None, description="needed with `is_quiet`")
    areas: Annotated[Areas, Field(default_factory=list)]
    lists: Annotated[Lists, Field(default_factory=list)]

    @model_validator(mode="after")
    def _quiet_has_a_reason(self) -> Self:
        if self.is_quiet and self.quiet_reason is None:
            raise ValueError("quiet_reason is needed: say why the incident is quiet")
        return self


class IncidentChange(Wire):
    """Only what is given changes. `areas` and `lists` replace the whole set; areas that stay keep their id and level."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"severity": "Severe", "areas": [{"kind": "province", "code": "TR-31"}, {"kind": "province", "code": "TR-27"}]}]
        }
    )

    kind: Kind | None = None
    title: Name | None = None
    urgency: Urgency | None = None
    severity: Severity | None = None
    certainty: Certainty | None = None
    occurred_at: AwareDatetime | None = None
    is_quiet: bool | None = Field(default=None, description="with `quiet_reason`; a head of mission may set it, not take it away")
    quiet_reason: QuietReason | None = None
    areas: Areas | None = None
    lists: Lists | None = None
    levels: Annotated[list[LevelIn], Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _nothing_is_emptied(self) -> Self:
        for name in self.model_fields_set:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be taken away; leave it out")
        if (self.is_quiet is None) != (self.quiet_reason is None):
            raise ValueError("is_quiet and quiet_reason come together: say why")
        return self

    @property
    def is_hush_only(self) -> bool:
        """Whether nothing is done but to make the incident quiet: what the minister and heads of mission may do at once."""
        return self.is_quiet is True and self.model_fields_set <= {"is_quiet", "quiet_reason"}

    @property
    def is_level_only(self) -> bool:
        """Whether nothing but levels is touched: what the minister and heads of mission may do."""
        return self.model_fields_set <= {"levels"}


class Reason(Wire):
    """Why, in a person's words; kept in the log."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Semua WNI terdata; operasi selesai."}]})

    reason: Annotated[str, Field(min_length=3, max_length=500)]


class TakeOver(Wire):
    """The ministry takes an incident on that a mission opened. `reason` where there is something to say."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Dampak lintas negara; dipimpin pusat."}]})

    reason: Annotated[str, Field(min_length=3, max_length=500)] | None = None


class MergeInto(Wire):
    """The open incident that goes on in place of this one, and why they are the same."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"into": "01998d5e-0000-7000-8000-000000000001", "reason": "Gempa yang sama, dibuka dua kali."}]}
    )

    into: UUID
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class AreaView(View):
    """One current area and its level, with who set it and when."""

    id: UUID
    kind: AreaKind
    code: str | None
    name: str
    geometry: dict[str, Any] | None
    siaga_level: SiagaLevel | None
    level_basis: LevelBasis | None
    level_set_by: str | None
    level_set_at: datetime | None


class ListView(View):
    """`unmatched` counts external ids that the register does not know."""

    id: UUID
    kind: ListKind
    name: str
    source: str
    version: str
    members: int
    unmatched: int


class MissionView(View):
    """`part`: whether it acts or is only informed. `is_assumed`: the relation to a place has no source of its own."""

    mission_code: str
    part: Part
    basis: Basis
    is_assumed: bool
    places: list[str]


class IncidentSummaryView(View):
    """An incident as lists show it."""

    id: UUID
    kind: Kind
    title: str
    status: Status
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    occurred_at: datetime
    opened_at: datetime
    opened_by: str
    state: State
    version: int
    is_replayed: bool
    sms_code: str | None = Field(description="how a situation report by text message calls it: LAPSIT <code> …")
    is_quiet: bool = Field(description="no voice, no sound, no repeats, neutral first words; texts are in no list and no export")


class IncidentView(IncidentSummaryView):
    """An incident with where it is and who answers for it. An empty `missions` says: none is known.

    `lead_by`: who of the ministry took it over. `merged_into`: the incident that goes on in its place.
    """

    quiet_reason: str | None
    quiet_set_by: str | None
    quiet_set_at: datetime | None
    lead_by: str | None
    lead_at: datetime | None
    merged_into: UUID | None
    merged_at: datetime | None
    areas: list[AreaView]
    lists: list[ListView]
    missions: list[MissionView]


class ActionView(View):
    """One line of the log: who did what, when. Ids and codes only."""

    id: UUID
    at: datetime
    actor: str
    role: str
    via: str
    action: str
    subject_kind: str | None
    subject_id: str | None
    detail: dict[str, object]
