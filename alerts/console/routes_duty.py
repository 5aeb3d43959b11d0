"""What needs a person now, where one is reached, and the rosters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from alerts.channels.outlets import endpoint_policy
from alerts.console.elsewhere import status_of_route
from alerts.console.forms import Form, FormDep, parse_id
from alerts.console.once import start_once
from alerts.console.pages import go, is_exercise, language_of, render
from alerts.console.queries import count_urgent
from alerts.console.routes_incidents import root_of
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError, PreconditionFailedError
from alerts.kit.http import LIMIT_MAX, Paging
from alerts.notices import presenting, queries
from alerts.notices.actions import acknowledge_paging
from alerts.notices.alarms import acknowledge_alarm
from alerts.notices.contacts import DutyLine, NewContact, Place, add_contact, remove_contact, set_roster
from alerts.notices.crew import queries as crew
from alerts.notices.crew.actions import answer_call, set_crew_roster
from alerts.notices.crew.queries import list_own_calls
from alerts.notices.crew.rules import ROSTERED, Function
from alerts.notices.crew.rules import Answer as CrewAnswer
from alerts.notices.crew.schemas import CrewRosterView
from alerts.notices.rules import ContactKind
from alerts.notices.schemas import AlarmView, DutyPersonView, DutyView
from alerts.settings import Settings, SettingsDep
from alerts.staff.access import CurrentActor, may, require
from alerts.staff.queries import list_staff, names_of
from alerts.staff.rules import MISSION_ROLES, Permission, Role

needs_router = APIRouter(prefix="/duty", include_in_schema=False)
router = APIRouter(include_in_schema=False)
Manager = Annotated[Actor, Depends(require(Permission.MANAGE_STAFF))]
Alarmed = Annotated[Actor, Depends(require(Permission.HANDLE_ALARMS))]
MOST = Paging(None, LIMIT_MAX)
TYPED_KINDS = (ContactKind.PHONE, ContactKind.WHATSAPP, ContactKind.EMAIL)


@needs_router.get("")
def duty_page(request: Request, session: Tx, settings: SettingsDep, actor: CurrentActor) -> Response:
    """What the reader could take on; exercises have a page of their own."""
    lang = language_of(request, actor)
    pagings = queries.list_pagings(session, actor, MOST, status=status_of_route(request).value)
    assert actor.staff_id is not None
    context = {
        "calls": list_own_calls(session, actor.staff_id, status=status_of_route(request).value),
        "pagings": presenting.present_pagings(session, pagings, lang),
        "alarms": _alarms(session, request, actor, lang),
        "urgent": count_urgent(session, actor, status_of_route(request)),
        "contacts": presenting.present_contacts(session, settings.keyring, actor.staff_id).items,
    }
    return render(request, "duty.html", context, actor=actor)


@needs_router.post("/pagings/{paging_id}/have-it")
def have_paging_form(paging_id: UUID, request: Request, form: FormDep, session: Tx, actor: CurrentActor) -> Response:
    once = start_once(request, session, form, actor)
    paging = acknowledge_paging(session, actor=actor, paging_id=paging_id)
    return once.go(paging.path if paging.path.startswith(f"{root_of(request)}/") else f"{root_of(request)}/duty")


@needs_router.post("/calls/{call_id}/answer")
def answer_call_form(call_id: UUID, request: Request, form: FormDep, session: Tx, actor: CurrentActor) -> Response:
    """Somebody of the crew says whether they are coming."""
    once = start_once(request, session, form, actor)
    said = form.text("answer", limit=10)
    if said not in set(CrewAnswer):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="answer")
    answer_call(session, actor=actor, call_id=call_id, answer=CrewAnswer(said))
    return once.go(f"{root_of(request)}/duty")


@router.post("/duty/alarms/{alarm_id}/have-it")
def have_alarm_form(alarm_id: UUID, request: Request, form: FormDep, session: Tx, actor: Alarmed) -> Response:
    once = start_once(request, session, form, actor)
    acknowledge_alarm(session, actor=actor, alarm_id=alarm_id)
    return once.go("/duty")


@router.post("/duty/contacts")
def own_contact_form(form: FormDep, session: Tx, settings: SettingsDep, actor: CurrentActor) -> Response:
    assert actor.staff_id is not None
    _add(session, settings, actor, actor.staff_id, form)
    return go("/duty")


@router.post("/duty/contacts/{contact_id}/remove")
def remove_own_contact_form(contact_id: UUID, session: Tx, actor: CurrentActor) -> Response:
    assert actor.staff_id is not None
    remove_contact(session, actor=actor, staff_id=actor.staff_id, contact_id=contact_id)
    return go("/duty")


@router.post("/staff/{staff_id}/contacts")
def contact_form(staff_id: UUID, form: FormDep, session: Tx, settings: SettingsDep, actor: Manager) -> Response:
    _add(session, settings, actor, staff_id, form)
    return go(f"/staff/{staff_id}")


@router.post("/staff/{staff_id}/contacts/{contact_id}/remove")
def remove_contact_form(staff_id: UUID, contact_id: UUID, session: Tx, actor: Manager) -> Response:
    remove_contact(session, actor=actor, staff_id=staff_id, contact_id=contact_id)
    return go(f"/staff/{staff_id}")


@router.get("/rosters")
def rosters_page(request: Request, session: Tx, actor: Manager) -> Response:
    """Every role of the ministry, and those of missions that somebody has."""
    ours: set[tuple[Role, str | None]] = {(role, None) for role in Role if role not in MISSION_ROLES}
    theirs = {(staff.role, staff.mission_code) for staff in list_staff(session) if staff.mission_code}
    places = sorted(ours | theirs, key=lambda place: (place[1] or "", place[0].value))
    rosters = [presenting.present_duty(session, role, code) for role, code in places]
    functions = [crew.present_roster(session, function) for function in ROSTERED]
    return render(request, "rosters.html", {"rosters": rosters, "functions": functions}, actor=actor)


@router.get("/rosters/crew/{function}")
def crew_roster_page(function: Function, request: Request, session: Tx, actor: Manager) -> Response:
    view = crew.present_roster(session, function)
    return render(request, "roster.html", {"view": view, "rows": _crew_rows(session, view)}, actor=actor)


@router.post("/rosters/crew/{function}")
def crew_roster_form(function: Function, form: FormDep, session: Tx, actor: Manager) -> Response:
    if crew.present_roster(session, function).etag != form.text("etag", limit=64):
        raise PreconditionFailedError("stale_version", "Somebody changed this roster since you opened it: look at it again.")
    lines = [(_place(form, each), _line(form, each)) for each in form.all("staff") if form.text(f"place-{each}")]
    set_crew_roster(session, actor=actor, function=function, lines=[line for _, line in sorted(lines, key=lambda p: p[0])])
    return go("/rosters")


MissionCode = Annotated[str | None, Query(max_length=100)]


@router.get("/rosters/{role}")
def roster_page(role: Role, request: Request, session: Tx, actor: Manager, mission_code: MissionCode = None) -> Response:
    view = presenting.present_duty(session, role, mission_code)
    context = {"view": view, "rows": _rows(session, view)}
    return render(request, "roster.html", context, actor=actor)


@router.post("/rosters/{role}")
def roster_form(role: Role, form: FormDep, session: Tx, actor: Manager, mission_code: MissionCode = None) -> Response:
    """The whole roster as shown and changed; not if somebody else changed it meanwhile."""
    if presenting.present_duty(session, role, mission_code).etag != form.text("etag", limit=64):
        raise PreconditionFailedError("stale_version", "Somebody changed this roster since you opened it: look at it again.")
    lines = [(_place(form, each), _line(form, each)) for each in form.all("staff") if form.text(f"place-{each}")]
    set_roster(session, actor=actor, role=role, mission_code=mission_code, lines=[line for _, line in sorted(lines, key=lambda p: p[0])])
    return go("/rosters")


@dataclass(frozen=True)
class RosterRow:
    """One account of the role, on the roster or not."""

    staff_id: UUID
    name: str
    is_reachable: bool
    place: str = ""
    is_on: bool = True
    begin: str = ""
    until: str = ""
    zone: str = "Asia/Jakarta"


def _rows(session: Session, view: DutyView) -> list[RosterRow]:
    others = {each.staff_id: each for each in queries.list_candidates(session, view.role, view.mission_code)}
    listed = _listed(view.people)
    names = names_of(session, others.keys() - {row.staff_id for row in listed})
    return listed + [RosterRow(each, name, bool(others[each].contacts)) for each, name in sorted(names.items(), key=lambda pair: pair[1])]


def _crew_rows(session: Session, view: CrewRosterView) -> list[RosterRow]:
    """Everybody of the ministry may stand on a function's roster."""
    listed = _listed(view.people)
    there = {row.staff_id for row in listed}
    others = [each for each in list_staff(session) if each.is_active and each.role not in MISSION_ROLES and each.id not in there]
    reached = queries.contacts_of(session, [each.id for each in others])
    return listed + [RosterRow(each.id, each.display_name, bool(reached[each.id])) for each in others]


def _listed(people: Sequence[DutyPersonView]) -> list[RosterRow]:
    return [
        RosterRow(
            staff_id=each.staff_id,
            name=each.display_name,
            is_reachable=each.is_reachable,
            place=str(each.position),
            is_on=each.is_on,
            begin=f"{each.hours.begin:%H:%M}" if each.hours else "",
            until=f"{each.hours.until:%H:%M}" if each.hours else "",
            zone=each.zone,
        )
        for each in people
    ]


def _place(form: Form, staff_id: str) -> int:
    written = form.text(f"place-{staff_id}", limit=3)
    if not written.isascii() or not written.isdigit() or not int(written):
        raise InvalidError("place_malformed", "A place is a whole number from 1.", field=f"place-{staff_id}")
    return int(written)


def _line(form: Form, staff_id: str) -> DutyLine:
    begin, until = _time(form, f"from-{staff_id}"), _time(form, f"until-{staff_id}")
    if (begin is None) != (until is None):
        raise InvalidError("hours_half", "Hours have a beginning and an end; leave both empty for always.", field=f"until-{staff_id}")
    hours = (begin, until) if begin is not None and until is not None else None
    is_on, zone = form.has(f"on-{staff_id}"), form.text(f"zone-{staff_id}", limit=64) or "Asia/Jakarta"
    return DutyLine(parse_id(staff_id, "staff"), is_on, hours, zone)


def _time(form: Form, name: str) -> time | None:
    written = form.text(name, limit=8)
    try:
        return time.fromisoformat(written).replace(tzinfo=None) if written else None
    except ValueError:
        raise InvalidError("time_malformed", "A time of day is written like 08:00.", field=name) from None


def _alarms(session: Session, request: Request, actor: Actor, lang: str) -> list[AlarmView]:
    if is_exercise(request) or not may(actor, Permission.HANDLE_ALARMS):
        return []
    return [presenting.present_alarm(alarm, lang) for alarm in queries.list_alarms(session, MOST)]


def _add(session: Session, settings: Settings, actor: Actor, staff_id: UUID, form: Form) -> None:
    """A number or a mailbox; devices and browsers make themselves known."""
    kind = form.text("kind", limit=20)
    if kind not in TYPED_KINDS:
        raise InvalidError("form_incomplete", "The form is incomplete: open the page again.", field="kind")
    command = NewContact(ContactKind(kind), form.text("address", limit=254))
    place = Place(settings.home_country, endpoint_policy(settings))
    add_contact(session, settings.keyring, actor=actor, staff_id=staff_id, command=command, place=place)
