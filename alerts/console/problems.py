"""What a person sees when something is refused: the same form with the reason, or a plain page; never JSON.

The refusal reaches us after the request's transaction was rolled back. A refused form is answered by
running its page again (the GET of the same path) with the problem and what was typed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from alerts.console.pages import Typed, go, render
from alerts.kit.errors import AppError
from alerts.kit.idempotency import Replayed

Handler = Callable[[Request, Exception], Awaitable[Response]]
CITIZENS = ("/i/", "/c/", "/exercise/i/", "/exercise/c/", "/public/", "/exercise/public/")
API_PREFIXES = ("/api/", "/hooks/", *CITIZENS, "/healthz", "/readyz", "/metrics", "/openapi", "/docs", "/static/")
NO_FORM_AGAIN = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
SECRET_FIELDS = ("password", "current", "new", "new_again")


def install_problem_pages(app: FastAPI) -> None:
    """Stand in front of the API's error handlers for the paths of pages; leave all others to them."""
    for kind, otherwise in list(app.exception_handlers.items()):
        if kind is not Replayed:
            app.add_exception_handler(kind, _pages_first(app, otherwise))


class FormAgain(Response):
    """Runs the form's page in place of the refused POST and gives it the refusal's status.

    The page is the GET of the same path, else the page that the browser came from, else a plain one.
    """

    def __init__(self, app: FastAPI, request: Request, status: int, plain: Response) -> None:
        super().__init__(status_code=status)
        self._app, self._request, self._plain = app, request, plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for path in (self._request.url.path, _came_from(self._request)):
            if path and await self._is_page_sent(path, send):
                return
        await self._plain(scope, receive, send)

    async def _is_page_sent(self, path: str, send: Send) -> bool:
        is_page = False

        async def send_page_only(message: Message) -> None:
            nonlocal is_page
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                is_page = True
                message = {**message, "status": self.status_code}
            if is_page:
                await send(message)

        with suppress(HTTPException):  # no page lives at this path
            await self._app.router(_as_get(self._request.scope, path), _nothing_to_read, send_page_only)
        return is_page


def _pages_first(app: FastAPI, otherwise: Any) -> Handler:
    """The API's own handler runs first: it writes down what must be, and decides the status."""

    async def handle(request: Request, error: Exception) -> Response:
        answer: Response = await otherwise(request, error)
        if request.url.path.startswith(API_PREFIXES):
            return answer
        page = _page_of(app, request, error, answer.status_code)
        if "retry-after" in answer.headers:
            page.headers["Retry-After"] = answer.headers["retry-after"]
        return page

    return handle


def _page_of(app: FastAPI, request: Request, error: Exception, status: int) -> Response:
    if status == HTTPStatus.UNAUTHORIZED and request.url.path != "/sign-in":
        return _to_sign_in(request)
    if isinstance(error, AppError) and error.code == "password_change_required":
        return go("/password")
    plain = render(request, "problem.html", {"status": status, "found": _problem_of(error)}, status=status)
    if request.method != "POST" or status in NO_FORM_AGAIN:
        return plain
    request.state.problem = _problem_of(error)
    request.state.typed = _typed(request)
    return FormAgain(app, request, status, plain)


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request"):
        # A part of a page cannot be a sign-in form: let htmx go there with the whole page.
        return Response(status_code=204, headers={"HX-Redirect": "/sign-in"})
    return go(f"/sign-in?next={quote(request.url.path)}")


def _problem_of(error: Exception) -> dict[str, Any]:
    if isinstance(error, AppError):
        return {"code": error.code, "detail": error.detail, "field": error.field, **error.extra}
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return {"code": "invalid_request", "detail": first["msg"], "field": str(first["loc"][-1])}
    return {"code": "http", "detail": "", "field": None}


def _typed(request: Request) -> Typed:
    """What the person typed, but no secret: those are typed again. Nothing, if the refusal came before the form was read."""
    form = getattr(request, "_form", None)
    fields = form.multi_items() if form is not None else []
    return Typed((name, value) for name, value in fields if isinstance(value, str) and name not in SECRET_FIELDS)


def _came_from(request: Request) -> str:
    """The path of the page that held the form; a page of another site cannot post here (Origin)."""
    return urlsplit(request.headers.get("referer", "")).path


def _as_get(scope: Scope, path: str) -> Scope:
    # The last two: where FastAPI closes what a form opened, and how a refusal within the page is answered.
    kept = (
        "type",
        "asgi",
        "http_version",
        "server",
        "client",
        "scheme",
        "root_path",
        "query_string",
        "app",
        "fastapi_middleware_astack",
        "starlette.exception_handlers",
    )
    fresh = {name: scope[name] for name in kept if name in scope}
    left_out = (b"content-type", b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in left_out]
    where = {"path": path, "raw_path": path.encode()}
    return {**fresh, **where, "method": "GET", "headers": headers, "state": dict(scope.get("state", {}))}


async def _nothing_to_read() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
