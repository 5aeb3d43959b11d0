"""The log of actions: append-only (a trigger forbids change), ids and codes, no personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.kit.actor import Actor
from alerts.kit.db import Base, created_at, uuid_pk


class ActionLog(Base):
    """One action by somebody on something. `incident_id` is a plain column: this table is below incidents."""

    __tablename__ = "action_log"

    id: Mapped[UUID] = uuid_pk()
    at: Mapped[datetime] = created_at()
    actor: Mapped[str]
    role: Mapped[str]
    via: Mapped[str]
    action: Mapped[str] = mapped_column(index=True)
    incident_id: Mapped[UUID | None] = mapped_column(index=True)
    subject_kind: Mapped[str | None]
    subject_id: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)


def record(
    session: Session,
    *,
    actor: Actor,
    action: str,
    incident_id: UUID | None = None,
    subject: tuple[str, object] | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one line in this transaction: it is there exactly when the action is."""
    values = line(actor=actor, action=action, incident_id=incident_id, subject=subject, detail=detail)
    session.execute(insert(ActionLog).values(**values))


def record_all(session: Session, lines: Sequence[Mapping[str, Any]]) -> None:
    """Append many lines (of `line`) by one statement."""
    session.execute(insert(ActionLog), [*lines])


def line(
    *,
    actor: Actor,
    action: str,
    incident_id: UUID | None = None,
    subject: tuple[str, object] | None = None,
    detail: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The columns of a line."""
    kind, subject_id = subject or (None, None)
    values: dict[str, Any] = {"actor": actor.key, "role": actor.role, "via": actor.via.value, "action": action}
    values |= {"incident_id": incident_id, "subject_kind": kind, "detail": detail or {}}
    return values | {"subject_id": None if subject_id is None else str(subject_id)}


def list_actions(
    session: Session,
    incident_id: UUID,
    seen: ColumnElement[bool],
    *,
    limit: int = 200,
    before: UUID | None = None,
    only_reasoned: bool = False,
) -> list[ActionLog]:
    """What was done on an incident, newest first; `seen`: the condition on the lines that the reader may see; `only_reasoned`:
    where somebody had to say why.
    """
    query = select(ActionLog).where(ActionLog.incident_id == incident_id, seen).order_by(ActionLog.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ActionLog.id < before)
    if only_reasoned:
        query = query.where(ActionLog.detail["reason"].astext.is_not(None))
    return list(session.scalars(query))
