"""Texts back to those who called for help, one per case and state."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from alerts.checkins.cases.rules import CaseState
from alerts.inbox.replies.rules import ReplyState
from alerts.inbox.rules import WayIn
from alerts.incidents.rules import Status
from alerts.kit.db import Base, enum_column, uuid_pk


class CitizenReply(Base):
    """One text, by the way that the call came. `body` names a mission and a time, nobody.

    `told` is the state of the case that makes it true.
    """

    __tablename__ = "citizen_reply"
    __table_args__ = (
        UniqueConstraint("case_id", "told"),
        CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="sending_has_lease"),
        Index("ix_citizen_reply_open", "due_at", postgresql_where=text("state IN ('queued', 'sending')")),
    )

    id: Mapped[UUID] = uuid_pk()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("help_case.id"))
    told: Mapped[CaseState] = mapped_column(enum_column(CaseState))
    phone_id: Mapped[UUID] = mapped_column(ForeignKey("phone.id"))
    way: Mapped[WayIn] = mapped_column(enum_column(WayIn), server_default=WayIn.SMS.value)
    status: Mapped[Status] = mapped_column(enum_column(Status))
    body: Mapped[str]
    state: Mapped[ReplyState] = mapped_column(enum_column(ReplyState), server_default=ReplyState.QUEUED.value)
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    intent_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    state_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    provider_id: Mapped[str | None]
    error_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
