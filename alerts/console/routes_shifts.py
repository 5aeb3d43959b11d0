"""A shift ends: what is open, what was promised, what is due next, and the signature. And whose the incident is."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from alerts.console.elsewhere import IncidentDep
from alerts.console.forms import FormDep, parse_id
from alerts.console.once import start_once
from alerts.console.pages import render
from alerts.console.queries import count_urgent
from alerts.console.routes_broadcasts import reason_of
from alerts.console.routes_incidents import root_of
from alerts.console.sheet_view import current_sheet
from alerts.incidents.merging import take_over
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.kit.http import Paging
from alerts.live.shifts.actions import hand_over, merge
from alerts.live.shifts.queries import count_open_cases, list_clocks, list_handovers, list_successors
from alerts.live.shifts.rules import UNANSWERED, open_points
from alerts.live.shifts.schemas import HandoverIn
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.queries import names_of
from alerts.staff.rules import Permission

router = APIRouter(prefix="/incidents/{incident_id}", include_in_schema=False)
Leader = Annotated[Actor, Depends(require(Permission.EDIT_INCIDENT))]
SIGNED = 20
NOTE_MIN, NOTE_MAX = 3, 2000


@router.get("/handover")
def handover_page(request: Request, incident: IncidentDep, session: Tx, actor: Leader) -> Response:
    """Everything that the next shift must know, on one page."""
    sheet = current_sheet(session, incident)
    cases = count_open_cases(session, incident.id)
    signed = list_handovers(session, incident.id, Paging(None, SIGNED))[:SIGNED]
    context: dict[str, Any] = {
        "incident": incident,
        "base": f"{root_of(request)}/incidents/{incident.id}",
        "sheet": sheet,
        "points": open_points(sheet, cases=cases),
        "unanswered": [answer for answer in sheet.questions if answer.answer in UNANSWERED or answer.unknown],
        "overdue": [mission for mission in sheet.missions if mission.is_overdue],
        "clocks": list_clocks(session, incident.id, sheet),
        "urgent": count_urgent(session, actor, incident.status, incident.id),
        "successors": list_successors(session, actor.staff_id),
        "signed": signed,
        "names": names_of(session, [each for row in signed for each in (row.from_staff, row.to_staff)]),
    }
    return render(request, "handover.html", context, actor=actor)


@router.post("/handover")
def handover_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Leader) -> Response:
    """Sign it. A reload signs nothing twice."""
    once = start_once(request, session, form, actor)
    note, version = form.text("note", limit=NOTE_MAX).strip(), form.text("sheet_version", limit=10)
    if len(note) < NOTE_MIN:
        raise InvalidError("note_missing", "Write in a few words what the next shift must know.", field="note")
    number = int(version) if version.isascii() and version.isdigit() and int(version) else None
    command = HandoverIn(to_staff=parse_id(form.text("to_staff", limit=36), "to_staff"), note=note, sheet_version=number)
    hand_over(session, actor=actor, incident=incident, command=command)
    return once.go(f"{root_of(request)}/incidents/{incident.id}/handover")


@router.post("/take-over")
def take_over_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Leader) -> Response:
    once = start_once(request, session, form, actor)
    take_over(session, actor=actor, incident_id=incident.id)
    return once.go(f"{root_of(request)}/incidents/{incident.id}")


@router.post("/merge")
def merge_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, settings: SettingsDep, actor: Leader) -> Response:
    """The page of the incident that goes on."""
    once = start_once(request, session, form, actor)
    into, due = parse_id(form.text("into", limit=36), "into"), timedelta(seconds=settings.live.report_due_seconds)
    target = merge(session, actor=actor, incident_id=incident.id, into=into, reason=reason_of(form), report_due=due)
    return once.go(f"{root_of(request)}/incidents/{target.id}")
