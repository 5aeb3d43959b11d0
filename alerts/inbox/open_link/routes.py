"""HTTP of the open link: the form that anybody may open, and the text that staff pass on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Header, Path, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from alerts.broadcasts.queries import get_broadcast
from alerts.inbox.open_link import actions
from alerts.inbox.open_link.page import gone_page, open_page, thanks_page, wait_page
from alerts.inbox.open_link.rules import read_claim
from alerts.inbox.open_link.schemas import ForwardableText, OpenClaim
from alerts.incidents.models import Incident
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.db import Tx
from alerts.kit.i18n import Translator, choose_language, translator
from alerts.settings import KeyringDep, SettingsDep
from alerts.staff.access import client_address, require
from alerts.staff.rules import Permission

router = APIRouter(tags=["open link"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
Code = Annotated[str, Path(max_length=40)]
ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"description": "no such link, or the event is over", "content": {"text/html": {}}},
    422: {"description": "an answer or a number is missing", "content": {"text/html": {}}},
    429: {"description": "too many from one address", "content": {"text/html": {}}},
}


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody at the open door: where they come from, and their language."""

    session: Session
    keyring: Keyring
    t: Translator
    address: str
    home_country: str


def visit(
    request: Request,
    session: Tx,
    settings: SettingsDep,
    keyring: KeyringDep,
    lang: Annotated[str | None, Query(max_length=10, description="`id` or `en`; else the browser's")] = None,
    accept_language: Annotated[str | None, Header()] = None,
) -> Visit:
    t = translator(choose_language(lang, None, accept_language))
    return Visit(session, keyring, t, client_address(request, settings), settings.home_country)


Visitor = Annotated[Visit, Depends(visit, scope="function")]


@router.get("/c/{link_code}", response_class=HTMLResponse, responses={404: ANSWERS[404]}, operation_id="open_open_link")
def get_form(link_code: Code, visitor: Visitor) -> HTMLResponse:
    """The form for whoever got a forwarded text. Opening it changes nothing, and it shows nobody's data."""
    return _form(visitor, link_code, Status.ACTUAL)


@router.post("/c/{link_code}", response_class=HTMLResponse, responses=ANSWERS, operation_id="answer_open_link")
def post_form(link_code: Code, form: Annotated[OpenClaim, Form()], visitor: Visitor) -> HTMLResponse:
    """Keep what somebody says of themselves. The same form twice is one claim."""
    return _answer(visitor, link_code, Status.ACTUAL, form)


@router.get("/exercise/c/{link_code}", response_class=HTMLResponse, responses={404: ANSWERS[404]}, operation_id="open_exercise_link")
def get_exercise_form(link_code: Code, visitor: Visitor) -> HTMLResponse:
    """The form of an exercise. An exercise's link never opens an actual incident, nor the other way."""
    return _form(visitor, link_code, Status.EXERCISE)


@router.post("/exercise/c/{link_code}", response_class=HTMLResponse, responses=ANSWERS, operation_id="answer_exercise_link")
def post_exercise_form(link_code: Code, form: Annotated[OpenClaim, Form()], visitor: Visitor) -> HTMLResponse:
    """Keep an exercise's claim."""
    return _answer(visitor, link_code, Status.EXERCISE, form)


@router.get(
    "/api/v1/broadcasts/{broadcast_id}/forwardable",
    operation_id="get_forwardable_text",
    responses={409: {"description": "a quiet incident, or nothing approved to forward"}},
)
def get_forwardable(broadcast_id: UUID, actor: Viewer, session: Tx, settings: SettingsDep, keyring: KeyringDep) -> ForwardableText:
    """The approved text with the open check-in link, for groups. 409 for a quiet incident, or what is not approved any more."""
    broadcast = get_broadcast(session, broadcast_id, actor)
    return actions.make_forwardable(session, keyring=keyring, broadcast=broadcast, public_url=settings.public_url)


def _form(visitor: Visit, code: str, status: Status) -> HTMLResponse:
    incident = actions.find_by_code(visitor.session, visitor.keyring, code, status)
    if incident is None:
        return gone_page(visitor.t)
    return open_page(visitor.t, path=_path(visitor, incident), is_exercise=status is Status.EXERCISE)


def _answer(visitor: Visit, code: str, status: Status, form: OpenClaim) -> HTMLResponse:
    session, keyring, t = visitor.session, visitor.keyring, visitor.t
    incident = actions.find_by_code(session, keyring, code, status)
    if incident is None:
        return gone_page(t)
    path, typed, is_exercise = _path(visitor, incident), form.model_dump(), status is Status.EXERCISE
    claimed = read_claim(typed)
    if claimed is None:
        return open_page(t, path=path, is_exercise=is_exercise, typed=typed)
    wait = actions.wait_seconds(session, keyring, visitor.address)
    if wait:
        return wait_page(t, path=path, seconds=wait, typed=typed, is_exercise=is_exercise)
    key = form.form_key if re.fullmatch("[0-9a-f]{32}", form.form_key) else uuid4().hex
    posted = actions.Posted(key, visitor.address, visitor.home_country)
    kept = actions.receive_claim(session, keyring=keyring, incident=incident, claimed=claimed, posted=posted)
    return thanks_page(t, path=path, is_exercise=is_exercise, kept=kept)


def _path(visitor: Visit, incident: Incident) -> str:
    return f"{actions.path_of(visitor.keyring, incident)}?lang={visitor.t.lang}"
