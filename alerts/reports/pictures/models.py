"""Pictures as they were added, and the word of whoever took one away. Their bytes alone can go."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from alerts.kit.db import Base, uuid_pk


class ReportPicture(Base):
    """One picture of a report. Written once; a trigger refuses every change. `sha256` is that of the large JPEG."""

    __tablename__ = "report_picture"
    __table_args__ = (
        CheckConstraint("num_nonnulls(lat, lon, location_reason) IN (0, 3)", name="location"),
        Index("ix_report_picture_report_id", "report_id"),
    )

    id: Mapped[UUID] = uuid_pk()
    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"))
    caption: Mapped[str | None]
    width: Mapped[int]
    height: Mapped[int]
    octets: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    lat: Mapped[float | None] = mapped_column(Double)
    lon: Mapped[float | None] = mapped_column(Double)
    location_reason: Mapped[str | None]
    added_by: Mapped[str]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ReportPictureFile(Base):
    """The bytes: two JPEGs that we made. Deleted when the picture is taken away."""

    __tablename__ = "report_picture_file"

    picture_id: Mapped[UUID] = mapped_column(ForeignKey("report_picture.id"), primary_key=True)
    large: Mapped[bytes] = mapped_column(LargeBinary)
    small: Mapped[bytes] = mapped_column(LargeBinary)


class ReportPictureRemoval(Base):
    """Who took a picture away, and why. Written once."""

    __tablename__ = "report_picture_removal"

    picture_id: Mapped[UUID] = mapped_column(ForeignKey("report_picture.id"), primary_key=True)
    reason: Mapped[str]
    removed_by: Mapped[str]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
