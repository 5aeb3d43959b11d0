"""What may go wrong towards a caller, as RFC 9457 problem documents. Routes never catch.

`code` is stable and for machines, `detail` is an English sentence, `field` names the input at fault.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from alerts.kit.db import begin

PROBLEM_JSON = "application/problem+json"
UNREADABLE = (UnicodeDecodeError, RecursionError, ValueError)
log = structlog.get_logger()


class AppError(Exception):
    """The root of every error that a caller can be told about."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, code: str, detail: str, *, field: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.code, self.detail, self.field, self.extra = code, detail, field, extra
        self.remember: Callable[[Session], None] | None = None
        """What to write down although the request is rolled back (a refused approval, say)."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer."""
        wait = self.extra.get("retry_after")
        return {"Retry-After": str(max(1, round(wait)))} if wait else {}


class BadRequestError(AppError):
    """The request lacks something that is not in its body (a header, say)."""

    status = HTTPStatus.BAD_REQUEST


class UnauthenticatedError(AppError):
    """Nobody, or somebody we do not know."""

    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(AppError):
    """Known, but not allowed to."""

    status = HTTPStatus.FORBIDDEN


class NotFoundError(AppError):
    """No such thing, or none that this caller may know of."""

    status = HTTPStatus.NOT_FOUND


class ConflictError(AppError):
    """The thing's state forbids the action."""

    status = HTTPStatus.CONFLICT


class PreconditionFailedError(AppError):
    """The caller's version is stale; `current` carries the newest."""

    status = HTTPStatus.PRECONDITION_FAILED


class TooLargeError(AppError):
    """More bytes than the door takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class InvalidError(AppError):
    """Understood, but not acceptable; `errors` may list several fields."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class PreconditionRequiredError(AppError):
    """A change without `If-Match`."""

    status = HTTPStatus.PRECONDITION_REQUIRED


class ThrottledError(AppError):
    """Too many tries; `retry_after` seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS


def problem(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """The document itself. `type` is a stable, relative reference made of the code."""
    document = {"type": f"/problems/{code}", "title": HTTPStatus(status).phrase, "status": int(status)}
    document |= {"code": code, "detail": detail}
    return document | {key: value for key, value in extra.items() if value is not None}


def problem_of(error: AppError) -> dict[str, Any]:
    """The document of one of our own errors."""
    return problem(error.status, error.code, error.detail, field=error.field, **error.extra)


def problem_response(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The document as an answer. What is not text (half a surrogate pair in a field's name) is shown as `?`."""
    content = json.dumps(jsonable_encoder(document), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(content.encode("utf-8", "replace"), status, dict(headers or {}), PROBLEM_JSON)


def install_error_handlers(app: FastAPI) -> None:
    """Every way out of a route that is not its answer."""
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(OperationalError, _on_database_error)
    app.add_exception_handler(PoolTimeoutError, _on_database_error)
    app.add_exception_handler(DataError, _on_data_error)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(Exception, _on_bug)


async def _on_app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    keep = getattr(request.state, "keep_problem", None)
    document = problem_of(error)
    if error.remember is not None:
        await run_in_threadpool(_write_down, request, error.remember)
    if keep is not None:
        await run_in_threadpool(keep, error.status, document)
    return problem_response(error.status, document, error.headers)


def _write_down(request: Request, remember: Callable[[Session], None]) -> None:
    with begin(request.app.state.sessions) as session:
        remember(session)


async def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [{"field": _field_of(item["loc"]), "code": item["type"], "message": item["msg"]} for item in error.errors()]
    document = problem(422, "invalid_request", "the request does not have the form that is documented", errors=errors)
    document["field"] = errors[0]["field"] if errors else None
    return problem_response(422, document)


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400 and isinstance(error.__cause__, UNREADABLE):
        # Too deep, not UTF-8, a number of ten thousand digits: FastAPI calls it 400, for us it is like any broken JSON.
        return problem_response(422, problem(422, "unreadable_body", "the body cannot be read as JSON", field="body"))
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    return problem_response(error.status_code, problem(error.status_code, code, str(error.detail)), error.headers)


async def _on_database_error(request: Request, error: Exception) -> Response:
    log.error("database.unavailable", route=_route_of(request), kind=type(error).__name__)
    document = problem(503, "database_unavailable", "the database does not answer; nothing was changed")
    return problem_response(503, document, {"Retry-After": "2"})


async def _on_data_error(request: Request, error: Exception) -> Response:
    """The last net: Postgres cannot store a value that should have been refused by its field. Nothing was changed."""
    assert isinstance(error, DataError)
    log.error("database.value_refused", route=_route_of(request), kind=type(error.orig).__name__)
    return problem_response(422, problem(422, "not_storable", "a value is outside what can be stored", field="body"))


async def _on_gone(_: Request, error: Exception) -> Response:  # noqa: ARG001
    """Whoever asked hung up before the body was there: no fault of ours, and nobody reads the answer. Nothing was changed."""
    return problem_response(400, problem(400, "gone", "the caller hung up before the whole body had come", field="body"))


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("request.failed", route=_route_of(request), kind=type(error).__name__)
    return problem_response(500, problem(500, "internal_error", "this is a fault of ours; nothing was changed"))


def _route_of(request: Request) -> str:
    """The address as the route has it, `/i/{token}`: who was meant is not for the log."""
    return str(getattr(request.scope.get("route"), "path", ""))


def _field_of(location: tuple[int | str, ...]) -> str:
    """`("body", "lines", 0, "value")` → `lines[0].value`; headers, paths and queries keep their kind."""
    kind, *path = location or ("",)
    if kind == "body" and len(path) == 1 and isinstance(path[0], int):
        return "body"  # a place in the bytes of what is not JSON
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return name if kind == "body" and name else f"{kind}.{name}".rstrip(".")
