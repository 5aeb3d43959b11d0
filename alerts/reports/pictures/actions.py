"""Adding a picture to a report, and taking one away."""

from __future__ import annotations

import hashlib
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from alerts.incidents.queries import get_open_incident
from alerts.kit.actor import Actor
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, InvalidError
from alerts.reports.actions import check_source
from alerts.reports.pictures.models import ReportPicture, ReportPictureFile, ReportPictureRemoval
from alerts.reports.pictures.queries import get_picture, list_pictures, lock_pictures
from alerts.reports.pictures.remaking import FIELD, remake
from alerts.reports.pictures.rules import PER_REPORT_MAX, Remade
from alerts.reports.pictures.schemas import PictureIn, PictureRemove
from alerts.reports.queries import get_report


def add_picture(
    session: Session, *, actor: Actor, incident_id: UUID, report_id: UUID, command: PictureIn, octets_max: int
) -> ReportPicture:
    """Keep a picture, made anew, with a report that the actor may file for.

    Raises NotFoundError for a report that the actor may not know of, ForbiddenError for somebody else's source, ConflictError
    for a closed incident or one picture too many, InvalidError for what is no picture, too large or damaged.
    """
    get_open_incident(session, incident_id, actor)
    report = get_report(session, incident_id, report_id, actor)
    check_source(actor, report.source)
    if command.keep_location and not command.location_reason:
        raise InvalidError("reason_needed", "Say why the place where it was taken is to be kept.", field="location_reason")
    if len(command.picture) > octets_max:
        raise InvalidError("picture_too_large", "The picture is too large: make it smaller.", limit=octets_max, field=FIELD)
    remade = remake(command.picture)
    lock_pictures(session, report_id)
    if len(list_pictures(session, report_id)) >= PER_REPORT_MAX:
        raise ConflictError("too_many_pictures", "A report has at most 20 pictures: add them to a new one.", field=FIELD)
    picture = _store(session, report_id, remade, command=command, actor=actor, octets=len(remade.large))
    detail = {"report": str(report_id), "has_location": picture.lat is not None}
    record(session, actor=actor, action="picture.added", incident_id=incident_id, subject=("report_picture", picture.id), detail=detail)
    return picture


def remove_picture(
    session: Session, *, actor: Actor, incident_id: UUID, report_id: UUID, picture_id: UUID, command: PictureRemove
) -> ReportPicture:
    """Take a picture away, with a reason, whatever has become of the incident: its bytes are deleted. Twice is once."""
    report = get_report(session, incident_id, report_id, actor)
    check_source(actor, report.source)
    lock_pictures(session, report_id)
    picture = get_picture(session, report_id, picture_id)
    if session.get(ReportPictureRemoval, picture_id) is not None:
        return picture
    session.add(ReportPictureRemoval(picture_id=picture_id, reason=command.reason, removed_by=actor.key, known_at=db_now(session)))
    session.execute(delete(ReportPictureFile).where(ReportPictureFile.picture_id == picture_id))
    detail = {"report": str(report_id), "reason": command.reason}
    record(session, actor=actor, action="picture.removed", incident_id=incident_id, subject=("report_picture", picture_id), detail=detail)
    session.flush()
    return picture


def _store(session: Session, report_id: UUID, remade: Remade, *, command: PictureIn, actor: Actor, octets: int) -> ReportPicture:
    kept = remade.location if command.keep_location else None
    picture = ReportPicture(
        report_id=report_id,
        caption=command.caption,
        width=remade.width,
        height=remade.height,
        octets=octets,
        sha256=hashlib.sha256(remade.large).digest(),
        lat=kept.lat if kept else None,
        lon=kept.lon if kept else None,
        location_reason=command.location_reason if kept else None,
        added_by=actor.key,
        known_at=db_now(session),
    )
    session.add(picture)
    session.flush()
    session.add(ReportPictureFile(picture_id=picture.id, large=remade.large, small=remade.small))
    session.flush()
    return picture
