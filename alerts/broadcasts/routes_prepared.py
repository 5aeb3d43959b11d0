"""HTTP of prepared words: templates, the first alert and its hold, and the waves of latecomers."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from alerts.broadcasts import first_alerts, queries, templates, waves
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.rules import State
from alerts.broadcasts.schemas import (
    Approval,
    BroadcastView,
    FirstAlert,
    TemplateDraft,
    TemplateView,
    TextView,
    WaveApproval,
    WaveView,
)
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import Page, PagingDep, etag_of, is_unchanged, page_of
from alerts.kit.idempotency import Idem
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(tags=["broadcasts"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
Writer = Annotated[Actor, Depends(require(Permission.WRITE_BROADCAST))]
Approver = Annotated[Actor, Depends(require(Permission.APPROVE_BROADCAST))]
Canceller = Annotated[Actor, Depends(require(Permission.CANCEL_BROADCAST))]
Corrector = Annotated[Actor, Depends(require(Permission.CORRECT_BROADCAST))]
Releaser = Annotated[Actor, Depends(require(Permission.RELEASE_FIRST_ALERT))]
WaveNumber = Annotated[int, Path(ge=2, le=100_000, description="2 for the first latecomers")]
FREEZING: dict[int | str, dict[str, Any]] = {202: {"description": "freezing a long list", "model": BroadcastView}}


@router.get("/templates", operation_id="list_templates")
def get_templates(_: Corrector, session: Tx, page: PagingDep) -> Page[TemplateView]:
    """All versions of all prepared words, newest first: what waits, what is in use, what is retired."""
    rows = templates.list_templates(session, page)
    return page_of([templates.present_template(row) for row in rows], [row.id for row in rows], page.limit)


@router.post("/templates", status_code=201, response_model=TemplateView, operation_id="write_template")
def post_template(body: TemplateDraft, actor: Writer, session: Tx, idem: Idem) -> Response:
    """Write a version of prepared words. Another person approves it; until then the version before stays in use."""
    idem.start(actor.key)
    template = templates.write_template(session, actor=actor, command=body)
    return idem.answer(201, templates.present_template(template))


@router.get("/templates/{template_id}", response_model=TemplateView, operation_id="get_template")
def get_template(template_id: UUID, request: Request, response: Response, _: Corrector, session: Tx) -> TemplateView | Response:
    """One version, with who stands for it."""
    view = templates.present_template(templates.get_template(session, template_id))
    etag = etag_of(view.model_dump_json())
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return view


@router.post("/templates/{template_id}/approve", response_model=TemplateView, operation_id="approve_template")
def post_approve_template(template_id: UUID, body: Approval, actor: Approver, session: Tx, idem: Idem) -> Response:
    """Put prepared words in use. A signed-in person (never a token) who did not write them, naming the hash that was read."""
    idem.start(actor.key)
    template = templates.approve_template(session, actor=actor, template_id=template_id, command=body)
    return idem.answer(200, templates.present_template(template))


@router.post("/templates/{template_id}/retire", response_model=TemplateView, operation_id="retire_template")
def post_retire_template(template_id: UUID, actor: Canceller, session: Tx, idem: Idem) -> Response:
    """Take prepared words out of use, or refuse a version that waits."""
    idem.start(actor.key)
    template = templates.retire_template(session, actor=actor, template_id=template_id)
    return idem.answer(200, templates.present_template(template))


@router.get(
    "/incidents/{incident_id}/first-alert",
    operation_id="preview_first_alert",
    responses={409: {"description": "the incident is closed, or nothing is prepared"}},
)
def get_first_alert(
    incident_id: UUID,
    actor: Viewer,
    session: Tx,
    settings: SettingsDep,
    template_id: UUID,
    area_id: UUID,
    hotline: Annotated[str | None, Query(max_length=21)] = None,
    at: AwareDatetime | None = None,
) -> list[TextView]:
    """The texts of a first alert as they would leave, with their places filled. Nothing is frozen or sent by this."""
    incident = get_incident(session, incident_id, actor)
    command = FirstAlert(template_id=template_id, area_id=area_id, hotline=hotline, at=at)
    texts, _ = first_alerts.say_first_alert(session, incident, command)
    return queries.list_texts(texts, settings.public_url, is_exercise=incident.status is Status.EXERCISE)


@router.post(
    "/incidents/{incident_id}/first-alerts",
    status_code=201,
    response_model=BroadcastView,
    responses=FREEZING,
    operation_id="release_first_alert",
)
def post_first_alert(incident_id: UUID, body: FirstAlert, actor: Releaser, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Release prepared words to one area. One signed-in person (never a token) is enough; it is held for a while first.

    Until `hold_until` anybody who may cancel can stop it, and then nothing is sent. A second person who confirms ends the hold.
    Over 20,000 people: 202 and `freezing`; the hold runs meanwhile.
    """
    idem.start(actor.key)
    broadcast = first_alerts.release_first_alert(session, actor=actor, incident_id=incident_id, command=body, settings=settings)
    return _answer(session, idem, broadcast, settings.public_url, 202 if broadcast.state is State.FREEZING else 201)


@router.post("/broadcasts/{broadcast_id}/confirm", response_model=BroadcastView, operation_id="confirm_first_alert")
def post_confirm(broadcast_id: UUID, body: Approval, actor: Approver, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """End the hold of a first alert at once. A signed-in person other than the one who released it."""
    idem.start(actor.key)
    broadcast = first_alerts.confirm_first_alert(session, actor=actor, broadcast_id=broadcast_id, command=body)
    return _answer(session, idem, broadcast, settings.public_url, 200)


@router.get("/broadcasts/{broadcast_id}/waves", operation_id="list_waves")
def get_waves(broadcast_id: UUID, actor: Viewer, session: Tx) -> list[WaveView]:
    """The lists of those who matched later, in order. One that `needs_approval` waits until a person lets it go or declines it."""
    queries.get_broadcast(session, broadcast_id, actor)
    return [WaveView.model_validate(each) for each in queries.list_waves(session, broadcast_id)]


@router.post("/broadcasts/{broadcast_id}/waves/{wave}/approve", response_model=WaveView, operation_id="approve_wave")
def post_approve_wave(broadcast_id: UUID, wave: WaveNumber, body: WaveApproval, actor: Approver, session: Tx, idem: Idem) -> Response:
    """Let a waiting wave go. A signed-in person who did not touch the message, naming the count that was shown."""
    idem.start(actor.key)
    audience = waves.approve_wave(session, actor=actor, broadcast_id=broadcast_id, wave=wave, count=body.count)
    return idem.answer(200, WaveView.model_validate(audience))


@router.post("/broadcasts/{broadcast_id}/waves/{wave}/decline", response_model=WaveView, operation_id="decline_wave")
def post_decline_wave(broadcast_id: UUID, wave: WaveNumber, actor: Approver, session: Tx, idem: Idem) -> Response:
    """Nobody of a waiting wave gets the message, and no further latecomers are looked for."""
    idem.start(actor.key)
    audience = waves.decline_wave(session, actor=actor, broadcast_id=broadcast_id, wave=wave)
    return idem.answer(200, WaveView.model_validate(audience))


def _answer(session: Tx, idem: Idem, broadcast: Broadcast, public_url: str, status: int) -> Response:
    view = queries.present(session, broadcast, public_url)
    return idem.answer(status, view, {"ETag": view.etag})
