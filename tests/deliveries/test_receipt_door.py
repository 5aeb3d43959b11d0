"""The quick way in: what is in order is stored there, and everything else reaches the usual way with the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from twilio.request_validator import RequestValidator

from alerts.deliveries.receipt_door import PREFIX, ReceiptDoor
from alerts.deliveries.rules import STEP_PLACES, attempt_name
from alerts.kit.db import Sessions
from alerts.kit.ids import callback_token
from alerts.settings import Settings
from tests.deliveries.test_receipt_doors import EXERCISE_TOKEN, PUBLIC_URL, TOKEN, Doors, hand_over
from tests.support.apps import lent

FORM = {"MessageSid": "L-1", "MessageStatus": "delivered", "To": "+628120000000"}
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
USUAL = 418


class Behind:
    """What stands behind the door, and the bodies that reached it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body, has_more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await Response(status_code=USUAL)(scope, receive, send)


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def doors(
    shared_app: FastAPI, make_settings: Callable[..., Settings], database_url: str, sessions: Sessions, behind: Behind
) -> Iterator[Doors]:
    tokens = {"SIAGA_TWILIO_AUTH_TOKEN": TOKEN, "SIAGA_EXERCISE_TWILIO_AUTH_TOKEN": EXERCISE_TOKEN}
    tokens |= {f"{name}_PREVIOUS": f"{token}-before" for name, token in tokens.items()}
    settings = make_settings(database_url, SIAGA_PUBLIC_URL=PUBLIC_URL, SIAGA_TWILIO_ACCOUNT_SID="ACtests", **tokens)
    delivery = hand_over(settings, sessions)
    with lent(shared_app, settings, sessions) as app:
        door = ReceiptDoor(behind)

        async def outer(scope: Scope, receive: Receive, send: Send) -> None:
            await door(scope | {"app": app}, receive, send)

        yield Doors(TestClient(outer, base_url="http://testserver"), settings, sessions, attempt_name(delivery, 1))


def posted(doors: Doors, form: dict[str, str], *, path: str | None = None, token: str = TOKEN, **headers: str) -> int:
    path = path or doors.path(PREFIX)
    signature = RequestValidator(token).compute_signature(PUBLIC_URL + path, form)
    content = urlencode(form).encode()
    return doors.client.post(path, content=content, headers=HEADERS | {"X-Twilio-Signature": signature} | headers).status_code


def test_what_is_in_order_is_stored_and_goes_no_further(doors: Doors, behind: Behind) -> None:
    assert posted(doors, FORM) == 204
    assert posted(doors, FORM) == 204
    assert doors.kept() == [("twilio", "delivered", "L-1", None)]
    assert doors.state() == "delivered"
    assert behind.bodies == []


def test_the_token_before_counts_while_it_is_being_changed_in_its_own_set(doors: Doors, behind: Behind) -> None:
    assert posted(doors, FORM, token=f"{TOKEN}-before") == 204
    assert behind.bodies == []
    assert posted(doors, FORM, token=f"{EXERCISE_TOKEN}-before") == USUAL


def test_words_beyond_ascii_are_read_as_they_were_signed(doors: Doors, behind: Behind) -> None:
    assert posted(doors, FORM | {"ErrorMessage": "não entregue: 50 % & 1 = 2"}) == 204
    assert behind.bodies == []


@pytest.mark.parametrize("form", [{}, FORM | {"MessageStatus": ""}, FORM | {"MessageSid": "\u200b"}], ids=["empty", "no state", "no id"])
def test_what_lacks_something_goes_the_usual_way(doors: Doors, behind: Behind, form: dict[str, str]) -> None:
    assert posted(doors, form) == USUAL
    assert behind.bodies == [urlencode(form).encode()]
    assert doors.kept() == []


def test_what_is_not_ours_goes_the_usual_way(doors: Doors, behind: Behind) -> None:
    nobodys = PREFIX + callback_token(doors.settings.keyring.callback, attempt_name(999_999 * STEP_PLACES + 1, 1))
    answers = [
        posted(doors, FORM, token="another"),
        posted(doors, FORM, token=EXERCISE_TOKEN),
        posted(doors, FORM, path=nobodys),
        posted(doors, FORM, path=doors.path(PREFIX)[:-3] + "000"),
        posted(doors, FORM, **{"Content-Type": "application/json"}),
        posted(doors, FORM, path=doors.path("/hooks/twilio/call-status/")),
        doors.client.post(doors.path(PREFIX), content=urlencode(FORM).encode(), headers=HEADERS).status_code,
    ]
    assert answers == [USUAL] * len(answers)
    assert behind.bodies == [urlencode(FORM).encode()] * len(answers)
    assert doors.kept() == []


def test_a_field_that_comes_twice_goes_the_usual_way(doors: Doors, behind: Behind) -> None:
    content = urlencode([*FORM.items(), ("To", "+628120000001")]).encode()
    assert doors.client.post(doors.path(PREFIX), content=content, headers=HEADERS | {"X-Twilio-Signature": "x"}).status_code == USUAL
    assert behind.bodies == [content]


def test_a_body_of_unknown_or_forbidden_length_is_not_read_here(doors: Doors, behind: Behind) -> None:
    large = b"x" * (doors.settings.web.hook_body_bytes + 1)
    for content in (iter([b"MessageSid=", b"L-1"]), large):
        assert doors.client.post(doors.path(PREFIX), content=content, headers=HEADERS).status_code == USUAL
    assert [len(body) for body in behind.bodies] == [14, len(large)]


@pytest.mark.parametrize("claimed", [b"40", b"00000000040"], ids=["a lie", "many digits"])
def test_more_than_was_said_is_not_gathered_here(doors: Doors, behind: Behind, shared_app: FastAPI, claimed: bytes) -> None:
    """A server may let a false length through: what is read goes on at once, and whoever counts bytes counts these too."""
    chunk = b"x" * doors.settings.web.hook_body_bytes
    waiting = [{"type": "http.request", "body": chunk, "more_body": number < 3} for number in range(4)]

    async def receive() -> dict[str, object]:
        return waiting.pop(0)

    async def send(_: object) -> None: ...

    headers = [(b"content-length", claimed), (b"content-type", b"application/x-www-form-urlencoded")]
    scope = {"type": "http", "method": "POST", "path": PREFIX + "x", "query_string": b"", "headers": headers, "app": shared_app}
    asyncio.run(ReceiptDoor(behind)(scope, receive, send))  # type: ignore[arg-type]
    assert [len(body) for body in behind.bodies] == [4 * len(chunk)]
