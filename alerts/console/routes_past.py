"""The past of an incident: what did we know at 14:05? A slider over its minutes, the sheet of that minute, the course of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from alerts.console.elsewhere import IncidentDep
from alerts.console.incident_forms import parse_moment
from alerts.console.pages import render
from alerts.console.routes_incidents import root_of
from alerts.console.sheet_view import marks_shown, minutes_by_figure, replayed_now
from alerts.console.sparkline import Line, line_of
from alerts.incidents.models import Incident
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.i18n import both
from alerts.live.queries import Asked, load_sheet
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/incidents/{incident_id}", include_in_schema=False)
Reader = Annotated[Actor, Depends(require(Permission.VIEW_SUMMARY))]
MINUTES_MAX = 60 * 24 * 60
ROWS_MAX = 40
COURSES = {
    "own.dead": both("our dead (reported)"),
    "own.injured": both("our injured"),
    "own.unaccounted": both("ours not yet reached"),
    "host_state.dead": both("dead, host state"),
    "host_state.injured": both("injured, host state"),
    "safe": both("say they are safe"),
    "need_help": both("need help"),
    "handed_over": both("handed to the carrier"),
    "delivered": both("delivered"),
    "answered": both("answered"),
    "registered": both("on our register"),
}


@dataclass(frozen=True)
class Course:
    """One figure over time: its drawing, if it moved, and the same as a table (of many rows the newest)."""

    name: dict[str, str]
    line: Line | None
    rows: Sequence[tuple[datetime, int | None]]


@router.get("/past")
def past_page(
    request: Request,
    incident: IncidentDep,
    session: Tx,
    actor: Reader,
    minute: Annotated[int | None, Query(ge=0, le=MINUTES_MAX)] = None,
    at: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The sheet as it was known at a minute after opening (`minute`, the slider) or at a time (`at`, by Jakarta's clock)."""
    now = db_now(session)
    asked = _asked(incident, minute, parse_moment(at, "at"), now)
    context = _place(request, incident) | _times(incident, asked, now) | {"courses": _courses(session, incident, asked)}
    sheet = load_sheet(
        session, incident, Asked(as_of=replayed_now(session, incident, asked) if incident.is_replayed else asked, known_at=asked)
    )
    context |= {"sheet": sheet, "marks": marks_shown(sheet), "changes": [], "more_changes": 0, "lines": []}
    return render(request, "past.html", context, actor=actor)


def _asked(incident: Incident, minute: int | None, at: datetime | None, now: datetime) -> datetime:
    """Never before the incident was opened, never after now. The end of the minute: what came in within it was known then."""
    if at is None and minute is None:
        return now
    chosen = at + timedelta(seconds=59) if at is not None else incident.opened_at + timedelta(minutes=minute or 0)
    return min(max(chosen, incident.opened_at), now)


def _times(incident: Incident, asked: datetime, now: datetime) -> dict[str, Any]:
    last = min(MINUTES_MAX, int((now - incident.opened_at).total_seconds() // 60))
    return {"asked_at": asked, "minute": min(last, int((asked - incident.opened_at).total_seconds() // 60)), "last_minute": last}


def _courses(session: Session, incident: Incident, until: datetime) -> list[Course]:
    """Each figure that anybody gave by then."""
    courses = []
    for key, points in minutes_by_figure(session, incident.id).items():
        known = [(minute, value) for minute, value in points if minute <= until]
        if key in COURSES and known:
            courses.append(
                (list(COURSES).index(key), Course(dict(COURSES[key]), line_of(key, COURSES[key], known), known[-ROWS_MAX:][::-1]))
            )
    return [course for _, course in sorted(courses, key=lambda pair: pair[0])]


def _place(request: Request, incident: Incident) -> dict[str, Any]:
    base = f"{root_of(request)}/incidents/{incident.id}"
    return {"incident": incident, "base": base}
