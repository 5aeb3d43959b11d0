"""HTTP of the board of missions and of what is said of their clocks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.idempotency import Idem
from alerts.reports.chasing import actions
from alerts.reports.chasing.board import board_of
from alerts.reports.chasing.clock import pace_of
from alerts.reports.chasing.queries import IS_ASKED, Owed
from alerts.reports.chasing.rules import Chaser
from alerts.reports.chasing.schemas import CoverIn, MissionBoard, MissionReportingView, SnoozeIn
from alerts.settings import Settings, SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1", tags=["missions"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_REPORTS))]
Taker = Annotated[Actor, Depends(require(Permission.TAKE_ON_REPORTING))]
Asker = Annotated[Actor, Depends(require(Permission.CHASE_MISSIONS))]
Code = Annotated[str, Path(min_length=1, max_length=60)]
Which = Annotated[Chaser | None, Query(description="only missions whose chaser stands so")]
Of = Annotated[str | None, Query(max_length=60, description="only this mission")]


@router.get("/missions/board", operation_id="get_mission_board")
def get_board(
    session: Tx,
    actor: Viewer,
    settings: SettingsDep,
    status: Annotated[Status, Query(description="actual incidents, or exercises")] = Status.ACTUAL,
    state: Which = None,
    mission: Of = None,
) -> MissionBoard:
    """Every mission of every open incident: last report, completeness, next clock, chaser. A mission's staff see their own."""
    return board_of(session, actor, pace_of(settings), IS_ASKED, Incident.status == status, state=state, mission=mission)


@router.get("/incidents/{incident_id}/missions", operation_id="list_incident_missions")
def get_missions(incident_id: UUID, session: Tx, actor: Viewer, settings: SettingsDep, state: Which = None) -> MissionBoard:
    """The missions of one incident on the board; those of a closed or replayed one are asked for nothing."""
    get_incident(session, incident_id, actor)
    return board_of(session, actor, pace_of(settings), Incident.id == incident_id, state=state)


@router.post(
    "/incidents/{incident_id}/missions/{code}/acknowledge", response_model=MissionReportingView, operation_id="acknowledge_overdue_report"
)
def post_acknowledge(incident_id: UUID, code: Code, session: Tx, actor: Taker, settings: SettingsDep, idem: Idem) -> Response:
    """Say "I have it": nobody is asked for a set time. 409 where no report is overdue."""
    idem.start(actor.key)
    owed = actions.acknowledge(session, (incident_id, code), actor=actor, pace=pace_of(settings))
    return _answer(session, idem, owed, actor, settings)


@router.post("/incidents/{incident_id}/missions/{code}/snooze", response_model=MissionReportingView, operation_id="snooze_mission")
def post_snooze(incident_id: UUID, code: Code, body: SnoozeIn, session: Tx, actor: Asker, settings: SettingsDep, idem: Idem) -> Response:
    """Ask nobody at this mission until then, with a reason."""
    idem.start(actor.key)
    owed = actions.snooze(session, (incident_id, code), actor=actor, command=body, pace=pace_of(settings))
    return _answer(session, idem, owed, actor, settings)


@router.post("/incidents/{incident_id}/missions/{code}/cover", response_model=MissionReportingView, operation_id="cover_mission")
def post_cover(incident_id: UUID, code: Code, body: CoverIn, session: Tx, actor: Asker, settings: SettingsDep, idem: Idem) -> Response:
    """Another mission reports for this one and is asked instead, with a reason."""
    idem.start(actor.key)
    owed = actions.cover(session, (incident_id, code), actor=actor, command=body, pace=pace_of(settings))
    return _answer(session, idem, owed, actor, settings)


@router.post("/incidents/{incident_id}/missions/{code}/resume", response_model=MissionReportingView, operation_id="resume_mission")
def post_resume(incident_id: UUID, code: Code, session: Tx, actor: Asker, settings: SettingsDep, idem: Idem) -> Response:
    """End a snooze, a cover or an "I have it": the mission is asked again as its clock says."""
    idem.start(actor.key)
    owed = actions.resume(session, (incident_id, code), actor=actor, pace=pace_of(settings))
    return _answer(session, idem, owed, actor, settings)


def _answer(session: Tx, idem: Idem, owed: Owed, actor: Actor, settings: Settings) -> Response:
    incident_id, code = owed.key
    board = board_of(session, actor, pace_of(settings), Incident.id == incident_id, mission=code)
    return idem.answer(200, board.items[0])
