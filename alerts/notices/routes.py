"""HTTP of messages to staff: addresses, rosters, pages, alarms, and what carriers report back."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.channels.outlets import endpoint_policy
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import IfMatch, Page, PagingDep, check_if_match, is_unchanged, page_of
from alerts.kit.idempotency import Idem
from alerts.notices import actions, alarms, contacts, presenting, queries
from alerts.notices.routes_hooks import router as hooks
from alerts.notices.schemas import AlarmView, ContactAdd, ContactList, DutySet, DutyView, PagingView
from alerts.settings import SettingsDep
from alerts.staff.access import CurrentActor, require
from alerts.staff.rules import Permission, Role

router = APIRouter(tags=["staff"])
Manager = Annotated[Actor, Depends(require(Permission.MANAGE_STAFF))]
Alarmed = Annotated[Actor, Depends(require(Permission.HANDLE_ALARMS))]


@router.get("/api/v1/staff/{staff_id}/contacts", operation_id="list_staff_contacts")
def get_contacts(staff_id: UUID, session: Tx, actor: CurrentActor, settings: SettingsDep) -> ContactList:
    """Where somebody of the staff can be reached, masked: one's own addresses, or anybody's for an administrator."""
    contacts.check_own_or_managed(actor, staff_id)
    return presenting.present_contacts(session, settings.keyring, staff_id)


@router.post("/api/v1/staff/{staff_id}/contacts", status_code=201, response_model=ContactList, operation_id="add_staff_contact")
def post_contact(staff_id: UUID, body: ContactAdd, actor: CurrentActor, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Add an address for pages and alarms; the answer is all of them. A device that another account had moves here."""
    idem.start(actor.key)
    keys = {"p256dh": body.keys.p256dh, "auth": body.keys.auth} if body.keys else {}
    command = contacts.NewContact(body.kind, body.address, **keys)
    place = contacts.Place(settings.home_country, endpoint_policy(settings))
    contacts.add_contact(session, settings.keyring, actor=actor, staff_id=staff_id, command=command, place=place)
    return idem.answer(201, presenting.present_contacts(session, settings.keyring, staff_id))


@router.delete("/api/v1/staff/{staff_id}/contacts/{contact_id}", status_code=204, operation_id="remove_staff_contact")
def delete_contact(staff_id: UUID, contact_id: UUID, actor: CurrentActor, session: Tx) -> Response:
    """Take an address away: nothing more is sent to it. Safe to repeat."""
    contacts.remove_contact(session, actor=actor, staff_id=staff_id, contact_id=contact_id)
    return Response(status_code=204)


@router.get("/api/v1/duty", response_model=DutyView, operation_id="get_duty")
def get_duty(
    request: Request,
    response: Response,
    session: Tx,
    _: Manager,
    role: Annotated[Role, Query()],
    mission_code: Annotated[str | None, Query(max_length=100, description="for a mission's role")] = None,
) -> DutyView | Response:
    """Who is first and who deputises for a role: in this order people are paged."""
    view = presenting.present_duty(session, role, mission_code)
    if is_unchanged(request, view.etag):
        return Response(status_code=304, headers={"ETag": view.etag})
    response.headers["ETag"] = view.etag
    return view


@router.put("/api/v1/duty", response_model=DutyView, operation_id="set_duty")
def put_duty(body: DutySet, response: Response, session: Tx, actor: Manager, if_match: IfMatch = None) -> DutyView:
    """Set the whole roster of a role. Everybody on it has that role, so that each can do what a page asks for."""
    current = presenting.present_duty(session, body.role, body.mission_code)
    check_if_match(if_match, current.etag, current=current)
    lines = [
        contacts.DutyLine(each.staff_id, each.is_on, (each.hours.begin, each.hours.until) if each.hours else None, each.zone)
        for each in body.people
    ]
    contacts.set_roster(session, actor=actor, role=body.role, mission_code=body.mission_code, lines=lines)
    view = presenting.present_duty(session, body.role, body.mission_code)
    response.headers["ETag"] = view.etag
    return view


@router.get("/api/v1/pagings", operation_id="list_pagings")
def get_pagings(
    session: Tx,
    actor: CurrentActor,
    page: PagingDep,
    *,
    only_open: Annotated[bool, Query(description="only those that wait for somebody")] = True,
) -> Page[PagingView]:
    """What somebody of your role (and mission) is being paged about, newest first."""
    rows = queries.list_pagings(session, actor, page, only_open=only_open)
    views = presenting.present_pagings(session, rows, actor.language)
    return page_of(views, [row.id for row in rows], page.limit)


@router.post("/api/v1/pagings/{paging_id}/acknowledge", response_model=PagingView, operation_id="acknowledge_paging")
def post_acknowledge_paging(paging_id: UUID, session: Tx, actor: CurrentActor, idem: Idem) -> Response:
    """Say "I have it": nobody is paged about this any further. Not for who may not decide on it; 409 when it stopped otherwise."""
    idem.start(actor.key)
    paging = actions.acknowledge_paging(session, actor=actor, paging_id=paging_id)
    return idem.answer(200, presenting.present_pagings(session, [paging], actor.language)[0])


@router.get("/api/v1/alarms", operation_id="list_alarms")
def get_alarms(
    session: Tx,
    actor: Alarmed,
    page: PagingDep,
    *,
    only_open: Annotated[bool, Query(description="only those that nobody has taken on")] = True,
) -> Page[AlarmView]:
    """What went wrong with sending and needs a person, newest first."""
    rows = queries.list_alarms(session, page, only_open=only_open)
    return page_of([presenting.present_alarm(row, actor.language) for row in rows], [row.id for row in rows], page.limit)


@router.post("/api/v1/alarms/{alarm_id}/acknowledge", response_model=AlarmView, operation_id="acknowledge_alarm")
def post_acknowledge_alarm(alarm_id: UUID, session: Tx, actor: Alarmed, idem: Idem) -> Response:
    """Somebody looks after it: it leaves the list. If it goes on, it comes back, and is told again after an hour."""
    idem.start(actor.key)
    alarm = alarms.acknowledge_alarm(session, actor=actor, alarm_id=alarm_id)
    return idem.answer(200, presenting.present_alarm(alarm, actor.language))


router.include_router(hooks)
