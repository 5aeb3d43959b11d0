"""Persons of an incident: the list, and one with everything said of them and the way of a death to its publication."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.console.contact_forms import time_of, zone_label
from alerts.console.elsewhere import IncidentDep, check_route
from alerts.console.forms import Form, FormDep, parse_id
from alerts.console.once import start_once
from alerts.console.pages import render
from alerts.console.queries import names_by_key
from alerts.console.routes_incidents import root_of
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.kit.http import Paging
from alerts.missions.queries import mission_names
from alerts.people.deaths import actions
from alerts.people.deaths.queries import present_death
from alerts.people.deaths.rules import Basis, Step
from alerts.people.deaths.schemas import ConfirmationIn, InitialsIn, KinNotFoundIn, KinToldIn, StepWithdrawalIn
from alerts.people.models import Person
from alerts.people.queries import get_person, list_persons, opener_for, present_person, present_persons
from alerts.settings import KeyringDep
from alerts.staff.access import require
from alerts.staff.rules import Permission, Role

list_router = APIRouter(prefix="/incidents/{incident_id}/persons", include_in_schema=False)
router = APIRouter(prefix="/persons/{person_id}", include_in_schema=False)
decision_router = APIRouter(prefix="/incidents/{incident_id}/deaths", include_in_schema=False)
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_PERSONS))]
Editor = Annotated[Actor, Depends(require(Permission.EDIT_PERSONS))]
Minister = Annotated[Actor, Depends(require(Permission.DECIDE_PUBLICATION))]
PAGE_SIZE, WORDS, REASON = 50, 200, 500


def person_of_route(request: Request, person_id: UUID, session: Tx, actor: Viewer) -> Person:
    """The person of the address, if the actor may know of them and the address is the right one."""
    person = get_person(session, person_id, actor)
    check_route(request, get_incident(session, person.incident_id).status)
    return person


PersonDep = Annotated[Person, Depends(person_of_route, scope="function")]


@list_router.get("")
def persons_page(
    request: Request,
    incident: IncidentDep,
    session: Tx,
    keyring: KeyringDep,
    actor: Viewer,
    cursor: Annotated[UUID | None, Query()] = None,
) -> Response:
    """Whoever is known by name in this incident, newest first; a mission's own."""
    found = list_persons(session, actor, Paging(cursor, PAGE_SIZE), incident_id=incident.id)
    rows = present_persons(session, found[:PAGE_SIZE], opener=opener_for(actor, keyring))
    context = {
        "incident": incident,
        "rows": rows,
        "missions": mission_names(session, {row.mission_code for row in rows if row.mission_code}),
        "next_cursor": rows[-1].id if len(found) > PAGE_SIZE else None,
    }
    return render(request, "persons.html", context, actor=actor)


@router.get("")
def person_page(request: Request, person: PersonDep, session: Tx, keyring: KeyringDep, actor: Viewer) -> Response:
    """Everything said of one person, and how far a death is from its publication."""
    death = present_death(session, person)
    view = present_person(session, person, opener=opener_for(actor, keyring))
    context = {
        "view": view,
        "death": death,
        "incident": get_incident(session, person.incident_id),
        "bases": [each for each in Basis if each is not Basis.HEAD_OF_MISSION or actor.role == Role.HEAD_OF_MISSION],
        "names": names_by_key(session, [row.recorded_by for row in death.steps]),
        "missions": mission_names(session, [person.mission_code]) if person.mission_code else {},
        "zone_label": zone_label(session, actor),
    }
    return render(request, "person.html", context, actor=actor)


@router.post("/death")
def death_form(request: Request, form: FormDep, person: PersonDep, session: Tx, actor: Editor) -> Response:
    """One step: a confirmation, that the family was told, or that initials may be shown."""
    once = start_once(request, session, form, actor)
    said_by, reason = _words(form, "said_by", WORDS), _words(form, "reason", REASON)
    step = form.text("step", limit=20)
    if step == Step.INITIALS:
        actions.allow_initials(session, actor=actor, person_id=person.id, command=InitialsIn(said_by=said_by, reason=reason))
        return once.go(_path(request, person))
    how, as_of = _words(form, "how", WORDS), time_of(session, form, "as_of", actor) or db_now(session)
    if step == Step.KIN_TOLD:
        told = KinToldIn(said_by=said_by, how=how, reason=reason, as_of=as_of)
        actions.tell_kin(session, actor=actor, person_id=person.id, command=told)
        return once.go(_path(request, person))
    basis = form.text("basis", limit=20)
    if step != Step.CONFIRMED or basis not in set(Basis):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="basis")
    confirmed = ConfirmationIn(basis=Basis(basis), said_by=said_by, how=how, reason=reason, as_of=as_of)
    actions.confirm_death(session, actor=actor, person_id=person.id, command=confirmed)
    return once.go(_path(request, person))


@router.post("/death/withdraw")
def withdraw_form(request: Request, form: FormDep, person: PersonDep, session: Tx, actor: Editor) -> Response:
    once = start_once(request, session, form, actor)
    command = StepWithdrawalIn(said_by=_words(form, "said_by", WORDS), reason=_words(form, "reason", REASON))
    step_id = parse_id(form.text("step_id", limit=40), "step_id")
    actions.withdraw_step(session, actor=actor, person_id=person.id, step_id=step_id, command=command)
    return once.go(_path(request, person))


@decision_router.post("/{person_id}/kin-not-found")
def decide_form(person_id: UUID, request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Minister) -> Response:
    """The minister decides that the family could not be found in time; who it is does not stand on the minister's page."""
    once = start_once(request, session, form, actor)
    _check_here(session, incident, person_id, actor)
    command = KinNotFoundIn(reason=_words(form, "reason", REASON))
    actions.decide_kin_not_found(session, actor=actor, person_id=person_id, command=command)
    return once.go(f"{root_of(request)}/incidents/{incident.id}/sheet#deaths")


def _check_here(session: Tx, incident: Incident, person_id: UUID, actor: Actor) -> None:
    if get_person(session, person_id, actor).incident_id != incident.id:
        raise InvalidError("person_not_found", "There is no such person.", field="person_id")


def _words(form: Form, name: str, limit: int) -> str:
    typed = form.text(name, limit=limit)
    if len(typed) < 3:
        raise InvalidError("words_missing", "Write who says it, how they know, and why: each step has a name and a reason.", field=name)
    return typed


def _path(request: Request, person: Person) -> str:
    return f"{root_of(request)}/persons/{person.id}"
