"""Families' calls: written down in half a minute, with who may be meant at once; and one enquiry with its calls and history."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.console.contact_forms import contact_of, time_of, zone_label
from alerts.console.elsewhere import IncidentDep, check_route
from alerts.console.forms import Form, FormDep, parse_id
from alerts.console.once import start_once
from alerts.console.pages import go, language_of, render, typed_in
from alerts.console.places import find_typed_place, place_choices
from alerts.console.queries import names_by_key
from alerts.console.routes_incidents import root_of
from alerts.families import actions, queries
from alerts.families.models import Enquiry
from alerts.families.rules import ALLOWED, EnquiryState, Relation, Tell
from alerts.families.schemas import CallBackIn, EnquiryIn, EnquiryMove, PermissionIn, Recognition
from alerts.families.words import spoken
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.kit.http import Paging
from alerts.kit.i18n import LANGUAGES
from alerts.missions.queries import mission_names
from alerts.people.queries import opener_for
from alerts.settings import KeyringDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

list_router = APIRouter(prefix="/incidents/{incident_id}/families", include_in_schema=False)
router = APIRouter(prefix="/families/{enquiry_id}", include_in_schema=False)
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_PERSONS))]
Clerk = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]
PAGE_SIZE = 50
OPEN = (EnquiryState.OPEN, EnquiryState.IN_HAND)


def enquiry_of_route(request: Request, enquiry_id: UUID, session: Tx, actor: Viewer) -> Enquiry:
    """The enquiry of the address, if the actor may see it and the address is the right one."""
    enquiry = queries.get_enquiry(session, enquiry_id, actor)
    check_route(request, enquiry.status)
    return enquiry


EnquiryDep = Annotated[Enquiry, Depends(enquiry_of_route, scope="function")]


@list_router.get("")
def families_page(
    request: Request,
    incident: IncidentDep,
    session: Tx,
    keyring: KeyringDep,
    actor: Viewer,
    cursor: Annotated[UUID | None, Query()] = None,
    closed: Annotated[bool | None, Query()] = None,
    reference: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    """The form that a call is written into, and below it whoever is asked after; by a caller's reference, that one at once."""
    states = (EnquiryState.CLOSED,) if closed else OPEN
    sought = reference or None
    found = queries.list_enquiries(session, actor, Paging(cursor, PAGE_SIZE), incident_id=incident.id, states=states, reference=sought)
    if sought and len(found) == 1:
        return go(f"{root_of(request)}/families/{found[0].id}")
    rows = queries.present_enquiries(session, found[:PAGE_SIZE], opener=opener_for(actor, keyring))
    context = {
        "incident": incident,
        "rows": rows,
        "closed": bool(closed),
        "reference": reference or "",
        "now": db_now(session),
        "missions": mission_names(session, {row.owner_mission for row in rows if row.owner_mission}),
        "names": names_by_key(session, [row.acting_by for row in rows if row.acting_by]),
        "next_cursor": rows[-1].id if len(found) > PAGE_SIZE else None,
        "relations": list(Relation),
        "choices": place_choices(language_of(request, actor)),
        "zone_label": zone_label(session, actor),
        "typed_place": typed_in(request).get("place", ""),
    }
    return render(request, "families.html", context, actor=actor)


@list_router.post("")
def log_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    """Write the call down, then show the caller's reference and who may be meant."""
    once = start_once(request, session, form, actor)
    command = EnquiryIn(
        sought_name=_name(form),
        sought_phone=form.optional("sought_phone", limit=60),
        about=form.optional("about", limit=2000),
        place_code=_place(form),
        caller_name=form.optional("caller_name", limit=200),
        caller_phone=form.optional("caller_phone", limit=60),
        relation=Relation(_choice(form, "relation", set(Relation))),
        last_contact_at=time_of(session, form, "last_contact_at", actor),
        last_contact=form.optional("last_contact", limit=2000),
    )
    logged = actions.log_call(session, actor=actor, keyring=keyring, incident_id=incident.id, command=command)
    return once.go(f"{root_of(request)}/families/{logged.enquiry.id}?call={logged.call.id}")


@router.get("")
def family_page(
    request: Request,
    enquiry: EnquiryDep,
    session: Tx,
    keyring: KeyringDep,
    actor: Viewer,
    call: Annotated[UUID | None, Query()] = None,
) -> Response:
    """Who may be meant, what may be told, who asks, and what was done. `call`: the one that was just written down."""
    view = queries.present_detail(session, enquiry, actor, opener=opener_for(actor, keyring))
    just_now = next((each for each in view.call_list if each.id == call), None)
    is_ministry = not is_bound_to_mission(actor)
    context = {
        "view": view,
        "incident": get_incident(session, enquiry.incident_id),
        "just_now": just_now,
        "say": _say(view.may_tell.tells, view.may_tell.words, just_now.reference if just_now else None),
        "moves": [state for state in EnquiryState if state in ALLOWED[view.state]],
        "tells": list(Tell),
        "names": names_by_key(session, [*(line.actor for line in view.history), *(each.taken_by for each in view.call_list)]),
        "missions": mission_names(session) if is_ministry else {},
        "is_ministry": is_ministry,
        "now": db_now(session),
        "zone_label": zone_label(session, actor),
    }
    return render(request, "family.html", context, actor=actor)


@router.post("/move")
def move_form(request: Request, form: FormDep, enquiry: EnquiryDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    once = start_once(request, session, form, actor)
    command = EnquiryMove(to=EnquiryState(_choice(form, "to", set(EnquiryState))), note=form.optional("note", limit=2000))
    actions.move_enquiry(session, actor=actor, keyring=keyring, enquiry_id=enquiry.id, command=command)
    return once.go(_path(request, enquiry))


@router.post("/note")
def note_form(request: Request, form: FormDep, enquiry: EnquiryDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    once = start_once(request, session, form, actor)
    note = form.text("note", limit=2000)
    if not note:
        raise InvalidError("note_missing", "Write something.", field="note")
    actions.note_enquiry(session, actor=actor, keyring=keyring, enquiry_id=enquiry.id, note=note)
    return once.go(_path(request, enquiry))


@router.post("/assign")
def assign_form(request: Request, form: FormDep, enquiry: EnquiryDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    once = start_once(request, session, form, actor)
    code = form.optional("mission_code", limit=60)
    actions.assign_enquiry(session, actor=actor, keyring=keyring, enquiry_id=enquiry.id, mission_code=code)
    return once.go(_path(request, enquiry))


@router.post("/join")
def join_form(request: Request, form: FormDep, enquiry: EnquiryDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    once = start_once(request, session, form, actor)
    into = parse_id(form.text("into", limit=40), "into")
    target = actions.join_enquiries(session, actor=actor, keyring=keyring, enquiry_id=enquiry.id, into=into)
    return once.go(_path(request, target))


@router.post("/separate")
def separate_form(request: Request, form: FormDep, enquiry: EnquiryDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    once = start_once(request, session, form, actor)
    actions.separate_enquiry(session, actor=actor, keyring=keyring, enquiry_id=enquiry.id)
    return once.go(_path(request, enquiry))


@router.post("/recognise")
def recognise_form(request: Request, form: FormDep, enquiry: EnquiryDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    once = start_once(request, session, form, actor)
    ids = {name: parse_id(typed, name) for name in ("citizen_id", "person_id") if (typed := form.text(name, limit=40))}
    actions.recognise(session, actor=actor, keyring=keyring, enquiry_id=enquiry.id, command=Recognition(**ids))
    return once.go(_path(request, enquiry))


@router.post("/permission")
def permission_form(request: Request, form: FormDep, enquiry: EnquiryDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    once = start_once(request, session, form, actor)
    tells = [Tell(each) for each in form.all("tells") if each in set(Tell)]
    contact = contact_of(session, form, actor) if tells else None
    command = PermissionIn(tells=tells, contact=contact, message=form.optional("message", limit=500))
    actions.permit(session, actor=actor, keyring=keyring, enquiry_id=enquiry.id, command=command)
    return once.go(_path(request, enquiry))


@router.post("/told")
def told_form(request: Request, form: FormDep, enquiry: EnquiryDep, session: Tx, keyring: KeyringDep, actor: Clerk) -> Response:
    once = start_once(request, session, form, actor)
    command = CallBackIn(told=[Tell(each) for each in form.all("told") if each in set(Tell)], note=form.optional("note", limit=2000))
    call_id = parse_id(form.text("call_id", limit=40), "call_id")
    actions.record_call_back(session, actor=actor, keyring=keyring, enquiry_id=enquiry.id, call_id=call_id, command=command)
    return once.go(_path(request, enquiry))


def _say(tells: list[Tell], words: dict[str, str], reference: str | None) -> dict[str, str]:
    """What is said to the caller on the line: with the reference, where there is nothing else to tell."""
    if tells or reference is None:
        return words
    return {lang: spoken(lang, (), reference=reference, contacted_at=None, place=None, message=None) for lang in LANGUAGES}


def _name(form: Form) -> str:
    name = form.text("sought_name", limit=200)
    if not name:
        raise InvalidError("name_missing", "Say whom the caller asks after.", field="sought_name")
    return name


def _place(form: Form) -> str | None:
    typed = form.text("place", limit=200)
    place = find_typed_place(typed) if typed else None
    if typed and place is None:
        raise InvalidError("unknown_place", "No country or province has this name.", field="place")
    return place.code if place else None


def _choice(form: Form, name: str, known: set[str]) -> str:
    typed = form.text(name, limit=40)
    if typed not in known:
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field=name)
    return typed


def _path(request: Request, enquiry: Enquiry) -> str:
    return f"{root_of(request)}/families/{enquiry.id}"
