"""What needs a person now, where one is reached, and the rosters."""

from __future__ import annotations

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
from alerts.notices.rules import ContactKind
from alerts.notices.schemas import AlarmView, DutyView
from alerts.settings import Settings, SettingsDep
from alerts.staff.access import CurrentActor, may, require
from alerts.staff.queries import list_staff, names_of
from alerts.staff.rules import MISSION_ROLES, Permission, Role

needs_router = APIRouter(prefix="/duty", include_in_schema=False)
router = APIRouter(include_in_schema=False)
Manager = Annotated[Actor, Depends(require(Permission.MANAGE_STAFF))]
Alarmed = Annotated[Actor, Depends(require(Permission.HANDLE_ALARMS))]
MOST = Paging(None, LIMIT_MAX)
TYPED_KINDS = (ContactKind.PHONE, ContactKind.EMAIL)


@needs_router.get("")
def duty_page(request: Request, session: Tx, settings: SettingsDep, actor: CurrentActor) -> Response:
    """What the reader could take on; exercises have a page of their own."""
    lang = language_of(request, actor)
    pagings = queries.list_pagings(session, actor, MOST, status=status_of_route(request).value)
    assert actor.staff_id is not None
    context = {
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
    return render(request, "rosters.html", {"rosters": rosters}, actor=actor)


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
    listed = [
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
        for each in view.people
    ]
    others = {each.staff_id: each for each in queries.list_candidates(session, view.role, view.mission_code)}
    names = names_of(session, others.keys() - {row.staff_id for row in listed})
    return listed + [RosterRow(each, name, bool(others[each].contacts)) for each, name in sorted(names.items(), key=lambda pair: pair[1])]


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
