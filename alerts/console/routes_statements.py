"""Public statements on a phone and a desk: what may be said now, drafts, publishing, ready copies, rumours, the brief on one page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from alerts.console.elsewhere import IncidentDep
from alerts.console.forms import Form, FormDep, parse_id
from alerts.console.once import start_once
from alerts.console.pages import render, typed_in
from alerts.console.queries import names_by_key
from alerts.console.routes_incidents import root_of
from alerts.console.sheet_view import marks_shown
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_open_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import ConflictError, InvalidError, NotFoundError
from alerts.kit.http import Paging
from alerts.live.briefing import actions
from alerts.live.rules.briefing import ALWAYS, Brief
from alerts.settings import SettingsDep
from alerts.staff.access import require, require_session_actor
from alerts.staff.rules import Permission
from alerts.statements import queries
from alerts.statements.actions import draft_rumour, withdraw_rumour, withdraw_statement
from alerts.statements.models import Statement
from alerts.statements.rules import WITHDRAWN_WORDS, State, Verdict
from alerts.statements.schemas import RumourIn, StatementIn, StatementView, Withdrawal

router = APIRouter(prefix="/incidents/{incident_id}", include_in_schema=False)
one_router = APIRouter(prefix="/incidents/{incident_id}/statements/{statement_id}", include_in_schema=False)
Reader = Annotated[Actor, Depends(require(Permission.VIEW_SUMMARY))]
Writer = Annotated[Actor, Depends(require(Permission.WRITE_STATEMENT))]
Publisher = Annotated[Actor, Depends(require_session_actor(Permission.PUBLISH_STATEMENT))]
SHOWN, OWN_ROWS, HOTLINE_ROWS = 30, 2, 3
LANGUAGES = ("id", "en")
NO_DRAFT: dict[str, Any] = {"clauses": None, "own": [], "appeal": None, "hotlines": []}


def statement_of_route(incident: IncidentDep, statement_id: UUID, session: Tx) -> Statement:
    """The statement of the address; 404 when it is another incident's."""
    row = queries.get_statement(session, statement_id)
    if row.incident_id != incident.id:
        raise NotFoundError("statement_not_found", "There is no such statement.")
    return row


StatementDep = Annotated[Statement, Depends(statement_of_route, scope="function")]


@router.get("/statements")
def statements_page(request: Request, incident: IncidentDep, session: Tx, settings: SettingsDep, actor: Reader) -> Response:
    """What may be said now, with a form to choose; then what was drafted and published, and the rumours."""
    page = Paging(None, SHOWN)
    rows = queries.list_statements(session, incident.id, page)[:SHOWN]
    rumours = queries.list_rumours(session, incident.id, page)[:SHOWN]
    newest = next((row for row in rows if row.published_at), None)
    start = NO_DRAFT | {"hotlines": newest.hotlines if newest else []}
    hands = [row.drafted_by for row in rows] + [each.drafted_by for each in rumours]
    hands += [by for by in (*(row.published_by for row in rows), *(each.published_by for each in rumours)) if by]
    context = _place(request, incident) | _form(request, session, incident, start)
    context |= {"rows": rows, "rumours": rumours, "me": actor.key, "names": names_by_key(session, hands), "verdicts": list(Verdict)}
    context["public_url"] = _public_url(session, incident, settings.public_url)
    return render(request, "statements.html", context, actor=actor)


@router.post("/statements")
def draft_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Writer) -> Response:
    """Keep the draft."""
    once = start_once(request, session, form, actor)
    row = actions.draft(session, actor=actor, incident=get_open_incident(session, incident.id, actor), command=_read(form))
    return once.go(f"{_base(request, incident)}/statements/{row.id}")


@one_router.get("")
def statement_page(
    request: Request, incident: IncidentDep, row: StatementDep, session: Tx, settings: SettingsDep, actor: Reader
) -> Response:
    """One statement: text, figures and their basis, copies, and what may be done with it."""
    view = queries.present_statement(session, row, settings.public_url)
    context = _place(request, incident) | {
        "view": view,
        "etag": queries.statement_etag(row),
        "names": names_by_key(session, [by for by in (*row.hands, row.published_by, row.withdrawn_by) if by]),
        "is_own_hand": actor.key in row.hands,
        "copies": _copies(view),
        "withdrawn_words": WITHDRAWN_WORDS,
        "times": {each["key"]: datetime.fromisoformat(each["as_of"]) if each["as_of"] else None for each in view.figures},
    }
    if row.state is State.DRAFT:
        context |= _form(request, session, incident, row.typed)
    return render(request, "statement.html", context, actor=actor)


@one_router.post("")
def edit_form(request: Request, form: FormDep, incident: IncidentDep, row: StatementDep, session: Tx, actor: Writer) -> Response:
    """Write the draft anew; refused when somebody else did since."""
    once = start_once(request, session, form, actor)
    row = queries.claim_statement(session, row.id, actor)
    if form.text("etag", limit=80) != queries.statement_etag(row):
        raise ConflictError("stale_version", "Somebody changed this since you opened it: look at it again.")
    actions.edit(session, actor=actor, row=row, command=_read(form))
    return once.go(f"{_base(request, incident)}/statements/{row.id}")


@one_router.post("/publish")
def publish_form(request: Request, form: FormDep, incident: IncidentDep, row: StatementDep, session: Tx, actor: Publisher) -> Response:
    """Publish exactly the version that was on the screen."""
    once = start_once(request, session, form, actor)
    row = queries.claim_statement(session, row.id, actor)
    if form.text("etag", limit=80) != queries.statement_etag(row):
        raise ConflictError("stale_version", "Somebody changed this since you opened it: look at it again.")
    actions.publish(session, actor=actor, statement_id=row.id)
    return once.go(f"{_base(request, incident)}/statements/{row.id}")


@one_router.post("/withdraw")
def withdraw_form(request: Request, form: FormDep, incident: IncidentDep, row: StatementDep, session: Tx, actor: Publisher) -> Response:
    """Take it back, with a reason that everybody reads."""
    once = start_once(request, session, form, actor)
    command = _checked(Withdrawal, {"reason": form.text("reason", limit=30)})
    withdraw_statement(session, actor=actor, statement_id=row.id, command=command)
    return once.go(f"{_base(request, incident)}/statements/{row.id}")


@router.post("/rumours")
def rumour_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Writer) -> Response:
    """BENAR or TIDAK BENAR, for somebody else to publish."""
    once = start_once(request, session, form, actor)
    fields: dict[str, Any] = {
        "claim": _pair(form, "claim"),
        "explanation": _pair(form, "explanation"),
        "verdict": form.text("verdict", limit=10),
    }
    replaces = form.text("replaces", limit=36)
    fields |= {"replaces": parse_id(replaces, "replaces") if replaces else None}
    draft_rumour(session, actor=actor, incident=incident, command=_checked(RumourIn, fields))
    return once.go(f"{_base(request, incident)}/statements#rumours")


@router.post("/rumours/{rumour_id}/publish")
def rumour_publish_form(request: Request, form: FormDep, incident: IncidentDep, rumour_id: UUID, session: Tx, actor: Publisher) -> Response:
    """Put an answer that somebody else wrote on the public page; its words cannot have changed since."""
    once = start_once(request, session, form, actor)
    actions.publish_rumour(session, actor=actor, rumour_id=_rumour_of(session, incident, rumour_id, actor))
    return once.go(f"{_base(request, incident)}/statements#rumours")


@router.post("/rumours/{rumour_id}/withdraw")
def rumour_withdraw_form(
    request: Request, form: FormDep, incident: IncidentDep, rumour_id: UUID, session: Tx, actor: Publisher
) -> Response:
    """Give up an answer that was not published."""
    once = start_once(request, session, form, actor)
    withdraw_rumour(session, actor=actor, rumour_id=_rumour_of(session, incident, rumour_id, actor))
    return once.go(f"{_base(request, incident)}/statements#rumours")


@router.get("/brief")
def brief_page(request: Request, incident: IncidentDep, session: Tx, actor: Reader) -> Response:
    """The sheet and the sentence on one printed page."""
    sheet = actions.sheet_now(session, incident)
    published = [row for row in queries.list_statements(session, incident.id, Paging(None, SHOWN)) if row.state is State.PUBLISHED]
    context = _place(request, incident) | {"sheet": sheet, "marks": marks_shown(sheet), "published": published[0] if published else None}
    return render(request, "brief.html", context, actor=actor)


def _rumour_of(session: Session, incident: Incident, rumour_id: UUID, actor: Actor) -> UUID:
    """The answer of the address; 404 when it is another incident's."""
    if queries.get_rumour(session, rumour_id, actor).incident_id != incident.id:
        raise NotFoundError("rumour_not_found", "There is no such answer.")
    return rumour_id


def _form(request: Request, session: Session, incident: Incident, typed: dict[str, Any]) -> dict[str, Any]:
    """The clauses of now, and what to fill the fields with: what was refused, else what the draft holds, else nothing."""
    sheet = actions.sheet_now(session, incident)
    brief, again = actions.brief_now(session, incident, sheet), typed_in(request)
    ticked = set(again.all("clause")) if "form_key" in again else set(brief.chosen if typed["clauses"] is None else typed["clauses"])
    return {
        "brief": brief,
        "ticked": ticked,
        "always": ALWAYS,
        "sheet_version": sheet.version,
        "filled": dict(again) if "form_key" in again else _filled(typed),
        "own_rows": range(1, OWN_ROWS + 1),
        "hotline_rows": range(1, HOTLINE_ROWS + 1),
        "figures": _by_name(brief),
    }


def _filled(typed: dict[str, Any]) -> dict[str, str]:
    fields = {f"own{at}_{lang}": each[lang] for at, each in enumerate(typed["own"], 1) for lang in LANGUAGES}
    fields |= {f"appeal_{lang}": typed["appeal"][lang] for lang in LANGUAGES if typed["appeal"]}
    for at, each in enumerate(typed["hotlines"], 1):
        fields |= {f"hotline{at}_name": each["name"], f"hotline{at}_number": each["number"]}
    return fields


def _by_name(brief: Brief) -> list[Any]:
    return list(brief.figures.values())


def _read(form: Form) -> StatementIn:
    own = [pair for at in range(1, OWN_ROWS + 1) if (pair := _pair(form, f"own{at}"))]
    hotlines = []
    for at in range(1, HOTLINE_ROWS + 1):
        name, number = form.text(f"hotline{at}_name", limit=80), form.text(f"hotline{at}_number", limit=21)
        if name or number:
            hotlines.append({"name": name, "number": number})
    version, corrects = form.text("sheet_version", limit=10), form.text("corrects", limit=36)
    fields = {"clauses": form.all("clause"), "own": own, "appeal": _pair(form, "appeal"), "hotlines": hotlines}
    fields |= {"sheet_version": int(version) if version.isascii() and version.isdigit() else None}
    command: StatementIn = _checked(StatementIn, fields | {"corrects": parse_id(corrects, "corrects") if corrects else None})
    return command


def _pair(form: Form, name: str) -> dict[str, str] | None:
    """Both languages of a text, None when neither was typed."""
    texts = {lang: form.text(f"{name}_{lang}", limit=400) for lang in LANGUAGES}
    if not any(texts.values()):
        return None
    missing = next((lang for lang, text in texts.items() if not text), None)
    if missing:
        raise InvalidError("language_missing", "Write it in both languages.", field=f"{name}_{missing}")
    return texts


def _checked(kind: Any, fields: dict[str, Any]) -> Any:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise InvalidError("statement_field", "Something is missing or too short: look at the field again.", field=field) from None


def _copies(view: StatementView) -> list[tuple[str, str, str, int]]:
    """Place, language, text and how many rows it takes."""
    return [
        (place, lang, text, 2 + text.count("\n") + len(text) // 60)
        for place in ("x", "whatsapp", "instagram")
        for lang in LANGUAGES
        for text in (view.copies[lang][place],)
    ]


def _public_url(session: Session, incident: Incident, public_url: str) -> str | None:
    page = queries.find_page(session, incident.id)
    return public_url.rstrip("/") + queries.public_path(incident.status, page.slug) if page else None


def _place(request: Request, incident: Incident) -> dict[str, Any]:
    return {"incident": incident, "base": _base(request, incident)}


def _base(request: Request, incident: Incident) -> str:
    return f"{root_of(request)}/incidents/{incident.id}"
