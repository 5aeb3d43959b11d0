"""What is done to an incident from its page: close, reopen, set a Siaga level, resolve a conflict of figures."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from alerts.console.elsewhere import IncidentDep, Viewer
from alerts.console.forms import FormDep, parse_id
from alerts.console.once import start_once
from alerts.console.pages import go
from alerts.console.routes_broadcasts import reason_of
from alerts.console.routes_incidents import root_of
from alerts.incidents.actions import change_incident, close_incident, reopen_incident
from alerts.incidents.rules import LEVEL_SETTERS, LevelBasis, SiagaLevel
from alerts.incidents.schemas import IncidentChange, LevelIn
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError, NotFoundError
from alerts.reports.actions import resolve_conflict
from alerts.reports.schemas import ConflictResolve
from alerts.settings import SettingsDep
from alerts.staff.access import may, require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/incidents/{incident_id}", include_in_schema=False)
Closer = Annotated[Actor, Depends(require(Permission.CLOSE_INCIDENT))]
Resolver = Annotated[Actor, Depends(require(Permission.FILE_MINISTRY_REPORT))]
REASON_MIN, REASON_MAX = 3, 500


@router.post("/close")
def close_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Closer) -> Response:
    close_incident(session, actor=actor, incident_id=incident.id, reason=reason_of(form))
    return go(f"{root_of(request)}/incidents/{incident.id}")


@router.post("/reopen")
def reopen_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Closer) -> Response:
    reopen_incident(session, actor=actor, incident_id=incident.id, reason=reason_of(form))
    return go(f"{root_of(request)}/incidents/{incident.id}")


@router.post("/level")
def level_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, settings: SettingsDep, actor: Viewer) -> Response:
    """Refused when somebody changed the incident since the page was opened."""
    typed, basis = form.text("level", limit=3), form.text("basis", limit=20)
    if typed not in {"", *SiagaLevel} or basis not in set(LevelBasis):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="level")
    area_id = parse_id(form.text("area_id", limit=36), "area_id")
    level = LevelIn(area_id=area_id, siaga_level=SiagaLevel(typed) if typed else None, level_basis=LevelBasis(basis) if typed else None)
    due = timedelta(seconds=settings.live.report_due_seconds)
    command, etag = IncidentChange(levels=[level]), form.text("etag", limit=80)
    change_incident(session, actor=actor, incident_id=incident.id, command=command, if_match=etag, report_due=due)
    return go(f"{root_of(request)}/incidents/{incident.id}")


@router.post("/quiet")
def quiet_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, settings: SettingsDep, actor: Viewer) -> Response:
    """Make the incident quiet, or loud again; with the reason."""
    reason = reason_of(form)
    if not REASON_MIN <= len(reason) <= REASON_MAX:
        raise InvalidError("reason_length", "A reason has 3 to 500 characters.", field="reason")
    command = IncidentChange(is_quiet=form.text("quiet", limit=3) == "yes", quiet_reason=reason)
    due, etag = timedelta(seconds=settings.live.report_due_seconds), form.text("etag", limit=80)
    change_incident(session, actor=actor, incident_id=incident.id, command=command, if_match=etag, report_due=due)
    return go(f"{root_of(request)}/incidents/{incident.id}")


@router.post("/conflicts/{conflict_id}")
def conflict_form(conflict_id: str, request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Resolver) -> Response:
    """One figure stands; the others stay readable as overtaken."""
    once = start_once(request, session, form, actor)
    if not re.fullmatch("[0-9a-f]{1,64}", conflict_id):
        raise NotFoundError("no_such_conflict", "There is no such conflict now; somebody may have resolved it.")
    reason = reason_of(form)
    if not REASON_MIN <= len(reason) <= REASON_MAX:
        raise InvalidError("reason_length", "A reason has 3 to 500 characters.", field="reason")
    command = ConflictResolve(keep_line_id=parse_id(form.text("line_id", limit=36), "line_id"), reason=reason)
    resolve_conflict(session, actor=actor, incident_id=incident.id, conflict_id=conflict_id, command=command)
    return once.go(f"{root_of(request)}/incidents/{incident.id}/sheet")


def words_for_level(actor: Actor) -> list[LevelBasis]:
    """On whose word this actor may set a level; empty for those who may not."""
    own = LEVEL_SETTERS.get(actor.role)
    if own is not None:
        return [own]
    return list(LevelBasis) if may(actor, Permission.EDIT_INCIDENT) else []
