"""Use cases of the inbox: keep what comes in, understand it later, let a person handle the rest. None commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember
from alerts.broadcasts.queries import get_broadcast
from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.cases.queries import find_owner
from alerts.checkins.cases.raising import Unknown, hear_unknown, identify
from alerts.checkins.rules import Answer, Channel
from alerts.citizens.actions import record_opt_in, record_opt_out
from alerts.citizens.models import Citizen
from alerts.citizens.queries import find_by_phone_index
from alerts.citizens.rules import OptSource
from alerts.citizens.testers import withdraw_tester
from alerts.deliveries.call_list.actions import keep_listed, let_go
from alerts.deliveries.round_trips.actions import note_reply
from alerts.inbox import rules
from alerts.inbox.lapsit.actions import hear_lapsit
from alerts.inbox.models import InboundMessage
from alerts.inbox.queries import claim_message, find_member_of, is_urgent_unread, open_field
from alerts.inbox.rules import Flag, State, Understood, WayIn
from alerts.inbox.schemas import HandleIn
from alerts.incidents.queries import find_citizen_id, get_incident
from alerts.incidents.rules import Status, is_bound_to_mission
from alerts.kit import audit
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from alerts.kit.outbox import publish
from alerts.missions.queries import find_mission
from alerts.notices.crew.actions import answer_by_text
from alerts.reports.rules.lapsit import is_lapsit

INBOX = Actor(via=Via.SYSTEM, label="inbox")
ANSWERS = {
    Understood.SAFE: Answer.SAFE,
    Understood.NEED_HELP: Answer.NEED_HELP,
    Understood.UNCLEAR: Answer.OTHER,
    Understood.URGENT_UNREAD: Answer.OTHER,
}


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as the carrier hands it over. `status`: of the account that signed it, so of the number it was written to."""

    provider_id: str
    sender: str
    body: str
    segments: int = 1
    media: int = 0
    carrier_opted_out: bool = False
    status: Status = Status.ACTUAL


def receive_message(session: Session, *, keyring: Keyring, inbound: Inbound) -> bool:
    """Keep the message raw and publish `inbound.received`; False when this provider id was kept before."""
    message_id = new_id(session)
    way, number = rules.split_sender(inbound.sender)
    values = {
        "id": message_id,
        "channel": way,
        "provider_id": inbound.provider_id,
        "from_enc": _seal(keyring, "from_enc", message_id, number),
        "from_index": keyring.blind_index(number),
        "body_enc": _seal(keyring, "body_enc", message_id, inbound.body),
        "segments": inbound.segments,
        "media": inbound.media,
        "carrier_opted_out": inbound.carrier_opted_out,
        "status": inbound.status,
    }
    statement = insert(InboundMessage).values(**values).on_conflict_do_nothing(index_elements=["provider_id"])
    is_new = session.execute(statement.returning(InboundMessage.id)).first() is not None
    if is_new:
        publish(session, "inbound.received", message_id=message_id)
    return is_new


def understand_message(session: Session, *, keyring: Keyring, message_id: UUID) -> Understood | None:
    """Read a kept message once: find whose it is, record the answer or the opt-out, or leave it to a person.

    A second ring finds it read and does nothing (None).
    """
    row = claim_message(session, message_id)
    if row.state is not State.RECEIVED:
        return None
    text = open_field(row, "body_enc", keyring)
    if not row.carrier_opted_out and hear_lapsit(session, keyring=keyring, row=row, text=text):
        session.flush()
        return row.understood
    citizens = find_by_phone_index(session, row.from_index)
    if not row.carrier_opted_out and _hear_crew(session, keyring, row=row, text=text, citizens=citizens):
        return row.understood
    reading = rules.understand(text, segments=row.segments, media=row.media, carrier_opted_out=row.carrier_opted_out)
    if note_reply(session, row.from_index) and not citizens:
        # Our own end answered a test message: nobody's answer, and nothing for a person to read.
        row.state, row.understood, row.handled_by, row.handled_at = State.HANDLED, reading.understood, INBOX.key, db_now(session)
        session.flush()
        return reading.understood
    member = find_member_of(session, row.from_index, citizens, row.status)
    is_found = bool(citizens) if reading.understood is Understood.OPT_OUT else member is not None
    row.state = State.MATCHED if is_found else State.UNMATCHED
    row.understood = reading.understood
    row.flags = sorted(reading.flags | _flags_of_sender(citizens, member) | ({Flag.LAPSIT_OF_A_STRANGER} if is_lapsit(text) else set()))
    row.citizen_id = citizens[0].id if len(citizens) == 1 else None
    _hear_opting(session, row, citizens, is_out=reading.understood is Understood.OPT_OUT, is_in=rules.is_opt_in(text))
    if member is not None and reading.understood is not Understood.OPT_OUT:
        row.citizen_id, row.incident_id = member.citizen_id, get_broadcast(session, member.broadcast_id).incident_id
        _record(session, INBOX, keyring, row=row, answer=ANSWERS[reading.understood], member_id=member.id)
    if reading.understood is Understood.URGENT_UNREAD:
        _alert_desk(session, row, member)
    if reading.understood is Understood.NEED_HELP and row.checkin_id is None:
        raise_for_sender(session, INBOX, keyring, row=row)
    session.flush()
    return reading.understood


def _hear_crew(session: Session, keyring: Keyring, *, row: InboundMessage, text: str, citizens: Sequence[Citizen]) -> bool:
    """Whether it is nothing but the answer of somebody of the staff who is called to an incident.

    By the open link anybody may write any number into the form: that proves nothing.
    """
    if row.channel is WayIn.OPEN_LINK:
        return False
    number = open_field(row, "from_enc", keyring)
    incident_id = answer_by_text(session, keyring, number=number, status=row.status.value, text=text, may_be_bare=not citizens)
    if incident_id is None:
        return False
    # The time first: asking for it writes what was changed before, and nothing is handled without a time.
    now = db_now(session)
    row.state, row.understood, row.incident_id = State.HANDLED, Understood.CREW, incident_id
    row.handled_by, row.handled_at = INBOX.key, now
    session.flush()
    return True


def _alert_desk(session: Session, row: InboundMessage, member: AudienceMember | None) -> None:
    """What may call for help has a desk at once, which is paged; and its sender stays to be called until somebody has read it."""
    row.mission_code = find_owner(session, incident_id=row.incident_id, citizen_id=row.citizen_id).mission_code
    row.given_at = db_now(session)
    if member is not None and row.incident_id is not None:
        keep_listed(session, incident_id=row.incident_id, citizen_id=member.citizen_id, member_id=member.id)
    publish(session, "inbound.urgent", message_id=row.id)


def _hear_opting(session: Session, row: InboundMessage, citizens: Sequence[Citizen], *, is_out: bool, is_in: bool) -> None:
    """Who wants no messages any more, or wants them again. To the number of exercises it is said of exercises alone."""
    if row.status is Status.EXERCISE:
        for citizen in citizens if is_out else ():
            withdraw_tester(session, citizen_id=citizen.id, actor=INBOX)
        return
    if is_in:
        # The carrier lets the number through again; whether the person is safe, a person reads.
        record_opt_in(session, e164_index=row.from_index, source=OptSource.INBOUND)
    if is_out:
        # The carrier blocks the number, so everybody who has it is out of reach by it.
        record_opt_out(session, e164_index=row.from_index, source=OptSource.INBOUND)


def raise_for_sender(session: Session, actor: Actor, keyring: Keyring, *, row: InboundMessage) -> None:
    """A call for help by somebody whom no message of an open incident had asked: a case for the person, or for the number."""
    unknown = Unknown(open_field(row, "from_enc", keyring), row.from_index, row.id, row.incident_id, row.citizen_id, row.status)
    row.case_id = hear_unknown(session, actor=actor, keyring=keyring, unknown=unknown).id


def handle_message(session: Session, *, actor: Actor, keyring: Keyring, message_id: UUID, command: HandleIn) -> InboundMessage:
    """A person has read it. With an answer, a check-in is recorded: still the sender's claim, so *reported*.

    404: a message, incident or citizen that the actor may not know of. 409: not read by the task yet, or handled
    before. 422: an answer for a message that matched nobody, without saying whose it is.
    """
    row = claim_message(session, message_id, actor)
    rules.check_move(row.state, State.HANDLED)
    if command.incident_id is not None:
        _assign(session, actor, keyring, row=row, command=command)
    if command.is_unknown_person:
        _raise_for_unknown(session, actor, keyring, row=row, answer=command.answer)
    elif command.answer is not None:
        _record(session, actor, keyring, row=row, answer=command.answer)
    row.state, row.handled_by, row.handled_at = State.HANDLED, actor.key, db_now(session)
    session.flush()
    if row.incident_id is not None and row.citizen_id is not None and not _has_urgent(session, row.incident_id, row.citizen_id):
        let_go(session, incident_id=row.incident_id, citizen_id=row.citizen_id)
    detail = {"answer": command.answer}
    audit.record(
        session, actor=actor, action="inbound.handled", incident_id=row.incident_id, subject=("inbound_message", row.id), detail=detail
    )
    return row


def assign_message(session: Session, *, actor: Actor, message_id: UUID, mission_code: str | None) -> InboundMessage:
    """Give a message to a mission to deal with. 403: by staff of a mission. 409: handled already. 422: no such mission."""
    row = claim_message(session, message_id, actor)
    if is_bound_to_mission(actor):
        raise ForbiddenError("ministry_gives_out", "The ministry decides which mission deals with a message.")
    rules.check_move(row.state, State.HANDLED)
    if mission_code is not None and find_mission(session, mission_code) is None:
        raise InvalidError("unknown_mission", "There is no mission of this code.", field="mission_code")
    row.mission_code, row.given_at = mission_code, db_now(session)
    session.flush()
    if row.understood is Understood.URGENT_UNREAD:
        publish(session, "inbound.urgent", message_id=row.id)
    subject, detail = ("inbound_message", row.id), {"mission": mission_code}
    audit.record(session, actor=actor, action="inbound.assigned", incident_id=row.incident_id, subject=subject, detail=detail)
    return row


def _has_urgent(session: Session, incident_id: UUID, citizen_id: UUID) -> bool:
    """Whether a message of this person that may call for help is still unread."""
    theirs = (InboundMessage.incident_id == incident_id, InboundMessage.citizen_id == citizen_id)
    return session.scalar(select(InboundMessage.id).where(*theirs, is_urgent_unread()).limit(1)) is not None


def _flags_of_sender(citizens: Sequence[Citizen], member: AudienceMember | None) -> set[Flag]:
    known = {Flag.SEVERAL_PEOPLE: len(citizens) > 1, Flag.NO_OPEN_INCIDENT: bool(citizens) and member is None}
    return {flag for flag, is_set in known.items() if is_set}


def _record(session: Session, actor: Actor, keyring: Keyring, *, row: InboundMessage, answer: Answer, member_id: int | None = None) -> None:
    if row.citizen_id is None or row.incident_id is None:
        raise InvalidError("whose_is_it", "Say in which incident, and whose message it is.", field="citizen_external_id")
    new = NewCheckin(row.incident_id, row.citizen_id, answer, Channel(row.channel), member_id)
    row.checkin_id = record_checkin(session, actor=actor, keyring=keyring, new=new).id


def _raise_for_unknown(session: Session, actor: Actor, keyring: Keyring, *, row: InboundMessage, answer: Answer | None) -> None:
    if row.citizen_id is not None:
        raise ConflictError("person_known", "The register knows whose message this is.", citizen_id=str(row.citizen_id))
    if answer is Answer.NEED_HELP and row.case_id is None:
        raise_for_sender(session, actor, keyring, row=row)


def _assign(session: Session, actor: Actor, keyring: Keyring, *, row: InboundMessage, command: HandleIn) -> None:
    assert command.incident_id is not None
    incident = get_incident(session, command.incident_id, actor)
    if incident.status is not row.status:
        raise ConflictError("other_status", "A message to the number of exercises belongs to an exercise, and no other does.")
    if command.is_unknown_person:
        row.incident_id = incident.id
        return
    citizen_id = find_citizen_id(session, actor, incident.id, external_id=command.citizen_external_id)
    if citizen_id is None:
        raise NotFoundError("citizen_not_found", "The register knows no such citizen.", field="citizen_external_id")
    row.incident_id, row.citizen_id = incident.id, citizen_id
    if row.case_id is not None:
        identify(session, actor=actor, keyring=keyring, case_id=row.case_id, incident_id=incident.id, citizen_id=citizen_id)


def _seal(keyring: Keyring, column: str, row: UUID, text: str) -> bytes:
    return keyring.encrypt(text, table="inbound_message", column=column, row=row)
