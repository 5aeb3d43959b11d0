"""HTTP of answers: for staff and machine clients, and the citizen's page behind a link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Header, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from alerts.checkins import actions, queries
from alerts.checkins.cases.words import acknowledge
from alerts.checkins.page import answer_page, bad_link_page
from alerts.checkins.rules import Answer
from alerts.checkins.schemas import CheckinIn, CheckinView, LinkAnswer
from alerts.checkins.storm import Knock, Refused, door_of
from alerts.citizens.addresses import push_key_of
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import Page, PagingDep, page_of
from alerts.kit.i18n import Translator, choose_language, translator
from alerts.kit.idempotency import Idem
from alerts.settings import KeyringDep, Settings, SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(tags=["check-ins"])
Recorder = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_PERSONS))]


def page_language(
    lang: Annotated[str | None, Query(max_length=10, description="`id` or `en`; else the citizen's own, else the browser's")] = None,
    accept_language: Annotated[str | None, Header()] = None,
) -> Callable[[str | None], Translator]:
    """Gives the page's language once the citizen's own is known (or None)."""
    return lambda own: translator(choose_language(lang, own, accept_language))


PageReader = Callable[[str | None], Translator]
Reader = Annotated[PageReader, Depends(page_language)]


@router.post("/api/v1/checkins", status_code=201, response_model=CheckinView, operation_id="record_checkin")
def post_checkin(body: CheckinIn, actor: Recorder, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Record one answer of one citizen. *Contact made* needs who, when and how; otherwise it stands as *reported*."""
    idem.start(actor.key)
    row = actions.record_for_citizen(session, actor=actor, keyring=keyring, command=body)
    # Kept for seven days to be replayed, so without the note.
    return idem.answer(201, queries.present_checkin(row, None), {"Location": f"/api/v1/checkins/{row.id}"})


@router.get("/api/v1/checkins", operation_id="list_checkins")
def get_checkins(
    actor: Viewer,
    session: Tx,
    keyring: KeyringDep,
    page: PagingDep,
    incident_id: Annotated[UUID | None, Query()] = None,
    answer: Annotated[Answer | None, Query()] = None,
) -> Page[CheckinView]:
    """Answers that the caller may see, newest first: staff of a mission see those of the mission's own people."""
    rows = queries.list_checkins(session, actor, page, incident_id=incident_id, answer=answer)
    return page_of([queries.present_checkin(row, keyring) for row in rows], [row.id for row in rows], page.limit)


@router.get("/api/v1/checkins/{checkin_id}", operation_id="get_checkin")
def get_checkin(checkin_id: UUID, actor: Viewer, session: Tx, keyring: KeyringDep) -> CheckinView:
    """One answer; 404 when it is another mission's."""
    return queries.present_checkin(queries.get_checkin(session, checkin_id, actor), keyring)


@router.get("/i/{token}", response_class=HTMLResponse, operation_id="open_citizen_link")
def get_link(token: str, session: Tx, settings: SettingsDep, reader: Reader) -> HTMLResponse:
    """The citizen's page. Changes nothing and shows nothing personal: scanners of messages open links too."""
    return _show(session, settings, reader, token=token, status=Status.ACTUAL)


@router.post("/i/{token}", response_class=HTMLResponse, operation_id="answer_citizen_link")
async def post_link(token: str, form: Annotated[LinkAnswer, Form()], request: Request, reader: Reader) -> HTMLResponse:
    """Take the answer. The same one again changes nothing and reads the same."""
    return await _take(request, reader, Knock(token, Status.ACTUAL, form))


@router.get("/exercise/i/{token}", response_class=HTMLResponse, operation_id="open_exercise_citizen_link")
def get_exercise_link(token: str, session: Tx, settings: SettingsDep, reader: Reader) -> HTMLResponse:
    """The same for an exercise's message. An exercise's link opens nothing actual, nor the other way."""
    return _show(session, settings, reader, token=token, status=Status.EXERCISE)


@router.post("/exercise/i/{token}", response_class=HTMLResponse, operation_id="answer_exercise_citizen_link")
async def post_exercise_link(token: str, form: Annotated[LinkAnswer, Form()], request: Request, reader: Reader) -> HTMLResponse:
    """Take a tester's answer."""
    return await _take(request, reader, Knock(token, Status.EXERCISE, form))


def _show(session: Session, settings: Settings, reader: PageReader, *, token: str, status: Status) -> HTMLResponse:
    holder = actions.find_link_holder(session, settings.keyring, token, status)
    if holder is None:
        return bad_link_page(reader(None))
    key = push_key_of(settings, is_exercise=holder.is_exercise)
    return answer_page(reader(holder.language), token=token, is_exercise=holder.is_exercise, push_key=key)


async def _take(request: Request, reader: PageReader, knock: Knock) -> HTMLResponse:
    """By the storm door: answered when it is written, together with whoever else answers now."""
    heard = await door_of(request.app.state).add(knock)
    if isinstance(heard, Refused):
        raise heard.error
    if heard is None:
        return bad_link_page(reader(None))
    t, holder = reader(heard.holder.language), heard.holder
    told = acknowledge(t, heard.case, heard.owner) if heard.case is not None else None
    key = push_key_of(request.app.state.settings, is_exercise=holder.is_exercise)
    return answer_page(t, token=knock.token, is_exercise=holder.is_exercise, push_key=key, saved=heard, told=told)
