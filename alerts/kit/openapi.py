"""What FastAPI cannot know of our interface, added to its document: problems, credentials, required headers.

Read from each operation itself (it takes a key, it has a path parameter, …), so that a new route is
described completely without a word of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from alerts.kit.errors import PROBLEM_JSON

METHODS = ("get", "post", "put", "patch", "delete")
Operation = dict[str, Any]
PROBLEM_CONTENT = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
PAGE = {"text/html": {"schema": {"type": "string"}}}
PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457. `code` is stable and for machines, `field` names the input at fault, `errors` has one entry per field.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "detail": {"type": "string"},
        "field": {"type": ["string", "null"]},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "example": {
        "type": "/problems/incident_closed",
        "title": "Conflict",
        "status": 409,
        "code": "incident_closed",
        "detail": "the incident is closed",
    },
}
CREDENTIALS = {
    "token": {"type": "http", "scheme": "bearer", "description": "for API clients; cannot approve"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-siaga", "description": "of a person who signed in; needs our own Origin"},
}
MEANINGS = {
    400: "a required header is missing, or the request cannot be read",
    401: "nobody is signed in, or the token is not valid",
    403: "known, but not allowed to",
    404: "no such thing, or another mission's",
    409: "the state of the thing forbids it, or the first request with this key still runs",
    412: "stale: somebody changed it since; `current` has the newest version",
    413: "more bytes than this door takes",
    422: "understood, but not acceptable; `field` says where",
    428: "`If-Match` is missing",
    503: "the database does not answer; nothing was changed",
}


def unique_id(route: APIRoute) -> str:
    """The stable name of an operation that gives none of its own."""
    return route.name


def describe(app: FastAPI, is_public: Callable[[str, str], bool]) -> None:
    """Make `app.openapi()` complete. `is_public(method, path)`: needs no credentials."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            complete(plain(), is_public)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def complete(document: dict[str, Any], is_public: Callable[[str, str], bool]) -> None:
    """Add to the document in place what holds for every operation of its kind."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    components["securitySchemes"] = CREDENTIALS
    for method, path, operation in operations(document):
        operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
        public = is_public(method, path)
        if not public:
            operation["security"] = [{name: []} for name in CREDENTIALS]
        for name in ("Idempotency-Key", "If-Match"):
            if (header := find_header(operation, name)) is not None:
                header["required"] = True
        _add_responses(method, path, operation, is_public=public)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    """Every operation with its method (capitals) and path."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def find_header(operation: Operation, name: str) -> dict[str, Any] | None:
    """The declared header parameter of that name."""
    found = (p for p in operation.get("parameters", ()) if p["in"] == "header" and p["name"].lower() == name.lower())
    return next(found, None)


def _add_responses(method: str, path: str, operation: Operation, *, is_public: bool) -> None:
    responses = operation["responses"]
    for status in sorted(_problems_of(path, operation, is_public=is_public) | {int(code) for code in responses if code[0] in "45"}):
        given = responses.get(str(status), {})
        description = given.get("description") or ""
        if description in ("", "Validation Error"):
            description = MEANINGS.get(status, HTTPStatus(status).phrase)
        is_page = "text/html" in given.get("content", {}) or (status == 404 and "text/html" in responses.get("200", {}).get("content", {}))
        responses[str(status)] = given | {"description": description, "content": (PAGE if is_page else {}) | PROBLEM_CONTENT}
    is_json = "application/json" in responses.get("200", {}).get("content", {})
    if method == "GET" and is_json and not is_public:
        responses["200"].setdefault("headers", {})["ETag"] = {"schema": {"type": "string"}}
        responses["304"] = {"description": "unchanged since the ETag in `If-None-Match`"}


def _problems_of(path: str, operation: Operation, *, is_public: bool) -> set[int]:
    found = {503} if path != "/healthz" else set()
    if not is_public:
        found |= {401, 403}
    if "{" in path:
        found |= {404, 422}
    if operation.get("parameters"):
        found |= {422}
    if "requestBody" in operation:
        found |= {400, 413, 422}
    if find_header(operation, "Idempotency-Key") is not None:
        found |= {400, 404, 409, 413, 422}  # 404 for what only the body names
    if find_header(operation, "If-Match") is not None:
        found |= {409, 412, 428}
    return found
