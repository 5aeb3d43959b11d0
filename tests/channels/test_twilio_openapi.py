"""An outside opinion: Twilio's own published description of its API, on our requests and on the sandbox's answers."""

from __future__ import annotations

import asyncio
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from alerts.channels.twilio_sms import TwilioSms
from alerts.channels.twilio_voice import TwilioVoice
from alerts.channels.twilio_whatsapp import TwilioWhatsApp
from tests.channels.peer import config, http, message, peer, replying
from tests.channels.ways import TEMPLATE, voice_message, whatsapp_message
from tests.sandbox.world import ACCOUNT, SENDER, World, closing, play

PUBLISHED = os.environ.get("SIAGA_TWILIO_OPENAPI", "")
pytestmark = pytest.mark.skipif(not PUBLISHED, reason="SIAGA_TWILIO_OPENAPI does not name Twilio's published OpenAPI file")
MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
CALLS = "/2010-04-01/Accounts/{AccountSid}/Calls.json"
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


def sent(answer: bytes, act: Any, *, make: Any = TwilioSms, **changes: Any) -> bytes:
    async def scene() -> bytes:
        async with peer(replying(answer)) as (one, url), closing(port := make(config(url, **changes))):
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


WAYS = {
    "whatsapp": (TwilioWhatsApp, whatsapp_message, MESSAGES, {"ValidityPeriod": "integer"}),
    "voice": (TwilioVoice, voice_message, CALLS, {"StatusCallbackEvent": "array", "Timeout": "integer"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_our_other_create_requests(openapi: OpenAPI, published: dict[str, Any], way: str) -> None:
    make, write, path, other_kinds = WAYS[way]
    raw = sent(CREATED, lambda port: port.send(write()), make=make)
    openapi.validate_request(recorded(raw))
    schema = published["paths"][path]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    fields = parse_qsl(raw.partition(b"\r\n\r\n")[2].decode(), strict_parsing=True)
    form = dict(fields)
    assert set(schema["required"]) <= set(form) <= set(schema["properties"])
    assert {name: schema["properties"][name]["type"] for name in form} == dict.fromkeys(form, "string") | other_kinds
    repeated = {name for name in form if sum(name == each for each, _ in fields) > 1}
    assert repeated == {name for name, kind in other_kinds.items() if kind == "array"}
    for name, value in form.items():
        pattern = schema["properties"][name].get("pattern")
        assert pattern is None or re.fullmatch(pattern, value), name
    assert len(form.get("Twiml", "")) <= 4000
    assert set(json.loads(form.get("ContentVariables", "{}")).values()) <= {*whatsapp_message().variables.values()}


@pytest.mark.parametrize(
    ("way", "ours", "wrong"),
    [
        ("whatsapp", f"ContentSid={TEMPLATE}", "ContentSid=HX1"),
        ("whatsapp", "ValidityPeriod=600", "ValidityPeriod=soon"),
        ("voice", "Calls.json", "Call.json"),
        ("voice", "Timeout=45", "Timeout=long"),
        ("voice", "To=", "Tx="),
    ],
)
def test_another_wrong_request_would_be_found(openapi: OpenAPI, way: str, ours: str, wrong: str) -> None:
    make, write, *_ = WAYS[way]
    raw = sent(CREATED, lambda port: port.send(write()), make=make)
    assert ours.encode() in raw
    with pytest.raises(OpenAPIError):
        openapi.validate_request(recorded(raw.replace(ours.encode(), wrong.encode(), 1)))


@pytest.mark.parametrize(("way", "to"), [("whatsapp", "whatsapp:+628110000001"), ("voice", "+628110000001")])
def test_our_other_list_requests(openapi: OpenAPI, way: str, to: str) -> None:
    make, write, *_ = WAYS[way]
    empty = http("200 OK", {"messages": [], "calls": []})
    raw = sent(empty, lambda port: port.find_sent(write(), created_after=datetime.now(UTC)), make=make)
    request = recorded(raw)
    assert dict(request.parameters.query) == {"To": to, "PageSize": "50"}, "neither DateSent nor StartTime"
    openapi.validate_request(request)


def test_the_sandbox_answers_of_calls_as_twilio_would(openapi: OpenAPI, published: dict[str, Any], tmp_path: Path) -> None:
    async def scene(w: World) -> None:
        base = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
        form = {"To": "+628110000001", "From": SENDER, "Twiml": "<Response><Say>Gempa</Say></Response>"}
        status, created = await w.api("POST", f"{base}.json", data=form)
        assert status == 201
        await w.settled()
        _, fetched = await w.api("GET", f"{base}/{created['sid']}.json")
        _, listed = await w.api("GET", f"{base}.json", params={"To": "+628110000001"})
        assert (created["status"], fetched["status"]) == ("queued", "completed")
        answers.extend([("post", f"{base}.json", 201, created), ("get", f"{base}.json", 200, listed)])
        assert listed["calls"] == [fetched]

    answers: list[tuple[str, str, int, dict[str, Any]]] = []
    play(scene, tmp_path / "log")
    fields = set(published["components"]["schemas"]["api.v2010.account.call"]["properties"])
    for method, path, status, body in answers:
        data = b"To=%2B1&From=%2B1"
        request = MockRequest("https://api.twilio.com", method, path, data=data, content_type="application/x-www-form-urlencoded")
        openapi.validate_response(request, MockResponse(json.dumps(body).encode(), status_code=status, content_type="application/json"))
        assert set(body["calls"][0] if "calls" in body else body) == fields


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
