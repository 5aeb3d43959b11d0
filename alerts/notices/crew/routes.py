"""HTTP of the crew: one's own answer, and the rosters of functions."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import IfMatch, check_if_match, is_unchanged
from alerts.kit.idempotency import Idem
from alerts.notices.contacts import DutyLine
from alerts.notices.crew import queries
from alerts.notices.crew.actions import answer_call, set_crew_roster
from alerts.notices.crew.rules import Function
from alerts.notices.crew.schemas import CrewAnswerIn, CrewList, CrewRosterSet, CrewRosterView
from alerts.staff.access import CurrentActor, require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1", tags=["staff"])
Manager = Annotated[Actor, Depends(require(Permission.MANAGE_STAFF))]


@router.post("/crew-calls/{call_id}/answer", response_model=CrewList, operation_id="answer_crew_call")
def post_answer(call_id: UUID, body: CrewAnswerIn, session: Tx, actor: CurrentActor, idem: Idem) -> Response:
    """Say whether you are coming. Who cannot is followed by the next deputy at once; the answer is who is on."""
    idem.start(actor.key)
    call = answer_call(session, actor=actor, call_id=call_id, answer=body.answer)
    _, slot = queries.get_call(session, call.id, actor.staff_id)
    return idem.answer(200, CrewList(items=queries.present_crew(session, slot.incident_id)))


@router.get("/crew-rosters/{function}", response_model=CrewRosterView, operation_id="get_crew_roster")
def get_roster(function: Function, request: Request, response: Response, session: Tx, _: Manager) -> CrewRosterView | Response:
    """Who is first and who deputises for a function of the ministry's crew."""
    view = queries.present_roster(session, function)
    if is_unchanged(request, view.etag):
        return Response(status_code=304, headers={"ETag": view.etag})
    response.headers["ETag"] = view.etag
    return view


@router.put("/crew-rosters/{function}", response_model=CrewRosterView, operation_id="set_crew_roster")
def put_roster(
    function: Function, body: CrewRosterSet, response: Response, session: Tx, actor: Manager, if_match: IfMatch = None
) -> CrewRosterView:
    """Set the whole roster of a function (director, spokesman, minister_aide); the others are found by role."""
    current = queries.present_roster(session, function)
    check_if_match(if_match, current.etag, current=current)
    lines = [
        DutyLine(each.staff_id, each.is_on, (each.hours.begin, each.hours.until) if each.hours else None, each.zone) for each in body.people
    ]
    set_crew_roster(session, actor=actor, function=function, lines=lines)
    view = queries.present_roster(session, function)
    response.headers["ETag"] = view.etag
    return view
