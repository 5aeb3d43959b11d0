"""Latecomers' waves, from being found to being sent."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.waves import claim_wave
from alerts.deliveries.actions import MAKE_REACHABLE, MAKE_UNREACHABLE
from alerts.kit.outbox import publish


def release_wave(session: Session, audience_id: int, *, batch_size: int) -> int:
    """Make every member of a wave a row, in batches, and ask for each batch to be sent. Once; the count."""
    broadcast = claim_wave(session, audience_id)
    if broadcast is None:
        return 0
    values = {"broadcast": broadcast.id, "audience": audience_id, "size": batch_size}
    reachable = session.execute(text(MAKE_REACHABLE), values).rowcount  # type: ignore[attr-defined]
    unreachable = session.execute(text(MAKE_UNREACHABLE), values).rowcount  # type: ignore[attr-defined]
    session.execute(text(RING_WAVE), values)
    publish(session, "delivery.progress", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
    return int(reachable + unreachable)


RING_WAVE = """
INSERT INTO outbox_event (name, payload)
SELECT 'delivery.batch_due', jsonb_build_object('batch_id', b.id) FROM delivery_batch b
WHERE b.id IN (SELECT d.batch_id FROM delivery d JOIN audience_member m ON m.id = d.member_id WHERE m.audience_id = :audience)
ORDER BY b.id
"""
