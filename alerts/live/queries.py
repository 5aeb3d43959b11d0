"""Loading what a sheet is made of, in a fixed number of statements; stored snapshots; the minute series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from alerts.checkins.queries import safe_counts
from alerts.citizens.queries import register_counts
from alerts.deliveries.queries import reach_of_incident
from alerts.incidents.models import Incident, IncidentArea, IncidentMission
from alerts.incidents.queries import count_lists
from alerts.incidents.rules import State
from alerts.kit.clock import db_now
from alerts.live.models import FigureMinute, Snapshot
from alerts.live.rules.facts import AnswerFacts, CheckFacts, IncidentFacts, MissionFacts, SheetFacts
from alerts.live.rules.figures import number_words
from alerts.live.rules.sheet import build_sheet
from alerts.live.rules.totals import maximal
from alerts.live.schemas import AnswerSheet, MinutePoint, Reach, Register, RegisterClass, RegisterList, Words
from alerts.missions.queries import mission_names
from alerts.people.queries import Moment, TallyRow, tally
from alerts.people.rules import Axis, Nationality
from alerts.places import AreaSpec, touched_places
from alerts.reports.queries import Filed, await_filings, load_filed
from alerts.reports.rules.codes import Category

CLASSES = {
    "resident": Words(id="menetap", en="residents"),
    "traveller": Words(id="pelintas", en="travellers"),
    "contingent": Words(id="kontingen", en="contingents"),
    "seafarer": Words(id="pelaut", en="seafarers"),
}
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


@dataclass(frozen=True, slots=True)
class Asked:
    """The two times of a question. None means now; `known_at` None also means: count the register anew."""

    as_of: datetime | None = None
    known_at: datetime | None = None


NOW = Asked()


def load_sheet(session: Session, incident: Incident, asked: Asked = NOW) -> AnswerSheet:
    """The sheet of an incident for two times, computed from the tables.

    Waits for a filing that is half done, so that the same question about the past has the same answer later.
    """
    await_filings(session, incident.id)
    now = db_now(session)
    known_at = min(asked.known_at or now, now)
    as_of = asked.as_of or now
    facts = _load_facts(session, incident, as_of=as_of, known_at=known_at, is_now=asked.known_at is None)
    return build_sheet(facts, as_of, known_at)


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


def _load_facts(session: Session, incident: Incident, *, as_of: datetime, known_at: datetime, is_now: bool) -> SheetFacts:
    areas = _areas(session, incident.id, known_at)
    filed = load_filed(session, incident.id, known_at)
    # Messages and answers have real times; those of a replayed crisis do not.
    heard_by = known_at if incident.is_replayed else min(as_of, known_at)
    named = tally(session, incident.id, Moment(as_of=as_of, known_at=known_at))
    return SheetFacts(
        incident=_incident_facts(incident, areas, known_at),
        missions=_missions(session, incident.id, known_at),
        reports=tuple(filed.reports),
        lines=tuple(filed.lines),
        checks=tuple(_checks(filed)),
        register=_register(session, incident, areas, as_of=as_of) if is_now else _register_then(session, incident.id, known_at),
        reach=tuple(_reach(row) for row in reach_of_incident(session, incident.id, known_at=heard_by)),
        answers=_answers(session, incident.id, heard_by),
        named=_named(named),
        possible_deaths=_possible_deaths(named),
        problems=filed.problems,
        resolutions=filed.resolutions,
    )


def _areas(session: Session, incident_id: UUID, known_at: datetime) -> list[IncidentArea]:
    query = select(IncidentArea).where(
        IncidentArea.incident_id == incident_id,
        IncidentArea.added_at <= known_at,
        or_(IncidentArea.removed_at.is_(None), IncidentArea.removed_at > known_at),
    )
    return list(session.scalars(query.order_by(IncidentArea.id)))


def _incident_facts(incident: Incident, areas: list[IncidentArea], known_at: datetime) -> IncidentFacts:
    codes = [touched.code for area in areas for touched in touched_places(area.spec)]
    state = State.OPEN if incident.state_changed_at > known_at else incident.state
    return IncidentFacts(
        id=incident.id,
        title=incident.title,
        kind=incident.kind,
        status=incident.status,
        state=state,
        urgency=incident.urgency,
        severity=incident.severity,
        occurred_at=incident.occurred_at,
        opened_at=incident.opened_at,
        is_replayed=incident.is_replayed,
        places=maximal(codes),
        area_names=tuple(area.name for area in areas if area.code is None),
    )


def _missions(session: Session, incident_id: UUID, known_at: datetime) -> tuple[MissionFacts, ...]:
    query = select(IncidentMission).where(
        IncidentMission.incident_id == incident_id,
        IncidentMission.joined_at <= known_at,
        or_(IncidentMission.left_at.is_(None), IncidentMission.left_at > known_at),
    )
    rows = list(session.scalars(query.order_by(IncidentMission.mission_code)))
    names = mission_names(session, [row.mission_code for row in rows])
    return tuple(
        MissionFacts(
            code=row.mission_code,
            name=names.get(row.mission_code, row.mission_code),
            basis=row.basis,
            is_assumed=row.is_assumed,
            places=tuple(row.places),
            report_due_at=row.report_due_at,
        )
        for row in rows
    )


def _checks(filed: Filed) -> Iterable[CheckFacts]:
    for report, check in filed.checks:
        yield CheckFacts(
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


def _register(session: Session, incident: Incident, areas: list[IncidentArea], *, as_of: datetime) -> Register:
    specs: list[AreaSpec] = [area.spec for area in areas]
    counts = register_counts(session, specs, on=None if incident.is_replayed else as_of.date())
    number = number_words(counts.total)
    return Register(
        people=counts.total,
        country_only=counts.country_only,
        text=Words(id=f"data lapor diri: {number.id}", en=f"our register: {number.en}"),
        classes=[
            RegisterClass(
                class_=name,
                label=CLASSES.get(name, Words(id=name, en=name)),
                people=count.registered,
                oldest_place_at=count.place_as_of_oldest,
                newest_place_at=count.place_as_of_newest,
                undated=count.undated,
            )
            for name, count in sorted(counts.by_class.items())
        ],
        lists=[
            RegisterList(kind=each.row.kind, name=each.row.name, members=each.members, unmatched=each.unmatched)
            for each in count_lists(session, incident.id)
        ],
        counted_at=db_now(session),
    )


def _register_then(session: Session, incident_id: UUID, known_at: datetime) -> Register | None:
    """The register has no past of its own: what the sheet of that time counted is what was known."""
    snapshot = latest_snapshot(session, incident_id, known_at=known_at)
    return sheet_of(snapshot).registered if snapshot else None


def _reach(row: dict[str, Any]) -> Reach:
    return Reach(**{name: row[name] for name in Reach.model_fields})


def _answers(session: Session, incident_id: UUID, known_at: datetime) -> AnswerFacts:
    counts = safe_counts(session, incident_id, known_at)
    return AnswerFacts(
        answered=counts.answered,
        safe=counts.safe,
        safe_contacted=counts.safe_contact_made,
        need_help=counts.need_help,
        need_help_says_safe=counts.need_help_says_safe,
        other=counts.other,
    )


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
