"""Going on after a message: reminders to those who did not answer. What was promised is in promises.py."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, literal, select
from sqlalchemy.orm import Session, aliased

from alerts.broadcasts import rules
from alerts.broadcasts.audience import freeze_selected, gather
from alerts.broadcasts.freezing import ways_of
from alerts.broadcasts.models import Audience, AudienceMember, Broadcast
from alerts.broadcasts.queries import claim_broadcast, claim_chain, get_broadcast
from alerts.broadcasts.rules import MsgType, Purpose
from alerts.broadcasts.rules import State as MessageState
from alerts.broadcasts.schemas import FollowUp
from alerts.broadcasts.successors import Successor, begin_list, finish_successor, start_successor
from alerts.channels.rule_book_outlets import SenderSets
from alerts.citizens.models import Citizen
from alerts.deliveries.correcting import claim_uncorrected
from alerts.deliveries.models import Delivery
from alerts.incidents.queries import get_open_incident
from alerts.incidents.rules import check_repeat
from alerts.kit.actor import SYSTEM, Actor
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
    get_broadcast(session, broadcast_id, actor)
    original = claim_chain(session, broadcast_id)
    incident = get_open_incident(session, original.incident_id, actor)
    check_repeat(is_quiet=incident.is_quiet)
    if original.released_at is None or original.state is not MessageState.APPROVED:
        raise ConflictError("not_released", "Only a message that went out and still stands is followed up.", state=original.state.value)
    claim_uncorrected(session, original.id)
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
    """The worker's half of a large reminder. False when it was cancelled or done meanwhile; ConflictError once a correction waits."""
    claim_chain(session, get_broadcast(session, broadcast_id).references[0])  # first: in the order in which a cancel locks
    reminder = claim_broadcast(session, broadcast_id)
    if reminder.state is not MessageState.FREEZING or reminder.audience_id != audience_id:
        return False
    claim_uncorrected(session, reminder.references[0])
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


def _fill(session: Session, reminder: Broadcast, audience: Audience, configured: SenderSets) -> None:
    freeze_selected(session, audience, ways_of(session, reminder, configured))
    session.refresh(audience)
