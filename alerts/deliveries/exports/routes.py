"""HTTP of exports."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from alerts.broadcasts.queries import get_broadcast
from alerts.deliveries.exports import actions, queries
from alerts.deliveries.exports.schemas import ExportAsk, ExportGrant, ExportView
from alerts.kit.actor import Actor
from alerts.kit.db import Sessions, Tx
from alerts.kit.http import Page, PagingDep, page_of
from alerts.kit.idempotency import Idem
from alerts.settings import KeyringDep, SettingsDep
from alerts.staff.access import require, require_session_actor
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1", tags=["exports"])
Exporter = Annotated[Actor, Depends(require(Permission.EXPORT_REACH))]
Granter = Annotated[Actor, Depends(require_session_actor(Permission.EXPORT_REACH))]
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}, "description": "the rows"}}


@router.post("/broadcasts/{broadcast_id}/exports", status_code=201, response_model=ExportView, operation_id="ask_export")
def post_export(broadcast_id: UUID, body: ExportAsk, actor: Exporter, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Ask for a file of who was reached. It says how many rows there are; another person grants it."""
    idem.start(actor.key)
    wait = settings.exports.wait_seconds
    row = actions.ask_export(session, actor=actor, broadcast_id=broadcast_id, command=body, wait_seconds=wait)
    return idem.answer(201, queries.present_export(session, row))


@router.get("/broadcasts/{broadcast_id}/exports", response_model=Page[ExportView], operation_id="list_exports")
def get_exports(broadcast_id: UUID, actor: Exporter, session: Tx, page: PagingDep) -> Page[ExportView]:
    """What was asked for, newest first."""
    get_broadcast(session, broadcast_id, actor)
    rows = queries.list_exports(session, broadcast_id, page)
    return page_of([queries.present_export(session, row) for row in rows], [row.id for row in rows], page.limit)


@router.get("/exports/{export_id}", response_model=ExportView, operation_id="get_export")
def get_export(export_id: UUID, actor: Exporter, session: Tx) -> ExportView:
    """One export, and where it stands."""
    row, _ = queries.get_export(session, export_id, actor)
    return queries.present_export(session, row)


@router.post("/exports/{export_id}/grant", response_model=ExportView, operation_id="grant_export")
def post_grant(export_id: UUID, body: ExportGrant, actor: Granter, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Let it go. A signed-in person other than the asker, who names the number of rows."""
    idem.start(actor.key)
    seconds = settings.exports.fetch_seconds
    row = actions.grant_export(session, actor=actor, export_id=export_id, row_count=body.row_count, fetch_seconds=seconds)
    return idem.answer(200, queries.present_export(session, row))


@router.post("/exports/{export_id}/decline", response_model=ExportView, operation_id="decline_export")
def post_decline(export_id: UUID, actor: Granter, session: Tx, idem: Idem) -> Response:
    """End the request: nothing leaves."""
    idem.start(actor.key)
    return idem.answer(200, queries.present_export(session, actions.decline_export(session, actor=actor, export_id=export_id)))


@router.get("/exports/{export_id}/rows.csv", response_class=StreamingResponse, responses=CSV, operation_id="fetch_export")
def get_rows(export_id: UUID, request: Request, actor: Exporter, session: Tx, keyring: KeyringDep) -> Response:
    """The file, once, for the asker alone, for some minutes after it was granted. It counts as fetched when it begins."""
    row = actions.fetch_export(session, actor=actor, export_id=export_id)
    sessions: Sessions = request.app.state.sessions
    export = queries.present_export(session, row)
    headers = queries.file_headers(export)
    return StreamingResponse(queries.csv_of(sessions, export, keyring), media_type=queries.MEDIA_TYPE, headers=headers)
