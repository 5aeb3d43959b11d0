"""The doors of receipts that are not of Twilio's texts: calls, and a described provider that signs in its own way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from twilio.request_validator import RequestValidator

from alerts.channels.sms_dialect import described_providers, dialects_of, sign
from alerts.deliveries.evidence import Reading, apply_receipts
from alerts.deliveries.rules import STEP_PLACES, attempt_name
from alerts.kit.db import Sessions, begin
from alerts.kit.ids import callback_token
from alerts.settings import Settings
from tests.channels.ways import RECEIPT_SECRET, SECRET, described
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import HATAY, make_incident
from tests.support.apps import lent

TOKEN, EXERCISE_TOKEN, PUBLIC_URL = "token-of-these-tests", "token-of-exercises", "https://siaga.example"
CALL, LINTAS = "/hooks/twilio/call-status/", "/hooks/sms/lintas/status/"


@dataclass
class Doors:
    """One delivery that was handed over, and whoever posts receipts for it."""

    client: TestClient
    settings: Settings
    sessions: Sessions
    attempt: str

    def path(self, door: str, attempt: str | None = None) -> str:
        return door + callback_token(self.settings.keyring.callback, attempt or self.attempt)

    def call(self, status: str, *, path: str | None = None, token: str = TOKEN, **fields: str) -> Response:
        path, form = path or self.path(CALL), {"CallSid": "CA" + "0" * 32, "CallStatus": status} | fields
        form = {name: value for name, value in form.items() if value}
        signature = RequestValidator(token).compute_signature(PUBLIC_URL + path, form)
        return self.client.post(path, data=form, headers={"X-Twilio-Signature": signature})

    def receipt(self, body: bytes | Mapping[str, Any], *, path: str | None = None, secret: str = RECEIPT_SECRET) -> Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        receipts = described().receipts
        assert receipts is not None
        headers = {"Content-Type": "application/json", receipts.header: sign(receipts, secret, raw)}
        return self.client.post(path or self.path(LINTAS), content=raw, headers=headers)

    def kept(self) -> list[tuple[Any, ...]]:
        with begin(self.sessions) as session:
            return [
                tuple(row) for row in session.execute(text("SELECT source, raw_status, provider_id, error_code FROM receipt ORDER BY 1, 2"))
            ]

    def state(self) -> str:
        with begin(self.sessions) as session:
            apply_receipts(session, reading=Reading(dialects_of(self.settings)))
            return str(session.execute(text("SELECT state FROM delivery")).scalar_one())


@pytest.fixture
def doors(shared_app: FastAPI, make_settings: Callable[..., Settings], database_url: str, sessions: Sessions) -> Iterator[Doors]:
    settings = make_settings(
        database_url,
        SIAGA_PUBLIC_URL=PUBLIC_URL,
        SIAGA_TWILIO_ACCOUNT_SID="ACtests",
        SIAGA_TWILIO_AUTH_TOKEN=TOKEN,
        SIAGA_TWILIO_FROM="+15005550006",
        SIAGA_TWILIO_AUTH_TOKEN_PREVIOUS=f"{TOKEN}-before",
        SIAGA_EXERCISE_TWILIO_AUTH_TOKEN=EXERCISE_TOKEN,
        SIAGA_EXERCISE_TWILIO_AUTH_TOKEN_PREVIOUS=f"{EXERCISE_TOKEN}-before",
        SIAGA_SMS2_URL="http://127.0.0.1:9",
        SIAGA_SMS2_SECRET=SECRET,
        SIAGA_SMS2_RECEIPT_SECRET=RECEIPT_SECRET,
        SIAGA_SMS2_DESCRIPTION=described().model_dump_json(by_alias=True),
    )
    delivery = hand_over(settings, sessions)
    with lent(shared_app, settings, sessions) as app, TestClient(app, base_url="http://testserver") as client:
        yield Doors(client, settings, sessions, attempt_name(delivery, 1))


def hand_over(settings: Settings, sessions: Sessions, **incident: Any) -> int:
    """A delivery that the carrier has accepted; its id."""
    with begin(sessions) as session:
        member = make_member(session, make_incident(session, areas=[HATAY], **incident), make_citizen(session, settings.keyring))
        delivery = member.id * STEP_PLACES + 1
        values = {"id": delivery, "member": member.id, "broadcast": member.broadcast_id}
        values["batch"] = session.execute(BATCH, values).scalar_one()
        session.execute(ACCEPTED, values)
        session.execute(ATTEMPT, values)
        return delivery


BATCH = text("INSERT INTO delivery_batch (broadcast_id, state) VALUES (:broadcast, 'done') RETURNING id")
ACCEPTED = text("""
INSERT INTO delivery (id, member_id, broadcast_id, batch_id, step, channel, state, attempts, provider_id)
VALUES (:id, :member, :broadcast, :batch, 1, 'sms', 'accepted', 1, 'L-1')
""")
ATTEMPT = text("""
INSERT INTO attempt (delivery_id, number, channel, sender, state, evidence, intent_at, resolved_at, provider_id)
VALUES (:id, 1, 'sms', 'lintas', 'accepted', 'answer', now(), now(), 'L-1')
""")


def said(state: str, **more: Any) -> dict[str, Any]:
    return {"message": {"id": "L-1", "state": state} | more}


def test_a_call_that_ended_well_is_delivered(doors: Doors) -> None:
    for status in ("initiated", "completed", "in-progress", "completed"):
        assert doors.call(status).status_code == 204
    assert [row[:2] for row in doors.kept()] == [("twilio_call", word) for word in ("completed", "in-progress", "initiated")]
    assert doors.state() == "delivered"


@pytest.mark.parametrize(
    ("status", "state"), [("no-answer", "undelivered"), ("busy", "undelivered"), ("failed", "failed"), ("humming", "accepted")]
)
def test_how_else_a_call_may_end(doors: Doors, status: str, state: str) -> None:
    assert doors.call(status).status_code == 204
    assert doors.state() == state


def test_a_described_receipt_moves_what_its_words_say(doors: Doors) -> None:
    assert doors.receipt(said("ARRIVED")).status_code == 204
    assert doors.receipt(said("ARRIVED")).status_code == 204
    assert doors.kept() == [("lintas", "ARRIVED", "L-1", None)]
    assert doors.state() == "delivered"


def test_a_word_that_nobody_described_is_kept_and_moves_nothing(doors: Doors) -> None:
    assert doors.receipt(said("delivered", reason=17)).status_code == 204
    assert doors.kept() == [("lintas", "delivered", "L-1", "17")]
    assert doors.state() == "accepted"


def test_forged_receipts_are_refused(doors: Doors) -> None:
    other = doors.path(LINTAS).rpartition(".")[0] + "." + "0" * 22
    answers = [
        (doors.call("completed", token="another"), "bad_signature"),
        (doors.call("completed", path=doors.path(CALL).rpartition(".")[0] + "." + "0" * 22), "bad_attempt"),
        (doors.receipt(said("ARRIVED"), secret="another"), "bad_signature"),
        (doors.receipt(said("ARRIVED"), secret=""), "bad_signature"),
        (doors.receipt(said("ARRIVED"), path=other), "bad_attempt"),
        (doors.client.post(doors.path(LINTAS), json=said("ARRIVED")), "bad_signature"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer, _ in answers] == [(403, code) for _, code in answers]
    assert doors.kept() == []


def test_the_account_of_exercises_has_no_say_in_a_real_message_nor_the_live_one_in_an_exercise(doors: Doors) -> None:
    """Each signed by its own token and each genuine: only the message's own account counts."""
    exercise = attempt_name(hand_over(doors.settings, doors.sessions, status="Exercise"), 1)
    of_exercise = doors.path(CALL, exercise)
    crossing = [doors.call("completed", token=EXERCISE_TOKEN), doors.call("completed", path=of_exercise)]
    assert [(answer.status_code, answer.json()["code"]) for answer in crossing] == [(404, "attempt_not_found")] * 2
    assert doors.kept() == []
    assert doors.call("completed").status_code == 204
    assert doors.call("busy", path=of_exercise, token=f"{TOKEN}-before").status_code == doors.call("busy", path=of_exercise).status_code
    assert doors.call("busy", path=of_exercise, token=f"{EXERCISE_TOKEN}-before").status_code == 204
    assert doors.call("busy", path=of_exercise, token=EXERCISE_TOKEN).status_code == 204
    assert [row[1] for row in doors.kept()] == ["busy", "completed"]


def test_a_receipt_of_nobody(doors: Doors) -> None:
    assert doors.receipt(said("ARRIVED"), path=doors.path("/hooks/sms/nobody/status/")).json()["code"] == "provider_not_found"
    assert doors.receipt(said("ARRIVED"), path=doors.path(LINTAS, "6401-1")).json()["code"] == "attempt_not_found"
    assert doors.call("completed", path=doors.path(CALL, "6401-1")).status_code == 404


def test_what_is_missing_is_named(doors: Doors) -> None:
    for answer in (doors.call(""), doors.call("completed", CallSid=""), doors.receipt(b"{}"), doors.receipt(b"["), doors.receipt(said(""))):
        assert answer.status_code == 422
    assert doors.kept() == []


def test_hidden_characters_and_long_words_are_kept_short(doors: Doors) -> None:
    assert doors.receipt(said("ARR\u202e\x00IVED" + "x" * 100, reason="9" * 50)).status_code == 204
    [(_, word, _, code)] = doors.kept()
    assert (word, code) == (("ARRIVED" + "x" * 100)[:40], "9" * 16)


@pytest.mark.parametrize("size", [70_000, 5_000_000])
def test_a_large_body_is_refused_before_it_is_read(doors: Doors, size: int) -> None:
    assert doors.receipt(b'{"x": "' + b"x" * size + b'"}').status_code == 413

    def in_pieces() -> Iterator[bytes]:
        yield from (b"x" * 8192 for _ in range(size // 8192 + 1))

    assert doors.client.post(doors.path(LINTAS), content=in_pieces()).status_code == 413


def test_the_provider_is_the_described_one(doors: Doors) -> None:
    assert list(described_providers(doors.settings)) == ["lintas"]
