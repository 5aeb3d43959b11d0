"""The forms by which a picture is added to a report, and taken away."""

from __future__ import annotations

import base64
from uuid import UUID

from fastapi import APIRouter, Request, Response

from alerts.console.elsewhere import IncidentDep
from alerts.console.forms import FormDep
from alerts.console.once import start_once
from alerts.console.routes_incidents import root_of
from alerts.console.routes_reports import Filer
from alerts.kit.db import Tx
from alerts.reports.pictures.actions import add_picture, remove_picture
from alerts.reports.pictures.schemas import CAPTION_MAX, PictureIn, PictureRemove
from alerts.settings import SettingsDep

router = APIRouter(prefix="/incidents/{incident_id}/reports/{report_id}/pictures", include_in_schema=False)


@router.post("")
def add_form(
    report_id: UUID, request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Filer, settings: SettingsDep
) -> Response:
    once = start_once(request, session, form, actor)
    keeps = form.has("keep_location")
    command = PictureIn(
        picture=base64.b64encode(form.file),
        caption=form.optional("caption", limit=CAPTION_MAX),
        keep_location=keeps,
        location_reason=form.reason("location_reason") if keeps else None,
    )
    add_picture(session, actor=actor, incident_id=incident.id, report_id=report_id, command=command, octets_max=settings.web.picture_bytes)
    return once.go(f"{root_of(request)}/incidents/{incident.id}/reports/{report_id}#pictures")


@router.post("/{picture_id}/remove")
def remove_form(
    report_id: UUID, picture_id: UUID, request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Filer
) -> Response:
    once = start_once(request, session, form, actor)
    command = PictureRemove(reason=form.reason())
    remove_picture(session, actor=actor, incident_id=incident.id, report_id=report_id, picture_id=picture_id, command=command)
    return once.go(f"{root_of(request)}/incidents/{incident.id}/reports/{report_id}#pictures")
