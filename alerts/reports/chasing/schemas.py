"""Wire types of the board of missions, and of what is said of a mission's clock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from alerts.incidents.rules import Severity, Status
from alerts.kit.http import View, Wire
from alerts.missions.rules import Role as Part
from alerts.reports.chasing.rules import Basis, Chaser
from alerts.reports.rules.codes import Axis, Target

REASON_MAX = 500
MINUTES_MAX = 100_000


class SnoozeIn(Wire):
    """Nobody is asked for so many minutes from now, and why. At most as long as the settings allow."""

    model_config = ConfigDict(json_schema_extra={"example": {"minutes": 60, "reason": "Konvoi sedang di jalan, tanpa sinyal."}})

    minutes: int = Field(ge=1, le=MINUTES_MAX)
    reason: str = Field(min_length=3, max_length=REASON_MAX)


class CoverIn(Wire):
    """The mission that reports instead, and why. It is asked from now on; one that is not involved is brought in."""

    model_config = ConfigDict(json_schema_extra={"example": {"mission_code": "kbri-muscat", "reason": "KBRI terkena serangan."}})

    mission_code: str = Field(min_length=1, max_length=60)
    reason: str = Field(min_length=3, max_length=REASON_MAX)


class CompletenessView(View):
    """What the mission has said so far, `done` of `of`: of itself, on which axes, and which kinds of places it has tried to ask."""

    done: int
    of: int
    has_status: bool
    axes: dict[Axis, bool]
    asked: dict[Target, bool] = Field(description="kinds of places of which at least one was tried")


class ChaserView(View):
    """Where the chasing stands. `since`, `until`, `reason` and `by_name` are those of the word on which it rests.

    `rounds`: how often the mission's page has gone out; its steps are duty phone, call, head of mission, ministry.
    """

    state: Chaser
    since: datetime | None = None
    until: datetime | None = None
    covered_by: str | None = None
    covered_by_name: str | None = None
    reason: str | None = None
    by_name: str | None = None
    rounds: int = 0


class MissionReportingView(View):
    """One mission in one incident: its last report, how complete what it said is, its clock and its chaser.

    `due_basis`: the incident's clock for the first report, the time the mission promised, or the severity's interval.
    `covers`: missions for which it stands in.
    """

    incident_id: UUID
    incident_title: str
    status: Status
    severity: Severity
    is_quiet: bool
    mission_code: str
    mission_name: str
    part: Part
    is_by_word: bool = Field(description="brought in to stand in for another, by somebody's word")
    reports: int
    last_report_id: UUID | None
    last_report_as_of: datetime | None
    last_report_known_at: datetime | None
    completeness: CompletenessView
    due_at: datetime | None
    due_basis: Basis | None
    is_overdue: bool
    chaser: ChaserView
    covers: list[str]


class MissionBoard(View):
    """Missions of open incidents, whoever must act first on top. `states` counts them by chaser, whatever the filter."""

    states: dict[Chaser, int]
    items: list[MissionReportingView]
