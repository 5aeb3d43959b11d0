"""Use cases of answers. None commits."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.broadcasts.queries import find_member, get_broadcast
from alerts.broadcasts.rules import Purpose, State
from alerts.checkins import rules
from alerts.checkins.cases.raising import hear_checkin
from alerts.checkins.models import Checkin
from alerts.checkins.queries import find_last_of_member
from alerts.checkins.rules import Answer, Channel, Contact
from alerts.checkins.schemas import CheckinIn, LinkAnswer
from alerts.incidents.queries import find_citizen_id, get_open_incident
from alerts.incidents.rules import Status
from alerts.kit import audit
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
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


def record_checkin(session: Session, *, actor: Actor, keyring: Keyring, new: NewCheckin) -> Checkin:
    """Write one answer and publish `checkin.recorded`. Never refuses for the state of the incident.

    A call for help has its case, with an owner, in the same transaction (`cases.raising.hear_checkin`).

    The rung follows from the channel and the contact (`rules.rung_of`). The note is cleaned of what cannot
    be seen, cut to its limit, and enciphered. 422: a contact that is not the staff's, or lies ahead.
    """
    rules.check_contact(new.contact, new.channel, db_now(session))
    row = Checkin(
        id=session.execute(select(func.uuidv7())).scalar_one(),
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
    member = find_member(session, parsed.number) if parsed else None
    if parsed is None or member is None or not is_member_token_valid(keyring.link, parsed, member.link_generation):
        return None
    broadcast = get_broadcast(session, member.broadcast_id)
    if broadcast.status is not status or broadcast.purpose is Purpose.SYNTHETIC:
        return None
    return LinkHolder(
        member.id,
        broadcast.incident_id,
        member.citizen_id,
        member.language,
        is_exercise=status is Status.EXERCISE,
        generation=member.link_generation,
        is_cancelled=broadcast.state is State.CANCELLED,
    )


def answer_by_link(session: Session, *, keyring: Keyring, holder: LinkHolder, form: LinkAnswer) -> Checkin:
    """The answer of whoever holds the link. The same answer again changes nothing and gives the first one."""
    key = func.hashtextextended(f"checkin:{holder.member_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(key)))
    last = find_last_of_member(session, holder.member_id)
    if last is not None and last.answer is form.answer and _says_nothing_new(last, form.note, keyring):
        return last
    new = NewCheckin(holder.incident_id, holder.citizen_id, form.answer, form.channel, holder.member_id, note=form.note)
    return record_checkin(session, actor=Actor(Via.LINK, label=f"member:{holder.member_id}"), keyring=keyring, new=new)


def _says_nothing_new(last: Checkin, note: str | None, keyring: Keyring) -> bool:
    new = clean(note, rules.NOTE_CHARACTERS)
    if new is None or last.note_enc is None:
        return new is None
    return new == keyring.decrypt(last.note_enc, table="checkin", column="note_enc", row=last.id)


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
