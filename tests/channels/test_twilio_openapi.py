"""An outside opinion: Twilio's own published description of its API, on our requests and on the sandbox's answers."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from alerts.channels.twilio_sms import TwilioSms
from tests.channels.peer import config, http, message, peer, replying
from tests.sandbox.world import ACCOUNT, SENDER, World, closing, play

PUBLISHED = os.environ.get("SIAGA_TWILIO_OPENAPI", "")
pytestmark = pytest.mark.skipif(not PUBLISHED, reason="SIAGA_TWILIO_OPENAPI does not name Twilio's published OpenAPI file")
MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
CREATED = http("201 Created", {"sid": "SM" + "0" * 32, "status": "queued"})


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return json.loads(Path(PUBLISHED).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def openapi(published: dict[str, Any]) -> OpenAPI:
    return OpenAPI.from_dict(published)


def recorded(raw: bytes) -> MockRequest:
    """A request as it went over the wire, in the form that the validator takes."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in rest)
    parts = urlsplit(target)
    return MockRequest(
        "https://api.twilio.com",
        method.lower(),
        parts.path,
        args=dict(parse_qsl(parts.query, strict_parsing=bool(parts.query))),
        headers={name: value for name, value in headers.items() if name != "Host"},
        data=body,
        content_type=headers.get("Content-Type", "application/json"),
    )


def sent(answer: bytes, act: Any, **changes: Any) -> bytes:
    async def scene() -> bytes:
        async with peer(replying(answer)) as (one, url), closing(port := TwilioSms(config(url, **changes))):
            await act(port)
            return one.requests[0]

    return asyncio.run(scene())


@pytest.mark.parametrize("sender", [{}, {"from_": "", "messaging_service_sid": "MG" + "a" * 32}, {"from_": "KEMLU"}])
def test_our_create_request(openapi: OpenAPI, published: dict[str, Any], sender: dict[str, str]) -> None:
    raw = sent(CREATED, lambda port: port.send(message()), **sender)
    openapi.validate_request(recorded(raw))
    schema = published["paths"][MESSAGES]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    form = dict(parse_qsl(raw.partition(b"\r\n\r\n")[2].decode(), strict_parsing=True))
    assert set(schema["required"]) <= set(form) <= set(schema["properties"])
    kinds = {name: schema["properties"][name]["type"] for name in form}
    assert kinds == dict.fromkeys(form, "string") | {"ValidityPeriod": "integer", "SmartEncoded": "boolean"}
    assert 1 <= int(form["ValidityPeriod"]) <= 36_000
    assert form["SmartEncoded"] in ("true", "false")


@pytest.mark.parametrize(
    ("ours", "wrong"),
    [
        (ACCOUNT, "AC5"),
        ("Messages.json", "Message.json"),
        ("To=", "Tx="),
        ("ValidityPeriod=600", "ValidityPeriod=soon"),
        ("SmartEncoded=false", "SmartEncoded=perhaps"),
    ],
)
def test_a_wrong_request_would_be_found(openapi: OpenAPI, ours: str, wrong: str) -> None:
    raw = sent(CREATED, lambda port: port.send(message()))
    with pytest.raises(OpenAPIError):
        openapi.validate_request(recorded(raw.replace(ours.encode(), wrong.encode(), 1)))


def test_our_list_request(openapi: OpenAPI) -> None:
    empty = http("200 OK", {"messages": []})
    raw = sent(empty, lambda port: port.find_by_to("+628110000001", body="x", from_=SENDER, created_after=datetime.now(UTC)))
    request = recorded(raw)
    assert request.parameters.query["To"] == "+628110000001"
    openapi.validate_request(request)


def test_the_sandbox_answers_as_twilio_would(openapi: OpenAPI, published: dict[str, Any], tmp_path: Path) -> None:
    async def scene(w: World) -> None:
        base = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
        form = {"To": "+628110000001", "From": SENDER, "Body": "Gempa"}
        status, created = await w.api("POST", f"{base}.json", data=form)
        assert status == 201
        await w.settled()
        _, fetched = await w.api("GET", f"{base}/{created['sid']}.json")
        _, listed = await w.api("GET", f"{base}.json", params={"To": "+628110000001"})
        assert fetched["status"] == "delivered"
        answers.extend([("post", f"{base}.json", 201, created), ("get", f"{base}/{created['sid']}.json", 200, fetched)])
        answers.append(("get", f"{base}.json", 200, listed))

    answers: list[tuple[str, str, int, dict[str, Any]]] = []
    play(scene, tmp_path / "log")
    fields = set(published["components"]["schemas"]["api.v2010.account.message"]["properties"])
    for method, path, status, body in answers:
        request = MockRequest("https://api.twilio.com", method, path, data=b"To=%2B1", content_type="application/x-www-form-urlencoded")
        openapi.validate_response(request, MockResponse(json.dumps(body).encode(), status_code=status, content_type="application/json"))
        shown = body["messages"][0] if "messages" in body else body
        assert set(shown) == fields
