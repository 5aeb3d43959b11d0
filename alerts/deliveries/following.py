"""Going on after a message: reminders to those who did not answer, and the word that was promised.

At the promised time, if nothing else went out, those who got the message get the prepared "nothing new, still valid", which was
approved together with it: nobody has to type at night. Never in a quiet incident, never of what was cancelled, corrected or over.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, func, literal, select, text
from sqlalchemy.orm import Session, aliased

from alerts.broadcasts import rules
from alerts.broadcasts.audience import freeze_selected, gather
from alerts.broadcasts.calls import call_to_promise
from alerts.broadcasts.freezing import log_action, ways_of
from alerts.broadcasts.models import Audience, AudienceMember, Broadcast
from alerts.broadcasts.queries import claim_broadcast, is_corrected
from alerts.broadcasts.rules import MsgType, Purpose
from alerts.broadcasts.rules import State as MessageState
from alerts.broadcasts.schemas import FollowUp
from alerts.broadcasts.successors import Successor, begin_list, finish_successor, start_successor
from alerts.channels.rule_book_outlets import SenderSets
from alerts.citizens.models import Citizen
from alerts.deliveries.correcting import copy_handed_over, count_handed_over
from alerts.deliveries.models import Delivery
from alerts.incidents.queries import get_incident, get_open_incident
from alerts.incidents.rules import State as IncidentState
from alerts.incidents.rules import check_repeat
from alerts.kit.actor import SYSTEM, Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError
from alerts.kit.outbox import publish


def follow_up(
    session: Session,
    *,
    actor: Actor,
    broadcast_id: UUID,
    command: FollowUp,
    configured: SenderSets,
    freeze_at_once_max: int = rules.FREEZE_AT_ONCE_MAX,
) -> Broadcast:
    """A reminder to those of the original's list who have not answered, by the ways they have now; a second person approves it.

    ConflictError: a quiet incident, a message that nobody has or that was cancelled or corrected, or everybody answered.
    """
    original = claim_broadcast(session, broadcast_id, actor)
    incident = get_open_incident(session, original.incident_id, actor)
    check_repeat(is_quiet=incident.is_quiet)
    if original.released_at is None or original.state is not MessageState.APPROVED:
        raise ConflictError("not_released", "Only a message that went out and still stands is followed up.", state=original.state.value)
    if is_corrected(session, original.id):
        raise ConflictError("corrected", "This message was corrected, or is about to be: remind of the correction instead.")
    said = Successor(msg_type=MsgType.UPDATE, purpose=Purpose.FOLLOW_UP, texts=command.texts.model_dump())
    reminder = start_successor(session, actor=actor, incident=incident, original=original, said=said)
    expected = gather(session, non_responders(original.id), status=original.status)
    if not expected:
        raise ConflictError("all_answered", "Everybody who can be written to has answered.")
    audience = begin_list(session, reminder, expected)
    if expected > freeze_at_once_max:
        publish(session, "broadcast.follow_up_asked", broadcast_id=reminder.id, audience_id=audience.id)
        return reminder
    _fill(session, reminder, audience, configured)
    finish_successor(session, actor=actor, broadcast=reminder, audience=audience, configured=configured)
    return reminder


def freeze_follow_up(session: Session, *, broadcast_id: UUID, audience_id: int, configured: SenderSets) -> bool:
    """The worker's half of a large reminder. False when it was cancelled or done meanwhile."""
    reminder = claim_broadcast(session, broadcast_id)
    if reminder.state is not MessageState.FREEZING or reminder.audience_id != audience_id:
        return False
    audience = session.get_one(Audience, audience_id)
    gather(session, non_responders(reminder.references[0]), status=reminder.status)
    _fill(session, reminder, audience, configured)
    finish_successor(session, actor=SYSTEM, broadcast=reminder, audience=audience, configured=configured)
    return True


def non_responders(broadcast_id: UUID) -> Select[UUID, str]:
    """(citizen id, reason) of those on any wave's list who have not answered and may be written to."""
    member, other, delivery = AudienceMember, aliased(AudienceMember), Delivery
    answered = (
        select(other.citizen_id)
        .join(delivery, delivery.member_id == other.id)
        .where(delivery.broadcast_id == broadcast_id, delivery.answered_at.is_not(None))
    )
    may = (Citizen.opted_out_at.is_(None), Citizen.died_at.is_(None), Citizen.merged_into.is_(None))
    query = select(member.citizen_id, literal("no_answer").label("reason")).join(Citizen, Citizen.id == member.citizen_id)
    return query.where(member.broadcast_id == broadcast_id, *may, member.citizen_id.not_in(answered)).distinct()


def ask_for_promised(session: Session, *, lead_seconds: float) -> int:
    """Before a promised time: ask whoever is on duty for the next message, once; the count."""
    asked = 0
    for broadcast in _claim_promised(session, ahead_seconds=lead_seconds, is_asked=False):
        broadcast.promise_asked_at = db_now(session)
        if _why_not(session, broadcast) is None:
            publish(session, "broadcast.promise_due", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
            call_to_promise(session, broadcast)
            asked += 1
    return asked


def keep_promises(session: Session, *, configured: SenderSets) -> int:
    """At a promised time: say that nothing is new, unless something else was said or the message is over; the count sent."""
    sent = 0
    for broadcast in _claim_promised(session, ahead_seconds=0, is_asked=None):
        broadcast.promise_settled_at = db_now(session)
        reason = _why_not(session, broadcast)
        if reason is not None:
            log_action(session, broadcast, SYSTEM, "broadcast.promise_settled", why=reason)
            continue
        _say_still_valid(session, broadcast, configured)
        sent += 1
    return sent


def _say_still_valid(session: Session, original: Broadcast, configured: SenderSets) -> None:
    incident = get_incident(session, original.incident_id)
    texts = dict(original.still_valid_texts or rules.STILL_VALID_TEXT)
    said = Successor(msg_type=MsgType.UPDATE, purpose=Purpose.STILL_VALID, texts=texts)
    message = start_successor(session, actor=SYSTEM, incident=incident, original=original, said=said)
    expected = count_handed_over(session, original.id)
    audience = begin_list(session, message, expected)
    copy_handed_over(session, message, audience)
    finish_successor(session, actor=SYSTEM, broadcast=message, audience=audience, configured=configured)


def _claim_promised(session: Session, *, ahead_seconds: float, is_asked: bool | None) -> list[Broadcast]:
    """Released messages whose promised time comes within so many seconds. What somebody is changing just now is passed over."""
    due_at = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, ahead_seconds)
    query = select(Broadcast).where(
        Broadcast.next_message_at <= due_at, Broadcast.promise_settled_at.is_(None), Broadcast.released_at.is_not(None)
    )
    if is_asked is False:
        query = query.where(Broadcast.promise_asked_at.is_(None))
    query = query.order_by(Broadcast.next_message_at).limit(100).with_for_update(skip_locked=True)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def _why_not(session: Session, broadcast: Broadcast) -> str | None:
    """Why "still valid" is not to be said of this message; None: it is."""
    incident = get_incident(session, broadcast.incident_id)
    if broadcast.state is not MessageState.APPROVED:
        return "cancelled"
    if incident.state is not IncidentState.OPEN:
        return "incident_closed"
    if incident.is_quiet:
        return "quiet"
    values = {"broadcast": broadcast.id}
    return session.execute(text(WHAT_ELSE), values).scalar()


def _fill(session: Session, reminder: Broadcast, audience: Audience, configured: SenderSets) -> None:
    freeze_selected(session, audience, ways_of(session, reminder, configured))
    session.refresh(audience)


# Over, or something else was said since to all of those people: a correction, or a later message to the same ground or more.
WHAT_ELSE = """
SELECT CASE WHEN clock_timestamp() >= b.approved_at + make_interval(secs => b.validity_seconds) THEN 'over'
    WHEN EXISTS (
        SELECT FROM broadcast n WHERE n.incident_id = b.incident_id AND n.id <> b.id AND n.approved_at > b.approved_at
          AND n.state = 'approved' AND n.purpose IN ('alert', 'first_alert') AND (
            b.id = ANY(n."references") OR (n."references" = '{}' AND n.area_ids = '{}' AND n.list_ids = '{}')
            OR (n."references" = '{}' AND (b.area_ids <> '{}' OR b.list_ids <> '{}')
                AND n.area_ids @> b.area_ids AND n.list_ids @> b.list_ids)))
        THEN 'something_else' END
FROM broadcast b WHERE b.id = :broadcast
"""
