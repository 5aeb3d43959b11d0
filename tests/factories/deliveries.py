"""Deliveries as sending leaves them, for tests that begin where sending ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember, Broadcast
from alerts.deliveries.models import Delivery, DeliveryBatch
from alerts.deliveries.rules import STEP_PLACES, BatchState, State

WITH_PROVIDER_ID = ("accepted", "sent", "delivered", "undelivered")


def make_delivery(session: Session, member: AudienceMember, state: str, *, ago: timedelta = timedelta(hours=1), step: int = 1) -> Delivery:
    """One step of a message that went out two hours ago, in this state for so long."""
    broadcast = session.get_one(Broadcast, member.broadcast_id)
    broadcast.released_at, broadcast.audience_id = datetime.now(UTC) - timedelta(hours=2), member.audience_id
    is_open = state == "queued"
    lane = {"channel": member.channel, "number_country": member.number_country or ""}
    batch = DeliveryBatch(
        broadcast_id=broadcast.id,
        audience_id=member.audience_id,
        step=step,
        state=BatchState.WAITING if is_open else BatchState.DONE,
        **lane,
    )
    session.add(batch)
    session.flush()
    delivery = Delivery(
        id=member.id * STEP_PLACES + step,
        member_id=member.id,
        broadcast_id=broadcast.id,
        batch_id=batch.id,
        step=step,
        channel=member.channel,
        address_id=member.address_id or member.phone_id,
        state=State(state),
        number_country=member.number_country,
        provider_id=f"SM{member.id}" if state in WITH_PROVIDER_ID else None,
        state_at=datetime.now(UTC) - ago,
    )
    session.add(delivery)
    session.flush()
    return delivery
