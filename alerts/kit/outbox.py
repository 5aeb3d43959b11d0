"""Events, written in the transaction of the action that caused them. The relay rings the tasks.

Nobody enqueues. A ring may be lost, doubled or late; the row is the truth, and what it wakes
looks at the tables, not at the message.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, func, insert, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.kit.db import Base, created_at


class OutboxEvent(Base):
    """One thing that happened: a name in the past tense and ids, never personal data."""

    __tablename__ = "outbox_event"
    __table_args__ = (Index("ix_outbox_event_waiting", "id", postgresql_where=text("rung_at IS NULL")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = created_at()
    rung_at: Mapped[datetime | None]


def publish(session: Session, name: str, **ids: UUID | str | int | None) -> None:
    """Say in this transaction that something happened. Ids only."""
    payload = {key: str(value) if isinstance(value, UUID) else value for key, value in ids.items()}
    session.execute(insert(OutboxEvent).values(name=name, payload=payload))


def claim_events(session: Session, limit: int) -> list[OutboxEvent]:
    """Lock the oldest unrung events; another relay passes them over."""
    statement = (
        OutboxEvent.__table__.select()
        .where(OutboxEvent.rung_at.is_(None))
        .order_by(OutboxEvent.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [OutboxEvent(**row) for row in session.execute(statement).mappings()]


def mark_rung(session: Session, event_ids: list[int]) -> None:
    """The ring was handed to the broker; kept for the record, swept away later."""
    session.execute(update(OutboxEvent).where(OutboxEvent.id.in_(event_ids)).values(rung_at=func.clock_timestamp()))


def oldest_waiting_seconds(session: Session) -> float:
    """Age of the oldest event that nobody was told of; 0 when there is none."""
    query = text("SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM outbox_event WHERE rung_at IS NULL")
    return float(session.execute(query).scalar_one())
