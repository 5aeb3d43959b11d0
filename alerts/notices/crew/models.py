"""Tables of the crew: rosters by function, who is to be found for an incident, whom we called, and what they said.

Calls and answers are append-only: who was on at a past minute can always be told.
"""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text, Uuid

from alerts.kit.db import Base, created_at, enum_column, uuid_pk
from alerts.notices.crew.rules import Answer, AnswerWay, Function


class CrewDuty(Base):
    """One line of a function's roster: the first and the deputies, each with their hours in their own zone."""

    __tablename__ = "crew_duty"
    __table_args__ = (
        UniqueConstraint("function", "staff_id"),
        UniqueConstraint("function", "position"),
        CheckConstraint("(hours_from IS NULL) = (hours_until IS NULL)", name="hours_are_whole"),
        CheckConstraint("position >= 1", name="position"),
    )

    id: Mapped[UUID] = uuid_pk()
    function: Mapped[Function] = mapped_column(enum_column(Function))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(SmallInteger)
    is_on: Mapped[bool] = mapped_column(server_default=text("true"))
    hours_from: Mapped[time | None]
    hours_until: Mapped[time | None]
    zone: Mapped[str] = mapped_column(server_default="Asia/Jakarta")


class CrewSlot(Base):
    """A function that an incident needs. `mission_codes`: whose people it is looked for among, in this order.

    `next_at`: when the next deputy is called; null when somebody is coming, or nobody is left to call. `stopped_at`: the incident was
    closed; nothing that is said later calls anybody. `round`: each opening of an incident has slots of its own.
    """

    __tablename__ = "crew_slot"
    __table_args__ = (
        CheckConstraint("status IN ('Actual', 'Exercise')", name="status"),
        CheckConstraint("stopped_at IS NULL OR next_at IS NULL", name="stopped_calls_nobody"),
        UniqueConstraint("incident_id", "function", "mission_code", "round", name="uq_crew_slot_place", postgresql_nulls_not_distinct=True),
        Index("ix_crew_slot_next_at", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID]
    status: Mapped[str]
    function: Mapped[Function] = mapped_column(enum_column(Function))
    mission_code: Mapped[str | None]
    mission_codes: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    present: Mapped[UUID | None] = mapped_column(Uuid())
    is_quiet: Mapped[bool] = mapped_column(server_default=text("false"))
    texts: Mapped[dict[str, str]] = mapped_column(JSONB)
    path: Mapped[str]
    opened_at: Mapped[datetime] = created_at()
    next_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    round: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    stopped_at: Mapped[datetime | None]


class CrewCall(Base):
    """One person called. `deputy_of`: the call that it follows on. Never changed."""

    __tablename__ = "crew_call"
    __table_args__ = (UniqueConstraint("slot_id", "staff_id"),)

    id: Mapped[UUID] = uuid_pk()
    slot_id: Mapped[UUID] = mapped_column(ForeignKey("crew_slot.id"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)
    deputy_of: Mapped[UUID | None] = mapped_column(ForeignKey("crew_call.id"))
    called_at: Mapped[datetime] = created_at()


class CrewAnswer(Base):
    """What somebody called said; the newest holds. Never changed."""

    __tablename__ = "crew_answer"

    id: Mapped[UUID] = uuid_pk()
    call_id: Mapped[UUID] = mapped_column(ForeignKey("crew_call.id"), index=True)
    answer: Mapped[Answer] = mapped_column(enum_column(Answer))
    way: Mapped[AnswerWay] = mapped_column(enum_column(AnswerWay))
    answered_at: Mapped[datetime] = created_at()
