"""Use cases of answers. None commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember, Broadcast
from alerts.broadcasts.rules import Purpose, State
from alerts.checkins import rules
from alerts.checkins.cases.raising import hear_checkin
from alerts.checkins.models import Checkin
from alerts.checkins.rules import Answer, Channel, Contact
from alerts.checkins.schemas import CheckinIn
from alerts.incidents.queries import find_citizen_id, get_open_incident
from alerts.incidents.rules import Status
from alerts.kit import audit
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import NotFoundError
from alerts.kit.ids import is_member_token_valid, parse_member_token
from alerts.kit.outbox import publish
from alerts.kit.text import clean


@dataclass(frozen=True, slots=True)
class NewCheckin:
    """An answer before it is written. `member_id` is the audience member whose link or message it came by."""

    incident_id: UUID
    citizen_id: UUID
    answer: Answer
    channel: Channel
    member_id: int | None = None
    contact: Contact | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class LinkHolder:
    """Whom a valid link belongs to: enough to record an answer, and to choose the page's language and colour."""

    member_id: int
    incident_id: UUID
    citizen_id: UUID
    language: str
    is_exercise: bool
    generation: int
    is_cancelled: bool


MEMBER = select(
    AudienceMember.id,
    AudienceMember.citizen_id,
    AudienceMember.language,
    AudienceMember.link_generation,
    Broadcast.incident_id,
    Broadcast.status,
    Broadcast.state,
    Broadcast.purpose,
).join(Broadcast, Broadcast.id == AudienceMember.broadcast_id)


def record_checkin(session: Session, *, actor: Actor, keyring: Keyring, new: NewCheckin) -> Checkin:
    """Write one answer and publish `checkin.recorded`. Never refuses for the state of the incident.

    A call for help has its case, with an owner, in the same transaction (`cases.raising.hear_checkin`).

    The rung follows from the channel and the contact (`rules.rung_of`). The note is cleaned of what cannot
    be seen, cut to its limit, and enciphered. 422: a contact that is not the staff's, or lies ahead.
    """
    rules.check_contact(new.contact, new.channel, db_now(session))
    row = Checkin(
        id=new_id(session),
        incident_id=new.incident_id,
        citizen_id=new.citizen_id,
        answer=new.answer,
        channel=new.channel,
        rung=rules.rung_of(new.channel, new.contact),
        member_id=new.member_id,
        recorded_by=actor.key,
    )
    if new.contact is not None:
        row.contacted_by, row.contacted_at, row.contact_how = new.contact.who, new.contact.when, new.contact.how
    note = clean(new.note, rules.NOTE_CHARACTERS)
    if note is not None:
        row.note_enc = keyring.encrypt(note, table="checkin", column="note_enc", row=row.id)
    session.add(row)
    session.flush()
    session.refresh(row)
    _tell(session, actor, row)
    hear_checkin(session, actor=actor, keyring=keyring, checkin=row)
    return row


def record_for_citizen(session: Session, *, actor: Actor, keyring: Keyring, command: CheckinIn) -> Checkin:
    """What staff or a machine client records. 404: an incident or a citizen that the actor may not know of. 409: closed."""
    incident = get_open_incident(session, command.incident_id, actor)
    citizen_id = find_citizen_id(session, actor, incident.id, citizen_id=command.citizen_id, external_id=command.citizen_external_id)
    if citizen_id is None:
        raise NotFoundError("citizen_not_found", "The register knows no such citizen.", field="citizen_id")
    new = NewCheckin(
        incident_id=incident.id,
        citizen_id=citizen_id,
        answer=command.answer,
        channel=rules.channel_of(actor, command.channel),
        contact=None if command.contact is None else command.contact.to_contact(),
        note=command.note,
    )
    return record_checkin(session, actor=actor, keyring=keyring, new=new)


def find_link_holder(session: Session, keyring: Keyring, token: str, status: Status) -> LinkHolder | None:
    """Whom the link belongs to; None for one that is malformed, forged, revoked, made up, or of the other status. Changes nothing."""
    parsed = parse_member_token(token)
    row = session.execute(MEMBER.where(AudienceMember.id == parsed.number)).one_or_none() if parsed else None
    if parsed is None or row is None or not is_member_token_valid(keyring.link, parsed, row.link_generation):
        return None
    return holder_of_row(row, status)


def holder_of_row(row: Any, status: Status) -> LinkHolder | None:
    """The holder of a link that has proved genuine, from the columns of `MEMBER`; None where it is of the other status, or made up."""
    if row.status != status or row.purpose == Purpose.SYNTHETIC:
        return None
    return LinkHolder(
        row.id,
        row.incident_id,
        row.citizen_id,
        row.language,
        is_exercise=status is Status.EXERCISE,
        generation=row.link_generation,
        is_cancelled=row.state == State.CANCELLED,
    )


def actor_of_link(member_id: int) -> Actor:
    """Whoever holds the personal link of a member."""
    return Actor(Via.LINK, label=f"member:{member_id}")


def _tell(session: Session, actor: Actor, row: Checkin) -> None:
    """The row itself is the record of what a citizen says; the log of actions holds what staff and clients do."""
    if actor.via in (Via.SESSION, Via.TOKEN):
        audit.record(
            session,
            actor=actor,
            action="checkin.recorded",
            incident_id=row.incident_id,
            subject=("checkin", row.id),
            detail={"answer": row.answer, "rung": row.rung},
        )
    ids = {"checkin_id": row.id, "citizen_id": row.citizen_id, "incident_id": row.incident_id, "member_id": row.member_id}
    publish(session, "checkin.recorded", **ids, answer=row.answer.value, ends_steps=rules.ends_steps(row.channel))
