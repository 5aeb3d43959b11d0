"""What lies around every route: how large a body may be, no NUL in an address, an ETag on every read, nothing for shared caches."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerts.kit.errors import problem, problem_response

MEDIA_TYPE = "application/json"


TOO_LARGE = "too many bytes: this door takes at most {limit}"


class LimitBody:
    """413 for a larger body: at once when its length is declared, otherwise as soon as a byte too many has come.

    `uploads` gives limits of their own to paths that end so. FastAPI's own limit answers in plain text.
    """

    def __init__(self, app: ASGIApp, limit: int, uploads: Mapping[str, int]) -> None:
        self._app, self._limit, self._uploads = app, limit, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        limit = next((limit for ending, limit in self._uploads.items() if scope["path"].endswith(ending)), self._limit)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
            document = problem(413, "content_too_large", TOO_LARGE.format(limit=limit), field="body")
            return await problem_response(413, document)(scope, receive, send)
        return await self._app(scope, _counted(receive, limit), send)


class RefuseNul:
    """422 for an address with a NUL character: no text of ours has one, and Postgres cannot store it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        field = _field_with_nul(scope) if scope["type"] == "http" else None
        if field is None:
            return await self._app(scope, receive, send)
        document = problem(422, "nul_character", "an address cannot contain a NUL character", field=field)
        return await problem_response(422, document)(scope, receive, send)


class KeepPrivate:
    """Every answer under `prefix` that says nothing else of caches may be kept by its own reader alone, who asks again each time.

    Without it a cache may guess; and an answer is what its type says, whatever a browser would make of the bytes.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            return await self._app(scope, receive, send)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                headers.setdefault("Cache-Control", "private, no-cache")
                headers.setdefault("X-Content-Type-Options", "nosniff")
                message = {**message, "headers": headers.raw}
            await send(message)

        return await self._app(scope, receive, marked)


class EntityTags:
    """Gives every JSON answer to a GET an ETag of its bytes, unless it has one, and answers 304 to who knows it."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(self._prefix):
            known = Headers(scope=scope).get("if-none-match", "")
            send = _Tagged(known, send)
        await self._app(scope, receive, send)


class _Tagged:
    """Holds a JSON answer back until its last byte; everything else passes through."""

    def __init__(self, known: str, send: Send) -> None:
        self._known = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_taggable(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        etag = '"' + hashlib.sha256(self._body).hexdigest()[:32] + '"'
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["ETag"] = etag
        if self._known & {etag, "*"}:
            del headers["content-length"], headers["content-type"]
            start, self._body = {**start, "status": 304}, b""
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": self._body})


def _counted(receive: Receive, limit: int) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413, TOO_LARGE.format(limit=limit))
        return message

    return counted


def _is_taggable(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and headers.get("content-type", "").startswith(MEDIA_TYPE) and "etag" not in headers


def _field_with_nul(scope: Any) -> str | None:
    if "\x00" in scope["path"]:
        return "path"
    if b"%00" not in scope["query_string"]:
        return None
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return next((f"query.{name}".replace("\x00", "") for name, value in pairs if "\x00" in name + value), None)
