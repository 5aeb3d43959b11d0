"""Deciding that somebody is answered, and what the carrier says of it later. None commits."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.channels.ports import ReportedState
from alerts.checkins.cases.models import HelpCase, HelpCaseEntry
from alerts.checkins.cases.queries import claim_case
from alerts.checkins.cases.words import acknowledge
from alerts.citizens.models import Citizen, Phone
from alerts.country_rules.queries import load_book
from alerts.inbox.models import InboundMessage
from alerts.inbox.replies.models import CitizenReply
from alerts.inbox.replies.rules import Caller, ReplyState, may_reply, reply_text, states_before
from alerts.inbox.rules import Understood, WayIn
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import Status
from alerts.kit.clock import db_now
from alerts.kit.i18n import translator
from alerts.kit.outbox import publish
from alerts.missions.queries import mission_names


def ask_reply(session: Session, case_id: UUID) -> UUID | None:
    """Ask for the text that the case's state makes true now, if its call came by text and may be answered (`rules.may_reply`).

    Read from the case, not from the event that rang: doubled or late hints change nothing. Publishes `reply.asked`.
    """
    case = claim_case(session, case_id)
    message = _find_call(session, case)
    phone = _find_phone(session, case, message) if message is not None else None
    if message is None or phone is None or case.citizen_id is None:
        return None
    citizen = session.get_one(Citizen, case.citizen_id)
    is_quiet = case.incident_id is not None and get_incident(session, case.incident_id).is_quiet
    way, ago = WayIn(message.channel), (db_now(session) - message.received_at).total_seconds()
    caller = Caller(way, case.state, ago, is_known=True, is_opted_out=citizen.opted_out_at is not None, is_quiet=is_quiet)
    if not may_reply(caller, load_book(session).rules_for(phone.number_country or "", channel=way.value)):
        return None
    mission = mission_names(session, [case.owner_mission]).get(case.owner_mission) if case.owner_mission else None
    body = reply_text(acknowledge(translator(citizen.language), case, mission), is_exercise=case.status is Status.EXERCISE)
    values = {"case_id": case.id, "told": case.state, "phone_id": phone.id, "way": way, "status": case.status, "body": body}
    statement = insert(CitizenReply).values(**values).on_conflict_do_nothing(index_elements=["case_id", "told"])
    reply_id = session.execute(statement.returning(CitizenReply.id)).scalar_one_or_none()
    if reply_id is not None:
        publish(session, "reply.asked", reply_id=reply_id)
    return reply_id


def note_receipt(session: Session, *, reply_id: UUID, number: int, reported: ReportedState | None, provider_id: str | None) -> bool:
    """What the carrier says of one attempt: states only climb. False where there is no such attempt."""
    after = ReplyState(reported.value) if reported else ReplyState.ACCEPTED
    values = {"id": reply_id, "number": number, "state": after.value, "before": states_before(after), "provider": provider_id}
    session.execute(text(NOTE), values)
    known = text("SELECT 1 FROM citizen_reply WHERE id = :id AND attempts >= :number AND :number > 0")
    return session.execute(known, {"id": reply_id, "number": number}).first() is not None


def _find_call(session: Session, case: HelpCase) -> InboundMessage | None:
    """The newest call for help of this case that came as a message."""
    entry, message = HelpCaseEntry, InboundMessage
    same = or_(message.checkin_id == entry.checkin_id, message.id == entry.message_id)
    query = select(message).join(entry, same).where(entry.case_id == case.id, message.understood == Understood.NEED_HELP)
    return session.scalars(query.order_by(message.id.desc()).limit(1)).first()


def _find_phone(session: Session, case: HelpCase, message: InboundMessage) -> Phone | None:
    """The person's own number that the call came from; never another one."""
    query = select(Phone).where(Phone.citizen_id == case.citizen_id, Phone.e164_index == message.from_index)
    return session.scalars(query.where(Phone.retired_at.is_(None), Phone.is_valid).limit(1)).first()


NOTE = """
UPDATE citizen_reply SET state = CAST(:state AS text), state_at = clock_timestamp(), lease_until = NULL,
    provider_id = coalesce(provider_id, CAST(:provider AS text))
WHERE id = :id AND attempts = :number AND state = ANY(:before)
"""
