"""What happens to a released list: its rows are made, stopped, and brought forward when they are due."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import claim_release, submit_correction
from alerts.broadcasts.models import AudienceMember, Broadcast
from alerts.broadcasts.queries import claim_broadcast, get_broadcast
from alerts.broadcasts.schemas import Correction
from alerts.deliveries.evidence import expire_leases
from alerts.deliveries.models import Delivery
from alerts.deliveries.rules import State
from alerts.kit.actor import Actor
from alerts.kit.errors import ConflictError
from alerts.kit.outbox import publish


def release(session: Session, broadcast_id: UUID, *, batch_size: int) -> int:
    """Make every member of the approved list a row, in batches, and ask for each batch to be sent. Once; the count.

    Who cannot be reached has a row too, with the reason: every member is in exactly one state.
    """
    broadcast = claim_release(session, broadcast_id)
    if broadcast is None:
        return 0
    values = {"broadcast": broadcast.id, "audience": broadcast.audience_id, "size": batch_size}
    reachable = session.execute(text(MAKE_REACHABLE), values).rowcount  # type: ignore[attr-defined]
    unreachable = session.execute(text(MAKE_UNREACHABLE), values).rowcount  # type: ignore[attr-defined]
    session.execute(text(RING_BATCHES), values)
    publish(session, "delivery.progress", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
    return int(reachable + unreachable)


def stop(session: Session, broadcast_id: UUID) -> int:
    """After a cancel: what is still queued is cancelled. The count."""
    broadcast = get_broadcast(session, broadcast_id)
    if broadcast.cancelled_at is None:
        return 0
    count = session.execute(text(STOP), {"broadcast": broadcast_id}).rowcount  # type: ignore[attr-defined]
    publish(session, "delivery.progress", broadcast_id=broadcast_id, incident_id=broadcast.incident_id)
    return int(count)


def sweep(session: Session) -> dict[str, int]:
    """Turn expired intents into `unknown`, and ask again for batches that are due and that nobody was asked for."""
    expired = expire_leases(session)
    rung = session.execute(text(RING_DUE)).rowcount  # type: ignore[attr-defined]
    return {"expired": expired, "rung": int(rung)}


def correct_broadcast(session: Session, *, actor: Actor, broadcast_id: UUID, command: Correction) -> Broadcast:
    """An Update or Cancel to exactly those whom the original was handed over to, by the channel that took it."""
    original = claim_broadcast(session, broadcast_id, actor)
    if original.released_at is None:
        raise ConflictError("not_released", "nobody has this message yet: edit or cancel it instead", state=original.state.value)
    waiting = select(Delivery.id).where(Delivery.broadcast_id == broadcast_id, Delivery.state == State.QUEUED).limit(1)
    if original.cancelled_at is None and session.execute(waiting).first():
        raise ConflictError(
            "still_sending", "this message is still going out: cancel it first, then correct it", state=original.state.value
        )
    return submit_correction(session, actor=actor, original=original, command=command, members=handed_over_members(broadcast_id))


def handed_over_members(broadcast_id: UUID) -> Select[Any]:
    """Members of whom a carrier accepted a message, or of whom nobody knows: both may have read it."""
    delivery = select(Delivery.member_id).where(Delivery.broadcast_id == broadcast_id)
    may_have_it = delivery.where(Delivery.accepted_at.is_not(None) | Delivery.state.in_((State.UNKNOWN, State.SENDING)))
    return select(AudienceMember.id).where(AudienceMember.id.in_(may_have_it))


MAKE_REACHABLE = """
WITH reachable AS MATERIALIZED (
    SELECT id, channel, (row_number() OVER (ORDER BY id) - 1) / :size AS bucket
    FROM audience_member WHERE audience_id = :audience AND channel <> 'none'
), made AS (
    INSERT INTO delivery_batch (broadcast_id, rung_at)
    SELECT :broadcast, clock_timestamp() FROM (SELECT DISTINCT bucket FROM reachable) b RETURNING id
), numbered AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS bucket FROM made
)
INSERT INTO delivery (member_id, broadcast_id, batch_id, channel, state)
SELECT r.id, :broadcast, n.id, r.channel, 'queued' FROM reachable r JOIN numbered n USING (bucket) ORDER BY r.id
ON CONFLICT (member_id, step) DO NOTHING
"""

MAKE_UNREACHABLE = """
INSERT INTO delivery (member_id, broadcast_id, channel, state, error_code)
SELECT id, :broadcast, channel, CASE unreachable WHEN 'opted_out' THEN 'opted_out' ELSE 'failed' END, unreachable
FROM audience_member WHERE audience_id = :audience AND channel = 'none' ORDER BY id
ON CONFLICT (member_id, step) DO NOTHING
"""

RING_BATCHES = """
INSERT INTO outbox_event (name, payload)
SELECT 'delivery.batch_due', jsonb_build_object('batch_id', id) FROM delivery_batch WHERE broadcast_id = :broadcast ORDER BY id
"""

STOP = """
UPDATE delivery SET state = 'cancelled', state_at = clock_timestamp()
WHERE id IN (SELECT id FROM delivery WHERE broadcast_id = :broadcast AND state = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED)
"""

RING_DUE = """
WITH due AS (
    UPDATE delivery_batch SET rung_at = clock_timestamp() WHERE id IN (
        SELECT id FROM delivery_batch
        WHERE (state = 'waiting' AND due_at <= clock_timestamp() AND (rung_at IS NULL OR rung_at < due_at))
           OR (state = 'claimed' AND lease_until < clock_timestamp() AND (rung_at IS NULL OR rung_at < lease_until))
        ORDER BY due_at LIMIT 2000 FOR UPDATE SKIP LOCKED)
    RETURNING id
)
INSERT INTO outbox_event (name, payload) SELECT 'delivery.batch_due', jsonb_build_object('batch_id', id) FROM due
"""
