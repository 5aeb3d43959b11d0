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
        body = await _whole_body(scope, receive, state.settings.web.hook_body_bytes)
        if body is None:
            return await self._app(scope, receive, send)
        if not await _is_kept(scope, state, body):
            return await self._app(scope, _again(body, receive), send)
        for message in ANSWER:
            await send(message)
        return None


async def _whole_body(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """A body of known and modest length, when it is a form; otherwise None, and nothing was read."""
    headers = dict(scope["headers"])
    length, kind = headers.get(b"content-length", b""), headers.get(b"content-type", b"")
    if not length.isdigit() or not 0 < int(length[:9]) <= limit or kind.partition(b";")[0].strip().lower() != FORM_TYPE.encode():
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)  # gone before it had said everything: no signature fits that
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


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
    said = Said("twilio", form.get("MessageStatus", ""), form.get("MessageSid", ""), form.get("ErrorCode", ""), signer == exercise)
    try:
        receipt = read_receipt(settings.keyring.callback, scope["path"].removeprefix(PREFIX), said)
        return await door_of(state).add(receipt)
    except Exception:  # noqa: BLE001 - whatever it is, the usual way meets it too and has words for it
        return False


def _again(body: bytes, receive: Receive) -> Receive:
    """The same bytes once more, then whatever comes."""
    is_told = False

    async def again() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
