"""HTTP of messages: parse, authorise, call one action, answer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.broadcasts import actions, queries
from alerts.broadcasts.audience import preview_selected, select_people
from alerts.broadcasts.freezing import ways_allowed
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.preview import Asked, ground_of, present_audience
from alerts.broadcasts.preview_schemas import AudienceView
from alerts.broadcasts.routes_prepared import router as prepared_router
from alerts.broadcasts.rules import ALL_WAYS, State, default_validity_seconds
from alerts.broadcasts.schemas import BroadcastChange, BroadcastDraft, BroadcastView, Decision, OpenChannel
from alerts.channels.rule_book import channels_of
from alerts.channels.rule_book_outlets import SenderSets
from alerts.incidents.queries import get_incident, list_list_ids
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import IfMatch, Page, PagingDep, check_if_match, is_unchanged, page_of
from alerts.kit.idempotency import Idem
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1", tags=["broadcasts"])
router.include_router(prepared_router)
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
Writer = Annotated[Actor, Depends(require(Permission.WRITE_BROADCAST))]
Approver = Annotated[Actor, Depends(require(Permission.APPROVE_BROADCAST))]
Canceller = Annotated[Actor, Depends(require(Permission.CANCEL_BROADCAST))]


@router.get("/incidents/{incident_id}/audience", operation_id="preview_audience")
def get_audience(
    incident_id: UUID,
    actor: Viewer,
    session: Tx,
    settings: SettingsDep,
    area_id: Annotated[list[UUID] | None, Query(description="only these areas; all when left out")] = None,
    channel: Annotated[list[OpenChannel] | None, Query(description="only these ways; as for a new message, all when left out")] = None,
) -> AudienceView:
    """Who is there now by channel, what their numbers' countries allow, whom nothing reaches, and how long it takes. Counts only."""
    incident = get_incident(session, incident_id, actor)
    areas = queries.pick_areas(session, incident_id, area_id or [])
    select_people(session, areas, [] if area_id else list_list_ids(session, incident_id), status=incident.status)
    ground = ground_of(session, settings, is_exercise=incident.status is Status.EXERCISE)
    outlets = ways_allowed(incident, SenderSets.of(settings), [each.value for each in channel or ALL_WAYS])
    asked = Asked(channels_of(outlets), {}, {}, default_validity_seconds(incident.severity.value))
    return present_audience(ground, preview_selected(session, outlets), asked)


@router.post("/incidents/{incident_id}/broadcasts", status_code=201, response_model=BroadcastView, operation_id="draft_broadcast")
def post_broadcast(incident_id: UUID, body: BroadcastDraft, actor: Writer, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Write a message. Nothing is frozen or sent by this."""
    idem.start(actor.key)
    broadcast = actions.draft_broadcast(session, actor=actor, incident_id=incident_id, command=body)
    return _answer(session, idem, broadcast, settings.public_url, 201)


@router.get("/incidents/{incident_id}/broadcasts", operation_id="list_broadcasts")
def get_broadcasts(incident_id: UUID, actor: Viewer, session: Tx, settings: SettingsDep, page: PagingDep) -> Page[BroadcastView]:
    """Messages of an incident, newest first."""
    get_incident(session, incident_id, actor)
    rows = queries.list_broadcasts(session, incident_id, page)
    views = [queries.present_in_list(session, row, settings.public_url) for row in rows]
    return page_of(views, [row.id for row in rows], page.limit)


@router.get("/broadcasts/{broadcast_id}", response_model=BroadcastView, operation_id="get_broadcast")
def get_broadcast(
    broadcast_id: UUID, request: Request, response: Response, actor: Viewer, session: Tx, settings: SettingsDep
) -> BroadcastView | Response:
    """One message. While it waits for approval, `audience_more_since` counts who would match now and is not on its list."""
    view = queries.present(session, queries.get_broadcast(session, broadcast_id, actor), settings.public_url, with_since=True)
    if is_unchanged(request, view.etag) and view.state is not State.SUBMITTED:
        return Response(status_code=304, headers={"ETag": view.etag})
    response.headers["ETag"] = view.etag
    return view


@router.patch("/broadcasts/{broadcast_id}", response_model=BroadcastView, operation_id="edit_broadcast")
def patch_broadcast(
    broadcast_id: UUID,
    body: BroadcastChange,
    response: Response,
    actor: Writer,
    session: Tx,
    settings: SettingsDep,
    if_match: IfMatch = None,
) -> BroadcastView:
    """Edit a message. A submission or approval becomes void; once released to the workers it is 409."""
    broadcast = queries.claim_broadcast(session, broadcast_id, actor)
    current = queries.present(session, broadcast, settings.public_url)
    check_if_match(if_match, current.etag, current=current)
    actions.edit_broadcast(session, actor=actor, broadcast=broadcast, command=body)
    view = queries.present(session, broadcast, settings.public_url)
    response.headers["ETag"] = view.etag
    return view


@router.post(
    "/broadcasts/{broadcast_id}/submit",
    response_model=BroadcastView,
    responses={202: {"description": "freezing a long list", "model": BroadcastView}},
    operation_id="submit_broadcast",
)
def post_submit(broadcast_id: UUID, actor: Writer, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Freeze the list of people and ask for approval. Over 20,000 people: 202 and `freezing`; read it again for progress."""
    idem.start(actor.key)
    broadcast = actions.submit_broadcast(session, actor=actor, broadcast_id=broadcast_id, configured=SenderSets.of(settings))
    return _answer(session, idem, broadcast, settings.public_url, 202 if broadcast.state is State.FREEZING else 200)


@router.post("/broadcasts/{broadcast_id}/reject", response_model=BroadcastView, operation_id="reject_broadcast")
def post_reject(broadcast_id: UUID, body: Decision, actor: Approver, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Send it back to its author, with the reason."""
    idem.start(actor.key)
    broadcast = actions.reject_broadcast(session, actor=actor, broadcast_id=broadcast_id, reason=body.reason)
    return _answer(session, idem, broadcast, settings.public_url, 200)


@router.post("/broadcasts/{broadcast_id}/cancel", response_model=BroadcastView, operation_id="cancel_broadcast")
def post_cancel(broadcast_id: UUID, body: Decision, actor: Canceller, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Stop what has not been handed over. For those who already have it, correct it."""
    idem.start(actor.key)
    broadcast = actions.cancel_broadcast(session, actor=actor, broadcast_id=broadcast_id, reason=body.reason)
    return _answer(session, idem, broadcast, settings.public_url, 200)


def _answer(session: Tx, idem: Idem, broadcast: Broadcast, public_url: str, status: int) -> Response:
    view = queries.present(session, broadcast, public_url)
    return idem.answer(status, view, {"ETag": view.etag})
