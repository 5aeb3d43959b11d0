"""HTTP of incidents: parse, authorise, call one action, answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from alerts.incidents import actions, queries
from alerts.incidents.log_file import MEDIA_TYPE, csv_of_log, log_file_headers, visible_to
from alerts.incidents.models import Incident
from alerts.incidents.rules import State, Status
from alerts.incidents.schemas import ActionView, IncidentChange, IncidentOpen, IncidentSummaryView, IncidentView, Reason
from alerts.kit.actor import Actor
from alerts.kit.audit import list_actions
from alerts.kit.db import Sessions, Tx
from alerts.kit.http import IfMatch, Page, PagingDep, is_unchanged, page_of
from alerts.kit.idempotency import Idem
from alerts.notices.crew.queries import present_crew
from alerts.notices.crew.schemas import CrewList
from alerts.settings import Settings, SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
Opener = Annotated[Actor, Depends(require(Permission.OPEN_INCIDENT))]
LOG_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The log."}}
Closer = Annotated[Actor, Depends(require(Permission.CLOSE_INCIDENT))]


@router.post("", status_code=201, response_model=IncidentView, operation_id="open_incident")
def post_incident(body: IncidentOpen, actor: Opener, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Open an incident. The missions that answer for its areas are in the answer; an empty list says none is known."""
    idem.start(actor.key)
    incident = actions.open_incident(session, actor=actor, command=body, report_due=_report_due(settings))
    return _answer(session, idem, incident, 201)


@router.get("", operation_id="list_incidents")
def get_incidents(
    actor: Viewer,
    session: Tx,
    page: PagingDep,
    state: Annotated[State | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
) -> Page[IncidentSummaryView]:
    """Incidents that the caller may know of, newest first."""
    rows = queries.list_incidents(session, actor, page, state=state, status=status)
    return page_of([IncidentSummaryView.model_validate(row) for row in rows], [row.id for row in rows], page.limit)


@router.get("/{incident_id}", response_model=IncidentView, operation_id="get_incident")
def get_incident(incident_id: UUID, request: Request, response: Response, actor: Viewer, session: Tx) -> IncidentView | Response:
    """One incident; the ETag is what a PATCH must name."""
    incident = queries.get_incident(session, incident_id, actor)
    etag = queries.incident_etag(incident)
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return queries.present_incident(session, incident)


@router.patch("/{incident_id}", response_model=IncidentView, operation_id="change_incident")
def patch_incident(
    incident_id: UUID, body: IncidentChange, actor: Viewer, session: Tx, settings: SettingsDep, if_match: IfMatch = None
) -> Response:
    """Change an incident. The minister and heads of mission may send `levels` and nothing else."""
    incident = actions.change_incident(
        session, actor=actor, incident_id=incident_id, command=body, if_match=if_match, report_due=_report_due(settings)
    )
    view = queries.present_incident(session, incident)
    return Response(view.model_dump_json(), headers={"ETag": queries.incident_etag(incident)}, media_type="application/json")


@router.post("/{incident_id}/close", response_model=IncidentView, operation_id="close_incident")
def post_close(incident_id: UUID, body: Reason, actor: Closer, session: Tx, idem: Idem) -> Response:
    """Close: from now on nothing acts in this incident, until it is reopened."""
    idem.start(actor.key)
    incident = actions.close_incident(session, actor=actor, incident_id=incident_id, reason=body.reason)
    return _answer(session, idem, incident, 200)


@router.post("/{incident_id}/reopen", response_model=IncidentView, operation_id="reopen_incident")
def post_reopen(incident_id: UUID, body: Reason, actor: Closer, session: Tx, idem: Idem) -> Response:
    """Open a closed incident again."""
    idem.start(actor.key)
    incident = actions.reopen_incident(session, actor=actor, incident_id=incident_id, reason=body.reason)
    return _answer(session, idem, incident, 200)


@router.get("/{incident_id}/crew", operation_id="list_crew")
def get_crew(incident_id: UUID, actor: Viewer, session: Tx) -> CrewList:
    """Who is on, by function: who was called, in what order, and who is coming."""
    queries.get_incident(session, incident_id, actor)
    return CrewList(items=present_crew(session, incident_id))


@router.get("/{incident_id}/log", operation_id="list_incident_actions")
def get_log(incident_id: UUID, actor: Viewer, session: Tx, page: PagingDep) -> Page[ActionView]:
    """What was done on this incident, newest first: who, what, when. Append-only; ids and codes, no personal data.

    Staff of a mission read what concerns the incident as a whole and their own mission.
    """
    queries.get_incident(session, incident_id, actor)
    rows = list_actions(session, incident_id, visible_to(actor), limit=page.limit + 1, before=page.cursor)
    return page_of([ActionView.model_validate(row) for row in rows], [row.id for row in rows], page.limit)


@router.get("/{incident_id}/log.csv", response_class=StreamingResponse, responses=LOG_FILE, operation_id="fetch_incident_actions")
def get_log_file(incident_id: UUID, request: Request, actor: Viewer, session: Tx) -> Response:
    """The whole log as a CSV file, newest line first. No cell can become a formula; ids and codes, no personal data."""
    queries.get_incident(session, incident_id, actor)
    sessions: Sessions = request.app.state.sessions
    return StreamingResponse(csv_of_log(sessions, incident_id, actor), media_type=MEDIA_TYPE, headers=log_file_headers(incident_id))


def _answer(session: Tx, idem: Idem, incident: Incident, status: int) -> Response:
    headers = {"ETag": queries.incident_etag(incident)}
    if status == 201:
        headers["Location"] = f"/api/v1/incidents/{incident.id}"
    return idem.answer(status, queries.present_incident(session, incident), headers)


def _report_due(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.live.report_due_seconds)
