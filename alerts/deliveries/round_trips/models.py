"""Tables of the round trips: who is sent what by which sender, and when it came back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from alerts.broadcasts.rules import Channel
from alerts.deliveries.round_trips.rules import TripEnd
from alerts.kit.db import Base


class Probe(Base):
    """The made-up citizen of one live sender, at one of our own addresses. `retired_at`: the sender or the address is no more."""

    __tablename__ = "probe"

    sender: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str]
    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"))
    address_id: Mapped[UUID]
    address_index: Mapped[bytes] = mapped_column(LargeBinary)
    since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    alarmed_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]

    @property
    def way(self) -> Channel:
        """The channel as messages have it."""
        return Channel(self.channel)


class RoundTrip(Base):
    """One message to a made-up citizen. `returned_at` is set when it came back as `expects` says; `ended_at` in any case."""

    __tablename__ = "round_trip"
    __table_args__ = (
        CheckConstraint("expects IN ('accepted', 'delivered', 'answered')", name="trip_end"),
        CheckConstraint("returned_at IS NULL OR ended_at IS NOT NULL", name="returned_is_over"),
        Index("ix_round_trip_sender_began_at", "sender", "began_at"),
        Index("ix_round_trip_open", "delivery_id", postgresql_where=text("ended_at IS NULL")),
    )

    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"), primary_key=True)
    sender: Mapped[str]
    channel: Mapped[str]
    delivery_id: Mapped[int] = mapped_column(BigInteger)
    expects: Mapped[str]
    began_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    answered_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def end(self) -> TripEnd:
        """What it has to come back with."""
        return TripEnd(self.expects)
