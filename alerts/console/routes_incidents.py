"""Incidents: the list, opening one, and the outlines for its map."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from alerts.citizens.queries import register_counts
from alerts.console.clocks import Clock, clocks_for
from alerts.console.elsewhere import Viewer, status_of_route
from alerts.console.forms import FormDep
from alerts.console.incident_forms import KIND_NAMES, read_incident
from alerts.console.once import start_once
from alerts.console.pages import EXERCISE_PREFIX, is_exercise, language_of, render, typed_in
from alerts.console.places import find_typed_place, place_choices
from alerts.console.shapes import as_geojson
from alerts.incidents.actions import open_incident
from alerts.incidents.models import Incident
from alerts.incidents.queries import list_area_specs, list_incidents
from alerts.incidents.rules import Certainty, ListKind, Severity, Urgency
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.http import Paging
from alerts.missions.models import Mission
from alerts.missions.queries import find_mission
from alerts.places import AreaSpec, zone_of, zone_of_area
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/incidents", include_in_schema=False)
shapes_router = APIRouter(include_in_schema=False)
Opener = Annotated[Actor, Depends(require(Permission.OPEN_INCIDENT))]
PAGE_SIZE = 50
FORM_CHOICES = {
    "kinds": list(KIND_NAMES.items()),
    "urgencies": list(Urgency),
    "severities": list(Severity),
    "certainties": list(Certainty),
    "list_kinds": list(ListKind),
}


@router.get("")
def incidents_page(request: Request, session: Tx, actor: Viewer, cursor: Annotated[UUID | None, Query()] = None) -> Response:
    """Those that the reader may know of, newest first."""
    found = list_incidents(session, actor, Paging(cursor, PAGE_SIZE), status=status_of_route(request))
    rows = [{"incident": each, "clocks": clocks_of_incident(session, each, actor)} for each in found[:PAGE_SIZE]]
    next_cursor = found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None
    return render(request, "incidents.html", {"rows": rows, "next_cursor": next_cursor}, actor=actor)


@router.get("/new")
def new_incident_page(request: Request, actor: Opener) -> Response:
    typed = typed_in(request)
    choices = place_choices(language_of(request, actor))
    return render(request, "incident_new.html", {**FORM_CHOICES, "choices": choices, "places": typed.all("place")}, actor=actor)


@router.get("/new/people")
def people_part(request: Request, session: Tx, actor: Opener, place: Annotated[Sequence[str], Query()] = ()) -> Response:
    """Who is there by the register: a part of the form, fetched while it is filled in."""
    typed = [text for text in place if text.strip()][:10]
    found = [find_typed_place(text) for text in typed]
    areas = [AreaSpec.country(each.code) if len(each.code) == 2 else AreaSpec.province(each.code) for each in found if each]
    unknown = next((text for text, each in zip(typed, found, strict=True) if each is None), None)
    context = {"counts": register_counts(session, areas) if areas else None, "unknown": unknown, "suggestions": ""}
    return render(request, "_people.html", context, actor=actor)


@router.post("/new")
def new_incident_form(request: Request, form: FormDep, session: Tx, settings: SettingsDep, actor: Opener) -> Response:
    once = start_once(request, session, form, actor)
    command = read_incident(form, status_of_route(request), db_now(session))
    due = timedelta(seconds=settings.live.report_due_seconds)
    incident = open_incident(session, actor=actor, command=command, report_due=due)
    return once.go(f"{root_of(request)}/incidents/{incident.id}")


@shapes_router.get("/map/countries.json")
def country_shapes() -> Response:
    """Outlines for the map; the same for everybody, and no secret."""
    return Response(as_geojson(), media_type="application/geo+json", headers={"Cache-Control": "public, max-age=86400"})


def root_of(request: Request) -> str:
    return EXERCISE_PREFIX if is_exercise(request) else ""


def clocks_of_incident(session: Session, incident: Incident, actor: Actor) -> list[Clock]:
    """Where it happened (its first area), where the reader's mission is, and Jakarta."""
    areas = list_area_specs(session, incident.id)
    mission = find_mission(session, actor.mission_code) if actor.mission_code else None
    return clocks_for(zone_of_area(areas[0]) if areas else None, zone_of_mission(mission))


def zone_of_mission(mission: Mission | None) -> ZoneInfo | None:
    """The mission's own clock; that of a permanent mission, which stands in no country of ours, is not known."""
    return zone_of(mission.country_iso2, (mission.lat, mission.lon)) if mission else None
