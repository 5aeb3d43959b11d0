"""HTTP of a link's devices, and the two scripts of the citizen's page: what it does when tapped, and what shows an alert.

The link goes in the body, never in the address: addresses are logged, and kept with the Idempotency-Key.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Response

from alerts.checkins.devices import actions
from alerts.checkins.devices.schemas import LinkBrowserIn, LinkBrowserOut, LinkDeviceIn, RegisteredView
from alerts.kit.db import Tx
from alerts.kit.idempotency import Idem
from alerts.settings import KeyringDep, SettingsDep

router = APIRouter(tags=["a citizen's link"])
ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"description": "no such link: forged, revoked, or of the other world"},
    409: {"description": "`link_over`, `opted_out`, `not_a_tester` (`detail` says so in the person's language), or `registered_otherwise`"},
    422: {"description": "what was given is no such address; `field` names it"},
    429: {"description": "too many new devices by this link; `Retry-After` says how long to wait"},
}
SCRIPT_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    # A service worker obeys the policy that it came with, not the page's.
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
}


@router.post("/api/v1/link/browsers", status_code=201, response_model=RegisteredView, responses=ANSWERS, operation_id="add_link_browser")
def post_browser(body: LinkBrowserIn, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Alerts to this browser from now on. Again, it was seen again; another person's browser is theirs no more."""
    holder = actions.get_holder(session, settings.keyring, body.link, is_exercise=body.is_exercise)
    idem.start(actions.actor_of(holder).key)
    actions.add_browser(session, settings, holder, body.subscription)
    return idem.answer(201, RegisteredView(is_registered=True))


@router.post("/api/v1/link/browsers/retire", response_model=RegisteredView, responses=ANSWERS, operation_id="retire_link_browser")
def post_browser_gone(body: LinkBrowserOut, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """No more alerts to this browser. The same answer whether it was registered or not."""
    holder = actions.get_holder(session, keyring, body.link, is_exercise=body.is_exercise)
    idem.start(actions.actor_of(holder).key)
    actions.take_browser(session, keyring, holder, body.endpoint)
    return idem.answer(200, RegisteredView(is_registered=False))


@router.post("/api/v1/link/devices", status_code=201, response_model=RegisteredView, responses=ANSWERS, operation_id="add_link_device")
def post_device(body: LinkDeviceIn, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Alerts to this app from now on, by Firebase Cloud Messaging. Safe to repeat; a token belongs to one person at a time."""
    holder = actions.get_holder(session, keyring, body.link, is_exercise=False)
    idem.start(actions.actor_of(holder).key)
    actions.add_device(session, keyring, holder, body.token)
    return idem.answer(201, RegisteredView(is_registered=True))


@router.post("/api/v1/link/devices/retire", response_model=RegisteredView, responses=ANSWERS, operation_id="retire_link_device")
def post_device_gone(body: LinkDeviceIn, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """No more alerts to this app. The same answer whether it was registered or not."""
    holder = actions.get_holder(session, keyring, body.link, is_exercise=False)
    idem.start(actions.actor_of(holder).key)
    actions.take_device(session, keyring, holder, body.token)
    return idem.answer(200, RegisteredView(is_registered=False))


@router.get("/i/alerts.js", include_in_schema=False)
def get_page_script() -> Response:
    """What the citizen's page does when somebody wants alerts here."""
    return _script("alerts.js")


@router.get("/i/worker.js", include_in_schema=False)
@router.get("/exercise/i/worker.js", include_in_schema=False)
def get_worker() -> Response:
    """What shows an alert when no page is open. Its address is its scope: an exercise's never stands for the other one."""
    return _script("worker.js")


def _script(name: str) -> Response:
    source = files("alerts.checkins").joinpath("templates", name).read_text(encoding="utf-8")
    return Response(source, media_type="text/javascript", headers=SCRIPT_HEADERS)
