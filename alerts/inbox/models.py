"""Messages that came in, raw and enciphered, with what was understood of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from alerts.inbox.rules import State, Understood, WayIn
from alerts.incidents.rules import Status
from alerts.kit.db import Base, enum_column, uuid_pk


class InboundMessage(Base):
    """One message, kept as it came. `understood` is null until a task has read it, once.

    `status`: of the number it was written to: exercises have numbers of their own. `mission_code`: the mission that has to read
    it, since `given_at`: by the ministry's word, or (what may call for help) at once by the sender's place. `case_id`: the call
    for help it raised or belongs to; `report_id`: the situation report it was filed as. By the open link also a name and a
    place come, and a fingerprint of the address it was posted from (to count by).
    """

    __tablename__ = "inbound_message"
    __table_args__ = (
        CheckConstraint("(state = 'received') = (understood IS NULL)", name="read_is_understood"),
        CheckConstraint("(state = 'handled') = (handled_at IS NOT NULL)", name="handled_has_time"),
        Index("ix_inbound_message_waiting", "id", postgresql_where=text("state <> 'handled'")),
        Index("ix_inbound_message_address", "address_index", "received_at", postgresql_where=text("address_index IS NOT NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    provider_id: Mapped[str] = mapped_column(unique=True)
    from_enc: Mapped[bytes] = mapped_column(LargeBinary)
    from_index: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    body_enc: Mapped[bytes] = mapped_column(LargeBinary)
    segments: Mapped[int]
    media: Mapped[int]
    status: Mapped[Status] = mapped_column(enum_column(Status), server_default=Status.ACTUAL.value)
    carrier_opted_out: Mapped[bool]
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.RECEIVED.value)
    understood: Mapped[Understood | None] = mapped_column(enum_column(Understood))
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    citizen_id: Mapped[UUID | None] = mapped_column(ForeignKey("citizen.id"), index=True)
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incident.id"), index=True)
    checkin_id: Mapped[UUID | None] = mapped_column(ForeignKey("checkin.id"))
    channel: Mapped[WayIn] = mapped_column(enum_column(WayIn), server_default=WayIn.SMS.value)
    mission_code: Mapped[str | None] = mapped_column(ForeignKey("mission.code"))
    given_at: Mapped[datetime | None]
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("help_case.id"))
    report_id: Mapped[UUID | None] = mapped_column(ForeignKey("report.id"))
    name_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    place_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    address_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    handled_by: Mapped[str | None]
    handled_at: Mapped[datetime | None]
