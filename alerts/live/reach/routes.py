"""HTTP of reach: the counts of a message, their course over time, and the document that proves them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.broadcasts.queries import get_broadcast
from alerts.incidents.queries import get_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import View, etag_of, is_unchanged
from alerts.live.reach.board import board_of
from alerts.live.reach.proving import prove
from alerts.live.reach.rules import Cut
from alerts.live.reach.schemas import ProofView, ReachSeries, ReachView
from alerts.reports.schemas import Moment
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/broadcasts/{broadcast_id}", tags=["reach"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
KnownAt = Annotated[Moment | None, Query(description="as it was known then; by default now")]
By = Annotated[Cut | None, Query(description="also for each country (of the number), channel (first way) or mission (of the place)")]
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "nothing is new"}}


@router.get("/reach", response_model=ReachView, operation_id="get_reach")
def get_reach(broadcast_id: UUID, request: Request, actor: Viewer, session: Tx, known_at: KnownAt = None) -> Response:
    """Who was reached, in counts that sum to the frozen lists, by country, channel, mission and wave; and when the rest will be.

    Counted anew every few seconds at most. With `known_at`: as it stood then, by the times of the evidence.
    """
    broadcast = get_broadcast(session, broadcast_id, actor)
    if known_at is not None:
        view, _ = board_of(request.app).read_past(session, broadcast, None, known_at)
        return _answer(request, view, etag_of(view.model_dump_json(exclude={"as_of", "missions_as_of"})))
    shown = board_of(request.app).read(session, broadcast)
    return _answer(request, shown.view, shown.etag)


@router.get("/reach/series", response_model=ReachSeries, operation_id="get_reach_series")
def get_series(broadcast_id: UUID, request: Request, actor: Viewer, session: Tx, known_at: KnownAt = None, by: By = None) -> Response:
    """How many had been handed the message, had it delivered and had answered, by seconds since its release.

    With `by` also for each country, first way or mission: at every point the parts sum to the whole.
    """
    broadcast = get_broadcast(session, broadcast_id, actor)
    board = board_of(request.app)
    if known_at is not None:
        _, series = board.read_past(session, broadcast, by, known_at)
    else:
        series = board.read(session, broadcast).series if by is None else board.read_course(session, broadcast, by)
    return _answer(request, series, etag_of(series.model_dump_json(exclude={"as_of"})))


@router.get("/proof", response_model=ProofView, operation_id="get_proof")
def get_proof(broadcast_id: UUID, request: Request, actor: Viewer, session: Tx) -> Response:
    """The document: what was approved by whom, what was released, and what is known of who was reached, in figures and words."""
    broadcast = get_broadcast(session, broadcast_id, actor)
    shown = board_of(request.app).read(session, broadcast)
    proof = prove(session, broadcast, get_incident(session, broadcast.incident_id), shown.view)
    return _answer(request, proof, etag_of(shown.etag, proof.model_dump_json(include={"hands", "lists", "windows", "texts"})))


def _answer(request: Request, view: View, etag: str) -> Response:
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    return Response(view.model_dump_json(), headers={"ETag": etag}, media_type="application/json")
