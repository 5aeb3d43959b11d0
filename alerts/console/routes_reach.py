"""Who was reached: the live part of a message's page, the document to print, and exports."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from alerts.broadcasts.models import Broadcast
from alerts.console.chart import chart_of, charts_of, counts_by, reach_context
from alerts.console.elsewhere import Viewer
from alerts.console.forms import Form, FormDep
from alerts.console.incident_forms import parse_moment
from alerts.console.once import start_once
from alerts.console.pages import SECURITY_HEADERS, language_of, render
from alerts.console.routes_broadcasts import BroadcastDep
from alerts.console.routes_incidents import root_of
from alerts.deliveries.exports import actions, queries
from alerts.deliveries.exports.models import ReachExport
from alerts.deliveries.exports.schemas import ExportAsk
from alerts.incidents.queries import get_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Sessions, Tx
from alerts.kit.errors import InvalidError, NotFoundError
from alerts.kit.http import Paging
from alerts.live.reach.board import board_of
from alerts.live.reach.proving import prove
from alerts.live.reach.rules import Cut
from alerts.settings import KeyringDep, SettingsDep
from alerts.staff.access import require
from alerts.staff.queries import names_of
from alerts.staff.rules import Permission

router = APIRouter(prefix="/broadcasts/{broadcast_id}", include_in_schema=False)
Exporter = Annotated[Actor, Depends(require(Permission.EXPORT_REACH))]
EXPORTS_SHOWN = 20
CHARTS_AT_ONCE = 12


@router.get("/reach")
def reach_part(request: Request, broadcast: BroadcastDep, session: Tx, actor: Viewer) -> Response:
    """Who was reached so far: fetched again every few seconds, counted and drawn once for all who watch."""
    shown = board_of(request.app).read(session, broadcast)
    key = (language_of(request, actor), root_of(request))
    if key not in shown.pages:
        page = render(request, "_reach.html", reach_context(shown), actor=actor)
        shown.pages[key] = bytes(page.body).decode()
    return HTMLResponse(shown.pages[key], headers=SECURITY_HEADERS)


@router.get("/reach/course")
def course_page(
    request: Request,
    broadcast: BroadcastDep,
    session: Tx,
    actor: Viewer,
    by: Annotated[str, Query(max_length=10)] = "",
    known_at: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Who was reached over time, for everybody or for each country, way or mission; now, or as it was known at another time."""
    moment, cut, board = parse_moment(known_at, "known_at"), _cut(by), board_of(request.app)
    if moment is None:
        shown = board.read(session, broadcast)
        reach, series = shown.view, shown.series if cut is None else board.read_course(session, broadcast, cut)
    else:
        reach, series = board.read_past(session, broadcast, cut, moment)
    context = {
        "incident": get_incident(session, broadcast.incident_id),
        "broadcast": broadcast,
        "reach": reach,
        "series": series,
        "chart": chart_of(series),
        "charts": charts_of(series),
        "counts": counts_by(reach, cut),
        "cuts": list(Cut),
        "asked": {"by": cut, "known_at": known_at},
        "shown_at_once": CHARTS_AT_ONCE,
    }
    return render(request, "reach_course.html", context, actor=actor)


@router.get("/proof")
def proof_page(request: Request, broadcast: BroadcastDep, session: Tx, actor: Viewer) -> Response:
    """The document, to be read and printed."""
    shown = board_of(request.app).read(session, broadcast)
    incident = get_incident(session, broadcast.incident_id)
    context = {"incident": incident, "broadcast": broadcast, "proof": prove(session, broadcast, incident, shown.view)}
    return render(request, "proof.html", context | reach_context(shown), actor=actor)


@router.get("/exports")
def exports_page(request: Request, broadcast: BroadcastDep, session: Tx, actor: Exporter) -> Response:
    """What was asked for, and the form to ask: it says beforehand how many rows there are."""
    rows = queries.list_exports(session, broadcast.id, Paging(None, EXPORTS_SHOWN))[:EXPORTS_SHOWN]
    views = [queries.present_export(session, row) for row in rows]
    context = {
        "incident": get_incident(session, broadcast.incident_id),
        "broadcast": broadcast,
        "rows": views,
        "row_count": queries.count_now(session, broadcast.id),
        "names": names_of(session, [who for view in views for who in (view.asked_by, view.decided_by)]),
    }
    return render(request, "exports.html", context, actor=actor)


@router.post("/exports")
def ask_form(request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Exporter) -> Response:
    once = start_once(request, session, form, actor)
    reason = form.text("reason", limit=1000)
    if not reason:
        raise InvalidError("reason_missing", "Say why.", field="reason")
    command = ExportAsk(reason=reason, with_contacts=form.has("with_contacts"))
    wait = settings.exports.wait_seconds
    actions.ask_export(session, actor=actor, broadcast_id=broadcast.id, command=command, wait_seconds=wait)
    return once.go(_exports(request, broadcast))


@router.post("/exports/{export_id}/grant")
def grant_form(
    request: Request, form: FormDep, broadcast: BroadcastDep, export_id: UUID, session: Tx, settings: SettingsDep, actor: Exporter
) -> Response:
    """A second person, who types the number of rows."""
    once = start_once(request, session, form, actor)
    row, seconds = _of(session, broadcast, export_id, actor), settings.exports.fetch_seconds
    actions.grant_export(session, actor=actor, export_id=row.id, row_count=_typed_count(form), fetch_seconds=seconds)
    return once.go(_exports(request, broadcast))


@router.post("/exports/{export_id}/decline")
def decline_form(request: Request, form: FormDep, broadcast: BroadcastDep, export_id: UUID, session: Tx, actor: Exporter) -> Response:
    once = start_once(request, session, form, actor)
    actions.decline_export(session, actor=actor, export_id=_of(session, broadcast, export_id, actor).id)
    return once.go(_exports(request, broadcast))


@router.post("/exports/{export_id}/file")
def file_form(request: Request, broadcast: BroadcastDep, export_id: UUID, session: Tx, keyring: KeyringDep, actor: Exporter) -> Response:
    """The file itself, once."""
    row = actions.fetch_export(session, actor=actor, export_id=_of(session, broadcast, export_id, actor).id)
    sessions: Sessions = request.app.state.sessions
    export = queries.present_export(session, row)
    headers = queries.file_headers(export)
    return StreamingResponse(queries.csv_of(sessions, export, keyring), media_type=queries.MEDIA_TYPE, headers=headers)


def _cut(by: str) -> Cut | None:
    """The cut that the address names; none without a word."""
    if by and by not in set(Cut):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="by")
    return Cut(by) if by else None


def _of(session: Tx, broadcast: Broadcast, export_id: UUID, actor: Actor) -> ReachExport:
    """An export of this very message; 404 for another's."""
    row, _ = queries.get_export(session, export_id, actor)
    if row.broadcast_id != broadcast.id:
        raise NotFoundError("export_not_found", "There is no such export.")
    return row


def _typed_count(form: Form) -> int:
    """The number as people type it: with or without points between thousands."""
    digits = "".join(form.text("row_count", limit=20).split()).replace(".", "").replace(",", "")
    if not digits.isascii() or not digits.isdigit():
        raise InvalidError("not_a_number", "Type the number of rows.", field="row_count")
    return int(digits)


def _exports(request: Request, broadcast: Broadcast) -> str:
    return f"{root_of(request)}/broadcasts/{broadcast.id}/exports"
