"""The tray: messages from citizens that a person must read, calls for help first."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from alerts.checkins.rules import Answer
from alerts.console.elsewhere import check_route, status_of_route
from alerts.console.forms import Form, FormDep, parse_id
from alerts.console.once import start_once
from alerts.console.pages import render
from alerts.console.routes_incidents import root_of
from alerts.inbox import actions
from alerts.inbox.queries import count_tray, get_message, list_tray, present_message
from alerts.inbox.schemas import HandleIn
from alerts.incidents.queries import list_incidents
from alerts.incidents.rules import State, is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.kit.http import Paging
from alerts.missions.queries import mission_names
from alerts.settings import KeyringDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/inbox", include_in_schema=False)
Reader = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]
SHOWN = 50


def message_of_route(request: Request, message_id: UUID, session: Tx, actor: Reader) -> UUID:
    """The message of the address, if the actor may see it and the address is the right one."""
    check_route(request, get_message(session, message_id, actor).status)
    return message_id


MessageId = Annotated[UUID, Depends(message_of_route, scope="function")]


@router.get("")
def tray_page(request: Request, session: Tx, keyring: KeyringDep, actor: Reader) -> Response:
    """What waits for this reader: of exercises on their own page. Handle one, and the next moves up."""
    is_ministry, status = not is_bound_to_mission(actor), status_of_route(request)
    context = {
        "rows": [present_message(row, keyring) for row in list_tray(session, actor, limit=SHOWN, status=status)],
        "counts": count_tray(session, actor, status=status),
        "incidents": list_incidents(session, actor, Paging(None, SHOWN), state=State.OPEN, status=status),
        "missions": mission_names(session) if is_ministry else {},
        "is_ministry": is_ministry,
        "answers": list(Answer),
    }
    return render(request, "inbox.html", context, actor=actor)


@router.post("/{message_id}/handle")
def handle_form(message_id: MessageId, request: Request, form: FormDep, session: Tx, keyring: KeyringDep, actor: Reader) -> Response:
    """A person has read it, and says what it means."""
    once = start_once(request, session, form, actor)
    actions.handle_message(session, actor=actor, keyring=keyring, message_id=message_id, command=_read(form))
    return once.go(f"{root_of(request)}/inbox")


@router.post("/{message_id}/assign")
def assign_form(message_id: MessageId, request: Request, form: FormDep, session: Tx, actor: Reader) -> Response:
    """Give it to a mission."""
    once = start_once(request, session, form, actor)
    actions.assign_message(session, actor=actor, message_id=message_id, mission_code=form.optional("mission_code", limit=60))
    return once.go(f"{root_of(request)}/inbox")


def _read(form: Form) -> HandleIn:
    answer, incident = form.text("answer", limit=20), form.text("incident_id", limit=36)
    if answer not in {"", *Answer}:
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="answer")
    external_id, is_unknown = form.optional("citizen_external_id", limit=100), form.has("is_unknown_person")
    is_named = bool(external_id) or is_unknown
    try:
        return HandleIn(
            answer=Answer(answer) if answer else None,
            incident_id=parse_id(incident, "incident_id") if incident and is_named else None,
            citizen_external_id=external_id,
            is_unknown_person=is_unknown,
        )
    except ValidationError:
        raise InvalidError("whose_is_it", "Say in which incident, and whose message it is.", field="citizen_external_id") from None
