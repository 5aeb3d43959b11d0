"""The board of missions: who has reported what and when, whose clock runs out next, and who is being asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, aliased

from alerts.incidents.models import IncidentMission
from alerts.incidents.queries import merged_under
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.missions.queries import mission_names
from alerts.notices.models import Paging
from alerts.reports.chasing.clock import KIND, page_name
from alerts.reports.chasing.queries import Key, Owed, covered_by, list_owed
from alerts.reports.chasing.rules import AXES, PARTS, TO_ASK, Chaser, Completeness, Pace, word_behind
from alerts.reports.chasing.schemas import ChaserView, CompletenessView, MissionBoard, MissionReportingView
from alerts.reports.models import LineConfirmation, Report, ReportCheck, ReportLine
from alerts.reports.rules.codes import AXIS_OF, LineKind, LineState, Outcome, Silence
from alerts.staff.queries import names_of

FIRST = (Chaser.CHASING, Chaser.ACKNOWLEDGED, Chaser.WAITING, Chaser.SNOOZED, Chaser.COVERED, Chaser.NONE)


@dataclass(slots=True)
class _Said:
    """What one mission has filed in one incident."""

    reports: int = 0
    last_id: UUID | None = None
    as_of: datetime | None = None
    known_at: datetime | None = None
    parts: Completeness = field(default_factory=Completeness)


@dataclass(frozen=True, slots=True)
class _Filings:
    """What is found so far, and in which incidents the reports of each are read."""

    found: dict[Key, _Said]
    read_in: Mapping[UUID, Sequence[UUID]]

    def of(self, row: Any) -> list[_Said]:
        return [self.found[incident_id, row.mission_code] for incident_id in self.read_in[row.incident_id]]


def board_of(
    session: Session, actor: Actor, pace: Pace, *conditions: ColumnElement[bool], state: Chaser | None = None, mission: str | None = None
) -> MissionBoard:
    """The missions of these incidents that the actor may see: all of them, or for a mission's staff their own alone."""
    own = (IncidentMission.mission_code == (actor.mission_code or ""),) if is_bound_to_mission(actor) else ()
    now = db_now(session)
    owed = list_owed(session, pace, now, *own, *conditions)
    rows = _rows(session, owed, now)
    states = Counter(row.chaser.state for row in rows)
    shown = [row for row in rows if state in (None, row.chaser.state) and mission in (None, row.mission_code)]
    return MissionBoard(states={each: states[each] for each in Chaser}, items=sorted(shown, key=_first))


def _first(row: MissionReportingView) -> tuple[Any, ...]:
    """Whoever is overdue longest on top, then the next clock."""
    return (FIRST.index(row.chaser.state), row.due_at is None, row.due_at, row.mission_code, str(row.incident_id))


def _rows(session: Session, owed: Sequence[Owed], now: datetime) -> list[MissionReportingView]:
    said = _said_by(session, {each.incident.id for each in owed})
    words = [word for each in owed if (word := word_behind(each.standing, each.state))]
    codes = {each.key[1] for each in owed} | {word.covered_by for word in words if word.covered_by}
    names = mission_names(session, codes)
    people = _names_of(session, {word.by for word in words if word.by})
    rounds = _rounds(session)
    covers = covered_by(session, {each.incident.id for each in owed})
    return [
        _row(each, said.get(each.key) or _Said(), now, names, chaser=_chaser(each, names, people, rounds), covers=covers.get(each.key, []))
        for each in owed
    ]


def _row(
    owed: Owed, said: _Said, now: datetime, names: Mapping[str, str], *, chaser: ChaserView, covers: list[str]
) -> MissionReportingView:
    incident, involved, clock = owed.incident, owed.involved, owed.clock
    is_asked = owed.state is not Chaser.NONE
    return MissionReportingView(
        incident_id=incident.id,
        incident_title=incident.title,
        status=incident.status,
        severity=incident.severity,
        is_quiet=incident.is_quiet,
        mission_code=involved.mission_code,
        mission_name=names.get(involved.mission_code, involved.mission_code),
        part=involved.part,
        is_by_word=involved.is_by_word,
        reports=said.reports,
        last_report_id=said.last_id,
        last_report_as_of=said.as_of,
        last_report_known_at=said.known_at,
        completeness=_completeness(said.parts),
        due_at=clock.due_at if clock and is_asked else None,
        due_basis=clock.basis if clock and is_asked else None,
        is_overdue=clock is not None and is_asked and owed.state is not Chaser.COVERED and clock.due_at <= now,
        chaser=chaser,
        covers=covers,
    )


def _chaser(owed: Owed, names: Mapping[str, str], people: Mapping[str, str], rounds: Mapping[str, int]) -> ChaserView:
    word = word_behind(owed.standing, owed.state)
    number = rounds.get(page_name(*owed.chased_as), 0) if owed.state is Chaser.CHASING else 0
    if word is None:
        return ChaserView(state=owed.state, rounds=number)
    return ChaserView(
        state=owed.state,
        since=word.known_at,
        until=word.until,
        covered_by=word.covered_by,
        covered_by_name=names.get(word.covered_by, word.covered_by) if word.covered_by else None,
        reason=word.reason,
        by_name=people.get(word.by or ""),
        rounds=number,
    )


def _completeness(parts: Completeness) -> CompletenessView:
    axes = {axis: axis in parts.axes for axis in AXES}
    asked = {target: target in parts.tried for target in TO_ASK}
    return CompletenessView(done=parts.done, of=PARTS, has_status=parts.has_status, axes=axes, asked=asked)


def _said_by(session: Session, incident_ids: Iterable[UUID]) -> dict[Key, _Said]:
    """What each mission has filed, in these incidents and in those merged into them."""
    filings = _Filings(defaultdict(_Said), merged_under(session, incident_ids))
    own = (Report.incident_id.in_(filings.read_in), Report.mission_code.is_not(None))
    columns = (Report.id, Report.incident_id, Report.mission_code, Report.as_of, Report.known_at)
    query = select(*columns, Report.mission_status.is_not(None).label("has_status")).where(*own).order_by(Report.known_at)
    for row in session.execute(query):
        for said in filings.of(row):
            said.reports, said.last_id, said.as_of, said.known_at = said.reports + 1, row.id, row.as_of, row.known_at
            said.parts = replace(said.parts, has_status=said.parts.has_status or row.has_status)
    _add_axes(session, filings, own)
    _add_checks(session, filings, own)
    return filings.found


def _add_axes(session: Session, filings: _Filings, own: Iterable[ColumnElement[bool]]) -> None:
    """On which axes lines count that nobody has superseded; "not asked" says nothing."""
    says = ReportLine.silence.is_(None) | (ReportLine.silence != Silence.NOT_ASKED)
    is_confirmed = exists().where(LineConfirmation.line_id == ReportLine.id)
    counts = ((ReportLine.state == LineState.ACCEPTED) | is_confirmed, ReportLine.kind == LineKind.STANDING, says, _stands())
    query = select(Report.incident_id, Report.mission_code, ReportLine.category).join(ReportLine, ReportLine.report_id == Report.id)
    for row in session.execute(query.where(*own, *counts).distinct()):
        for said in filings.of(row):
            said.parts = replace(said.parts, axes=said.parts.axes | {AXIS_OF[row.category]})


def _add_checks(session: Session, filings: _Filings, own: Iterable[ColumnElement[bool]]) -> None:
    """Which kinds of places were tried at all."""
    query = select(Report.incident_id, Report.mission_code, ReportCheck.target).join(ReportCheck, ReportCheck.report_id == Report.id)
    for row in session.execute(query.where(*own, ReportCheck.outcome != Outcome.NOT_TRIED, _stands()).distinct()):
        for said in filings.of(row):
            said.parts = replace(said.parts, tried=said.parts.tried | {row.target})


def _stands() -> ColumnElement[bool]:
    later = aliased(Report)
    return ~exists().where(later.supersedes == Report.id)


def _rounds(session: Session) -> dict[str, int]:
    """How often each open page of a mission has gone out."""
    query = select(Paging.subject_id, Paging.level).where(Paging.kind == KIND, Paging.stopped_at.is_(None))
    return {row.subject_id: row.level for row in session.execute(query)}


def _names_of(session: Session, keys: Iterable[str]) -> dict[str, str]:
    ids = {key: UUID(key.removeprefix("staff:")) for key in keys if key.startswith("staff:")}
    names = names_of(session, ids.values())
    return {key: names[staff_id] for key, staff_id in ids.items() if staff_id in names}
