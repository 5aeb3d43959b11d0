"""HTTP of statements: for staff, and for everybody without signing in."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from alerts.incidents.queries import get_incident
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Page, PagingDep, is_unchanged, page_of
from alerts.kit.i18n import Translator, choose_language, translator
from alerts.kit.idempotency import Idem
from alerts.settings import Settings, SettingsDep
from alerts.staff.access import require, require_session_actor
from alerts.staff.rules import Permission
from alerts.statements import actions, queries
from alerts.statements.page import CACHED, alert_page, cached, feed_of, missing_page, public_page
from alerts.statements.schemas import RumourView, StatementView, Withdrawal

router = APIRouter(tags=["statements"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_SUMMARY))]
Publisher = Annotated[Actor, Depends(require_session_actor(Permission.PUBLISH_STATEMENT))]
PATH = "/api/v1/public-statements/{public_statement_id}"


def page_language(
    lang: Annotated[str | None, Query(max_length=10, description="`id` or `en`; else the browser's")] = None,
    accept_language: Annotated[str | None, Header()] = None,
) -> Translator:
    """The language of a public page."""
    return translator(choose_language(lang, None, accept_language))


Reader = Annotated[Translator, Depends(page_language)]
Code = Annotated[str, Query(max_length=20, description="the code at the end of a message")]


@router.get("/api/v1/incidents/{incident_id}/statements", operation_id="list_statements")
def get_statements(incident_id: UUID, actor: Viewer, session: Tx, page: PagingDep, settings: SettingsDep) -> Page[StatementView]:
    """Drafts, published and withdrawn ones, newest first."""
    get_incident(session, incident_id, actor)
    rows = queries.list_statements(session, incident_id, page)
    views = [queries.present_statement(session, row, settings.public_url) for row in rows]
    return page_of(views, [row.id for row in rows], page.limit)


@router.get(PATH, response_model=StatementView, operation_id="get_statement")
def get_statement(
    public_statement_id: UUID, request: Request, actor: Viewer, session: Tx, settings: SettingsDep, response: Response
) -> StatementView | Response:
    """One statement with its figures, their basis, and copies ready for X, Instagram and WhatsApp."""
    row = queries.get_statement(session, public_statement_id, actor)
    etag = queries.statement_etag(row)
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return queries.present_statement(session, row, settings.public_url)


@router.post(f"{PATH}/withdraw", response_model=StatementView, operation_id="withdraw_statement")
def post_withdrawal(
    public_statement_id: UUID, body: Withdrawal, actor: Publisher, session: Tx, settings: SettingsDep, idem: Idem
) -> Response:
    """Take it back with a reason; it stays in the public history, marked. A draft is given up."""
    idem.start(actor.key)
    row = actions.withdraw_statement(session, actor=actor, statement_id=public_statement_id, command=body)
    return idem.answer(200, queries.present_statement(session, row, settings.public_url), {"ETag": queries.statement_etag(row)})


@router.get("/api/v1/incidents/{incident_id}/rumours", operation_id="list_rumours")
def get_rumours(incident_id: UUID, actor: Viewer, session: Tx, page: PagingDep) -> Page[RumourView]:
    """Claims and our answers, newest first."""
    get_incident(session, incident_id, actor)
    rows = queries.list_rumours(session, incident_id, page)
    return page_of([queries.present_rumour(row) for row in rows], [row.id for row in rows], page.limit)


@router.post("/api/v1/rumours/{rumour_id}/withdraw", response_model=RumourView, operation_id="withdraw_rumour")
def post_rumour_withdrawal(rumour_id: UUID, actor: Publisher, session: Tx, idem: Idem) -> Response:
    """Give up a draft. What was published is answered anew instead."""
    idem.start(actor.key)
    return idem.answer(200, queries.present_rumour(actions.withdraw_rumour(session, actor=actor, rumour_id=rumour_id)))


@router.get("/public/incidents/{slug}", response_class=HTMLResponse, operation_id="open_public_incident")
def get_public_incident(slug: str, request: Request, session: Tx, settings: SettingsDep, t: Reader) -> Response:
    """What the ministry says of an incident, with its history and its answers to rumours. Cached; nothing personal."""
    return _incident(request, session, settings, t, slug=slug, status=Status.ACTUAL)


@router.get("/exercise/public/incidents/{slug}", response_class=HTMLResponse, operation_id="open_public_exercise")
def get_public_exercise(slug: str, request: Request, session: Tx, settings: SettingsDep, t: Reader) -> Response:
    """The same for an exercise, marked as one."""
    return _incident(request, session, settings, t, slug=slug, status=Status.EXERCISE)


@router.get("/public/incidents/{slug}/feed.atom", operation_id="read_public_feed")
def get_feed(slug: str, request: Request, session: Tx, settings: SettingsDep, t: Reader) -> Response:
    """The same as an Atom feed. Exercises have none: a feed is read by machines that know no difference."""
    shown = queries.find_shown(session, slug, Status.ACTUAL)
    if shown is None:
        raise NotFoundError("nothing_published", "Nothing was published under this address.", field="path.slug")
    feed = feed_of(t, shown, settings.public_url.rstrip("/"))
    return cached(request, Response(feed, 200, CACHED, "application/atom+xml; charset=utf-8"))


@router.get(
    "/public/a", response_class=HTMLResponse, operation_id="ask_alert", responses={404: {"description": "no message of ours has this code"}}
)
def get_alert_form(session: Tx, t: Reader, code: Code = "") -> HTMLResponse:
    """Is a message that somebody received ours? By the code at its end."""
    return _alert(session, t, code)


@router.get("/public/a/{alert_code}", response_class=HTMLResponse, operation_id="confirm_alert")
def get_alert(alert_code: str, session: Tx, t: Reader) -> HTMLResponse:
    """The same by address."""
    return _alert(session, t, alert_code)


def _alert(session: Session, t: Translator, code: str) -> HTMLResponse:
    found = queries.find_alert(session, code) if code else None
    return alert_page(t, code=code, found=found)


def _incident(request: Request, session: Session, settings: Settings, t: Translator, *, slug: str, status: Status) -> Response:
    shown = queries.find_shown(session, slug, status)
    if shown is None:
        return missing_page(t)
    return cached(request, public_page(t, shown, path=request.url.path, public_url=settings.public_url.rstrip("/")))
