"""HTTP of a report's pictures."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.incidents.queries import get_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import etag_of, is_unchanged
from alerts.kit.idempotency import Idem
from alerts.reports.pictures import actions, queries
from alerts.reports.pictures.rules import Size
from alerts.reports.pictures.schemas import PictureIn, PictureList, PictureRemove, PictureView
from alerts.reports.queries import get_report
from alerts.settings import SettingsDep
from alerts.staff.access import CurrentActor, require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/incidents/{incident_id}/reports/{report_id}/pictures", tags=["reports"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_REPORTS))]
AsSize = Annotated[Size, Query(description="large: at most 2048 pixels a side; small: at most 400")]
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}}


@router.post("", status_code=201, response_model=PictureView, operation_id="add_picture")
def post_picture(
    incident_id: UUID, report_id: UUID, body: PictureIn, actor: CurrentActor, session: Tx, settings: SettingsDep, idem: Idem
) -> Response:
    """Add a picture to a report. It is made anew: what the file carried besides its pixels is gone.

    Whoever may file for the report's source may add to it, up to 20 pictures. The place where it was taken is kept only with
    `keep_location` and a reason, and only if the file says it.
    """
    idem.start(actor.key)
    picture = actions.add_picture(
        session, actor=actor, incident_id=incident_id, report_id=report_id, command=body, octets_max=settings.web.picture_bytes
    )
    return idem.answer(201, queries.present_pictures(session, [picture])[0])


@router.get("", operation_id="list_pictures")
def get_pictures(incident_id: UUID, report_id: UUID, actor: Viewer, session: Tx) -> PictureList:
    """The pictures of a report, without their bytes."""
    get_incident(session, incident_id, actor)
    report = get_report(session, incident_id, report_id, actor)
    return PictureList(items=queries.present_pictures(session, queries.list_pictures(session, report.id)))


@router.get("/{picture_id}", operation_id="get_picture", response_class=Response, responses=JPEG)
def get_picture(
    incident_id: UUID, report_id: UUID, picture_id: UUID, request: Request, actor: Viewer, session: Tx, size: AsSize = Size.LARGE
) -> Response:
    """The picture itself, a JPEG. It never changes, but it may be taken away: 404 from then on."""
    get_incident(session, incident_id, actor)
    picture = queries.get_picture(session, get_report(session, incident_id, report_id, actor).id, picture_id)
    content = queries.get_jpeg(session, picture, size)
    headers = {"ETag": etag_of("picture", picture.id, size), "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if is_unchanged(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/jpeg", headers=headers)


@router.post("/{picture_id}/remove", response_model=PictureView, operation_id="remove_picture")
def post_removal(
    incident_id: UUID, report_id: UUID, picture_id: UUID, body: PictureRemove, actor: CurrentActor, session: Tx, idem: Idem
) -> Response:
    """Take a picture away, with a reason: its bytes are deleted. That it was there, and who took it away and why, stays."""
    idem.start(actor.key)
    picture = actions.remove_picture(
        session, actor=actor, incident_id=incident_id, report_id=report_id, picture_id=picture_id, command=body
    )
    return idem.answer(200, queries.present_pictures(session, [picture])[0])
