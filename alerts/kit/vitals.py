"""What was measured lately, and which worker last got something done: small tables, so that looking costs nothing.

Monitoring asks often; the questions behind it are heavy. A task asks them once a minute and writes the answers here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.kit.db import Base, rows_of

BEAT_SECONDS = 5.0
FORGOTTEN_SECONDS = 86_400
SENDER_PART = "sender_part"
"""Written by whoever sends, while something is sent…"""
PART_SECONDS = 3600.0
"""…and old news after so long."""


class Vital(Base):
    """One measured figure. `sample` names one case of it, by an id."""

    __tablename__ = "vital"

    name: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True, server_default="")
    value: Mapped[float]
    sample: Mapped[str] = mapped_column(server_default="")
    measured_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class WorkerBeat(Base):
    """When a worker process last finished a task of a queue. `is_pace_shared`: whether it saw Valkey then."""

    __tablename__ = "worker_beat"

    owner: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[str]
    is_pace_shared: Mapped[bool]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure to keep."""

    name: str
    label: str
    value: float
    sample: str = ""


@dataclass
class Pulse:
    """Of one process: a queue's beat is written at most once every few seconds, however many tasks it does."""

    owner: str
    last: dict[str, float] = field(default_factory=dict)

    def is_due(self, queue: str) -> bool:
        """Whether to write a beat for this queue now."""
        now = time.monotonic()
        if now - self.last.get(queue, -BEAT_SECONDS) < BEAT_SECONDS:
            return False
        self.last[queue] = now
        return True


def keep_vitals(session: Session, measured: Iterable[Measured]) -> None:
    """Write figures over those of before."""
    for each in measured:
        values = {"name": each.name, "label": each.label, "value": each.value, "sample": each.sample}
        statement = insert(Vital).values(**values)
        changed = {"value": each.value, "sample": each.sample, "measured_at": func.clock_timestamp()}
        session.execute(statement.on_conflict_do_update(index_elements=["name", "label"], set_=changed))


def add_to_vital(session: Session, more: Measured) -> None:
    """Let a figure that only counts upwards grow by `more.value`."""
    values = {"name": more.name, "label": more.label, "value": more.value, "sample": more.sample}
    statement = insert(Vital).values(**values)
    grown = {"value": Vital.value + more.value, "sample": more.sample, "measured_at": func.clock_timestamp()}
    session.execute(statement.on_conflict_do_update(index_elements=["name", "label"], set_=grown))


def find_vital(session: Session, name: str, label: str = "") -> float | None:
    """A figure as last measured."""
    return session.scalar(select(Vital.value).where(Vital.name == name, Vital.label == label))


def list_vitals(session: Session) -> list[dict[str, Any]]:
    """Every figure with its `age_seconds`."""
    return rows_of(session.execute(text(VITALS)))


def beat(session: Session, *, owner: str, queue: str, task: str, is_pace_shared: bool) -> None:
    """This process has just finished a task of the queue."""
    values = {"owner": owner, "queue": queue, "task": task, "is_pace_shared": is_pace_shared}
    changed = {"task": task, "is_pace_shared": is_pace_shared, "at": func.clock_timestamp()}
    session.execute(insert(WorkerBeat).values(**values).on_conflict_do_update(index_elements=["owner", "queue"], set_=changed))


def list_beats(session: Session) -> list[dict[str, Any]]:
    """Per owner and queue: the last task, its `age_seconds`, and `is_pace_shared`. Of processes that are long gone only a queue's last."""
    return rows_of(session.execute(text(BEATS), {"forgotten": FORGOTTEN_SECONDS}))


def forget_beats(session: Session) -> None:
    """Of processes that are long gone, but for each queue's last: that nobody works there for days must not be forgotten."""
    newest = select(func.max(WorkerBeat.at)).group_by(WorkerBeat.queue)
    is_old = WorkerBeat.at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, FORGOTTEN_SECONDS)
    session.execute(delete(WorkerBeat).where(is_old, WorkerBeat.at.not_in(newest)))


VITALS = """
SELECT name, label, value, sample, CAST(extract(epoch FROM clock_timestamp() - measured_at) AS float8) AS age_seconds
FROM vital ORDER BY name, label
"""

BEATS = """
SELECT owner, queue, task, is_pace_shared, CAST(extract(epoch FROM clock_timestamp() - at) AS float8) AS age_seconds
FROM worker_beat b WHERE at > clock_timestamp() - make_interval(secs => :forgotten)
   OR NOT EXISTS (SELECT FROM worker_beat n WHERE n.queue = b.queue AND n.at > b.at) ORDER BY queue, at DESC
"""
