"""The mission's report: one tap for nothing, a tally sheet for the rest, and what was asked about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from alerts.console.check_rows import ask_rows, last_checks
from alerts.console.elsewhere import IncidentDep, Viewer
from alerts.console.forms import Form, FormDep, parse_id
from alerts.console.need_rows import need_rows
from alerts.console.once import WAITED_FIELD, start_once
from alerts.console.pages import language_of, render, typed_in
from alerts.console.queries import names_by_key
from alerts.console.report_forms import (
    NEXT_MINUTES,
    SOURCES,
    TALLIED,
    Filing,
    Places,
    cell_name,
    is_empty,
    nothing_known_yet,
    places_to_tally,
    read_report,
)
from alerts.console.routes_broadcasts import reason_of
from alerts.console.routes_incidents import clocks_of_incident, root_of, zone_of_mission
from alerts.console.routes_moves import REASON_MAX, REASON_MIN
from alerts.incidents.models import Incident
from alerts.incidents.queries import find_involvement, list_area_specs, list_missions
from alerts.incidents.rules import State
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.errors import ForbiddenError, InvalidError
from alerts.kit.http import Paging
from alerts.kit.i18n import JAKARTA, both, translator
from alerts.missions.models import Mission
from alerts.missions.queries import find_mission, mission_names
from alerts.places import place_name, touched_places
from alerts.reports.actions import confirm_lines, file_report, may_file_for
from alerts.reports.chasing.clock import pace_of
from alerts.reports.disclosure import present_to
from alerts.reports.pictures.queries import list_pictures, present_pictures
from alerts.reports.queries import confirmable_lines, get_report, list_confirmations, list_reports
from alerts.reports.rules import mission_status, words
from alerts.reports.rules.codes import LineState, Outcome, Target
from alerts.reports.schemas import LinesConfirm, LineView, ReportView
from alerts.settings import SettingsDep
from alerts.staff.access import CurrentActor, may, require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/incidents/{incident_id}", include_in_schema=False)
EARLIER = 5


def filer(actor: CurrentActor) -> Actor:
    """Somebody who files for a mission or for the ministry."""
    if not (may(actor, Permission.FILE_MISSION_REPORT) or may(actor, Permission.FILE_MINISTRY_REPORT)):
        raise ForbiddenError("not_permitted", "Your role may not do this.")
    return actor


Filer = Annotated[Actor, Depends(filer)]
Confirmer = Annotated[Actor, Depends(require(Permission.CONFIRM_FIGURES))]


@router.get("/report")
def report_page(request: Request, incident: IncidentDep, session: Tx, actor: Filer) -> Response:
    lang = language_of(request, actor)
    mission = find_mission(session, actor.mission_code) if actor.mission_code else None
    own_source = f"mission:{actor.mission_code}" if actor.mission_code else "ministry"
    filing = _filing(session, incident, actor, mission)
    places = filing.places.rows
    own = list_reports(session, incident.id, actor, Paging(None, EARLIER)) if mission else []
    involved = find_involvement(session, incident.id, actor.mission_code) if actor.mission_code else None
    context: dict[str, Any] = {
        "incident": incident,
        "base": f"{root_of(request)}/incidents/{incident.id}",
        "mission_name": mission.name if mission else None,
        "due_at": involved.report_due_at if involved else None,
        "clocks": clocks_of_incident(session, incident, actor),
        "zone_label": place_name(mission.country_iso2, lang) if mission and mission.country_iso2 else "WIB",
        "places": places,
        "place_names": {"": translator(lang).gettext("The whole area"), **{code: place_name(code, lang) for code in places}},
        "opened": {code for code in places if any(name.startswith(f"cell:{code}:") for name in typed_in(request))},
        "nationalities": filing.nationalities,
        "earlier": own[:EARLIER],
        "need_rows": need_rows(session, incident.id, own_source),
        "ask_rows": ask_rows(last_checks(session, incident.id, own_source)),
    }
    return render(request, "report.html", context | _form_words(lang), actor=actor)


@router.post("/report/nothing")
def nothing_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Filer) -> Response:
    """The one tap."""
    once = start_once(request, session, form, actor)
    mission = find_mission(session, actor.mission_code) if actor.mission_code else None
    narrative = translator("id").gettext("Nothing known yet")
    command = nothing_known_yet(_filing(session, incident, actor, mission, _waited(form)), narrative)
    report = file_report(session, actor=actor, incident_id=incident.id, command=command)
    return once.go(f"{root_of(request)}/incidents/{incident.id}/reports/{report.id}")


@router.post("/report")
def report_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, settings: SettingsDep, actor: Filer) -> Response:
    """Whatever it says is filed; only an empty sheet is not."""
    once = start_once(request, session, form, actor)
    mission = find_mission(session, actor.mission_code) if actor.mission_code else None
    command = read_report(form, _filing(session, incident, actor, mission, _waited(form)))
    if is_empty(command):
        raise InvalidError("empty_report", "The sheet is empty. If nothing is known yet, use the button above it.", field="narrative")
    longest = pace_of(settings).longest
    report = file_report(session, actor=actor, incident_id=incident.id, command=command, longest=longest)
    return once.go(f"{root_of(request)}/incidents/{incident.id}/reports/{report.id}")


@router.get("/reports/{report_id}")
def filed_page(report_id: UUID, request: Request, incident: IncidentDep, session: Tx, actor: Viewer) -> Response:
    """What was filed, how each line counts, and what is asked about it."""
    lang = language_of(request, actor)
    report = get_report(session, incident.id, report_id, actor)
    view = present_to(session, report, actor)
    names = mission_names(session, [view.source.partition(":")[2]])
    context: dict[str, Any] = {
        "incident": incident,
        "base": f"{root_of(request)}/incidents/{incident.id}",
        "report": view,
        "clocks": clocks_of_incident(session, incident, actor),
        "source_name": getattr(words.source_name(view.source, view.author, names), lang),
        "state_of_mission": mission_status.read_status(view.mission_status or {}),
        "line_names": [_line_name(line, lang) for line in view.lines],
        "line_values": [_line_value(line, lang) for line in view.lines],
        "pictures": present_pictures(session, list_pictures(session, report.id)),
        "pictures_path": f"/api/v1/incidents/{incident.id}/reports/{report.id}/pictures",
        "may_change": may_file_for(actor, report.source),
        "may_add": incident.state is State.OPEN,
    }
    context |= _confirming(session, incident, view, actor)
    return render(request, "report_filed.html", context | _form_words(lang), actor=actor)


@router.post("/reports/{report_id}/confirm")
def confirm_form(report_id: UUID, request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Confirmer) -> Response:
    """Held lines count from now on; the form stands on the report's page and on that of all figures."""
    once = start_once(request, session, form, actor)
    reason = reason_of(form)
    if not REASON_MIN <= len(reason) <= REASON_MAX:
        raise InvalidError("reason_length", "A reason has 3 to 500 characters.", field="reason")
    line_ids = [parse_id(each, "line_ids") for each in form.all("line_ids")]
    if not line_ids:
        raise InvalidError("no_line_chosen", "Choose the figures that shall count.", field="line_ids")
    confirm_lines(
        session, actor=actor, incident_id=incident.id, report_id=report_id, command=LinesConfirm(line_ids=line_ids, reason=reason)
    )
    page = "sheet" if form.has("on_sheet") and may(actor, Permission.VIEW_SUMMARY) else f"reports/{report_id}"
    return once.go(f"{root_of(request)}/incidents/{incident.id}/{page}")


def _confirming(session: Session, incident: Incident, report: ReportView, actor: Actor) -> dict[str, Any]:
    """What was confirmed of a report and by whom, and what this reader may confirm now."""
    rows = list_confirmations(session, report.id)
    names = names_by_key(session, [row.confirmed_by for row in rows])
    has_held = any(line.state is LineState.HELD for line in report.lines)
    may_confirm = has_held and incident.state is State.OPEN and may(actor, Permission.CONFIRM_FIGURES)
    found = confirmable_lines(session, incident.id, report.id, db_now(session)).confirmable if may_confirm else frozenset()
    return {
        "confirmed": {row.line_id: row for row in rows},
        "confirmers": {row.line_id: names.get(row.confirmed_by, row.confirmed_by) for row in rows},
        "confirmable": found,
    }


NOT_WAITED = timedelta()
WAITED_DIGITS = 6


def _filing(session: Session, incident: Incident, actor: Actor, mission: Mission | None, waited: timedelta = NOT_WAITED) -> Filing:
    """`now` is when the sheet was written: a form that waited for a signal was true then, by whatever clock the device has."""
    places = _places(session, incident, actor)
    return Filing(actor.mission_code, zone_of_mission(mission) or JAKARTA, db_now(session) - waited, places)


def _waited(form: Form) -> timedelta:
    text = form.text(WAITED_FIELD, limit=20)
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) <= WAITED_DIGITS else NOT_WAITED


def _places(session: Session, incident: Incident, actor: Actor) -> Places:
    """A mission's own places in the incident; for the ministry those of all areas, or of all missions if they are shapes."""
    involved = find_involvement(session, incident.id, actor.mission_code) if actor.mission_code else None
    if involved:
        return places_to_tally(involved.places)
    specs = list_area_specs(session, incident.id)
    named = [spec.code for spec in specs if spec.code]
    of_missions = [code for mission in list_missions(session, incident.id) for code in mission.places]
    return places_to_tally(named or of_missions, [touched.code for spec in specs for touched in touched_places(spec)])


def _line_name(line: LineView, lang: str) -> str:
    places = ", ".join(place_name(code, lang) for code in line.places)
    nationality = getattr(words.NATIONALITY[line.nationality], lang)
    return f"{getattr(words.CATEGORY[line.category], lang)} ({nationality}), {places}"


def _line_value(line: LineView, lang: str) -> str:
    if line.silence:
        return str(getattr(words.SILENCE[line.silence], lang))
    if line.number is None:
        return line.value
    about = {"id": "sekitar ", "en": "about "}[lang] if line.is_approximate else ""
    return about + translator(lang).number(line.number)


def _form_words(lang: str) -> dict[str, Any]:
    return {
        "categories": TALLIED,
        "category_words": _as_words(words.CATEGORY),
        "nationality_words": _as_words(words.NATIONALITY),
        "targets": list(Target),
        "target_words": _as_words(words.TARGET),
        "outcomes": list(Outcome),
        "outcome_words": _as_words(words.OUTCOME),
        "claim_words": _as_words(words.CLAIM),
        "sources": SOURCES,
        "source_words": {source: name[lang] for source, name in SOURCE_NAMES.items()},
        "people_words": _as_words(mission_status.PEOPLE),
        "working_words": _as_words(mission_status.WORKING),
        "works_words": _as_words(mission_status.WORKS_NAMES),
        "next_minutes": NEXT_MINUTES,
        "cell_name": cell_name,
    }


SOURCE_NAMES = {"ministry": both("the ministry"), "host_state": both("the host state"), "media": both("the media")}


def _as_words(table: Mapping[str, words.Both]) -> dict[str, dict[str, str]]:
    return {code: {"id": both_.id, "en": both_.en} for code, both_ in table.items()}
