"""Table of handovers: append-only."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from alerts.incidents.rules import Status
from alerts.kit.db import Base, enum_column, uuid_pk


class Handover(Base):
    """One shift handed over: by whom, to whom, with which words, over which version of the sheet. Never changed.

    `open_points` counts what was open then, by the keys of `rules.Point`.
    """

    __tablename__ = "handover"
    __table_args__ = (ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"]),)

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(index=True)
    status: Mapped[Status] = mapped_column(enum_column(Status))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    from_staff: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    to_staff: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    note: Mapped[str]
    sheet_version: Mapped[int | None]
    open_points: Mapped[dict[str, int]] = mapped_column(JSONB)
