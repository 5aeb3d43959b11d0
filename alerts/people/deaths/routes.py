"""HTTP of the way of a death to its publication."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.idempotency import Idem
from alerts.people.deaths import actions
from alerts.people.deaths.queries import present_death
from alerts.people.deaths.schemas import ConfirmationIn, DeathView, InitialsIn, KinNotFoundIn, KinToldIn, StepWithdrawalIn
from alerts.people.models import Person
from alerts.people.queries import get_person
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/persons/{person_id}/death", tags=["persons"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_PERSONS))]
Editor = Annotated[Actor, Depends(require(Permission.EDIT_PERSONS))]
Minister = Annotated[Actor, Depends(require(Permission.DECIDE_PUBLICATION))]


@router.get("", operation_id="get_death")
def get_death(person_id: UUID, actor: Viewer, session: Tx) -> DeathView:
    """How far a possible death is from its publication, with every step, its author and its reason."""
    return present_death(session, get_person(session, person_id, actor))


@router.post("/confirm", status_code=201, response_model=DeathView, operation_id="confirm_death")
def post_confirmation(person_id: UUID, body: ConfirmationIn, actor: Editor, session: Tx, idem: Idem) -> Response:
    """The host authority or the DVI confirmed it, or the head of the mission signs the identification."""
    idem.start(actor.key)
    return _answer(session, idem, actions.confirm_death(session, actor=actor, person_id=person_id, command=body))


@router.post("/kin-told", status_code=201, response_model=DeathView, operation_id="tell_kin")
def post_kin_told(person_id: UUID, body: KinToldIn, actor: Editor, session: Tx, idem: Idem) -> Response:
    """The next of kin were told: by whom, when and how."""
    idem.start(actor.key)
    return _answer(session, idem, actions.tell_kin(session, actor=actor, person_id=person_id, command=body))


@router.post("/kin-not-found", status_code=201, response_model=DeathView, operation_id="decide_kin_not_found")
def post_kin_not_found(person_id: UUID, body: KinNotFoundIn, actor: Minister, session: Tx, idem: Idem) -> Response:
    """The minister's decision that the next of kin could not be found in time."""
    idem.start(actor.key)
    return _answer(session, idem, actions.decide_kin_not_found(session, actor=actor, person_id=person_id, command=body))


@router.post("/initials", status_code=201, response_model=DeathView, operation_id="allow_initials")
def post_initials(person_id: UUID, body: InitialsIn, actor: Editor, session: Tx, idem: Idem) -> Response:
    """Initials may be published too; 409 where place or group would say who it is."""
    idem.start(actor.key)
    return _answer(session, idem, actions.allow_initials(session, actor=actor, person_id=person_id, command=body))


@router.post("/steps/{step_id}/withdraw", status_code=201, response_model=DeathView, operation_id="withdraw_death_step")
def post_withdrawal(person_id: UUID, step_id: UUID, body: StepWithdrawalIn, actor: Editor, session: Tx, idem: Idem) -> Response:
    """Take a step back, with author and reason."""
    idem.start(actor.key)
    return _answer(session, idem, actions.withdraw_step(session, actor=actor, person_id=person_id, step_id=step_id, command=body))


def _answer(session: Tx, idem: Idem, person: Person) -> Response:
    return idem.answer(201, present_death(session, person), {"Location": f"/api/v1/persons/{person.id}/death"})
