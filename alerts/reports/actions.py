"""Filing a report, confirming what it holds, and deciding a conflict. Nothing here edits what was filed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.incidents.queries import get_open_incident
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from alerts.kit.outbox import publish
from alerts.places import find_province, is_country, provinces_of
from alerts.reports.models import ConflictResolution, LineConfirmation, Report, ReportCheck, ReportLine, ReportNeed, ReportProblem
from alerts.reports.queries import (
    Filed,
    confirmable_lines,
    filed_line,
    filed_report,
    get_report,
    known_line_ids,
    last_version,
    list_confirmations,
    load_filed,
    lock_filing,
)
from alerts.reports.rules.codes import SEVERITIES, Category, Rule
from alerts.reports.rules.guards import Line, Problem, clock_problem, line_state, promise_problem, report_state, review, set_once
from alerts.reports.rules.standing import Contradiction, Fall, FiledLine, FiledReport, stand, visible
from alerts.reports.rules.values import Contact, counted_claim, read_value
from alerts.reports.rules.words import CATEGORY
from alerts.reports.schemas import ConflictResolve, LineIn, LinesConfirm, ReportIn
from alerts.staff.access import check_permission
from alerts.staff.rules import Permission

FAR = timedelta(days=36_500)
Longest = Callable[[str], timedelta]
"""By the incident's severity."""


def file_report(
    session: Session,
    *,
    actor: Actor,
    incident_id: UUID,
    command: ReportIn,
    came: Mapping[str, Any] | None = None,
    longest: Longest | None = None,
) -> Report:
    """Store a report as it is, with what is asked about it; publishes `report.filed`. `came`: how, if not by page or API.
    `longest`: how long a promised time is waited for, so that the filer is told.

    Its state is *accepted*, *held* (some lines count nowhere yet) or *conflicting* (it contradicts what was
    filed before; both are kept). Raises NotFoundError for an incident that the actor may not know of,
    ConflictError for a closed one, ForbiddenError for somebody else's source.
    """
    check_source(actor, command.source)
    incident = get_open_incident(session, incident_id, actor)
    mission_code = command.source.partition(":")[2] or None
    lock_filing(session, incident_id)
    filed = load_filed(session, incident_id, categories=_touched(command))
    withdrawn = [line.withdraws for line in command.lines if line.withdraws]
    known = known_line_ids(session, incident_id, withdrawn, source=command.source if is_bound_to_mission(actor) else None)
    known_at = db_now(session)
    base = _superseded(filed, command)
    problems = [*_problems(command, filed, incident, known_at), *_unknown_withdrawals(command, known)]
    far = promise_problem(command.next_report_at, known_at, longest(incident.severity) if longest else None)
    problems.extend([far] if far and command.source.startswith("mission:") else [])
    rows = [line_row(at, line, source=command.source, problems=problems, known=known) for at, line in enumerate(command.lines)]
    report = Report(
        incident_id=incident_id,
        status=incident.status,
        source=command.source,
        mission_code=mission_code,
        author=command.author,
        version=last_version(session, incident_id, command.source) + 1,
        as_of=command.as_of.astimezone(UTC),
        known_at=known_at,
        supersedes=base.id if base else None,
        supersede_reason=command.supersede_reason,
        narrative=command.narrative,
        next_report_at=command.next_report_at,
        mission_status=command.status_as_filed,
        filed=command.model_dump(mode="json", exclude_unset=True) | dict(came or {}),
        filed_by=actor.key,
    )
    _identify(session, report, rows)
    problems = set_once([*problems, *_conflicts(report, rows, filed)])
    report.state = report_state(problems)
    _store(session, report, rows, command=command, problems=problems)
    publish(session, "report.filed", report_id=report.id, incident_id=incident_id)
    detail: dict[str, object] = {"source": report.source, "version": report.version, "state": report.state.value}
    if report.supersede_reason:
        detail["reason"] = report.supersede_reason
    record(session, actor=actor, action="report.filed", incident_id=incident_id, subject=("report", report.id), detail=detail)
    return report


def confirm_lines(session: Session, *, actor: Actor, incident_id: UUID, report_id: UUID, command: LinesConfirm) -> list[LineConfirmation]:
    """Let held lines of a report count from now on, as they were filed, with a name and a reason; publishes `report.confirmed`.

    Only what arithmetic alone holds. Gives all that is confirmed of the report; what was confirmed before keeps its first
    name and reason. Raises NotFoundError for another mission's report and for a line of another report, ConflictError for a
    closed incident and for a line that is not held (any more), InvalidError for one that must be filed anew.
    """
    get_open_incident(session, incident_id, actor)
    report = get_report(session, incident_id, report_id, actor)
    for each in dict.fromkeys((incident_id, report.incident_id)):
        lock_filing(session, each)
    before = {row.line_id for row in list_confirmations(session, report.id)}
    wanted = [each for each in dict.fromkeys(command.line_ids) if each not in before]
    now = db_now(session)
    _check_confirmable(session, wanted, incident_id=incident_id, report_id=report.id, now=now)
    given = {"incident_id": report.incident_id, "reason": command.reason, "confirmed_by": actor.key, "known_at": now}
    session.add_all(LineConfirmation(line_id=line_id, **given) for line_id in wanted)
    session.flush()
    if wanted:
        publish(session, "report.confirmed", incident_id=incident_id)
        detail: dict[str, object] = {"source": report.source, "lines": [str(each) for each in wanted], "reason": command.reason}
        record(session, actor=actor, action="report.confirmed", incident_id=incident_id, subject=("report", report.id), detail=detail)
    return list_confirmations(session, report.id)


def _check_confirmable(session: Session, wanted: Sequence[UUID], *, incident_id: UUID, report_id: UUID, now: datetime) -> None:
    own = set(session.scalars(select(ReportLine.id).where(ReportLine.report_id == report_id)))
    if set(wanted) - own:
        raise NotFoundError("line_not_found", "One of the lines is not of this report.", field="line_ids")
    found = confirmable_lines(session, incident_id, report_id, now)
    if set(wanted) - found.held:
        raise ConflictError(
            "line_not_held", "One of the lines is not held: it counts, or it was corrected, withdrawn or said anew since.", field="line_ids"
        )
    if set(wanted) - found.confirmable:
        raise InvalidError(
            "line_not_confirmable",
            "One of the lines was not understood, has no place or was said twice: only a corrected report makes it count.",
            field="line_ids",
        )


def resolve_conflict(
    session: Session, *, actor: Actor, incident_id: UUID, conflict_id: str, command: ConflictResolve
) -> ConflictResolution:
    """Decide which of the contradicting lines stands, with a name and a reason; publishes `report.resolved`.

    Raises NotFoundError when there is no such conflict now, InvalidError for a line that is not in it.
    """
    get_open_incident(session, incident_id, actor)
    lock_filing(session, incident_id)
    filed = load_filed(session, incident_id)
    clash = next((each for each in _standing_clashes(filed, db_now(session)) if each.id == conflict_id), None)
    if clash is None:
        raise NotFoundError("conflict_not_found", "There is no such conflict now; somebody may have resolved it.")
    if command.keep_line_id not in {line.id for line in clash.lines}:
        raise InvalidError("line_not_in_conflict", "The line to keep is not one of the conflict.", field="keep_line_id")
    row = ConflictResolution(
        incident_id=incident_id,
        conflict_id=conflict_id,
        keep_line_id=command.keep_line_id,
        reason=command.reason,
        resolved_by=actor.key,
        known_at=db_now(session),
    )
    session.add(row)
    session.flush()
    publish(session, "report.resolved", incident_id=incident_id)
    detail = {"kept": str(command.keep_line_id), "reason": command.reason}
    record(session, actor=actor, action="conflict.resolved", incident_id=incident_id, subject=("conflict", conflict_id), detail=detail)
    return row


def check_source(actor: Actor, source: str) -> None:
    """403 unless the actor may speak for this source: staff of a mission for their own, the ministry for the rest."""
    kind, _, code = source.partition(":")
    if kind != "mission":
        check_permission(actor, Permission.FILE_MINISTRY_REPORT)
        return
    check_permission(actor, Permission.FILE_MISSION_REPORT)
    if is_bound_to_mission(actor) and code != actor.mission_code:
        raise ForbiddenError("not_your_mission", "Staff of a mission file for their own mission only.", field="source")


def may_file_for(actor: Actor, source: str) -> bool:
    """Whether `check_source` lets the actor pass."""
    try:
        check_source(actor, source)
    except ForbiddenError:
        return False
    return True


def is_known_place(code: str) -> bool:
    """Whether a place can be counted in: an ISO country or province; provinces of countries that we hold no list of pass."""
    if is_country(code) or find_province(code) is not None:
        return True
    country, dash, rest = code.partition("-")
    return bool(dash) and is_country(country) and not provinces_of(country) and rest.isalnum() and rest.isupper() and len(rest) <= 3


def _superseded(filed: Filed, command: ReportIn) -> FiledReport | None:
    """The report that this one corrects, if it is one of the same source."""
    return next((r for r in filed.reports if r.id == command.supersedes and r.source == command.source), None)


def _problems(command: ReportIn, filed: Filed, incident: Incident, known_at: datetime) -> list[Problem]:
    problems = review([rule_line(line, command.source) for line in command.lines], is_known_place)
    clock = clock_problem(command.as_of, known_at, is_replayed=incident.is_replayed)
    problems.extend([clock] if clock else [])
    if command.supersedes is not None:
        if _superseded(filed, command) is None:
            problems.append(Problem(None, Rule.SUPERSEDES_UNKNOWN))
        elif any(report.supersedes == command.supersedes for report in filed.reports):
            problems.append(Problem(None, Rule.ALREADY_SUPERSEDED))
    return problems


def _unknown_withdrawals(command: ReportIn, known: Collection[UUID]) -> list[Problem]:
    lines = enumerate(command.lines)
    return [Problem(at, Rule.WITHDRAWS_UNKNOWN) for at, line in lines if line.withdraws and line.withdraws not in known]


def _touched(command: ReportIn) -> set[Category]:
    """The categories in which this report can contradict another; severities are judged against all injured."""
    touched = {line.category for line in command.lines}
    return touched | {Category.INJURED, *SEVERITIES} if touched & {Category.INJURED, *SEVERITIES} else touched


def rule_line(line: LineIn, source: str) -> Line:
    """The line as the guards read it."""
    return Line(
        category=line.category,
        places=tuple(line.places),
        raw=line.value,
        kind=line.kind,
        of=line.of,
        nationality=line.nationality_by(source),
        series=line.series_by(source),
        claim=line.claim,
        is_approximate=line.is_approximate,
        how=line.how,
        contact=_contact(line),
        words=line.words,
        is_withdrawal=line.withdraws is not None,
        withdraw_reason=line.withdraw_reason,
        foreign_country=line.foreign_country,
    )


def line_row(at: int, line: LineIn, *, source: str, problems: Sequence[Problem], known: Collection[UUID]) -> ReportLine:
    """The line as it is stored: the value as it came, what it was understood as, and the rung on which it counts."""
    value = read_value(line.value)
    return ReportLine(
        position=at,
        category=line.category,
        places=list(line.places),
        kind=line.kind,
        of=line.of,
        nationality=line.nationality_by(source),
        series=line.series_by(source),
        claim=line.claim,
        counted_claim=counted_claim(line.claim, _contact(line)),
        authority_confirmed=line.authority_confirmed,
        raw=line.value if isinstance(line.value, str) else "" if line.value is None else json.dumps(line.value),
        number=value.number,
        silence=value.silence,
        is_approximate=line.is_approximate,
        how=line.how,
        contact=line.contact.model_dump() if line.contact else None,
        words=line.words,
        withdraws=line.withdraws if line.withdraws in known else None,
        withdraw_reason=line.withdraw_reason,
        foreign_country=line.foreign_country,
        state=line_state(at, problems),
    )


def _contact(line: LineIn) -> Contact | None:
    return Contact(line.contact.who, line.contact.when, line.contact.how) if line.contact else None


def _identify(session: Session, report: Report, rows: Sequence[ReportLine]) -> None:
    """Ids before the rows are written: what they contradict is part of the report's answer."""
    ids = session.scalars(select(func.uuidv7()).select_from(func.generate_series(0, len(rows)).alias("n"))).all()
    report.id = ids[0]
    for row, line_id in zip(rows, ids[1:], strict=True):
        row.id, row.report_id = line_id, report.id


def _store(session: Session, report: Report, rows: Sequence[ReportLine], *, command: ReportIn, problems: Sequence[Problem]) -> None:
    session.add(report)
    session.flush()
    session.add_all(rows)
    checks = [_row_values(report.id, at, check.model_dump()) for at, check in enumerate(command.checks)]
    needs = [_row_values(report.id, at, need.model_dump()) for at, need in enumerate(command.needs)]
    asked = [{"report_id": report.id, "line": p.line, "rule": p.rule, "params": dict(p.params)} for p in problems]
    session.flush()
    if checks:
        session.execute(insert(ReportCheck), checks)
    if needs:
        session.execute(insert(ReportNeed), needs)
    if asked:
        session.execute(insert(ReportProblem), asked)


def _row_values(report_id: UUID, at: int, values: dict[str, Any]) -> dict[str, Any]:
    return values | {"report_id": report_id, "position": at}


def _conflicts(report: Report, rows: Sequence[ReportLine], filed: Filed) -> list[Problem]:
    """What the new lines contradict: as things stood at the report's own time, and as they stand now."""
    new_report = filed_report(report)
    new = {row.id: filed_line(row, new_report) for row in rows}
    lines, reports = [*filed.lines, *new.values()], [*filed.reports, new_report]
    problems: list[Problem] = []
    for moment in (new_report.counts_from, new_report.counts_from + FAR):
        seen = [each for each in reports if each.counts_from <= moment]
        standing = stand(visible(lines, moment, new_report.known_at), seen, filed.resolutions)
        problems.extend(p for clash in standing.contradictions for p in _clash_problems(clash, new))
        problems.extend(_fall_problems(standing.falls, new))
    return problems


def _clash_problems(clash: Contradiction, new: dict[UUID, FiledLine]) -> list[Problem]:
    told = next((line for line in clash.lines if line is not clash.whole), clash.lines[0])
    label = CATEGORY[told.cell.category]
    params = clash.params | {"label_id": label.id, "label_en": label.en}
    return [Problem(line.position, clash.rule, params) for line in clash.lines if line.id in new]


def _fall_problems(falls: Mapping[UUID, Fall], new: dict[UUID, FiledLine]) -> list[Problem]:
    return [
        Problem(new[line_id].position, Rule.FALLS_WITHOUT_REASON, {"whole": str(fall.before), "parts": str(new[line_id].number)})
        for line_id, fall in falls.items()
        if line_id in new and not fall.reason
    ]


def _standing_clashes(filed: Filed, now: datetime) -> list[Contradiction]:
    return stand(visible(filed.lines, now, now), filed.reports, filed.resolutions).contradictions
