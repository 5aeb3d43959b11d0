"""Named reads of reports, and the rows of an incident in the form that the rules read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, text, true
from sqlalchemy.orm import Session

from alerts.incidents.queries import with_merged
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging
from alerts.reports.models import ConflictResolution, LineConfirmation, Report, ReportCheck, ReportLine, ReportNeed, ReportProblem
from alerts.reports.rules import words
from alerts.reports.rules.codes import Category, LineKind, LineState
from alerts.reports.rules.filed import Confirmation
from alerts.reports.rules.guards import Problem, is_confirmable
from alerts.reports.rules.standing import Cell, FiledLine, FiledReport, stand, visible
from alerts.reports.rules.values import Contact, outermost
from alerts.reports.schemas import BothView, CheckView, LineView, NeedView, ProblemView, ReportSummaryView, ReportView

LOCK_NAMES = "reports"


@dataclass(slots=True)
class Filed:
    """All that was filed in one incident, as the rules read it."""

    reports: list[FiledReport] = field(default_factory=list)
    lines: list[FiledLine] = field(default_factory=list)
    checks: list[tuple[FiledReport, ReportCheck]] = field(default_factory=list)
    needs: list[tuple[FiledReport, ReportNeed]] = field(default_factory=list)
    problems: dict[UUID, tuple[Problem, ...]] = field(default_factory=dict)
    resolutions: dict[str, UUID] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Confirmable:
    """Of one report: the lines that count nowhere now, and those that a person may let count."""

    held: frozenset[UUID]
    confirmable: frozenset[UUID]


PLACE_GAP = "\x1f"
UNREAD = {"filed", "narrative", "filed_by", "mission_code", "status", "state", "version", "incident_id"}
REPORT_COLUMNS: list[Any] = [getattr(Report, c.key) for c in Report.__mapper__.column_attrs if c.key not in UNREAD]
PLACES = func.array_to_string(ReportLine.places, PLACE_GAP).label("places")
LINE_COLUMNS: list[Any] = [
    PLACES if c.key == "places" else getattr(ReportLine, c.key).label(c.key) for c in ReportLine.__mapper__.column_attrs
]
"""Plain columns, not entities: a sheet reads all lines of an incident. Places as one text: lists are dear to read."""


def lock_filing(session: Session, incident_id: UUID) -> None:
    """One filing at a time in an incident, until this transaction ends: versions and conflicts need an order."""
    session.execute(_LOCK, {"name": f"{LOCK_NAMES}:{incident_id}"})


def await_filings(session: Session, incident_id: UUID) -> None:
    """Wait until no filing is half done: what is read after this holds everything known before it.

    A report's `known_at` is taken under the filing lock, so none that is still to come can be older than now.
    """
    session.execute(_LOCK_SHARED, {"name": f"{LOCK_NAMES}:{incident_id}"})


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))")


def load_filed(
    session: Session, incident_id: UUID, known_at: datetime | None = None, *, categories: Collection[Category] | None = None
) -> Filed:
    """Everything filed in an incident, and in those merged into it, by `known_at` (default: all), in seven statements.

    With `categories` only the lines of these, and no checks, needs or problems: what a new report may contradict.
    """
    own: ColumnElement[bool] = Report.incident_id.in_(with_merged(incident_id, known_at))
    if known_at is not None:
        own = and_(own, Report.known_at <= known_at)
    filed = Filed()
    by_id: dict[UUID, FiledReport] = {}
    for row in session.execute(select(*REPORT_COLUMNS).where(own).order_by(Report.id)):
        by_id[row.id] = filed_report(row)
    filed.reports = list(by_id.values())
    ids = select(Report.id).where(own)
    lines = select(*LINE_COLUMNS).where(ReportLine.report_id.in_(ids)).order_by(ReportLine.id)
    if categories is not None:
        lines = lines.where(or_(ReportLine.category.in_(categories), ReportLine.withdraws.is_not(None)))
    confirmed = _confirmed(session, incident_id, known_at)
    filed.lines = [filed_line(line, by_id[line.report_id], confirmed.get(line.id)) for line in session.execute(lines)]
    filed.resolutions = _resolutions(session, incident_id, known_at)
    if categories is None:
        query = select(ReportCheck).where(ReportCheck.report_id.in_(ids)).order_by(ReportCheck.report_id, ReportCheck.position)
        filed.checks = [(by_id[check.report_id], check) for check in session.scalars(query)]
        wanted = select(ReportNeed).where(ReportNeed.report_id.in_(ids)).order_by(ReportNeed.report_id, ReportNeed.position)
        filed.needs = [(by_id[need.report_id], need) for need in session.scalars(wanted)]
        filed.problems = _problems_by_line(session, ids, filed.lines)
    return filed


def known_line_ids(session: Session, incident_id: UUID, ids: Collection[UUID], *, source: str | None = None) -> set[UUID]:
    """Those of these lines that were filed in this incident; with `source`, by this one."""
    if not ids:
        return set()
    query = select(ReportLine.id).join(Report, Report.id == ReportLine.report_id)
    query = query.where(Report.incident_id.in_(with_merged(incident_id)), ReportLine.id.in_(ids))
    return set(session.scalars(query if source is None else query.where(Report.source == source)))


def filed_report(row: Report | Row[Any]) -> FiledReport:
    """One stored report as the rules read it, from an entity or from a row of `REPORT_COLUMNS`."""
    return FiledReport(
        id=row.id,
        source=row.source,
        author=row.author,
        as_of=row.as_of,
        known_at=row.known_at,
        supersedes=row.supersedes,
        supersede_reason=row.supersede_reason,
        next_report_at=row.next_report_at,
        mission_status=row.mission_status,
    )


def filed_line(row: ReportLine | Row[Any], report: FiledReport, confirmation: Confirmation | None = None) -> FiledLine:
    """One stored line as the rules read it, from an entity or a row of `LINE_COLUMNS`. A confirmed one counts.

    Places are a set: their order and repetition say nothing, nor does one that lies in another of them.
    """
    contact = row.contact
    return FiledLine(
        id=row.id,
        report=report,
        position=row.position,
        cell=Cell(
            category=row.category,
            places=_outermost(row.places if isinstance(row.places, str) else PLACE_GAP.join(row.places)),
            nationality=row.nationality,
            series=row.series,
            kind=row.kind,
            of=None if row.kind is LineKind.STANDING else row.of,
            foreign_country=row.foreign_country,
        ),
        raw=row.raw,
        state=LineState.ACCEPTED if confirmation else row.state,
        number=row.number,
        silence=row.silence,
        claim=row.claim,
        counted=row.counted_claim,
        authority_confirmed=row.authority_confirmed,
        is_approximate=row.is_approximate,
        how=row.how,
        contact=Contact(contact.get("who"), contact.get("when"), contact.get("how")) if contact else None,
        words=row.words,
        withdraws=row.withdraws,
        withdraw_reason=row.withdraw_reason,
        confirmation=confirmation,
    )


@lru_cache(maxsize=4096)
def _outermost(places: str) -> tuple[str, ...]:
    """Few sets of places come again in many lines."""
    return outermost(places.split(PLACE_GAP)) if places else ()


def get_report(session: Session, incident_id: UUID, report_id: UUID, actor: Actor) -> Report:
    """The report, of this incident or of one merged into it; 404 when there is none, or it is another mission's."""
    query = select(Report).where(Report.id == report_id, Report.incident_id.in_(with_merged(incident_id)), visible_to(actor))
    report = session.scalars(query).one_or_none()
    if report is None:
        raise NotFoundError("report_not_found", "There is no such report.")
    return report


def list_reports(session: Session, incident_id: UUID, actor: Actor, page: Paging, *, source: str | None = None) -> list[Report]:
    """Up to `limit + 1` reports of an incident that the actor may see, newest first."""
    query = select(Report).where(Report.incident_id == incident_id, visible_to(actor))
    if page.cursor is not None:
        query = query.where(Report.id < page.cursor)
    if source is not None:
        query = query.where(Report.source == source)
    return list(session.scalars(query.order_by(Report.id.desc()).limit(page.limit + 1)))


def last_version(session: Session, incident_id: UUID, source: str) -> int:
    """How many reports this source has filed in the incident."""
    query = select(Report.version).where(Report.incident_id == incident_id, Report.source == source)
    return session.scalar(query.order_by(Report.version.desc()).limit(1)) or 0


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition on `report` under which this actor may see it: of a mission, only its own."""
    return Report.mission_code == (actor.mission_code or "") if is_bound_to_mission(actor) else true()


def present_report(session: Session, report: Report) -> ReportView:
    """The report as the wire shows it, with what was asked about it."""
    lines = session.scalars(select(ReportLine).where(ReportLine.report_id == report.id).order_by(ReportLine.position))
    checks = session.scalars(select(ReportCheck).where(ReportCheck.report_id == report.id).order_by(ReportCheck.position))
    needs = session.scalars(select(ReportNeed).where(ReportNeed.report_id == report.id).order_by(ReportNeed.position))
    problems = session.scalars(select(ReportProblem).where(ReportProblem.report_id == report.id).order_by(ReportProblem.id))
    return ReportView(
        **ReportSummaryView.model_validate(report).model_dump(),
        narrative=report.narrative,
        mission_status=report.mission_status,
        lines=[_line_view(line) for line in lines],
        checks=[CheckView.model_validate(check) for check in checks],
        needs=[NeedView.model_validate(need) for need in needs],
        problems=[_problem_view(problem) for problem in problems],
    )


def _line_view(line: ReportLine) -> LineView:
    names = set(LineView.model_fields) - {"value"}
    return LineView(**{name: getattr(line, name) for name in names}, value=line.raw)


def _problem_view(problem: ReportProblem) -> ProblemView:
    both = words.message(problem.rule, problem.params)
    return ProblemView(line=problem.line, rule=problem.rule, message=BothView(id=both.id, en=both.en))


def _problems_by_line(session: Session, ids: Select[UUID], lines: Iterable[FiledLine]) -> dict[UUID, tuple[Problem, ...]]:
    by_place: Mapping[tuple[UUID, int], UUID] = {(line.report.id, line.position): line.id for line in lines}
    found: dict[UUID, list[Problem]] = defaultdict(list)
    query = select(ReportProblem).where(ReportProblem.report_id.in_(ids), ReportProblem.line.is_not(None))
    for row in session.scalars(query.order_by(ReportProblem.id)):
        line_id = by_place.get((row.report_id, row.line if row.line is not None else -1))
        if line_id is not None:
            found[line_id].append(Problem(row.line, row.rule, row.params))
    return {line_id: tuple(problems) for line_id, problems in found.items()}


def confirmable_lines(session: Session, incident_id: UUID, report_id: UUID, now: datetime) -> Confirmable:
    """The lines of a report that are held now, and those of them that may be confirmed."""
    filed = load_filed(session, incident_id, now)
    standing = stand(visible(filed.lines, now, now), filed.reports, filed.resolutions)
    held = frozenset(line.id for line in standing.held if line.report.id == report_id)
    return Confirmable(held, frozenset(each for each in held if is_confirmable(filed.problems.get(each, ()))))


def list_confirmations(session: Session, report_id: UUID) -> list[LineConfirmation]:
    """What was confirmed of a report, in the order of its lines."""
    query = select(LineConfirmation).join(ReportLine, ReportLine.id == LineConfirmation.line_id)
    return list(session.scalars(query.where(ReportLine.report_id == report_id).order_by(ReportLine.position)))


def _confirmed(session: Session, incident_id: UUID, known_at: datetime | None) -> dict[UUID, Confirmation]:
    query = select(LineConfirmation).where(LineConfirmation.incident_id.in_(with_merged(incident_id, known_at)))
    if known_at is not None:
        query = query.where(LineConfirmation.known_at <= known_at)
    return {row.line_id: Confirmation(row.reason, row.confirmed_by, row.known_at) for row in session.scalars(query)}


def _resolutions(session: Session, incident_id: UUID, known_at: datetime | None) -> dict[str, UUID]:
    query = (
        select(ConflictResolution)
        .where(ConflictResolution.incident_id.in_(with_merged(incident_id, known_at)))
        .order_by(ConflictResolution.known_at)
    )
    if known_at is not None:
        query = query.where(ConflictResolution.known_at <= known_at)
    return {row.conflict_id: row.keep_line_id for row in session.scalars(query)}
