"""Roaming broadcasts and their counts: phones, not persons. Counts are written once and stay (a trigger refuses change)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from alerts.deliveries.roaming.rules import RoamingState
from alerts.kit.db import Base, enum_column, uuid_pk


class RoamingBroadcast(Base):
    """One approved text for one country by one operator in one language. A claim raises `generation`."""

    __tablename__ = "roaming_broadcast"
    __table_args__ = (
        UniqueConstraint("broadcast_id", "country", "operator", "language"),
        CheckConstraint("state <> 'accepted' OR operator_ref IS NOT NULL", name="accepted_has_ref"),
    )

    id: Mapped[UUID] = uuid_pk()
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"))
    country: Mapped[str]
    operator: Mapped[str]
    language: Mapped[str]
    text_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    asked_by: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    state: Mapped[RoamingState] = mapped_column(enum_column(RoamingState), server_default=RoamingState.ASKED.value)
    generation: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=func.clock_timestamp())
    intent_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    state_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    operator_ref: Mapped[str | None]
    error_code: Mapped[str | None]
    counted_at: Mapped[datetime | None]
    is_final: Mapped[bool] = mapped_column(server_default=text("false"))


class RoamingCount(Base):
    """What the operator had counted at `as_of`, as we learned it at `known_at`. Nothing here leads to a person."""

    __tablename__ = "roaming_count"
    __table_args__ = (UniqueConstraint("roaming_broadcast_id", "as_of"),)

    id: Mapped[UUID] = uuid_pk()
    roaming_broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("roaming_broadcast.id"))
    as_of: Mapped[datetime]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    phones_found: Mapped[int] = mapped_column(BigInteger)
    phones_delivered: Mapped[int | None] = mapped_column(BigInteger)
