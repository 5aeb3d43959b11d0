"""What the sheet said, version by version, and the minute series of its main figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from alerts.kit.db import Base


class Snapshot(Base):
    """One version of an incident's sheet, never altered. A new one is written only when more than ages changed."""

    __tablename__ = "snapshot"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    content_hash: Mapped[str]
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)


class FigureMinute(Base):
    """The value of one main figure at the end of one minute. A minute without a row has the value before it.

    NULL says that nobody gives this figure any more: it was withdrawn, or its only source was corrected.
    """

    __tablename__ = "figure_minute"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"), primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    figure: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int | None]


class LiveState(Base):
    """When an incident's sheet was last computed, how long that took, and whether something happened since that it does not show.

    `has_progress`: only that sending went on. `counted`: what is dear to count, as it was then (`counting`).
    """

    __tablename__ = "live_state"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"), primary_key=True)
    computed_at: Mapped[datetime | None]
    is_dirty: Mapped[bool] = mapped_column(server_default=text("false"))
    has_progress: Mapped[bool] = mapped_column(server_default=text("false"))
    took_seconds: Mapped[float] = mapped_column(server_default=text("0"))
    counted: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class SheetLook(Base):
    """What one account has seen of an incident's sheet, on whatever screen. `base_version` is what "since you last looked" counts from."""

    __tablename__ = "sheet_look"

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"), primary_key=True)
    base_version: Mapped[int | None]
    seen_version: Mapped[int]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DigestState(Base):
    """What the minister was last told of an incident, and when again. `is_waiting`: something came too soon after it."""

    __tablename__ = "digest_state"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"), primary_key=True)
    version: Mapped[int | None]
    told_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    is_waiting: Mapped[bool] = mapped_column(server_default=text("false"))
