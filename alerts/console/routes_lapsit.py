"""A mission's reports by text message: the printable card, and its lists of one-time codes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from sqlalchemy.orm import Session

from alerts.console.forms import FormDep
from alerts.console.lapsit_card import SIGNS, card_of, places_of_mission
from alerts.console.once import start_once
from alerts.console.pages import language_of, render
from alerts.incidents.rules import Status, is_bound_to_mission
from alerts.incidents.sms_codes import list_open_of_mission
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError, NotFoundError
from alerts.missions.models import Mission
from alerts.missions.queries import get_mission, relations_of
from alerts.reports.code_lists.actions import issue_code_list, revoke_code_list
from alerts.reports.code_lists.presenting import present_codes, present_list
from alerts.reports.code_lists.queries import list_code_lists
from alerts.reports.code_lists.rules import SIZE_MAX
from alerts.settings import SettingsDep
from alerts.staff.access import require, require_session_actor
from alerts.staff.rules import Permission

router = APIRouter(prefix="/missions/{code}/lapsit", include_in_schema=False)
Reader = Annotated[Actor, Depends(require(Permission.VIEW_MISSIONS))]
Keeper = Annotated[Actor, Depends(require_session_actor(Permission.MANAGE_REPORT_CODES))]
Code = Annotated[str, Path(max_length=60, pattern="^[a-z0-9-]+$")]


@router.get("")
def card_page(code: Code, request: Request, session: Tx, settings: SettingsDep, actor: Reader) -> Response:
    """To be printed and hung beside the phone; below it, on the screen alone, the lists of codes."""
    mission = _mission(session, actor, code)
    lang = language_of(request, actor)
    open_ones = {status: list_open_of_mission(session, code, status=status) for status in Status}
    known = [each.sms_code for each in open_ones[Status.ACTUAL] if each.sms_code]
    context: dict[str, Any] = {
        "mission": mission,
        "card": card_of(lang, known[0] if known else "A7K", _places(session, code)),
        "signs": SIGNS,
        "open_ones": [(each, status is Status.EXERCISE) for status in Status for each in open_ones[status]],
        "numbers": (settings.twilio.from_, settings.exercise.twilio_from),
        "lists": [present_list(session, each) for each in list_code_lists(session, code)],
    }
    return render(request, "lapsit.html", context, actor=actor)


@router.post("/codes")
def codes_form(code: Code, request: Request, form: FormDep, session: Tx, settings: SettingsDep, actor: Keeper) -> Response:
    """The codes are in this answer and nowhere else, so there is no redirect."""
    mission = _mission(session, actor, code)
    size = form.text("size", limit=4)
    if not (size.isascii() and size.isdigit() and 1 <= int(size) <= SIZE_MAX):
        raise InvalidError("size", "A list has 1 to 100 codes.", field="size")
    issued = issue_code_list(session, actor=actor, keyring=settings.keyring, mission_code=code, size=int(size))
    context = {"mission": mission, "row": issued.row, "codes": present_codes(issued)}
    return render(request, "lapsit_codes.html", context, actor=actor)


@router.post("/codes/{list_id}/revoke")
def revoke_form(code: Code, list_id: UUID, request: Request, form: FormDep, session: Tx, actor: Keeper) -> Response:
    once = start_once(request, session, form, actor)
    revoke_code_list(session, actor=actor, mission_code=code, list_id=list_id, reason=form.text("reason", limit=500))
    return once.go(f"/missions/{code}/lapsit")


def _mission(session: Session, actor: Actor, code: str) -> Mission:
    if is_bound_to_mission(actor) and actor.mission_code != code:
        raise NotFoundError("mission_not_found", "There is no such mission.")
    return get_mission(session, code)


def _places(session: Session, code: str) -> list[str]:
    countries, districts = relations_of(session, [code])
    return places_of_mission([row.country_iso2 for row in countries.get(code, [])], [row.place_code for row in districts.get(code, [])])
