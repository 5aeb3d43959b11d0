"""A person's browsers and mailbox over HTTP, and the key that browsers subscribe for."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from alerts.citizens.addresses import push_key_of, read_browser, register_browser, set_email, take_browser_away, take_email_away
from alerts.citizens.queries import count_phones_and_devices, find_email, get_citizen, list_browsers
from alerts.citizens.schemas import AddressesView, BrowserIn, BrowserView, EmailIn, EmailView, PushKeyView, TesterIn, TesterView
from alerts.citizens.testers import enrol_tester, withdraw_tester
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import NotFoundError
from alerts.kit.idempotency import Idem
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1", tags=["citizens"])
Keeper = Annotated[Actor, Depends(require(Permission.IMPORT_CITIZENS))]
NOBODY: dict[int | str, dict[str, Any]] = {404: {"description": "no such person, or not theirs"}}
NO_ADDRESS: dict[int | str, dict[str, Any]] = {422: {"description": "what was given is no such address; `field` names it"}}


@router.get("/web-push/key", response_model=PushKeyView, responses={404: {"description": "Web Push is not set up here"}})
def get_web_push_key(settings: SettingsDep) -> PushKeyView:
    """The key that a page hands to `PushManager.subscribe`. It is public."""
    live, exercise = (push_key_of(settings, is_exercise=is_exercise) for is_exercise in (False, True))
    if not live:
        raise NotFoundError("no_web_push", "Web Push is not set up here")
    return PushKeyView(public_key=live, exercise_public_key=exercise or None)


@router.get("/citizens/{citizen_id}/addresses", response_model=AddressesView, responses=NOBODY)
def get_addresses(session: Tx, _: Keeper, citizen_id: UUID) -> AddressesView:
    """By which ways this person could be reached. No address is shown."""
    citizen = get_citizen(session, citizen_id)
    phones, devices = count_phones_and_devices(session, citizen.id)
    browsers = [BrowserView.model_validate(row) for row in list_browsers(session, citizen.id)]
    email = find_email(session, citizen.id)
    view = EmailView.model_validate(email) if email else None
    return AddressesView(citizen_id=citizen.id, phones=phones, devices=devices, browsers=browsers, email=view)


@router.post("/citizens/{citizen_id}/browsers", status_code=201, response_model=BrowserView, responses=NOBODY | NO_ADDRESS)
def add_browser(session: Tx, actor: Keeper, idem: Idem, settings: SettingsDep, citizen_id: UUID, body: BrowserIn) -> Response:
    """Remember a browser of this person. Again, and it was seen again; another person's, and it is theirs no more.

    The address must be one of a push service that we know: messages are posted to it.
    """
    idem.start(actor.key)
    browser = read_browser(settings, body)
    row = register_browser(session, settings.keyring, citizen_id=citizen_id, browser=browser, actor=actor)
    return idem.answer(201, BrowserView.model_validate(row), _location(citizen_id))


@router.post("/citizens/{citizen_id}/browsers/{browser_id}/retire", response_model=AddressesView, responses=NOBODY)
def retire_browser(session: Tx, actor: Keeper, idem: Idem, citizen_id: UUID, browser_id: UUID) -> Response:
    """No more messages to this browser of this person."""
    idem.start(actor.key)
    take_browser_away(session, citizen_id=citizen_id, subscription_id=browser_id, actor=actor)
    return idem.answer(200, get_addresses(session, actor, citizen_id))


@router.post("/citizens/{citizen_id}/email", status_code=201, response_model=EmailView, responses=NOBODY | NO_ADDRESS)
def set_email_address(session: Tx, actor: Keeper, idem: Idem, settings: SettingsDep, citizen_id: UUID, body: EmailIn) -> Response:
    """Where this person reads mail, instead of any address before."""
    idem.start(actor.key)
    row = set_email(session, settings.keyring, citizen_id=citizen_id, written=body.email, actor=actor)
    return idem.answer(201, EmailView.model_validate(row), _location(citizen_id))


@router.post("/citizens/{citizen_id}/email/retire", response_model=AddressesView, responses=NOBODY)
def retire_email_address(session: Tx, actor: Keeper, idem: Idem, citizen_id: UUID) -> Response:
    """No more mail to this person."""
    idem.start(actor.key)
    take_email_away(session, citizen_id=citizen_id, actor=actor)
    return idem.answer(200, get_addresses(session, actor, citizen_id))


@router.post("/citizens/{citizen_id}/tester", status_code=201, response_model=TesterView, responses=NOBODY)
def enrol_as_tester(session: Tx, actor: Keeper, idem: Idem, citizen_id: UUID, body: TesterIn) -> Response:
    """The person agreed to be sent exercises: from now on they may be on an exercise's list."""
    idem.start(actor.key)
    row = enrol_tester(session, citizen_id=citizen_id, consented_at=body.consented_at, actor=actor)
    return idem.answer(201, TesterView.model_validate(row), _location(citizen_id))


@router.post("/citizens/{citizen_id}/tester/withdraw", response_model=TesterView, responses=NOBODY)
def withdraw_as_tester(session: Tx, actor: Keeper, idem: Idem, citizen_id: UUID) -> Response:
    """The person does not want exercises any more. Actual alerts go on."""
    idem.start(actor.key)
    return idem.answer(200, TesterView.model_validate(withdraw_tester(session, citizen_id=citizen_id, actor=actor)))


def _location(citizen_id: UUID) -> dict[str, str]:
    return {"Location": f"{router.prefix}/citizens/{citizen_id}/addresses"}
