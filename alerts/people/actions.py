"""Use cases of persons. None commits; each writes the log and publishes `person.changed`."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.citizens.finding import fingerprints
from alerts.incidents.queries import find_citizen_id, get_open_incident
from alerts.incidents.rules import check_moment, is_bound_to_mission
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import ConflictError, InvalidError, NotFoundError
from alerts.kit.outbox import publish
from alerts.kit.text import clean
from alerts.missions.queries import find_mission
from alerts.people import rules
from alerts.people.models import Person, PersonStatement
from alerts.people.queries import claim_person, find_by_citizen
from alerts.people.schemas import PersonIn, StatementIn, WithdrawalIn
from alerts.places import checked_place

WORDS_CHARACTERS = 2_000


def open_person(session: Session, *, actor: Actor, keyring: Keyring, command: PersonIn) -> Person:
    """Name a person in an open incident, with what is said of them so far.

    404: an incident the actor may not know of, an unknown citizen. 409: closed, or the citizen is named here
    already. 422: neither name nor citizen, an unknown mission, place or value, a moment ahead.
    """
    incident = get_open_incident(session, command.incident_id, actor)
    citizen_id = _find_citizen(session, actor, command)
    if citizen_id is not None:
        _check_not_named(session, incident.id, citizen_id)
    person = Person(
        id=new_id(session),
        incident_id=incident.id,
        citizen_id=citizen_id,
        nationality=command.nationality,
        mission_code=_mission_of(session, actor, command),
        place_code=checked_place(command.place_code),
        created_by=actor.key,
    )
    name = clean(command.name, 200)
    if name is None and citizen_id is None:
        raise InvalidError("name_missing", "Give a name, or the citizen's external id.", field="name")
    if name is not None:
        person.name_enc = keyring.encrypt(name, table="person", column="name_enc", row=person.id)
        person.name_sounds = fingerprints(keyring, name)
    session.add(person)
    session.flush()
    session.refresh(person)
    for statement in command.statements:
        _say(session, actor, keyring, person=person, command=statement)
    _tell(session, actor, person, action="person.opened", detail={"statements": len(command.statements)})
    return person


def add_statement(session: Session, *, actor: Actor, keyring: Keyring, person_id: UUID, command: StatementIn) -> Person:
    """Say one more thing of a person. Nothing earlier is changed; what stands is derived (`rules.current`)."""
    person = claim_person(session, person_id, actor)
    get_open_incident(session, person.incident_id)
    row = _say(session, actor, keyring, person=person, command=command)
    person.version += 1
    detail = {"axis": row.axis, "value": row.value, "claim": row.claim}
    _tell(session, actor, person, action="person.stated", detail=detail)
    return person


def withdraw_statement(session: Session, *, actor: Actor, person_id: UUID, statement_id: UUID, command: WithdrawalIn) -> Person:
    """Take a statement back, with author and reason; what stood before it stands again. 409: taken back already."""
    person = claim_person(session, person_id, actor)
    get_open_incident(session, person.incident_id)
    taken = session.get(PersonStatement, statement_id)
    if taken is None or taken.person_id != person.id or taken.withdraws is not None:
        raise NotFoundError("statement_not_found", "This person has no such statement.")
    if session.scalars(select(PersonStatement.id).where(PersonStatement.withdraws == statement_id)).first() is not None:
        raise ConflictError("already_withdrawn", "This statement was taken back before.")
    _check_past(session, command)
    session.add(
        PersonStatement(
            person_id=person.id,
            axis=taken.axis,
            source=taken.source,
            said_by=command.said_by,
            as_of=command.as_of,
            recorded_by=actor.key,
            withdraws=taken.id,
            reason=command.reason,
        )
    )
    person.version += 1
    _tell(session, actor, person, action="person.withdrawn", detail={"axis": taken.axis, "statement": str(taken.id)})
    return person


def _say(session: Session, actor: Actor, keyring: Keyring, *, person: Person, command: StatementIn) -> PersonStatement:
    _check_past(session, command)
    contact = command.contact
    filed = rules.file_statement(command.axis, command.value, command.claim, has_contact=contact is not None)
    row = PersonStatement(
        id=new_id(session),
        person_id=person.id,
        axis=command.axis,
        value=filed.value,
        claim=filed.claim,
        said_value=command.value,
        said_claim=command.claim.value,
        authority_confirmed=command.authority_confirmed,
        source=command.source,
        said_by=command.said_by,
        as_of=command.as_of,
        recorded_by=actor.key,
    )
    if contact is not None:
        row.contacted_by, row.contacted_at, row.contact_how = contact.who, contact.when, contact.how
    words = clean(command.words, WORDS_CHARACTERS)
    if words is not None:
        row.words_enc = keyring.encrypt(words, table="person_statement", column="words_enc", row=row.id)
    session.add(row)
    session.flush()
    return row


def _check_past(session: Session, command: StatementIn | WithdrawalIn) -> None:
    check_moment(command.as_of, db_now(session), field="as_of")
    if isinstance(command, StatementIn) and command.contact is not None:
        check_moment(command.contact.when, db_now(session), field="contact.when")


def _tell(session: Session, actor: Actor, person: Person, *, action: str, detail: Mapping[str, object]) -> None:
    session.flush()
    detail = {**detail, "mission": person.mission_code}
    audit.record(session, actor=actor, action=action, incident_id=person.incident_id, subject=("person", person.id), detail=detail)
    publish(session, "person.changed", person_id=person.id, incident_id=person.incident_id)


def _check_not_named(session: Session, incident_id: UUID, citizen_id: UUID) -> None:
    """One record per citizen and incident; of two who name the same one at once, the second waits and is told."""
    key = func.hashtextextended(f"person:{incident_id}:{citizen_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(key)))
    if find_by_citizen(session, incident_id, citizen_id) is not None:
        raise ConflictError("person_exists", "This citizen is already named in this incident.")


def _find_citizen(session: Session, actor: Actor, command: PersonIn) -> UUID | None:
    if command.citizen_external_id is None:
        return None
    found = find_citizen_id(session, actor, command.incident_id, external_id=command.citizen_external_id)
    if found is None:
        raise NotFoundError("citizen_not_found", "The register knows no such citizen.", field="citizen_external_id")
    return found


def _mission_of(session: Session, actor: Actor, command: PersonIn) -> str | None:
    """Staff of a mission file for their own mission; the ministry names one, or none yet."""
    if is_bound_to_mission(actor):
        if command.mission_code not in (None, actor.mission_code):
            raise InvalidError("other_mission", "You file for your own mission only.", field="mission_code")
        return actor.mission_code
    if command.mission_code is not None and find_mission(session, command.mission_code) is None:
        raise InvalidError("unknown_mission", "There is no mission of this code.", field="mission_code")
    return command.mission_code
