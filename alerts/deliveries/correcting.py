"""Putting right what went out: a CAP Update or Cancel to exactly those who may have it, by the way that worked.

With words that two people prepared, one person does it with one click: the original is cancelled in the same transaction, so
that nothing keeps going out that must be corrected, and the correction is released as soon as its list is copied. The
original's row is locked first: every intent was committed before that, or finds it cancelled, so nobody slips between.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.actions import cancel_broadcast
from alerts.broadcasts.models import Audience, AudienceMember, Broadcast, MessageTemplate
from alerts.broadcasts.queries import claim_broadcast
from alerts.broadcasts.rules import MsgType, Purpose
from alerts.broadcasts.rules import State as MessageState
from alerts.broadcasts.schemas import Correction
from alerts.broadcasts.successors import Successor, begin_list, finish_successor, start_successor
from alerts.broadcasts.template_rules import TemplateKind, check_usable
from alerts.broadcasts.templates import get_template
from alerts.deliveries.models import Delivery, DeliveryBatch, SendWindow
from alerts.deliveries.rules import State
from alerts.incidents.queries import get_open_incident
from alerts.kit.actor import Actor
from alerts.kit.errors import ConflictError, InvalidError
from alerts.kit.outbox import publish
from alerts.staff.access import check_session_actor

KIND_OF = {MsgType.UPDATE: TemplateKind.UPDATE, MsgType.CANCEL: TemplateKind.CANCEL}


def correct_broadcast(
    session: Session, *, actor: Actor, broadcast_id: UUID, command: Correction, freeze_at_once_max: int = rules.FREEZE_AT_ONCE_MAX
) -> Broadcast:
    """An Update or Cancel to exactly those whom the original was handed over to, by the way that took it.

    Prepared words go out at once, and the original is cancelled; free ones wait for a second person. A large list is copied by a
    worker: the state is `freezing` until then. ConflictError: nobody has it yet, or free words while it is still going out.
    """
    original = claim_broadcast(session, broadcast_id, actor)
    if original.released_at is None:
        raise ConflictError("not_released", "nobody has this message yet: edit or cancel it instead", state=original.state.value)
    incident = get_open_incident(session, original.incident_id, actor)
    template = _prepared(session, actor, command)
    if template is not None:
        if original.state is MessageState.APPROVED:
            cancel_broadcast(session, actor=actor, broadcast_id=original.id, reason=template.title)
    elif original.cancelled_at is None and _is_still_going_out(session, broadcast_id):
        raise ConflictError(
            "still_sending", "this message is still going out: cancel it first, then correct it", state=original.state.value
        )
    said = Successor(msg_type=MsgType(command.msg_type), purpose=Purpose.ALERT, texts=_texts(command, template), template=template)
    correction = start_successor(session, actor=actor, incident=incident, original=original, said=said)
    expected = session.execute(select(func.count(handed_over(original.id).c.citizen_id.distinct()))).scalar_one()
    audience = begin_list(session, correction, expected)
    if expected > freeze_at_once_max:
        publish(session, "broadcast.copy_asked", broadcast_id=correction.id, audience_id=audience.id)
        return correction
    copy_handed_over(session, correction, audience)
    finish_successor(session, actor=actor, broadcast=correction, audience=audience)
    return correction


def freeze_copied(session: Session, *, actor: Actor, broadcast_id: UUID, audience_id: int) -> bool:
    """The worker's half of a large correction. False when it was cancelled or done meanwhile."""
    correction = claim_broadcast(session, broadcast_id)
    if correction.state is not MessageState.FREEZING or correction.audience_id != audience_id:
        return False
    audience = session.get_one(Audience, audience_id)
    copy_handed_over(session, correction, audience)
    finish_successor(session, actor=actor, broadcast=correction, audience=audience)
    return True


def copy_handed_over(session: Session, successor: Broadcast, audience: Audience) -> int:
    """The list of all waves' people who may have the original, each by the way that worked best; the count."""
    values = {"audience": audience.id, "broadcast": successor.id, "original": successor.references[0]}
    return int(session.execute(text(COPY_WORKED), values).scalar_one())


def handed_over_members(broadcast_id: UUID) -> Select[Any]:
    """Members of whom a carrier accepted a message, or of whom nobody knows: both may have read it."""
    return select(handed_over(broadcast_id).c.id)


def handed_over(broadcast_id: UUID) -> Any:
    """The same with their citizen, as a subquery."""
    batches = select(DeliveryBatch.id).where(DeliveryBatch.broadcast_id == broadcast_id)
    under_way = select(SendWindow.id).where(SendWindow.closed_at.is_(None), Delivery.id == SendWindow.deliveries.any_())
    may_have_it = select(Delivery.member_id).where(
        Delivery.batch_id.in_(batches),
        Delivery.accepted_at.is_not(None) | (Delivery.state == State.UNKNOWN) | under_way.correlate(Delivery).exists(),
    )
    return select(AudienceMember.id, AudienceMember.citizen_id).where(AudienceMember.id.in_(may_have_it)).subquery("handed_over")


def _is_still_going_out(session: Session, broadcast_id: UUID) -> bool:
    batches = select(DeliveryBatch.id).where(DeliveryBatch.broadcast_id == broadcast_id)
    waiting = select(Delivery.id).where(Delivery.batch_id.in_(batches), Delivery.state == State.QUEUED).limit(1)
    return session.execute(waiting).first() is not None


def _prepared(session: Session, actor: Actor, command: Correction) -> MessageTemplate | None:
    if command.template_id is None:
        return None
    check_session_actor(actor)
    if command.texts is not None:
        raise InvalidError("words_twice", "Prepared words are sent as they are: give either a template or texts.", field="texts")
    template = get_template(session, command.template_id)
    check_usable(template.state, template.kind, [KIND_OF[MsgType(command.msg_type)]])
    return template


def _texts(command: Correction, template: MessageTemplate | None) -> dict[str, str]:
    if template is not None:
        return dict(template.texts)
    if command.texts is not None:
        return command.texts.model_dump()
    if command.msg_type is MsgType.UPDATE:
        raise InvalidError("text_missing", "an Update says something new: give its texts", field="texts")
    return dict(rules.CANCEL_TEXT)


# Once a person, whatever waves and steps there were: answered before delivered before accepted, the latest of them.
COPY_WORKED = """
WITH worked AS (
    SELECT DISTINCT ON (m.citizen_id) m.id, m.citizen_id, d.address_id, d.channel, m.language, d.number_country,
        CASE WHEN d.channel IN ('sms', 'whatsapp', 'voice') THEN d.address_id END AS phone_id,
        CASE WHEN d.channel = 'push' THEN d.address_id END AS device_id
    FROM delivery_batch b JOIN delivery d ON d.batch_id = b.id JOIN audience_member m ON m.id = d.member_id
    WHERE b.broadcast_id = :original AND (d.accepted_at IS NOT NULL OR d.state = 'unknown'
        OR EXISTS (SELECT FROM send_window w WHERE w.closed_at IS NULL AND d.id = ANY (w.deliveries)))
    ORDER BY m.citizen_id, d.answered_at IS NULL, d.delivered_at IS NULL, d.accepted_at IS NULL, d.id DESC
), kept AS (
    INSERT INTO audience_member (audience_id, broadcast_id, wave, citizen_id, phone_id, device_id, address_id, channel, language, reason,
        number_country)
    SELECT :audience, :broadcast, 1, citizen_id, phone_id, device_id, address_id, channel, language, 'got_the_original', number_country
    FROM worked ORDER BY id RETURNING 1)
UPDATE audience SET frozen_at = clock_timestamp(), count = (SELECT count(*) FROM kept), expected = (SELECT count(*) FROM kept)
WHERE id = :audience RETURNING count
"""
