"""Pages that live: the duty officer's incident, the minister's page, all figures."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.sse import format_sse_event
from sqlalchemy.orm import Session

from alerts.broadcasts.queries import find_audience, list_broadcasts
from alerts.console.elsewhere import IncidentDep, Viewer
from alerts.console.incident_forms import KIND_NAMES, parse_moment
from alerts.console.map_view import CELL_MIN, Post, cells_of, draw
from alerts.console.pages import language_of, render
from alerts.console.queries import actor_names, count_urgent, missions_by_code, names_by_key, people_by_province
from alerts.console.routes_incidents import clocks_of_incident, root_of
from alerts.console.routes_moves import words_for_level
from alerts.console.sheet_view import changes_shown, current_sheet, marks_shown, minutes_by_figure
from alerts.console.sparkline import line_of
from alerts.incidents.log_file import visible_to
from alerts.incidents.models import Incident
from alerts.incidents.queries import incident_etag, list_area_specs, list_incidents, present_incident
from alerts.incidents.rules import FROM_LOWEST, LEVEL_SETTERS, State
from alerts.kit.actor import Actor
from alerts.kit.audit import list_actions
from alerts.kit.db import Tx
from alerts.kit.http import Paging
from alerts.kit.i18n import both
from alerts.live.hub import Encoded, Hub
from alerts.live.looking import find_base, look
from alerts.live.queries import Asked, latest_versions, load_sheet
from alerts.live.schemas import AnswerSheet
from alerts.live.stream import Stream
from alerts.notices.crew.queries import present_crew
from alerts.places import place_name
from alerts.staff.access import may, require
from alerts.staff.rules import Permission
from alerts.statements.queries import list_stale

router = APIRouter(prefix="/incidents/{incident_id}", include_in_schema=False)
Reader = Annotated[Actor, Depends(require(Permission.VIEW_SUMMARY))]
LOG_LINES = 30
PULSE_SECONDS = 300
MESSAGES = 20
OTHERS = 50
FIGURE_NAMES = {
    "handed_over": both("handed to the carrier"),
    "delivered": both("delivered"),
    "answered": both("answered"),
    "safe": both("say they are safe"),
    "need_help": both("need help"),
}


@router.get("")
def incident_page(request: Request, incident: IncidentDep, session: Tx, actor: Viewer) -> Response:
    """The duty officer's screen: map left, numbers right, what was done below."""
    view = present_incident(session, incident)
    log = list_actions(session, incident.id, visible_to(actor), limit=LOG_LINES)
    missions = missions_by_code(session, [each.mission_code for each in view.missions])
    context = _place(request, incident) | {
        "view": view,
        "etag": incident_etag(incident),
        "levels": FROM_LOWEST,
        "level_words": words_for_level(actor),
        "may_hush": actor.role in LEVEL_SETTERS,
        "kind_name": KIND_NAMES[incident.kind],
        "clocks": clocks_of_incident(session, incident, actor),
        "opener": names_by_key(session, [incident.opened_by]).get(incident.opened_by),
        "mission_names": {code: mission.name for code, mission in missions.items()},
        "messages": _messages(session, incident),
        "log": log,
        "names": actor_names(session, log),
        "crew": present_crew(session, incident.id),
        "leader": names_by_key(session, [incident.lead_by or ""]).get(incident.lead_by or ""),
        "others": _others(session, incident, actor),
        "sheet": None,
        "urgent": count_urgent(session, actor, incident.status, incident.id),
    }
    context |= _map(session, incident, [Post(m.name, m.lat, m.lon) for m in missions.values()], language_of(request, actor))
    if may(actor, Permission.VIEW_SUMMARY):
        context |= _sheet(current_sheet(session, incident))
    return render(request, "incident.html", context, actor=actor)


@router.get("/numbers")
def numbers_part(request: Request, incident: IncidentDep, session: Tx, actor: Reader) -> Response:
    """The live half of the duty officer's screen."""
    context = _place(request, incident) | _sheet(current_sheet(session, incident))
    return render(request, "_numbers.html", context, actor=actor)


@router.get("/pulse", response_class=Stream, dependencies=[Depends(require(Permission.VIEW_SUMMARY))])
async def pulse(incident: IncidentDep, request: Request) -> Stream:
    """Says that a newer version exists, in a few bytes; the page fetches its part as HTML.

    Ends after some minutes: the browser comes back by itself, and is asked again who it is.
    """
    hub, incident_id = hub_of(request.app), incident.id
    return Stream(lambda task: _for_a_while(hub.watch(incident_id, task)), _pulse_frame)


async def _for_a_while(sheets: AsyncGenerator[Encoded, None]) -> AsyncGenerator[Encoded, None]:
    ends_at = monotonic() + PULSE_SECONDS
    async with aclosing(sheets):
        async for encoded in sheets:
            yield encoded
            if monotonic() > ends_at:
                return


def _pulse_frame(encoded: Encoded) -> bytes:
    return format_sse_event(data_str=str(encoded.version), event="sheet", id=str(encoded.version))


@router.get("/minister")
def minister_page(request: Request, incident: IncidentDep, session: Tx, actor: Reader) -> Response:
    """One page, no menu. It says what changed since this account last looked, on whatever screen that was."""
    newest = latest_versions(session, [incident.id]).get(incident.id)
    base = look(session, actor=actor, incident_id=incident.id, version=newest)
    sheet = current_sheet(session, incident, since_version=base)
    context = _place(request, incident) | _sheet(sheet)
    context |= {"clocks": clocks_of_incident(session, incident, actor), "lines": _lines(session, incident)}
    context["stale_statements"] = list_stale(session, incident.id)
    return render(request, "minister.html", context, actor=actor)


@router.get("/minister/sheet")
def sheet_part(request: Request, incident: IncidentDep, session: Tx, actor: Reader) -> Response:
    """The five answers alone, fetched when a newer version exists."""
    sheet = current_sheet(session, incident, since_version=find_base(session, actor=actor, incident_id=incident.id))
    context = _place(request, incident) | _sheet(sheet) | {"lines": _lines(session, incident)}
    context["stale_statements"] = list_stale(session, incident.id)
    return render(request, "_sheet.html", context, actor=actor)


@router.get("/sheet")
def sheet_page(
    request: Request,
    incident: IncidentDep,
    session: Tx,
    actor: Reader,
    as_of: Annotated[str, Query(max_length=20)] = "",
    known_at: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Every figure, now or as it stood and was known at another time."""
    asked = Asked(as_of=parse_moment(as_of, "as_of"), known_at=parse_moment(known_at, "known_at"))
    sheet = load_sheet(session, incident, asked) if as_of or known_at else current_sheet(session, incident)
    context = _place(request, incident) | _sheet(sheet) | {"asked": {"as_of": as_of, "known_at": known_at}}
    return render(request, "sheet.html", context, actor=actor)


def hub_of(app: FastAPI) -> Hub:
    """The hub of this process, shared with the API's own stream."""
    if getattr(app.state, "hub", None) is None:
        app.state.hub = Hub(app.state.settings, app.state.sessions)
    hub: Hub = app.state.hub
    return hub


def _place(request: Request, incident: Incident) -> dict[str, Any]:
    """What every page of an incident needs to link within it."""
    base = f"{root_of(request)}/incidents/{incident.id}"
    return {"incident": incident, "base": base, "live_url": f"{base}/pulse"}


def _sheet(sheet: AnswerSheet) -> dict[str, Any]:
    changes, more = changes_shown(sheet)
    return {"sheet": sheet, "marks": marks_shown(sheet), "changes": changes, "more_changes": more}


def _messages(session: Session, incident: Incident) -> list[dict[str, Any]]:
    rows = list_broadcasts(session, incident.id, Paging(None, MESSAGES))[:MESSAGES]
    audiences = [find_audience(session, row) for row in rows]
    return [{"row": row, "count": each.count if each else None} for row, each in zip(rows, audiences, strict=True)]


def _others(session: Session, incident: Incident, actor: Actor) -> list[Incident]:
    """What this incident could be merged into, for who may."""
    if not may(actor, Permission.EDIT_INCIDENT) or incident.state is not State.OPEN:
        return []
    found = list_incidents(session, actor, Paging(None, OTHERS), state=State.OPEN, status=incident.status)
    return [each for each in found if each.id != incident.id]


def _map(session: Session, incident: Incident, posts: list[Post], lang: str) -> dict[str, Any]:
    """The drawing, and the table with the same figures. Fewer than five people in a cell are not counted in public."""
    specs = list_area_specs(session, incident.id)
    counts = people_by_province(session, specs)
    names = {code: place_name(code, lang) for code in counts}
    table = [(names[code], people if people >= CELL_MIN else None) for code, people in sorted(counts.items(), key=lambda i: -i[1])]
    return {"map": draw(specs, cells_of(counts, names), posts), "cells": table}


def _lines(session: Session, incident: Incident) -> list[Any]:
    """The minute series of the main figures, as small lines."""
    series = minutes_by_figure(session, incident.id)
    lines = [line_of(key, name, series.get(key, [])) for key, name in FIGURE_NAMES.items()]
    return [line for line in lines if line]
