"""What was said of a mission's clock, word by word. Rows are written once and stay (a trigger refuses change)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from alerts.incidents.rules import Status
from alerts.kit.db import Base, enum_column, uuid_pk
from alerts.reports.chasing.rules import Word


class ChaseWord(Base):
    """One word about one mission in one incident. `by` is an actor's key; `paging_id` the page by which somebody took it on."""

    __tablename__ = "chase_word"
    __table_args__ = (
        ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"]),
        UniqueConstraint("paging_id", "incident_id"),
        CheckConstraint("(word IN ('snoozed', 'acknowledged')) = (until IS NOT NULL)", name="silence_has_an_end"),
        CheckConstraint("(word = 'covered') = (covered_by IS NOT NULL)", name="cover_says_by_whom"),
        CheckConstraint("word NOT IN ('snoozed', 'covered') OR reason IS NOT NULL", name="silence_has_a_reason"),
        CheckConstraint("covered_by <> mission_code", name="nobody_covers_itself"),
        Index("ix_chase_word_incident_id", "incident_id", "mission_code"),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID]
    status: Mapped[Status] = mapped_column(enum_column(Status))
    mission_code: Mapped[str] = mapped_column(ForeignKey("mission.code"))
    word: Mapped[Word] = mapped_column(enum_column(Word))
    due_at: Mapped[datetime | None]
    until: Mapped[datetime | None]
    covered_by: Mapped[str | None] = mapped_column(ForeignKey("mission.code"))
    reason: Mapped[str | None]
    paging_id: Mapped[UUID | None] = mapped_column(ForeignKey("paging.id"))
    by: Mapped[str]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
