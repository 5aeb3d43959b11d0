"""Loading what a sheet is made of, in a fixed number of statements; stored snapshots; the minute series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident, IncidentArea, IncidentMission
from alerts.incidents.queries import Past, past_of
from alerts.incidents.rules import SiagaLevel
from alerts.kit.clock import db_now
from alerts.live.counting import Counted, count, find_kept
from alerts.live.models import FigureMinute, Snapshot
from alerts.live.people import count_help_cases, read_agreement, read_families
from alerts.live.rules.facts import CheckFacts, IncidentFacts, MissionFacts, NeedFacts, SheetFacts
from alerts.live.rules.sentence import CONFIRMED_DEAD
from alerts.live.rules.sheet import build_sheet
from alerts.live.rules.totals import maximal
from alerts.live.schemas import AnswerSheet, CrewLine, MinutePoint, Register, Spoken
from alerts.missions.queries import mission_names
from alerts.notices.crew.queries import list_slots
from alerts.notices.crew.rules import NAMES
from alerts.people.deaths.queries import deaths_among
from alerts.people.queries import Moment, TallyRow, standings, tally_of
from alerts.people.rules import Axis, Nationality
from alerts.places import touched_places
from alerts.reports.chasing.queries import said_by_name
from alerts.reports.models import ReportCheck
from alerts.reports.queries import Filed, await_filings, load_filed
from alerts.reports.rules.codes import Category
from alerts.reports.rules.filed import FiledReport
from alerts.statements.queries import find_told_figure

NAMED_AS = {
    (Axis.CONDITION, "dead"): (Category.DEAD,),
    (Axis.CONDITION, "seriously_injured"): (Category.SERIOUSLY_INJURED, Category.INJURED),
    (Axis.CONDITION, "lightly_injured"): (Category.LIGHTLY_INJURED, Category.INJURED),
    (Axis.CONDITION, "ill"): (Category.ILL,),
    (Axis.CONTACT, "unaccounted"): (Category.UNACCOUNTED,),
    (Axis.CONTACT, "reported_missing"): (Category.MISSING,),
    (Axis.PLACE, "in_hospital"): (Category.IN_HOSPITAL,),
}
OWN = (Nationality.OWN, Nationality.OWN_CHILD_DUAL)
FOREIGN = (Nationality.FOREIGN_FAMILY, Nationality.FOREIGN_HELPED)
SERIES_POINTS_MAX = 20_000
FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """The two times of a question. None means now; `known_at` None also means: count the register anew."""

    as_of: datetime | None = None
    known_at: datetime | None = None


NOW = Asked()


class _At(NamedTuple):
    """A question's moments. `heard_by`: what receipts and answers had come by then; `is_now`: the register is counted, not remembered."""

    as_of: datetime
    known_at: datetime
    heard_by: datetime
    is_now: bool


def load_sheet(session: Session, incident: Incident, asked: Asked = NOW) -> AnswerSheet:
    """The sheet of an incident for two times, computed from the tables.

    Waits for a filing that is half done, so that the same question about the past has the same answer later. Of now, what is
    dear to count is as old as the last count of it (`counting`).
    """
    at = _moment(session, incident, asked)
    areas = _areas(session, incident.id, at.known_at)
    kept = find_kept(session, incident.id, areas, at.known_at) if asked == NOW else None
    return _build(session, incident, at, areas, kept=kept)[0]


def recount_sheet(session: Session, incident: Incident) -> tuple[AnswerSheet, Counted]:
    """The sheet of now with everything counted anew, and the counts: for whoever keeps them."""
    at = _moment(session, incident, NOW)
    return _build(session, incident, at, _areas(session, incident.id, at.known_at))


def _moment(session: Session, incident: Incident, asked: Asked) -> _At:
    """What is asked about, after any filing that is half done."""
    await_filings(session, incident.id)
    now = db_now(session)
    known_at = min(asked.known_at or now, now)
    as_of = asked.as_of or now
    # Messages and answers have real times; those of a replayed crisis do not.
    heard_by = known_at if incident.is_replayed else min(as_of, known_at)
    return _At(as_of, known_at, heard_by, is_now=asked.known_at is None)


def _build(
    session: Session, incident: Incident, at: _At, areas: list[IncidentArea], *, kept: Counted | None = None
) -> tuple[AnswerSheet, Counted]:
    counted = kept or count(session, incident, areas, as_of=at.as_of, heard_by=at.heard_by, is_now=at.is_now)
    return build_sheet(_load_facts(session, incident, areas, counted, at=at), at.as_of, at.known_at), counted


def latest_snapshot(session: Session, incident_id: UUID, *, known_at: datetime | None = None) -> Snapshot | None:
    """The newest stored version, or the newest that existed at `known_at`."""
    query = select(Snapshot).where(Snapshot.incident_id == incident_id).order_by(Snapshot.version.desc()).limit(1)
    if known_at is not None:
        query = query.where(Snapshot.created_at <= known_at)
    return session.scalars(query).one_or_none()


def latest_versions(session: Session, incident_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The newest version number of each incident that has any."""
    newest = func.max(Snapshot.version)
    query = select(Snapshot.incident_id, newest).where(Snapshot.incident_id.in_(list(incident_ids))).group_by(Snapshot.incident_id)
    return {row[0]: row[1] for row in session.execute(query)}


def find_snapshot(session: Session, incident_id: UUID, version: int) -> Snapshot | None:
    """One stored version."""
    return session.get(Snapshot, (incident_id, version))


def sheet_of(snapshot: Snapshot) -> AnswerSheet:
    """A stored version as a sheet, with its number."""
    return AnswerSheet.model_validate(snapshot.content | {"version": snapshot.version})


def minute_series(session: Session, incident_id: UUID, *, since: datetime | None = None) -> list[MinutePoint]:
    """The main figures minute by minute, oldest first; a missing minute has the value before it."""
    query = select(FigureMinute).where(FigureMinute.incident_id == incident_id)
    if since is not None:
        query = query.where(FigureMinute.minute >= since)
    rows = session.scalars(query.order_by(FigureMinute.minute, FigureMinute.figure).limit(SERIES_POINTS_MAX))
    return [MinutePoint(minute=row.minute, figure=row.figure, value=row.value) for row in rows]


def _load_facts(session: Session, incident: Incident, areas: list[IncidentArea], counted: Counted, *, at: _At) -> SheetFacts:
    filed = load_filed(session, incident.id, at.known_at)
    past = past_of(session, incident.id, at.known_at)
    moment = Moment(as_of=at.as_of, known_at=at.known_at)
    people = standings(session, incident.id, moment)
    named = tally_of(people)
    return SheetFacts(
        incident=_incident_facts(incident, areas, past),
        missions=_missions(session, incident, at, past),
        reports=tuple(filed.reports),
        lines=tuple(filed.lines),
        checks=tuple(check_facts(report, check) for report, check in filed.checks),
        needs=tuple(_needs(filed)),
        register=counted.register if at.is_now else _register_then(session, incident.id, at.known_at),
        reach=counted.reach,
        answers=counted.answers,
        counted_at=counted.counted_at,
        named=_named(named),
        possible_deaths=_possible_deaths(named),
        deaths=tuple(deaths_among(session, people, moment)),
        told_dead=_told_dead(session, incident.id, at.heard_by),
        agreement=read_agreement(session, incident.id, people, at.heard_by),
        help_cases=count_help_cases(session, incident.id) if at.is_now else None,
        families=read_families(session, incident.id, at.heard_by),
        problems=filed.problems,
        resolutions=filed.resolutions,
        crew=tuple(_crew(session, incident.id, at.known_at)),
    )


def _told_dead(session: Session, incident_id: UUID, by: datetime) -> Spoken | None:
    told = find_told_figure(session, incident_id, CONFIRMED_DEAD, by)
    return Spoken.model_validate(told) if told else None


def _crew(session: Session, incident_id: UUID, known_at: datetime) -> Iterable[CrewLine]:
    for each in list_slots(session, incident_id, known_at=known_at):
        function, mission = each.slot.function, each.slot.mission_code
        yield CrewLine(function=function, name=dict(NAMES[function]), mission_code=mission, standing=each.standing, since=each.since)


def _areas(session: Session, incident_id: UUID, known_at: datetime) -> list[IncidentArea]:
    query = select(IncidentArea).where(
        IncidentArea.incident_id == incident_id,
        IncidentArea.added_at <= known_at,
        or_(IncidentArea.removed_at.is_(None), IncidentArea.removed_at > known_at),
    )
    return list(session.scalars(query.order_by(IncidentArea.id)))


def _incident_facts(incident: Incident, areas: list[IncidentArea], past: Past) -> IncidentFacts:
    codes = [touched.code for area in areas for touched in touched_places(area.spec)]
    was = past.get(("incident", str(incident.id)), {})
    levels = [(area, past.get(("incident_area", str(area.id)), {}).get("siaga_level", area.siaga_level)) for area in areas]
    return IncidentFacts(
        id=incident.id,
        title=was.get("title", incident.title),
        kind=was.get("kind", incident.kind),
        status=incident.status,
        state=was.get("state", incident.state),
        urgency=was.get("urgency", incident.urgency),
        severity=was.get("severity", incident.severity),
        occurred_at=_moment_of(was.get("occurred_at", incident.occurred_at)),
        opened_at=incident.opened_at,
        is_replayed=incident.is_replayed,
        places=maximal(codes),
        area_names=tuple(area.name for area in areas if area.code is None),
        levels=tuple((area.code or area.name, SiagaLevel(level)) for area, level in levels if level is not None),
    )


def _missions(session: Session, incident: Incident, at: _At, past: Past) -> tuple[MissionFacts, ...]:
    """Those that answered for the incident, as was known then. Of a past crisis nobody is asked: its clocks are those of its reports."""
    query = select(IncidentMission).where(IncidentMission.incident_id == incident.id).order_by(IncidentMission.mission_code)
    rows = {row.mission_code: _mission_then(row, past) for row in session.scalars(query)}
    then = {code: row for code, row in rows.items() if row["joined_at"] <= at.known_at < (row["left_at"] or FAR)}
    names = mission_names(session, list(then))
    said = said_by_name(session, incident.id, at.heard_by)
    return tuple(
        MissionFacts(
            code=code,
            name=names.get(code, code),
            basis=row["basis"],
            is_assumed=row["is_assumed"],
            places=tuple(row["places"]),
            report_due_at=None if incident.is_replayed else row["report_due_at"],
            words=tuple(said.get(code, ())),
        )
        for code, row in then.items()
    )


def _mission_then(row: IncidentMission, past: Past) -> dict[str, Any]:
    was = past.get(("incident_mission", row.mission_code), {})
    names = ("basis", "is_assumed", "places", "joined_at", "left_at", "report_due_at")
    values = {name: was.get(name, getattr(row, name)) for name in names}
    return values | {name: _moment_of(values[name]) for name in ("joined_at", "left_at", "report_due_at")}


def _moment_of(value: Any) -> Any:
    """A time of a row, or of a row kept as JSON."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _needs(filed: Filed) -> Iterable[NeedFacts]:
    for report, need in filed.needs:
        yield NeedFacts(report, need.position, need.what, need.how_many, need.by_when, need.state)


def check_facts(report: FiledReport, check: ReportCheck) -> CheckFacts:
    """A check as the rules read it."""
    return CheckFacts(
        report=report,
        position=check.position,
        target=check.target,
        name=check.name,
        places=tuple(check.places),
        outcome=check.outcome,
        at=check.at,
        by=check.by,
        answer=check.answer,
        found=check.found,
    )


def _register_then(session: Session, incident_id: UUID, known_at: datetime) -> Register | None:
    """The register has no past of its own: what the sheet of that time counted is what was known."""
    snapshot = latest_snapshot(session, incident_id, known_at=known_at)
    return sheet_of(snapshot).registered if snapshot else None


def _named(rows: Iterable[TallyRow]) -> dict[Category, int]:
    """Own citizens known by name, per category that a tally may have."""
    named: dict[Category, int] = {}
    for row in rows:
        if row.nationality in OWN:
            for category in NAMED_AS.get((row.axis, row.value), ()):
                named[category] = named.get(category, 0) + row.count
    return named


def _possible_deaths(rows: Iterable[TallyRow]) -> int:
    """The named dead of whom nobody knows that they are foreign: unverified is possibly ours."""
    return sum(row.count for row in rows if (row.axis, row.value) == (Axis.CONDITION, "dead") and row.nationality not in FOREIGN)
