"""The operations of the interface, read from its own document."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fastapi import FastAPI

from alerts.kit.openapi import find_header, operations

STREAMS = {"watch_sheet"}
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    spec: dict[str, Any]
    document: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.spec["operationId"])

    @property
    def path_names(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def is_public(self) -> bool:
        return "security" not in self.spec

    @property
    def needs_key(self) -> bool:
        return find_header(self.spec, "Idempotency-Key") is not None

    @property
    def is_list(self) -> bool:
        return {"limit"} <= {p["name"] for p in self.spec.get("parameters", ())}

    def body(self) -> tuple[str, Any] | None:
        """Media type and the document's own example; None without a body."""
        for media_type, content in self.spec.get("requestBody", {}).get("content", {}).items():
            schema = self.resolve(content.get("schema", {}))
            examples = [content.get("example"), schema.get("example"), *schema.get("examples", ())]
            return media_type, next((json.loads(json.dumps(e)) for e in examples if e is not None), None)
        return None

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.document["components"]["schemas"][name] if name else schema

    def body_arguments(self, ids: dict[str, str]) -> dict[str, Any]:
        """The example as arguments for a request, about the things with these ids."""
        media_type, example = self.body() or ("", None)
        if media_type == FORM:
            return {"data": example}
        if media_type == "text/csv":
            return {"content": example.encode()}
        if isinstance(example, dict):
            return {"json": example | {name: ids[name] for name in example if name in ids}}
        return {}


def load_document(app: FastAPI) -> dict[str, Any]:
    """The document as clients get it; the application is never asked anything."""
    return json.loads(json.dumps(app.openapi()))


def all_operations(document: dict[str, Any]) -> list[Operation]:
    return [Operation(method, path, spec, document) for method, path, spec in operations(document)]


def headers_for(operation: Operation) -> dict[str, str]:
    """What the operation asks for besides an account: a fresh key, any version, the type of the body."""
    headers = {"Idempotency-Key": str(uuid4())} if operation.needs_key else {}
    if find_header(operation.spec, "If-Match") is not None:
        headers["If-Match"] = "*"
    media_type, _ = operation.body() or ("", None)
    return headers | ({"Content-Type": media_type} if media_type == "text/csv" else {})


def problem_faults(answer: Any) -> list[str]:
    """What is wrong with an error as a problem document; nothing for a good one and for what is no error."""
    if answer.status_code < 400:
        return []
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return [f"{answer.status_code} is {answer.headers.get('content-type')}: {answer.text[:80]!r}"]
    found = answer.json()
    faults = [f"no {name} in {found}" for name in ("type", "title", "status", "code", "detail") if found.get(name) in (None, "")]
    if found.get("status") != answer.status_code:
        faults.append(f"says {found.get('status')} and is {answer.status_code}")
    if answer.status_code == 422 and not found.get("field"):
        faults.append(f"names no field: {found}")
    return faults


def faults(operation: Operation, answer: Any) -> list[str]:
    """What an answer must not be, whatever was asked: a fault of ours, undocumented, or a problem without its form."""
    found = [f"{answer.status_code}: {answer.text[:200]}"] if answer.status_code >= 500 else []
    documented = operation.spec["responses"].get(str(answer.status_code))
    if documented is None:
        return [*found, f"{answer.status_code} is not documented"]
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if answer.content and media_type not in documented.get("content", {media_type: None}):
        found.append(f"{answer.status_code} comes as {media_type}, documented are {list(documented['content'])}")
    is_page = media_type == "text/html" and media_type in documented.get("content", {})
    return found if is_page else found + problem_faults(answer)
