"""The board of missions: who has reported, whose clock runs out, who is asked; and what one says of a clock, by forms alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import ColumnElement

from alerts.console.elsewhere import IncidentDep, status_of_route
from alerts.console.forms import Form, FormDep
from alerts.console.once import start_once
from alerts.console.pages import render
from alerts.console.routes_incidents import root_of
from alerts.incidents.models import Incident
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.missions.queries import mission_names
from alerts.reports.chasing import actions
from alerts.reports.chasing.board import board_of
from alerts.reports.chasing.clock import pace_of
from alerts.reports.chasing.queries import IS_ASKED
from alerts.reports.chasing.rules import Chaser
from alerts.reports.chasing.schemas import CoverIn, SnoozeIn
from alerts.reports.rules.words import TARGET
from alerts.settings import Settings, SettingsDep
from alerts.staff.access import may, require
from alerts.staff.rules import Permission

board_router = APIRouter(prefix="/missions/board", include_in_schema=False)
router = APIRouter(prefix="/incidents/{incident_id}/missions", include_in_schema=False)
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_REPORTS))]
Taker = Annotated[Actor, Depends(require(Permission.TAKE_ON_REPORTING))]
Asker = Annotated[Actor, Depends(require(Permission.CHASE_MISSIONS))]
State = Annotated[str, Query(max_length=20)]
MINUTES = (15, 30, 60, 120, 240, 360)
BOARD, INCIDENT = "board", "incident"


@board_router.get("")
def board_page(
    request: Request,
    session: Tx,
    actor: Viewer,
    settings: SettingsDep,
    state: State = "",
    mission: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """Every mission of every open incident; for a mission's staff their own."""
    where = (IS_ASKED, Incident.status == status_of_route(request))
    context = _context(session, actor, settings, where, state=state, mission=mission)
    return render(request, "missions.html", context | {"incident": None, "back": BOARD}, actor=actor)


@router.get("")
def missions_page(
    request: Request, incident: IncidentDep, session: Tx, actor: Viewer, settings: SettingsDep, state: State = ""
) -> Response:
    """The missions of one incident."""
    context = _context(session, actor, settings, (Incident.id == incident.id,), state=state)
    return render(request, "missions.html", context | {"incident": incident, "back": INCIDENT}, actor=actor)


@router.post("/{code}/acknowledge")
def acknowledge_form(
    request: Request, code: str, form: FormDep, incident: IncidentDep, session: Tx, actor: Taker, settings: SettingsDep
) -> Response:
    once = start_once(request, session, form, actor)
    actions.acknowledge(session, (incident.id, code), actor=actor, pace=pace_of(settings))
    return once.go(_back(request, form, incident))


@router.post("/{code}/snooze")
def snooze_form(
    request: Request, code: str, form: FormDep, incident: IncidentDep, session: Tx, actor: Asker, settings: SettingsDep
) -> Response:
    once = start_once(request, session, form, actor)
    minutes = form.text("minutes", limit=4)
    if minutes not in {str(each) for each in MINUTES}:
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="minutes")
    command = SnoozeIn(minutes=int(minutes), reason=form.reason())
    actions.snooze(session, (incident.id, code), actor=actor, command=command, pace=pace_of(settings))
    return once.go(_back(request, form, incident))


@router.post("/{code}/cover")
def cover_form(
    request: Request, code: str, form: FormDep, incident: IncidentDep, session: Tx, actor: Asker, settings: SettingsDep
) -> Response:
    once = start_once(request, session, form, actor)
    command = CoverIn(mission_code=form.text("mission_code", limit=60) or "-", reason=form.reason())
    actions.cover(session, (incident.id, code), actor=actor, command=command, pace=pace_of(settings))
    return once.go(_back(request, form, incident))


@router.post("/{code}/resume")
def resume_form(
    request: Request, code: str, form: FormDep, incident: IncidentDep, session: Tx, actor: Asker, settings: SettingsDep
) -> Response:
    once = start_once(request, session, form, actor)
    actions.resume(session, (incident.id, code), actor=actor, pace=pace_of(settings))
    return once.go(_back(request, form, incident))


def _context(
    session: Tx, actor: Actor, settings: Settings, where: Sequence[ColumnElement[bool]], *, state: str = "", mission: str = ""
) -> dict[str, Any]:
    chosen = Chaser(state) if state in set(Chaser) else None
    board = board_of(session, actor, pace_of(settings), *where, state=chosen, mission=mission or None)
    can_chase = may(actor, Permission.CHASE_MISSIONS)
    longest = settings.chasing.snooze_max_seconds
    return {
        "board": board,
        "state": chosen,
        "mission": mission,
        "now": db_now(session),
        "targets": TARGET,
        "minutes": [each for each in MINUTES if each * 60 <= longest],
        "missions": mission_names(session, None if can_chase else {code for row in board.items for code in row.covers}),
        "is_ministry": not is_bound_to_mission(actor),
    }


def _back(request: Request, form: Form, incident: Incident) -> str:
    root = root_of(request)
    return f"{root}/missions/board" if form.text("back", limit=10) == BOARD else f"{root}/incidents/{incident.id}/missions"
