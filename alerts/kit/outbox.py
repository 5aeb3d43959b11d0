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
    """An event to tell of, and the tasks that have not answered it."""

    id: int
    name: str
    payload: Mapping[str, Any]
    waiting_for: Sequence[str]


def publish(session: Session, name: str, **ids: UUID | str | int | None) -> None:
    """Say in this transaction that something happened. Ids only."""
    publish_all(session, name, [ids])


def publish_all(session: Session, name: str, many: Sequence[Mapping[str, UUID | str | int | None]]) -> None:
    """The same of several things, by one statement."""
    payloads = [{key: str(value) if isinstance(value, UUID) else value for key, value in ids.items()} for ids in many]
    session.execute(insert(OutboxEvent), [{"name": name, "payload": payload} for payload in payloads])


def claim_new(session: Session, limit: int, tasks: Mapping[str, Sequence[str]]) -> list[Ring]:
    """Events that nobody was told of, oldest first, now waiting for the tasks of their name. Another relay passes them over."""
    named = json.dumps({name: list(wanted) for name, wanted in tasks.items()})
    return _rings(session, CLAIM_NEW, {"limit": limit, "tasks": named})


def claim_unanswered(session: Session, limit: int, *, after_seconds: float, is_queue_empty: bool) -> list[Ring]:
    """Rung events whose tasks did not answer. An empty queue means lost hints: ring all; else wait longer each time."""
    patience = 1 if is_queue_empty else 2
    return _rings(session, CLAIM_UNANSWERED, {"limit": limit, "after": after_seconds, "patience": patience, "longest": AGAIN_SECONDS_MAX})


def answer(session: Session, event_id: int, task: str) -> None:
    """A task has done what the event asked of it."""
    statement = text("UPDATE outbox_event SET waiting_for = array_remove(waiting_for, :task) WHERE id = :id")
    session.execute(statement, {"task": task, "id": event_id})


def drain(session: Session, task: str, *, limit: int = 1000) -> list[dict[str, Any]]:
    """Take (and answer, in this transaction) all that waits for a task: one ring may stand for many events."""
    return [row[0] for row in session.execute(text(DRAIN), {"task": task, "limit": limit})]


def delete_old_events(session: Session, *, days: int = 30) -> None:
    """Forget answered events after a while; the log of actions keeps what people did."""
    statement = "DELETE FROM outbox_event WHERE rung_at < now() - make_interval(days => :days) AND waiting_for = '{}'"
    session.execute(text(statement), {"days": days})


def _rings(session: Session, statement: str, values: Mapping[str, Any]) -> list[Ring]:
    rows = [Ring(**row) for row in session.execute(text(statement), values).mappings()]
    return sorted(rows, key=lambda ring: ring.id)


CLAIM_NEW = """
UPDATE outbox_event SET rung_at = clock_timestamp(), rings = 1,
    waiting_for = ARRAY(SELECT jsonb_array_elements_text(coalesce(CAST(:tasks AS jsonb) -> name, '[]')))
WHERE id IN (SELECT id FROM outbox_event WHERE rung_at IS NULL ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, name, payload, waiting_for
"""

CLAIM_UNANSWERED = """
UPDATE outbox_event SET rung_at = clock_timestamp(), rings = rings + 1
WHERE id IN (
    SELECT id FROM outbox_event WHERE waiting_for <> '{}'
      AND rung_at < clock_timestamp() - make_interval(secs => least(:longest, :after * power(:patience, least(rings, 10))))
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, name, payload, waiting_for
"""

DRAIN = """
UPDATE outbox_event SET waiting_for = array_remove(waiting_for, :task)
WHERE id IN (
    SELECT id FROM outbox_event WHERE waiting_for <> '{}' AND waiting_for @> ARRAY[:task] ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING payload
"""
