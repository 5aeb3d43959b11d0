"""Messages that came in, raw and enciphered, with what was understood of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from alerts.inbox.rules import State, Understood
from alerts.kit.db import Base, enum_column, uuid_pk


class InboundMessage(Base):
    """One message, kept as it came. `understood` is null until a task has read it, once."""

    __tablename__ = "inbound_message"
    __table_args__ = (
        CheckConstraint("(state = 'received') = (understood IS NULL)", name="read_is_understood"),
        CheckConstraint("(state = 'handled') = (handled_at IS NOT NULL)", name="handled_has_time"),
        Index("ix_inbound_message_waiting", "id", postgresql_where=text("state <> 'handled'")),
    )

    id: Mapped[UUID] = uuid_pk()
    provider_id: Mapped[str] = mapped_column(unique=True)
    from_enc: Mapped[bytes] = mapped_column(LargeBinary)
    from_index: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    body_enc: Mapped[bytes] = mapped_column(LargeBinary)
    segments: Mapped[int]
    media: Mapped[int]
    carrier_opted_out: Mapped[bool]
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.RECEIVED.value)
    understood: Mapped[Understood | None] = mapped_column(enum_column(Understood))
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    citizen_id: Mapped[UUID | None] = mapped_column(ForeignKey("citizen.id"), index=True)
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incident.id"), index=True)
    checkin_id: Mapped[UUID | None] = mapped_column(ForeignKey("checkin.id"))
    handled_by: Mapped[str | None]
    handled_at: Mapped[datetime | None]
