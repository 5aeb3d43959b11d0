"""Use cases on the way of a death to its publication. None commits; each writes the log and publishes `person.changed`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.incidents.queries import get_open_incident
from alerts.incidents.rules import check_moment
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import new_id
from alerts.kit.errors import ConflictError, NotFoundError
from alerts.kit.outbox import publish
from alerts.people.deaths.models import DeathStep
from alerts.people.deaths.queries import count_of_ours_there, is_of_a_group, standing_of
from alerts.people.deaths.rules import Basis, Step, check_initials, check_step
from alerts.people.deaths.schemas import ConfirmationIn, InitialsIn, KinNotFoundIn, KinToldIn, StepWithdrawalIn
from alerts.people.models import Person
from alerts.people.queries import claim_person

THE_MINISTER = "Menteri"


def confirm_death(session: Session, *, actor: Actor, person_id: UUID, command: ConfirmationIn) -> Person:
    """The host authority or the DVI confirmed it, or the head of the mission signs the identification.

    403: a signature that is not the actor's to give. 404: no such person of theirs. 409: closed, or nobody says that they are dead.
    """
    person, finding = _claim(session, actor, person_id, step=Step.CONFIRMED, basis=command.basis)
    row = DeathStep(step=Step.CONFIRMED, finding_id=finding, basis=command.basis, said_by=command.said_by, how=command.how)
    return _record(session, actor, person, row, reason=command.reason, as_of=command.as_of)


def tell_kin(session: Session, *, actor: Actor, person_id: UUID, command: KinToldIn) -> Person:
    """The next of kin were told."""
    person, finding = _claim(session, actor, person_id, step=Step.KIN_TOLD)
    row = DeathStep(step=Step.KIN_TOLD, finding_id=finding, said_by=command.said_by, how=command.how)
    return _record(session, actor, person, row, reason=command.reason, as_of=command.as_of)


def decide_kin_not_found(session: Session, *, actor: Actor, person_id: UUID, command: KinNotFoundIn) -> Person:
    """The minister decides, and answers for it, that the next of kin could not be found in time."""
    person, finding = _claim(session, actor, person_id, step=Step.KIN_NOT_FOUND)
    row = DeathStep(step=Step.KIN_NOT_FOUND, finding_id=finding, said_by=THE_MINISTER)
    return _record(session, actor, person, row, reason=command.reason, as_of=command.as_of or db_now(session))


def allow_initials(session: Session, *, actor: Actor, person_id: UUID, command: InitialsIn) -> Person:
    """Initials may be shown too; by default they are withheld. 409 where place or group would say who it is."""
    person, finding = _claim(session, actor, person_id, step=Step.INITIALS)
    check_initials(of_ours_there=count_of_ours_there(session, person.place_code), is_of_a_group=is_of_a_group(session, person))
    row = DeathStep(step=Step.INITIALS, finding_id=finding, said_by=command.said_by)
    return _record(session, actor, person, row, reason=command.reason, as_of=command.as_of or db_now(session))


def withdraw_step(session: Session, *, actor: Actor, person_id: UUID, step_id: UUID, command: StepWithdrawalIn) -> Person:
    """Take a step back, with author and reason; what it opened is closed again. 409: taken back already."""
    person = claim_person(session, person_id, actor)
    get_open_incident(session, person.incident_id)
    taken = session.get(DeathStep, step_id)
    if taken is None or taken.person_id != person.id or taken.withdraws is not None:
        raise NotFoundError("step_not_found", "This person's record has no such step.")
    if session.scalars(select(DeathStep.id).where(DeathStep.withdraws == step_id)).first() is not None:
        raise ConflictError("already_withdrawn", "This step was taken back before.")
    row = DeathStep(step=Step.WITHDRAWN, said_by=command.said_by, withdraws=taken.id)
    return _record(session, actor, person, row, reason=command.reason, as_of=db_now(session))


def _claim(session: Session, actor: Actor, person_id: UUID, *, step: Step, basis: Basis | None = None) -> tuple[Person, UUID | None]:
    """The person, locked, and the finding that the step is made for."""
    person = claim_person(session, person_id, actor)
    get_open_incident(session, person.incident_id)
    standing = standing_of(session, person.id)
    check_step(actor, step, basis, is_dead=standing.is_dead)
    return person, standing.finding_id


def _record(session: Session, actor: Actor, person: Person, row: DeathStep, *, reason: str, as_of: datetime) -> Person:
    check_moment(as_of, db_now(session), field="as_of")
    row.id = new_id(session)
    row.person_id, row.reason, row.as_of = person.id, reason, as_of
    row.recorded_by, row.role = actor.key, actor.role
    session.add(row)
    person.version += 1
    session.flush()
    # The reason stands on the person's own record: it is free text about the dead and their family, and the log is read by more people.
    detail = {
        "step": row.step,
        "basis": row.basis,
        "withdraws": str(row.withdraws) if row.withdraws else None,
        "mission": person.mission_code,
    }
    audit.record(
        session, actor=actor, action="death.recorded", incident_id=person.incident_id, subject=("person", person.id), detail=detail
    )
    publish(session, "person.changed", person_id=person.id, incident_id=person.incident_id)
    return person
