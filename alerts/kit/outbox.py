"""Events, written in the transaction of the action that caused them. The relay rings the tasks.

Nobody enqueues. A ring may be lost, doubled or late: the row is the truth, it lists the tasks that have
not answered yet, and the relay rings those again. What a task does it decides by the tables, not by the message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, Text, insert, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.kit.db import Base, created_at

AGAIN_SECONDS_MAX = 60


class OutboxEvent(Base):
    """One thing that happened: a name in the past tense and ids, never personal data."""

    __tablename__ = "outbox_event"
    __table_args__ = (
        Index("ix_outbox_event_new", "id", postgresql_where=text("rung_at IS NULL")),
        Index("ix_outbox_event_unanswered", "rung_at", postgresql_where=text("waiting_for <> '{}'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = created_at()
    rung_at: Mapped[datetime | None]
    rings: Mapped[int] = mapped_column(server_default="0")
    waiting_for: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))


@dataclass(frozen=True)
class Ring:
    """An event to tell of, and the tasks that have not answered it (none yet known for a new one)."""

    id: int
    name: str
    payload: Mapping[str, Any]
    waiting_for: Sequence[str]


def publish(session: Session, name: str, **ids: UUID | str | int | None) -> None:
    """Say in this transaction that something happened. Ids only."""
    payload = {key: str(value) if isinstance(value, UUID) else value for key, value in ids.items()}
    session.execute(insert(OutboxEvent).values(name=name, payload=payload))


def list_new(session: Session, limit: int) -> list[Ring]:
    """Events that nobody was told of, oldest first. Two relays may both tell: harmless."""
    return _rings(session, "rung_at IS NULL", {"limit": limit})


def list_unanswered(session: Session, limit: int, *, after_seconds: float, is_queue_empty: bool) -> list[Ring]:
    """Rung events whose tasks did not answer. An empty queue means lost hints: ring all; else wait longer each time."""
    wait = ":after" if is_queue_empty else f"least({AGAIN_SECONDS_MAX}, :after * power(2, least(rings, 10)))"
    late = f"waiting_for <> '{{}}' AND rung_at < clock_timestamp() - make_interval(secs => {wait})"
    return _rings(session, late, {"limit": limit, "after": after_seconds})


def mark_rung(session: Session, event_ids: Sequence[int], tasks: Mapping[str, Sequence[str]]) -> None:
    """The rings were handed to the broker. A new event now waits for the tasks of its name."""
    statement = text(
        """
        UPDATE outbox_event SET rung_at = clock_timestamp(), rings = rings + 1,
            waiting_for = CASE WHEN rung_at IS NULL THEN
                ARRAY(SELECT jsonb_array_elements_text(coalesce(CAST(:tasks AS jsonb) -> name, '[]'))) ELSE waiting_for END
        WHERE id = ANY(:ids)
        """
    )
    session.execute(statement.bindparams(ids=list(event_ids), tasks=json.dumps({n: list(t) for n, t in tasks.items()})))


def answer(session: Session, event_id: int, task: str) -> None:
    """A task has done what the event asked of it."""
    statement = text("UPDATE outbox_event SET waiting_for = array_remove(waiting_for, :task) WHERE id = :id")
    session.execute(statement, {"task": task, "id": event_id})


def oldest_waiting_seconds(session: Session) -> float:
    """Age of the oldest event that nobody was told of; 0 when there is none."""
    query = "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM outbox_event WHERE rung_at IS NULL"
    return float(session.execute(text(query)).scalar_one())


def delete_old_events(session: Session, *, days: int = 30) -> None:
    """Forget answered events after a while; the log of actions keeps what people did."""
    statement = "DELETE FROM outbox_event WHERE rung_at < now() - make_interval(days => :days) AND waiting_for = '{}'"
    session.execute(text(statement), {"days": days})


def _rings(session: Session, condition: str, values: Mapping[str, Any]) -> list[Ring]:
    query = f"SELECT id, name, payload, waiting_for FROM outbox_event WHERE {condition} ORDER BY id LIMIT :limit"  # noqa: S608 - our own words
    return [Ring(**row) for row in session.execute(text(query), values).mappings()]
