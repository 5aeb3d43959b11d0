"""Phones of home operators abroad: asked for an approved message, counted in phones, never in persons."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from alerts.console.elsewhere import Viewer
from alerts.console.forms import FormDep
from alerts.console.once import start_once
from alerts.console.pages import render
from alerts.console.queries import names_by_key
from alerts.console.routes_broadcasts import BroadcastDep
from alerts.console.routes_incidents import root_of
from alerts.deliveries.roaming.actions import ask_roaming, list_roaming
from alerts.deliveries.roaming.schemas import RoamingAsk
from alerts.incidents.queries import get_incident, list_areas
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/broadcasts/{broadcast_id}/roaming", include_in_schema=False)
Writer = Annotated[Actor, Depends(require(Permission.WRITE_BROADCAST))]


@router.get("")
def roaming_page(request: Request, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Viewer) -> Response:
    """What the operators were asked and counted, and the form to ask them."""
    rows = list_roaming(session, broadcast)
    codes = [area.code[:2] for area in list_areas(session, broadcast.incident_id) if area.code]
    context = {
        "incident": get_incident(session, broadcast.incident_id),
        "broadcast": broadcast,
        "rows": rows,
        "names": names_by_key(session, [row.asked_by for row in rows]),
        "countries": list(dict.fromkeys(codes)),
        "operator": settings.roaming.operator,
    }
    return render(request, "roaming.html", context, actor=actor)


@router.post("")
def roaming_form(request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Writer) -> Response:
    once = start_once(request, session, form, actor)
    country, language = form.text("country", limit=2).upper(), form.text("language", limit=2)
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise InvalidError("unknown_country", "Give a country abroad, by its ISO 3166-1 code.", field="country")
    command = RoamingAsk(country=country, language="en" if language == "en" else "id")
    who = {"operator": settings.roaming.operator, "home_country": settings.home_country}
    ask_roaming(session, actor=actor, broadcast=broadcast, command=command, **who)
    return once.go(f"{root_of(request)}/broadcasts/{broadcast.id}/roaming")
