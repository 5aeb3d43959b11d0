"""What goes wrong is said in one form, and a fault of ours tells nothing of its inside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.types import Message
from structlog.testing import capture_logs

from alerts.app import create_app
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, Tx
from alerts.kit.ids import callback_token
from alerts.settings import Settings
from tests.api.interface import problem_faults
from tests.support.apps import lent

SignIn = Callable[..., dict[str, str]]


def bug() -> None:
    raise RuntimeError("the name of a citizen")


def value_that_postgres_refuses(session: Tx) -> None:
    session.execute(text("SELECT cast(:number AS integer)"), {"number": 2**40})


def database_away() -> None:
    raise OperationalError("SELECT 'the name of a citizen'", None, Exception("gone"))


def no_connection_free() -> None:
    raise PoolTimeoutError


@pytest.fixture(scope="module")
def faulty_app(settings: Settings) -> FastAPI:
    """An application with routes that no other test may see."""
    app = create_app(settings)
    for route in bug, value_that_postgres_refuses, database_away, no_connection_free:
        app.get(f"/api/v1/{route.__name__}")(route)
    return app


@pytest.mark.parametrize(
    ("route", "status", "code"),
    [
        (bug, 500, "internal_error"),
        (value_that_postgres_refuses, 422, "not_storable"),
        (database_away, 503, "database_unavailable"),
        (no_connection_free, 503, "database_unavailable"),
    ],
)
def test_a_fault_is_a_problem_and_names_nobody(
    faulty_app: FastAPI, settings: Settings, savepoint_sessions: Sessions, route: Callable[..., None], status: int, code: str
) -> None:
    with lent(faulty_app, settings, savepoint_sessions):
        answer = TestClient(faulty_app, raise_server_exceptions=False).get(f"/api/v1/{route.__name__}")
    assert (answer.status_code, answer.json()["code"], problem_faults(answer)) == (status, code, [])
    assert "citizen" not in answer.text
    assert (status == 503) == ("retry-after" in answer.headers)


@pytest.mark.parametrize("route", [bug, value_that_postgres_refuses, database_away])
def test_the_log_says_where_a_fault_was(
    faulty_app: FastAPI, settings: Settings, savepoint_sessions: Sessions, route: Callable[..., None]
) -> None:
    with lent(faulty_app, settings, savepoint_sessions), capture_logs() as lines:
        TestClient(faulty_app, raise_server_exceptions=False).get(f"/api/v1/{route.__name__}?name=a-citizen")
    assert [line["route"] for line in lines if line["log_level"] == "error"] == [f"/api/v1/{route.__name__}"]


@pytest.mark.parametrize("path", ["/hooks/twilio/inbound", "/api/v1/incidents"])
def test_who_hangs_up_before_the_body_is_there_is_no_fault_of_ours(client: TestClient, path: str) -> None:
    """Carriers do so whenever we are slow; a stack trace each would bury what matters."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [
        (b"content-type", b"application/x-www-form-urlencoded" if "hooks" in path else b"application/json"),
        (b"host", b"testserver"),
    ]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    with capture_logs() as lines:
        asyncio.run(client.app(scope | {"client": ("testclient", 1), "server": ("testserver", 80), "scheme": "http"}, receive, send))  # type: ignore[arg-type]
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [400]
    assert [line for line in lines if line["log_level"] == "error"] == []


UNREADABLE = {
    "no JSON": b"{",
    "nothing": b"",
    "not UTF-8": b'{"title": "\xff"}',
    "too deep": b"[" * 100_000,
    "a number of 5,000 digits": b'{"title": ' + b"9" * 5_000 + b"}",
    "no object": b"[]",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_the_fault_of_the_body(client: TestClient, sign_in: SignIn, body: bytes) -> None:
    headers = sign_in("duty_officer", via="token") | {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = client.post("/api/v1/incidents", content=body, headers=headers)
    assert (answer.status_code, answer.json()["field"], problem_faults(answer)) == (422, "body", [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"title": "a\\u0000"}', "title"),
        (b'{"title": "\\ud800"}', "title"),
        (b'{"areas": [{"kind": "country", "code": "T\\u0000"}]}', "areas[0].code"),
        (b'{"lists": [{"members": ["a", "\\u0000"]}]}', "lists[0].members[1]"),
        (b'{"no\\ud800such": 1}', "no?such"),
        (b'{"areas": [{"kind": "circle", "geometry": {"lat": NaN, "lon": 1, "radius_km": 1}}]}', "areas[0].geometry"),
    ],
)
def test_the_field_is_named_however_deep(client: TestClient, sign_in: SignIn, body: bytes, field: str) -> None:
    headers = sign_in("duty_officer", via="token") | {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = client.post("/api/v1/incidents", content=body, headers=headers)
    assert (answer.status_code, problem_faults(answer)) == (422, [])
    assert [error["field"] for error in answer.json()["errors"] if error["field"].startswith(field)], answer.text


def test_an_address_with_nul_is_refused_by_name(client: TestClient) -> None:
    for address, field in (("/api/v1/incidents?state=a%00", "query.state"), ("/i/%00", "path")):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["field"], problem_faults(answer)) == (422, field, [])


@pytest.mark.parametrize(
    ("body", "field"), [(b"[", "/message/state"), (b"{}", "/message/state"), (b'{"message": {"state": "ARRIVED"}}', "/message/id")]
)
def test_a_receipt_that_lacks_something_names_it_as_its_provider_does(
    client: TestClient, keyring: Keyring, body: bytes, field: str
) -> None:
    answer = client.post(f"/hooks/sms/lintas/status/{callback_token(keyring.callback, '6401-1')}", content=body)
    assert (answer.status_code, answer.json().get("field"), problem_faults(answer)) == (422, field, [])
