"""The carrier's other doors: WhatsApp, calls that are taken up and answered by keys, and a second carrier's dialect."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from alerts.channels.answers import reported_state
from alerts.channels.ports import LOOK_BACK, Rejected, Sender, Transient, Unknown, Verdict
from alerts.channels.sms_dialect import is_genuine, read_receipt
from alerts.channels.voice_words import Heard, ask_again_twiml, reply_twiml
from alerts.sandbox.judge import read_journal
from tests.channels.ways import (
    LINK,
    RECEIPT_SECRET,
    SECRET,
    described,
    second,
    second_message,
    voice,
    voice_message,
    whatsapp,
    whatsapp_message,
)
from tests.sandbox.world import ACCOUNT, TOKEN, World, closing, words
from tests.sandbox.world import play as play_world

MISSING = {"rules": [{"receipts": "missing"}], "reply_share": 0, "key_share": 0}
DOORS = ("whatsapp", "voice", "sms2")
CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"


def play(scene: Any, log: Path, plan: dict[str, Any] | None = None) -> None:
    play_world(scene, log, plan=plan, second_key=SECRET, second_receipt_secret=RECEIPT_SECRET)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def lines(log: Path, kind: str = "accepted") -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.read_text().splitlines()) if line["kind"] == kind]


def port_of(w: World, door: str, **changes: Any) -> Sender:
    make: Any = {"whatsapp": whatsapp, "voice": voice, "sms2": second}[door]
    made: Sender = make(w.url, **changes)
    return made


def message_of(w: World, door: str, attempt: str = "6401-1", to: str = "+628110000001", **changes: Any) -> Any:
    hooks = w.hooks.url + "/hooks"
    if door == "voice":
        urls = {"answer_url": f"{hooks}/twilio/voice/{attempt}.x", "status_callback": f"{hooks}/twilio/call-status/{attempt}.x"}
        return voice_message(attempt, to, **(urls | changes))
    if door == "sms2":
        return second_message(attempt, to, **({"status_callback": f"{hooks}/sms/lintas/status/{attempt}.x"} | changes))
    return whatsapp_message(attempt, to, **({"status_callback": f"{hooks}/twilio/status/{attempt}.x"} | changes))


@pytest.mark.parametrize("door", DOORS)
def test_acceptance_is_on_disk_with_the_attempts_name_and_no_number(log: Path, door: str) -> None:
    async def scene(w: World) -> None:
        async with closing(port := port_of(w, door)):
            accepted = await port.send(message_of(w, door))
            [line] = lines(log)
            assert (line["attempt"], line["id"], line["channel"]) == ("6401-1", accepted.provider_id, door)
        assert w.carrier.stats()[door] == 1
        await w.settled()

    play(scene, log, MISSING)
    assert read_journal(log).accepted == {"6401-1": 1}
    assert not [word for word in ("628110000001", "Gempa", "siaga.test") if word in log.read_text()]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("suffix", "raised", "accepted"),
    [
        ("9990429", Transient, 0),
        ("9990500", Unknown, 1),
        ("9990503", Unknown, 0),
        ("9990408", Unknown, 1),
        ("9990407", Unknown, 0),
        ("9990104", Unknown, 1),
        ("9990103", Unknown, 0),
    ],
)
def test_each_fault_of_a_request(log: Path, door: str, suffix: str, raised: type[Exception], accepted: int) -> None:
    async def scene(w: World) -> None:
        patience = {"timeout_seconds": 1.5} if suffix in ("9990408", "9990407") else {}
        async with closing(port := port_of(w, door, **patience)):
            with pytest.raises(raised) as caught:
                await port.send(message_of(w, door, to=f"+62811{suffix}"))
            assert getattr(caught.value, "retry_after", None) == (3 if raised is Transient else None)
            assert len(lines(log)) == accepted
            await port.send(message_of(w, door, "6401-2", f"+62811{suffix}"))
        assert len(lines(log)) == accepted + 1

    play(scene, log, MISSING | {"retry_after_seconds": 3})


@pytest.mark.parametrize(
    ("door", "code", "said", "verdict"),
    [
        ("whatsapp", "21211", "21211", Verdict.BAD_NUMBER),
        ("whatsapp", "21610", "21610", Verdict.OPTED_OUT),
        ("voice", "21211", "21211", Verdict.BAD_NUMBER),
        ("voice", "21611", "21611", Verdict.SENDER_BACKOFF),
        ("sms2", "21211", "BAD-NUMBER", Verdict.BAD_NUMBER),
        ("sms2", "21610", "BLOCKED", Verdict.OPTED_OUT),
        ("sms2", "21408", "NO-ROUTE", Verdict.UNSUPPORTED_COUNTRY),
    ],
)
def test_refusals(log: Path, door: str, code: str, said: str, verdict: Verdict) -> None:
    async def scene(w: World) -> None:
        async with closing(port := port_of(w, door)):
            with pytest.raises(Rejected) as caught:
                await port.send(message_of(w, door, to=f"+62811999{code[1:]}"))
        assert (caught.value.code, caught.value.verdict) == (said, verdict)

    play(scene, log, MISSING)
    assert [(line["attempt"], line["channel"], line["code"]) for line in lines(log, "refused")] == [("6401-1", door, code)]


def test_a_refusal_that_nobody_described_is_unknown(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := port_of(w, "sms2")):
            with pytest.raises(Unknown, match="21611"):
                await port.send(message_of(w, "sms2", to="+628119991611"))

    play(scene, log, MISSING)


@pytest.mark.parametrize("door", DOORS)
def test_wrong_credentials_stop_everything(log: Path, door: str) -> None:
    async def scene(w: World) -> None:
        async with closing(port := port_of(w, door, **({"secret": "wrong"} if door == "sms2" else {"auth_token": "wrong"}))):
            with pytest.raises(Rejected) as caught:
                await port.send(message_of(w, door))
        assert caught.value.verdict is Verdict.STOP_ALL

    play(scene, log, MISSING)


def test_whatsapp_receipts_and_replies_come_from_its_numbers(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := port_of(w, "whatsapp")):
            await port.send(message_of(w, "whatsapp"))
        got = await w.hooks.until(lambda got: len(got) == 3)
        assert w.hooks.statuses_of("6401-1") == ["sent", "delivered"]
        for one in got:
            assert RequestValidator(TOKEN).validate(w.hooks.url + one.path, one.form, one.signature)
        [reply] = [one for one in got if one.path == "/hooks/twilio/inbound"]
        assert (reply.form["From"], reply.form["To"]) == ("whatsapp:+628110000001", "whatsapp:+12025550123")
        assert words(got) == ["AMAN"]

    play(scene, log, {"reply_share": 1, "replies": {"AMAN": 1}})


def calls_made(w: World) -> list[str]:
    return [one.form["CallStatus"] for one in w.hooks.got if "/call-status/" in one.path]


def test_a_call_is_taken_up_heard_and_answered(log: Path) -> None:
    async def scene(w: World) -> None:
        w.hooks.says = [reply_twiml(Heard.SAFE, language="id")]
        async with closing(port := port_of(w, "voice")):
            accepted = await port.send(message_of(w, "voice"))
        await w.hooks.until(lambda got: len(got) == 3)
        await w.settled()
        assert calls_made(w) == ["in-progress", "completed"]
        assert [reported_state("twilio_call", status) for status in calls_made(w)] == ["sent", "delivered"]
        [pressed] = [one for one in w.hooks.got if "/voice/" in one.path]
        assert (pressed.form["Digits"], pressed.form["CallSid"]) == ("1", accepted.provider_id)
        for one in w.hooks.got:
            assert RequestValidator(TOKEN).validate(w.hooks.url + one.path, one.form, one.signature)

    play(scene, log, {"key_share": 1, "keys": {"1": 1}})
    assert [(line["attempt"], line["words"]) for line in lines(log, "answer")] == [("6401-1", "1")]
    assert read_journal(log).delivered == {"6401-1"}


@pytest.mark.parametrize(("plan", "pressed"), [({"key_share": 1, "keys": {"52": 1}}, ["5", "2"]), ({"key_share": 0}, ["", ""])])
def test_who_presses_wrong_or_nothing_is_asked_again(log: Path, plan: dict[str, Any], pressed: list[str]) -> None:
    async def scene(w: World) -> None:
        again = f"{w.hooks.url}/hooks/twilio/voice/6401-1.x?again=true"
        w.hooks.says = [ask_again_twiml(language="id", answer_url=again), reply_twiml(Heard.NOTHING, language="id")]
        async with closing(port := port_of(w, "voice")):
            await port.send(message_of(w, "voice"))
        await w.hooks.until(lambda got: len(got) == 4)
        asked = [one for one in w.hooks.got if "/voice/" in one.path]
        assert [one.form.get("Digits", "") for one in asked] == pressed
        assert [one.path.endswith("?again=true") for one in asked] == [False, True]

    play(scene, log, plan)
    assert [line["words"] for line in lines(log, "answer")] == (["2"] if pressed == ["5", "2"] else [])


def test_nobody_takes_the_call_up(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := port_of(w, "voice")):
            await port.send(message_of(w, "voice", to="+628119990005"))
        await w.hooks.until(lambda got: len(got) == 1)
        await w.settled()
        assert calls_made(w) == ["no-answer"]
        assert len(w.hooks.got) == 1

    play(scene, log, {"key_share": 1})


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"From": "+12025550123", "Twiml": "<Response/>"}, 21201),
        ({"To": "0812", "From": "+12025550123", "Twiml": "<Response/>"}, 21211),
        ({"To": "+628110000001", "Twiml": "<Response/>"}, 21213),
        ({"To": "+628110000001", "From": "+12025550123"}, 21205),
        ({"To": "+628110000001", "From": "+12025550123", "Twiml": "<Response>"}, 12100),
        ({"To": "+628110000001", "From": "+12025550123", "Twiml": "<Say/>"}, 12100),
        ({"To": "+628110000001", "From": "+12025550123", "Twiml": "<Response/>", "StatusCallback": "http://203.0.113.7/"}, 21609),
    ],
)
def test_calls_that_twilio_would_refuse(log: Path, form: dict[str, str], code: int) -> None:
    async def scene(w: World) -> None:
        status, body = await w.api("POST", f"{CALLS}.json", data=form)
        assert (status, body["code"]) == (400, code)

    play(scene, log, MISSING)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ContentSid": "HX1"}, 21655),
        ({"ContentVariables": "{"}, 21656),
        ({"ContentVariables": '{"1": 2}'}, 21656),
        ({"From": "+12025550123"}, 63007),
    ],
)
def test_templates_that_twilio_would_refuse(log: Path, changes: dict[str, str], code: int) -> None:
    async def scene(w: World) -> None:
        form = {"To": "whatsapp:+628110000001", "From": "whatsapp:+12025550123", "ContentSid": "HX" + "0" * 32} | changes
        status, body = await w.api("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", data=form)
        assert (status, body["code"]) == (400, code)

    play(scene, log, MISSING)


@pytest.mark.parametrize("door", ["whatsapp", "voice"])
def test_a_lost_answer_is_found_by_its_own_list(log: Path, door: str) -> None:
    async def scene(w: World) -> None:
        to = "+628110000009"
        async with closing(port := port_of(w, door), texts := w.sms()):
            lost: Any = message_of(w, door, to=to)
            with pytest.raises(Unknown):
                await port.send(lost)
            await texts.send(w.text("1-1", to))
            other = {"variables": {"1": "lain", "2": LINK + "9"}} if door == "whatsapp" else {"to": "+628110000008"}
            await port.send(message_of(w, door, "6402-1", **({"to": to} | other)))
            since = w.carrier.list_by(to="", sender="")[0].created_at - LOOK_BACK
            [found] = await port.find_sent(lost, created_after=since)  # type: ignore[attr-defined]
            assert w.carrier.find(found.provider_id).attempt == "6401-1"  # type: ignore[union-attr]
            assert found.raw_status == "queued"
            later = since + 3 * LOOK_BACK
            assert await port.find_sent(lost, created_after=later) == ()  # type: ignore[attr-defined]

    rules = [{"receipts": "missing"}, {"suffix": "9", "channel": door, "first": 1, "fault": "error_but_sent"}]
    play(scene, log, MISSING | {"rules": rules, "receipt_seconds": [60, 60]})


@pytest.mark.parametrize(("suffix", "expected"), [("0000001", ["sent", "delivered"]), ("9990005", ["sent", "undelivered"])])
def test_the_second_carrier_signs_its_own_receipts_in_its_own_words(log: Path, suffix: str, expected: list[str]) -> None:
    async def scene(w: World) -> None:
        async with closing(port := port_of(w, "sms2")):
            accepted = await port.send(message_of(w, "sms2", to=f"+62811{suffix}"))
        got = await w.hooks.until(lambda got: len(got) == len(expected))
        receipts = described().receipts
        assert receipts is not None
        for one, state in zip(got, expected, strict=True):
            assert one.path == "/hooks/sms/lintas/status/6401-1.x"
            assert one.signature is None
            shown = one.headers["X-Lintas-Signature"]
            assert shown == hmac.new(RECEIPT_SECRET.encode(), one.body, hashlib.sha256).hexdigest()
            assert is_genuine(receipts, [RECEIPT_SECRET], body=one.body, shown=shown)
            receipt = read_receipt(receipts, one.body)
            assert receipt is not None
            assert (receipts.states[receipt.raw_status], receipt.provider_id) == (state, accepted.provider_id)

    play(scene, log)


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        (b"{", "BAD-REQUEST"),
        (b"{}", "BAD-REQUEST"),
        (b'{"recipient": "+628110000001", "sender": "K", "content": {"text": "x"}}', "BAD-NUMBER"),
        (b'{"recipient": "628110000001", "sender": "K", "content": {"text": "x"}, "lifetime": 0}', "BAD-LIFETIME"),
        (b'{"recipient": "628110000001", "sender": "K", "content": {"text": "x"}, "notify": {"url": "http://203.0.113.7/"}}', "BAD-NOTIFY"),
    ],
)
def test_the_second_carrier_refuses_in_its_own_words(log: Path, asked: bytes, outcome: str) -> None:
    async def scene(w: World) -> None:
        status, body = await w.api("POST", "/lintas/v2/texts", data=asked, headers={"X-Api-Key": SECRET})
        assert (status, body) == (422, {"outcome": outcome})

    play(scene, log, MISSING)


def test_without_a_key_the_second_door_is_shut(log: Path) -> None:
    async def scene(w: World) -> None:
        status, _ = await w.api("POST", "/lintas/v2/texts", data=b"{}", headers={"X-Api-Key": ""})
        assert status == 401

    play_world(scene, log, plan=MISSING)


def test_doors_are_counted_and_faulted_apart(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(first := w.sms(), other := port_of(w, "sms2")):
            got = await asyncio.gather(first.send(w.text("1-1")), other.send(message_of(w, "sms2")), return_exceptions=True)
        assert [type(one).__name__ for one in got] == ["Transient", "Accepted"]
        assert (w.carrier.stats()["sms"], w.carrier.stats()["sms2"]) == (0, 1)

    play(scene, log, MISSING | {"rules": [{"channel": "sms", "fault": "throttle"}, {"channel": ["voice", "sms2"], "receipts": "missing"}]})
