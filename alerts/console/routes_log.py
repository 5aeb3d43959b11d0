"""What was done on an incident: every line, who, when and why, page by page."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from alerts.console.elsewhere import IncidentDep, Viewer
from alerts.console.pages import render
from alerts.console.queries import actor_names
from alerts.console.routes_incidents import root_of
from alerts.incidents.log_file import MEDIA_TYPE, csv_of_log, log_file_headers, visible_to
from alerts.kit.audit import list_actions
from alerts.kit.db import Sessions, Tx

router = APIRouter(prefix="/incidents/{incident_id}", include_in_schema=False)
PAGE_SIZE = 100


@router.get("/log")
def log_page(
    request: Request,
    incident: IncidentDep,
    session: Tx,
    actor: Viewer,
    cursor: Annotated[UUID | None, Query()] = None,
    *,
    reasons: Annotated[bool, Query(description="only lines whose doer had to say why")] = False,
) -> Response:
    """Newest first. A reason stands beside what it was given for."""
    found = list_actions(session, incident.id, visible_to(actor), limit=PAGE_SIZE + 1, before=cursor, only_reasoned=reasons)
    lines = found[:PAGE_SIZE]
    context = {"incident": incident, "base": f"{root_of(request)}/incidents/{incident.id}", "lines": lines, "reasons": reasons}
    context |= {"names": actor_names(session, lines), "next_cursor": lines[-1].id if len(found) > PAGE_SIZE else None}
    return render(request, "log.html", context, actor=actor)


@router.get("/log.csv")
def log_file(request: Request, incident: IncidentDep, actor: Viewer) -> Response:
    """The same as a file."""
    sessions: Sessions = request.app.state.sessions
    return StreamingResponse(csv_of_log(sessions, incident.id, actor), media_type=MEDIA_TYPE, headers=log_file_headers(incident.id))
