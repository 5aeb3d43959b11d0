"""HTTP of deliveries: reach and correction."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from alerts.broadcasts.queries import get_broadcast, present
from alerts.broadcasts.rules import State as MessageState
from alerts.broadcasts.schemas import BroadcastView, Correction, FollowUp
from alerts.deliveries import queries
from alerts.deliveries.correcting import correct_broadcast
from alerts.deliveries.following import follow_up
from alerts.deliveries.forecasting import forecast_of
from alerts.deliveries.schemas import ReachGroup, ReachView
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import etag_of, is_unchanged
from alerts.kit.idempotency import Idem
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(tags=["deliveries"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
Corrector = Annotated[Actor, Depends(require(Permission.CORRECT_BROADCAST))]
Writer = Annotated[Actor, Depends(require(Permission.WRITE_BROADCAST))]
FREEZING: dict[int | str, dict[str, Any]] = {202: {"description": "copying a long list", "model": BroadcastView}}


@router.get("/api/v1/broadcasts/{broadcast_id}/reach", response_model=ReachView, operation_id="get_reach")
def get_reach(
    broadcast_id: UUID, request: Request, response: Response, actor: Viewer, session: Tx, settings: SettingsDep
) -> ReachView | Response:
    """Who was reached, in counts that sum to the frozen list; and when the rest will have been handed over."""
    broadcast = get_broadcast(session, broadcast_id, actor)
    reach = queries.reach_of_broadcast(session, broadcast_id)
    groups = [ReachGroup.model_validate(row) for row in queries.reach_by_group(session, broadcast_id)]
    view = ReachView(broadcast_id=broadcast_id, groups=groups, forecast=forecast_of(session, settings, broadcast), **asdict(reach))
    # What ticks by itself is no news: the seconds of validity, and the pace of the last minute.
    etag = etag_of(view.model_dump_json(exclude={"forecast": {"validity_seconds", "measured_per_second"}}))
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return view


@router.post(
    "/api/v1/broadcasts/{broadcast_id}/correct",
    status_code=201,
    response_model=BroadcastView,
    responses=FREEZING,
    operation_id="correct_broadcast",
)
def post_correct(broadcast_id: UUID, body: Correction, actor: Corrector, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """A new message (CAP Update or Cancel, with `references`) to exactly those who were handed this one, by the way that worked.

    With prepared words (`template_id`) one signed-in person is enough: it goes out at once, and what still waits of this message
    is cancelled. Free words wait for approval. Over 20,000 people: 202 and `freezing`.
    """
    idem.start(actor.key)
    correction = correct_broadcast(session, actor=actor, broadcast_id=broadcast_id, command=body)
    view = present(session, correction, settings.public_url)
    return idem.answer(202 if correction.state is MessageState.FREEZING else 201, view, {"ETag": view.etag})


@router.post(
    "/api/v1/broadcasts/{broadcast_id}/follow-up",
    status_code=201,
    response_model=BroadcastView,
    responses=FREEZING,
    operation_id="follow_up_broadcast",
)
def post_follow_up(broadcast_id: UUID, body: FollowUp, actor: Writer, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """A reminder to those who were on this message's list and have not answered; it waits for approval. Never in a quiet incident."""
    idem.start(actor.key)
    reminder = follow_up(session, actor=actor, broadcast_id=broadcast_id, command=body, configured=settings.channels)
    view = present(session, reminder, settings.public_url)
    return idem.answer(202 if reminder.state is MessageState.FREEZING else 201, view, {"ETag": view.etag})
