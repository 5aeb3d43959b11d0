"""The quick way in for Twilio's receipts: a storm of them costs less than half of what the usual way through the routes costs.

Only what is in order is taken here: genuine, complete, of an attempt that exists, and stored when it is answered. Everything
else goes the usual way with the same bytes, and whatever is wrong with it is said there (`routes_receipts`).
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerts.channels.webhook import FORM_TYPE, checks_of
from alerts.deliveries.receipts import Said, door_of, read_receipt
from alerts.settings import Settings

PREFIX: Final = "/hooks/twilio/status/"
LENGTH_DIGITS: Final = 10
ANSWER: Final[tuple[Message, Message]] = (
    {"type": "http.response.start", "status": 204, "headers": []},
    {"type": "http.response.body", "body": b""},
)


class ReceiptDoor:
    """ASGI: takes the receipts that are in order and hands on every other request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(PREFIX) or scope["query_string"]:
            return await self._app(scope, receive, send)
        state = scope["app"].state
        limit = state.settings.web.hook_body_bytes
        if not _is_modest_form(scope, limit):
            return await self._app(scope, receive, send)
        body, has_more = await _read(receive, limit)
        if has_more or len(body) > limit or not await _is_kept(scope, state, body):
            return await self._app(scope, _again(body, receive, has_more=has_more), send)
        for message in ANSWER:
            await send(message)
        return None


def _is_modest_form(scope: Scope, limit: int) -> bool:
    """Whether it says that it is a form, and of a length that a receipt has."""
    headers = dict(scope["headers"])
    length, kind = headers.get(b"content-length", b""), headers.get(b"content-type", b"")
    is_modest = length.isdigit() and len(length) < LENGTH_DIGITS and 0 < int(length) <= limit
    return is_modest and kind.partition(b";")[0].strip().lower() == FORM_TYPE.encode()


async def _read(receive: Receive, limit: int) -> tuple[bytes, bool]:
    """The body, and whether there is more: little more than the limit is held here, whatever the headers claim."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body), False  # gone before it had said everything: no signature fits that
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
        if not has_more or len(body) > limit:
            return bytes(body), has_more


async def _is_kept(scope: Scope, state: Any, body: bytes) -> bool:
    """Whether the receipt was in order and is stored."""
    settings: Settings = state.settings
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return False
    form = dict(pairs)
    signature = next((value for name, value in scope["headers"] if name == b"x-twilio-signature"), b"").decode("latin-1")
    check, exercise = checks_of(settings)
    signer = check.signer_of(scope["path"], form, signature) if len(form) == len(pairs) else None
    if signer is None:
        return False
    said = Said("twilio", form.get("MessageStatus", ""), form.get("MessageSid", ""), form.get("ErrorCode", ""), signer in exercise)
    try:
        receipt = read_receipt(settings.keyring.callback, scope["path"].removeprefix(PREFIX), said)
        return await door_of(state).add(receipt)
    except Exception:  # noqa: BLE001 - whatever it is, the usual way meets it too and has words for it
        return False


def _again(body: bytes, receive: Receive, *, has_more: bool) -> Receive:
    """The same bytes once more, then whatever comes."""
    is_told = False

    async def again() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": has_more}

    return again
