"""Calls for help: by age, and one with its history; for the mission that owns them and for the ministry."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.checkins.cases import actions
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.queries import get_case, list_cases, present_cases, present_detail
from alerts.checkins.cases.rules import ALLOWED, CLOSED, CURRENT, CaseState
from alerts.checkins.cases.schemas import CaseMove
from alerts.citizens.queries import names_of as names_of_citizens
from alerts.console.contact_forms import contact_of, zone_label
from alerts.console.elsewhere import check_route, status_of_route
from alerts.console.forms import FormDep
from alerts.console.once import start_once
from alerts.console.pages import render
from alerts.console.queries import names_by_key
from alerts.console.routes_incidents import root_of
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.kit.http import Paging
from alerts.missions.queries import mission_names
from alerts.settings import KeyringDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

list_router = APIRouter(prefix="/cases", include_in_schema=False)
router = APIRouter(prefix="/cases/{case_id}", include_in_schema=False)
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_PERSONS))]
Helper = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]
PAGE_SIZE = 50


def case_of_route(request: Request, case_id: UUID, session: Tx, actor: Viewer) -> HelpCase:
    """The case of the address, if the actor may see it and the address is the right one."""
    case = get_case(session, case_id, actor)
    check_route(request, case.status)
    return case


CaseDep = Annotated[HelpCase, Depends(case_of_route, scope="function")]


@list_router.get("")
def cases_page(
    request: Request,
    session: Tx,
    keyring: KeyringDep,
    actor: Viewer,
    cursor: Annotated[UUID | None, Query()] = None,
    closed: Annotated[bool | None, Query()] = None,
) -> Response:
    """Who has waited longest for help stands first."""
    states = tuple(CLOSED if closed else CURRENT)
    found = list_cases(session, actor, Paging(cursor, PAGE_SIZE), states=states, status=status_of_route(request))
    rows = present_cases(found[:PAGE_SIZE])
    context = {
        "rows": rows,
        "closed": bool(closed),
        "now": db_now(session),
        "people": names_of_citizens(session, keyring, [row.citizen_id for row in rows if row.citizen_id]),
        "missions": mission_names(session, {row.owner_mission for row in rows if row.owner_mission}),
        "names": names_by_key(session, [row.acting_by for row in rows if row.acting_by]),
        "next_cursor": rows[-1].id if len(found) > PAGE_SIZE else None,
        "is_ministry": not is_bound_to_mission(actor),
    }
    return render(request, "cases.html", context, actor=actor)


@router.get("")
def case_page(request: Request, case: CaseDep, session: Tx, keyring: KeyringDep, actor: Viewer) -> Response:
    view = present_detail(session, case, keyring)
    is_ministry = not is_bound_to_mission(actor)
    context = {
        "view": view,
        "now": db_now(session),
        "incident": get_incident(session, case.incident_id) if case.incident_id else None,
        "moves": [state for state in CaseState if state in ALLOWED[case.state]],
        "names": names_by_key(session, [line.actor for line in view.history]),
        "missions": mission_names(session) if is_ministry else {},
        "is_ministry": is_ministry,
        "zone_label": zone_label(session, actor),
    }
    return render(request, "case.html", context, actor=actor)


@router.post("/move")
def move_form(request: Request, form: FormDep, case: CaseDep, session: Tx, keyring: KeyringDep, actor: Helper) -> Response:
    once = start_once(request, session, form, actor)
    to = form.text("to", limit=20)
    if to not in set(CaseState):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="to")
    note = form.optional("note", limit=2000)
    command = CaseMove(to=CaseState(to), note=note, contact=contact_of(session, form, actor) if to in CLOSED else None)
    actions.move_case(session, actor=actor, keyring=keyring, case_id=case.id, command=command)
    return once.go(f"{root_of(request)}/cases/{case.id}")


@router.post("/note")
def note_form(request: Request, form: FormDep, case: CaseDep, session: Tx, keyring: KeyringDep, actor: Helper) -> Response:
    once = start_once(request, session, form, actor)
    note = form.text("note", limit=2000)
    if not note:
        raise InvalidError("note_missing", "Write something.", field="note")
    actions.note_case(session, actor=actor, keyring=keyring, case_id=case.id, note=note)
    return once.go(f"{root_of(request)}/cases/{case.id}")


@router.post("/assign")
def assign_form(request: Request, form: FormDep, case: CaseDep, session: Tx, keyring: KeyringDep, actor: Helper) -> Response:
    once = start_once(request, session, form, actor)
    code = form.optional("mission_code", limit=60)
    actions.assign_case(session, actor=actor, keyring=keyring, case_id=case.id, mission_code=code)
    return once.go(f"{root_of(request)}/cases/{case.id}")
