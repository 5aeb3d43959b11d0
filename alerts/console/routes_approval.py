"""The approval page: the full text, the count to be typed, the map, the difference to the message before."""

from __future__ import annotations

import difflib
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from alerts.broadcasts import actions
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.queries import areas_of, country_counts, find_audience, hands_of, list_broadcasts, present
from alerts.broadcasts.schemas import Approval
from alerts.console.forms import FormDep
from alerts.console.map_view import cells_of, draw
from alerts.console.pages import go, language_of, render
from alerts.console.queries import people_by_province
from alerts.console.routes_broadcasts import BroadcastDep, reason_of
from alerts.console.routes_incidents import root_of
from alerts.deliveries.correcting import approve_message
from alerts.deliveries.forecasting import forecast_of
from alerts.incidents.queries import get_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.kit.http import Paging
from alerts.notices.queries import find_open_paging
from alerts.places import place_name
from alerts.settings import SettingsDep
from alerts.staff.access import require_session_actor
from alerts.staff.queries import names_of
from alerts.staff.rules import Permission

router = APIRouter(prefix="/broadcasts/{broadcast_id}", include_in_schema=False)
Approver = Annotated[Actor, Depends(require_session_actor(Permission.APPROVE_BROADCAST))]
Change = tuple[str, str]


@router.get("/approve")
def approval_page(request: Request, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Approver) -> Response:
    """What would be released, in full, and what has changed since it was frozen."""
    lang = language_of(request, actor)
    specs = [area.spec for area in areas_of(session, broadcast)] if not broadcast.references else []
    counts = people_by_province(session, specs)
    names = {code: place_name(code, lang) for code in counts}
    before = _message_before(session, broadcast)
    audience = find_audience(session, broadcast)
    context = {
        "incident": get_incident(session, broadcast.incident_id),
        "view": present(session, broadcast, settings.public_url, with_since=True),
        "map": draw(specs, cells_of(counts, names), []) if specs else None,
        "countries": _countries(country_counts(session, audience.id), lang) if audience else [],
        "changes": {key: word_changes(before.texts.get(key, ""), broadcast.texts[key]) for key in broadcast.texts} if before else {},
        "names": names_of(session, hands_of(session, broadcast.id)),
        "is_own": actor.staff_id in hands_of(session, broadcast.id),
        "paging": find_open_paging(session, ("broadcast", broadcast.id), actor),
        "forecast": forecast_of(session, settings, broadcast),
    }
    return render(request, "approve.html", context, actor=actor)


@router.post("/approve")
def approval_form(request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, actor: Approver) -> Response:
    """Releases exactly what was shown: its hash comes back from the page, and its count from the person's own fingers."""
    audience = find_audience(session, broadcast)
    typed = "".join(filter(str.isdigit, form.text("count", limit=20)))
    if audience is None or typed != str(audience.count):
        raise InvalidError("count_differs", "The number you typed is not the number of people on the list.", field="count")
    command = Approval(content_hash=_hash_of(form.text("content_hash", limit=64)))
    approve_message(session, actor=actor, broadcast_id=broadcast.id, command=command)
    return go(f"{root_of(request)}/broadcasts/{broadcast.id}")


@router.post("/reject")
def rejection_form(request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, actor: Approver) -> Response:
    actions.reject_broadcast(session, actor=actor, broadcast_id=broadcast.id, reason=reason_of(form))
    return go(f"{root_of(request)}/broadcasts/{broadcast.id}")


def word_changes(before: str, after: str) -> list[Change]:
    """Runs of words as (`same` | `gone` | `new`, text), in reading order."""
    old, new = before.split(), after.split()
    changes: list[Change] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            changes.append(("same", " ".join(old[a:b])))
            continue
        changes += [(name, " ".join(words)) for name, words in (("gone", old[a:b]), ("new", new[c:d])) if words]
    return changes


def _message_before(session: Session, broadcast: Broadcast) -> Broadcast | None:
    """The newest released message of the incident that is older than this one."""
    older = list_broadcasts(session, broadcast.incident_id, Paging(broadcast.id, 50))
    return next((each for each in older if each.approved_at), None)


def _countries(counts: dict[str, int], lang: str) -> list[tuple[str, int]]:
    named = [(place_name(code, lang) if code else "?", people) for code, people in counts.items()]
    return sorted(named, key=lambda pair: -pair[1])


def _hash_of(text: str) -> str:
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise InvalidError("form_incomplete", "The form is incomplete: open the page again.", field="content_hash")
    return text
