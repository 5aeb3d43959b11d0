"""Settings of WhatsApp, calls and the second provider: whole or refused, apart for exercises, on this machine in tests."""

from __future__ import annotations

import json
import re

import pytest

from alerts.channels.outlets import exercise_senders, live_senders
from alerts.settings import Settings
from tests.channels.ways import DOCUMENT, SECRET
from tests.sandbox.world import ACCOUNT, TOKEN

DESCRIPTION = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
SID = "HX" + "{:032x}"
LIVE = {
    "SIAGA_MODE": "test",
    "SIAGA_TWILIO_ACCOUNT_SID": ACCOUNT,
    "SIAGA_TWILIO_AUTH_TOKEN": TOKEN,
    "SIAGA_TWILIO_FROM": "+15005550001",
    "SIAGA_WHATSAPP_FROM": "+15005550002",
    "SIAGA_WHATSAPP_CONTENT_SIDS": json.dumps({"id": {"plain": SID.format(1), "link": SID.format(2)}, "en": {"plain": SID.format(3)}}),
    "SIAGA_VOICE_FROM": "+15005550003",
    "SIAGA_SMS2_URL": "http://127.0.0.1:9/texts",
    "SIAGA_SMS2_DESCRIPTION": DESCRIPTION,
    "SIAGA_SMS2_FROM": "KEMLU",
    "SIAGA_SMS2_USER": "live-user",
    "SIAGA_SMS2_SECRET": SECRET,
    "SIAGA_SMS2_RECEIPT_SECRET": "live-receipts",
}
EXERCISE = {
    "SIAGA_EXERCISE_TWILIO_ACCOUNT_SID": "AC" + "e" * 32,
    "SIAGA_EXERCISE_TWILIO_AUTH_TOKEN": "exercise-token",
    "SIAGA_EXERCISE_TWILIO_FROM": "+15005550011",
    "SIAGA_EXERCISE_TWILIO_BASE_URL": "http://127.0.0.1:9",
    "SIAGA_EXERCISE_WHATSAPP_FROM": "+15005550012",
    "SIAGA_EXERCISE_WHATSAPP_CONTENT_SIDS": json.dumps({"id": {"plain": SID.format(11)}}),
    "SIAGA_EXERCISE_VOICE_FROM": "+15005550013",
    "SIAGA_EXERCISE_SMS2_URL": "http://127.0.0.1:9/texts",
    "SIAGA_EXERCISE_SMS2_DESCRIPTION": DESCRIPTION,
    "SIAGA_EXERCISE_SMS2_FROM": "LATIHAN",
    "SIAGA_EXERCISE_SMS2_USER": "exercise-user",
    "SIAGA_EXERCISE_SMS2_SECRET": "exercise-secret",
    "SIAGA_EXERCISE_SMS2_RECEIPT_SECRET": "exercise-receipts",
}


def settings(**changes: str) -> Settings:
    return Settings.from_environment({name: value for name, value in (LIVE | EXERCISE | changes).items() if value})


def test_each_set_has_its_senders() -> None:
    whole = settings()
    assert whole.channels == {"sms", "whatsapp", "voice"}
    names = [("twilio", "sms"), ("whatsapp", "whatsapp"), ("voice", "voice"), ("lintas", "sms")]
    assert [(sender.name, sender.channel) for sender in live_senders(whole)] == names
    assert [(sender.name, sender.channel) for sender in exercise_senders(whole)] == names
    shown = {vars(sender)["sender"] for sender in live_senders(whole)} & {vars(sender)["sender"] for sender in exercise_senders(whole)}
    assert shown == set()


def test_a_second_provider_alone_reaches_by_text() -> None:
    alone = Settings.from_environment({name: value for name, value in LIVE.items() if "SMS2" in name or "MODE" in name})
    assert alone.channels == {"sms"}
    assert [sender.name for sender in live_senders(alone)] == ["lintas"]


SHARED = {
    "SIAGA_EXERCISE_TWILIO_FROM": ("+15005550003", "twilio_from"),
    "SIAGA_EXERCISE_WHATSAPP_FROM": ("+15005550002", "whatsapp_from"),
    "SIAGA_EXERCISE_VOICE_FROM": ("+15005550001", "voice_from"),
    "SIAGA_EXERCISE_WHATSAPP_CONTENT_SIDS": (json.dumps({"id": {"plain": SID.format(2)}}), "whatsapp_content_sids"),
    "SIAGA_EXERCISE_SMS2_FROM": ("KEMLU", "sms2_from"),
    "SIAGA_EXERCISE_SMS2_USER": ("live-user", "sms2_user"),
    "SIAGA_EXERCISE_SMS2_SECRET": (SECRET, "sms2_secret"),
}


@pytest.mark.parametrize("name", SHARED)
def test_nothing_live_may_be_the_exercises(name: str) -> None:
    value, said = SHARED[name]
    with pytest.raises(SystemExit, match=f"exercise.{said} is the live one"):
        settings(**{name: value})


@pytest.mark.parametrize("name", ["SIAGA_SMS2_URL", "SIAGA_EXERCISE_SMS2_URL"])
def test_a_rehearsal_stays_on_this_machine(name: str) -> None:
    for mode in ("demo", "test"):
        with pytest.raises(SystemExit, match=r"must be on loopback, not sms\.example"):
            settings(SIAGA_MODE=mode, **{name: "https://sms.example/texts"})
    assert settings(SIAGA_MODE="production", **{name: "https://sms.example/texts"}).channels


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SIAGA_WHATSAPP_FROM": ""}, "both a number and the templates"),
        ({"SIAGA_WHATSAPP_CONTENT_SIDS": ""}, "both a number and the templates"),
        ({"SIAGA_WHATSAPP_CONTENT_SIDS": "{"}, "JSON"),
        ({"SIAGA_WHATSAPP_CONTENT_SIDS": '{"id": {"plain": "HX1"}}'}, "pattern"),
        ({"SIAGA_WHATSAPP_CONTENT_SIDS": json.dumps({"id": {"link": SID.format(1)}})}, "needs a `plain` one"),
        ({"SIAGA_WHATSAPP_FROM": "KEMLU"}, "pattern"),
        ({"SIAGA_VOICE_FROM": "0812"}, "pattern"),
        ({"SIAGA_TWILIO_ACCOUNT_SID": ""}, "need the Twilio account"),
        ({"SIAGA_EXERCISE_TWILIO_ACCOUNT_SID": ""}, "need the Twilio account"),
        ({"SIAGA_SMS2_DESCRIPTION": ""}, "description and its secret"),
        ({"SIAGA_SMS2_SECRET": ""}, "description and its secret"),
        ({"SIAGA_SMS2_URL": "ftp://127.0.0.1/"}, "begins with https"),
        ({"SIAGA_SMS2_COLOUR": "red"}, "COLOUR"),
    ],
)
def test_half_a_way_is_refused_at_start(changes: dict[str, str], said: str) -> None:
    with pytest.raises(SystemExit, match=said) as caught:
        settings(**changes)
    assert SECRET not in str(caught.value)


def test_secrets_are_not_printed() -> None:
    shown = repr(settings())
    assert not [word for word in (SECRET, TOKEN, "live-receipts", "exercise-secret") if word in shown]
