"""Exports as they were asked for. What was asked, decided and fetched stays as it was (triggers), and no row is removed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, func, text
from sqlalchemy.orm import Mapped, mapped_column

from alerts.deliveries.exports.rules import Standing
from alerts.kit.db import Base, uuid_pk


class ReachExport(Base):
    """One export of one message. Another person than the asker grants it (constraint). The rows themselves are not kept."""

    __tablename__ = "reach_export"
    __table_args__ = (
        CheckConstraint("(decided_by IS NULL) = (decided_at IS NULL)", name="decided_by_somebody"),
        CheckConstraint(
            "NOT is_granted OR (decided_by IS NOT NULL AND decided_by <> asked_by AND decided_via = 'session')", name="granted_by_another"
        ),
        CheckConstraint("fetched_at IS NULL OR is_granted", name="fetched_when_granted"),
        CheckConstraint("length(reason) > 0", name="says_why"),
    )

    id: Mapped[UUID] = uuid_pk()
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"), index=True)
    reason: Mapped[str]
    has_contacts: Mapped[bool]
    row_count: Mapped[int] = mapped_column(BigInteger)
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_via: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    is_granted: Mapped[bool] = mapped_column(server_default=text("false"))
    fetched_at: Mapped[datetime | None]

    @property
    def standing(self) -> Standing:
        """What the rules decide by."""
        return Standing(
            self.asked_by,
            self.expires_at,
            is_decided=self.decided_at is not None,
            is_granted=self.is_granted,
            is_fetched=self.fetched_at is not None,
        )
