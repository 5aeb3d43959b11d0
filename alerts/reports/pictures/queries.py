"""Named reads of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.kit.errors import NotFoundError
from alerts.reports.pictures.models import ReportPicture, ReportPictureFile, ReportPictureRemoval
from alerts.reports.pictures.rules import Size
from alerts.reports.pictures.schemas import LocationView, PictureView, RemovalView


def lock_pictures(session: Session, report_id: UUID) -> None:
    """One change at a time among a report's pictures, until this transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"pictures:{report_id}"})


def list_pictures(session: Session, report_id: UUID) -> Sequence[ReportPicture]:
    """The first first; without their bytes."""
    return session.scalars(select(ReportPicture).where(ReportPicture.report_id == report_id).order_by(ReportPicture.id)).all()


def get_picture(session: Session, report_id: UUID, picture_id: UUID) -> ReportPicture:
    """One picture of this report; 404 when there is none."""
    query = select(ReportPicture).where(ReportPicture.id == picture_id, ReportPicture.report_id == report_id)
    picture = session.scalars(query).one_or_none()
    if picture is None:
        raise NotFoundError("picture_not_found", "There is no such picture.")
    return picture


def get_jpeg(session: Session, picture: ReportPicture, size: Size) -> bytes:
    """Its bytes; 404 when it was taken away."""
    column = ReportPictureFile.large if size is Size.LARGE else ReportPictureFile.small
    content = session.scalars(select(column).where(ReportPictureFile.picture_id == picture.id)).one_or_none()
    if content is None:
        raise NotFoundError("picture_removed", "The picture was taken away.")
    return content


def present_pictures(session: Session, pictures: Sequence[ReportPicture]) -> list[PictureView]:
    """As they are told, with the word of whoever took one away."""
    ids = [picture.id for picture in pictures]
    removals = session.scalars(select(ReportPictureRemoval).where(ReportPictureRemoval.picture_id.in_(ids)))
    removed = {row.picture_id: RemovalView.model_validate(row) for row in removals}
    return [_present(picture, removed.get(picture.id)) for picture in pictures]


def _present(picture: ReportPicture, removal: RemovalView | None) -> PictureView:
    """Who takes a picture away takes its place away too."""
    location = None
    if removal is None and picture.lat is not None and picture.lon is not None and picture.location_reason is not None:
        location = LocationView(lat=picture.lat, lon=picture.lon, reason=picture.location_reason)
    return PictureView(
        id=picture.id,
        caption=picture.caption,
        width=picture.width,
        height=picture.height,
        octets=picture.octets,
        sha256=picture.sha256.hex(),
        location=location,
        added_by=picture.added_by,
        known_at=picture.known_at,
        removal=removal,
    )
