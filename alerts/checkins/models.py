"""Answers of citizens. Rows are written once and stay (a trigger refuses change)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from alerts.checkins.rules import Answer, Channel
from alerts.incidents.rules import Claim
from alerts.kit.db import Base, enum_column, uuid_pk


class Checkin(Base):
    """One answer, and the rung of the ladder on which it stands. *Contact made* names who, when and how."""

    __tablename__ = "checkin"
    __table_args__ = (
        CheckConstraint(
            "rung IN ('reported', 'corroborated') OR (contacted_by IS NOT NULL AND contacted_at IS NOT NULL AND contact_how IS NOT NULL)",
            name="contact_has_who_when_how",
        ),
        Index("ix_checkin_incident_id_citizen_id", "incident_id", "citizen_id", "received_at"),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"))
    citizen_id: Mapped[UUID | None] = mapped_column(ForeignKey("citizen.id"), index=True)
    answer: Mapped[Answer] = mapped_column(enum_column(Answer))
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    rung: Mapped[Claim] = mapped_column(enum_column(Claim))
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    note_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    member_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("audience_member.id"), index=True)
    recorded_by: Mapped[str]
    contacted_by: Mapped[str | None]
    contacted_at: Mapped[datetime | None]
    contact_how: Mapped[str | None]
