"""Rows of the call list that somebody has opened, and how calls ended. Outcomes are written once (a trigger refuses change)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from alerts.deliveries.call_list.rules import Outcome
from alerts.kit.db import Base, enum_column, uuid_pk


class CallRow(Base):
    """One person of one incident. Made when somebody opens the row for the first time; the list itself is derived.

    `done_at`: calling ended, until a later message fails to reach them. `urgent_at`: they wrote what may be a call for help,
    and nobody has read it yet.
    """

    __tablename__ = "call_row"
    __table_args__ = (
        UniqueConstraint("incident_id", "citizen_id"),
        CheckConstraint("(claimed_by IS NULL) = (claimed_until IS NULL)", name="claim_has_lease"),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"))
    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"), index=True)
    member_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("audience_member.id"))
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(server_default="0")
    last_outcome: Mapped[Outcome | None] = mapped_column(enum_column(Outcome))
    last_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    urgent_at: Mapped[datetime | None]


class CallOutcome(Base):
    """How one call ended, for which message, by whom."""

    __tablename__ = "call_outcome"
    __table_args__ = (CheckConstraint("(outcome = 'call_back_at') = (call_back_at IS NOT NULL)", name="call_back_has_time"),)

    id: Mapped[UUID] = uuid_pk()
    call_row_id: Mapped[UUID] = mapped_column(ForeignKey("call_row.id"), index=True)
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"), index=True)
    mission_code: Mapped[str | None]
    outcome: Mapped[Outcome] = mapped_column(enum_column(Outcome))
    caller: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    call_back_at: Mapped[datetime | None]
    note_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
