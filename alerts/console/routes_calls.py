"""The call list of an incident: whom to telephone, one open row, and how the call ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from alerts.console.contact_forms import contact_of, time_of, zone_label
from alerts.console.elsewhere import IncidentDep
from alerts.console.forms import FormDep
from alerts.console.once import start_once
from alerts.console.pages import go, render
from alerts.console.queries import names_by_key
from alerts.console.routes_incidents import root_of
from alerts.deliveries.call_list import actions
from alerts.deliveries.call_list.queries import get_member, list_calls, present_open
from alerts.deliveries.call_list.rules import REACHED, Outcome
from alerts.inbox.calling.actions import end_call
from alerts.inbox.calling.schemas import CallEnd
from alerts.incidents.queries import list_missions
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError, NotFoundError
from alerts.missions.queries import mission_names
from alerts.settings import KeyringDep, SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/incidents/{incident_id}/calls", include_in_schema=False)
Caller = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]
SHOWN = 50


def member_of_route(member_id: Annotated[int, Path(ge=1, le=2**63 - 1)], incident: IncidentDep, session: Tx, actor: Caller) -> int:
    """Somebody of this incident, whom this actor may call; 404 for anybody else's row."""
    _, broadcast = get_member(session, member_id, actor)
    if broadcast.incident_id != incident.id:
        raise NotFoundError("row_not_found", "There is no such person on the call list.")
    return member_id


MemberId = Annotated[int, Depends(member_of_route, scope="function")]


@router.get("")
def calls_page(
    request: Request,
    incident: IncidentDep,
    session: Tx,
    settings: SettingsDep,
    actor: Caller,
    mission: Annotated[str | None, Query(max_length=60)] = None,
) -> Response:
    """Whoever no message reached, in the order in which to call; a mission's own people."""
    is_ministry = not is_bound_to_mission(actor)
    code = (mission or None) if is_ministry else actor.mission_code or ""
    after = settings.calls.after_seconds
    found = list_calls(session, incident.id, mission_code=code, broadcast_id=None, after_seconds=after, limit=SHOWN)
    involved = [each.mission_code for each in list_missions(session, incident.id)]
    context = {
        "incident": incident,
        "found": found,
        "waiting": sum(found.counts.waiting.values()),
        "names": names_by_key(session, [row.claimed_by for row in found.items if row.claimed_by]),
        "missions": mission_names(session, involved) if is_ministry else {},
        "chosen": code,
        "mine": actor.key,
        "now": db_now(session),
    }
    return render(request, "calls.html", context, actor=actor)


@router.get("/{member_id}")
def call_page(member_id: MemberId, request: Request, incident: IncidentDep, session: Tx, keyring: KeyringDep, actor: Caller) -> Response:
    """The row that this caller has open, with name and numbers."""
    row = actions.get_mine(session, actor=actor, member_id=member_id)
    member, _ = get_member(session, member_id, actor)
    view = present_open(session, row, member, keyring)
    context = {
        "incident": incident,
        "view": view,
        "outcomes": list(Outcome),
        "zone_label": zone_label(session, actor),
        "names": names_by_key(session, [each.caller for each in view.history]),
    }
    return render(request, "call.html", context, actor=actor)


@router.post("/{member_id}/open")
def open_form(member_id: MemberId, request: Request, incident: IncidentDep, session: Tx, settings: SettingsDep, actor: Caller) -> Response:
    """Take the row. A second tap takes it again: it is the caller's own."""
    actions.open_row(session, actor=actor, member_id=member_id, lease_seconds=settings.calls.lease_seconds)
    return go(f"{root_of(request)}/incidents/{incident.id}/calls/{member_id}")


@router.post("/{member_id}/release")
def release_form(member_id: MemberId, request: Request, incident: IncidentDep, session: Tx, actor: Caller) -> Response:
    actions.release_row(session, actor=actor, member_id=member_id)
    return go(f"{root_of(request)}/incidents/{incident.id}/calls")


@router.post("/{member_id}/outcome")
def outcome_form(
    member_id: MemberId,
    request: Request,
    form: FormDep,
    incident: IncidentDep,
    session: Tx,
    settings: SettingsDep,
    keyring: KeyringDep,
    actor: Caller,
) -> Response:
    once = start_once(request, session, form, actor)
    typed = form.text("outcome", limit=20)
    if typed not in set(Outcome):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="outcome")
    outcome = Outcome(typed)
    command = CallEnd(
        outcome=outcome,
        contact=contact_of(session, form, actor) if outcome in REACHED else None,
        call_back_at=time_of(session, form, "call_back_at", actor) if outcome is Outcome.CALL_BACK_AT else None,
        note=form.optional("note", limit=1000),
    )
    again = settings.calls.again_seconds
    end_call(session, actor=actor, keyring=keyring, member_id=member_id, command=command, again_seconds=again)
    return once.go(f"{root_of(request)}/incidents/{incident.id}/calls")
