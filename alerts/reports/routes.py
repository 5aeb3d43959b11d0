"""HTTP of reports: parse, authorise, call one action, answer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from alerts.incidents.queries import get_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import Page, PagingDep, etag_of, is_unchanged, page_of
from alerts.kit.idempotency import Idem
from alerts.reports import actions, queries
from alerts.reports.chasing.clock import pace_of
from alerts.reports.disclosure import present_to
from alerts.reports.schemas import (
    ConfirmationsView,
    ConflictResolve,
    LineConfirmationView,
    LinesConfirm,
    ReportIn,
    ReportSummaryView,
    ReportView,
    ResolutionView,
)
from alerts.settings import SettingsDep
from alerts.staff.access import CurrentActor, require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/incidents/{incident_id}", tags=["reports"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_REPORTS))]
Confirmer = Annotated[Actor, Depends(require(Permission.CONFIRM_FIGURES))]
Resolver = Annotated[Actor, Depends(require(Permission.FILE_MINISTRY_REPORT))]
ConflictId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[0-9a-f]+$")]


@router.post("/reports", status_code=201, response_model=ReportView, operation_id="file_report")
def post_report(incident_id: UUID, body: ReportIn, actor: CurrentActor, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """File a report. 201 whatever it says: `state` is accepted, held or conflicting, `problems` say what is asked.

    Staff of a mission file for `mission:<their own>`; the ministry files `ministry`, `host_state`, `media`. Staff of
    a mission are told that another source says otherwise, not what; they withdraw lines of their own mission only.
    """
    idem.start(actor.key)
    report = actions.file_report(session, actor=actor, incident_id=incident_id, command=body, longest=pace_of(settings).longest)
    return idem.answer(201, present_to(session, report, actor))


@router.get("/reports", operation_id="list_reports")
def get_reports(
    incident_id: UUID,
    actor: Viewer,
    session: Tx,
    page: PagingDep,
    source: Annotated[str | None, Query(max_length=80)] = None,
) -> Page[ReportSummaryView]:
    """Reports of an incident, newest first; staff of a mission see their own mission's."""
    get_incident(session, incident_id, actor)
    rows = queries.list_reports(session, incident_id, actor, page, source=source)
    return page_of([ReportSummaryView.model_validate(row) for row in rows], [row.id for row in rows], page.limit)


@router.get("/reports/{report_id}", response_model=ReportView, operation_id="get_report")
def get_report(
    incident_id: UUID, report_id: UUID, request: Request, response: Response, actor: Viewer, session: Tx
) -> ReportView | Response:
    """One report as it was filed. It never changes."""
    get_incident(session, incident_id, actor)
    report = queries.get_report(session, incident_id, report_id, actor)
    etag = etag_of("report", report.id)
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return present_to(session, report, actor)


@router.post("/reports/{report_id}/confirm", status_code=201, response_model=ConfirmationsView, operation_id="confirm_held_lines")
def post_confirmation(incident_id: UUID, report_id: UUID, body: LinesConfirm, actor: Confirmer, session: Tx, idem: Idem) -> Response:
    """Let lines count that are held by their arithmetic alone: the mission that filed them, or the ministry.

    The report stays as it was filed, and what was known before stays as it was. Confirming again changes nothing. 409 where a
    line is not held any more, 422 where it must be filed anew (not a number, no place, a bare zero).
    """
    idem.start(actor.key)
    rows = actions.confirm_lines(session, actor=actor, incident_id=incident_id, report_id=report_id, command=body)
    return idem.answer(201, ConfirmationsView(report_id=report_id, confirmed=[LineConfirmationView.model_validate(row) for row in rows]))


@router.post("/conflicts/{conflict_id}/resolve", status_code=201, response_model=ResolutionView, operation_id="resolve_conflict")
def post_resolution(
    incident_id: UUID, conflict_id: ConflictId, body: ConflictResolve, actor: Resolver, session: Tx, idem: Idem
) -> Response:
    """Decide which line of a conflict stands; the others stay readable as overtaken."""
    idem.start(actor.key)
    row = actions.resolve_conflict(session, actor=actor, incident_id=incident_id, conflict_id=conflict_id, command=body)
    view = ResolutionView(
        conflict_id=row.conflict_id,
        keep_line_id=row.keep_line_id,
        reason=row.reason,
        resolved_by=row.resolved_by,
        known_at=row.known_at,
    )
    return idem.answer(201, view)
