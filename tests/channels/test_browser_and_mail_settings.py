"""Settings of Web Push and mail: what is half or wrong stops the process, exercises share nothing, rehearsals stay here."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from alerts.channels.outlets import endpoint_policy, exercise_senders, live_senders
from alerts.kit.p256 import load_private_key, public_text
from alerts.settings import Settings

KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
OTHER_KEY = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
PEM = load_private_key(KEY).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUSH = {"SIAGA_WEB_PUSH_PRIVATE_KEY": KEY, "SIAGA_WEB_PUSH_SUBJECT": "mailto:siaga@example.org"}
MAIL = {"SIAGA_EMAIL_HOST": "localhost", "SIAGA_EMAIL_FROM": "Siaga <siaga@example.org>", "SIAGA_EMAIL_USERNAME": "siaga"}


def twin(values: dict[str, str], **changes: str) -> dict[str, str]:
    return {name.replace("SIAGA_", "SIAGA_EXERCISE_"): value for name, value in (values | changes).items()}


def read(*parts: dict[str, str], mode: str = "test") -> Settings:
    merged: dict[str, str] = {"SIAGA_MODE": mode}
    for part in parts:
        merged |= part
    return Settings.from_environment(merged)


def names(senders: Any) -> list[tuple[str, str]]:
    return [(sender.name, sender.channel) for sender in senders]


def test_what_is_configured_can_be_reached_and_nothing_else() -> None:
    assert read().channels == set()
    settings = read(PUSH, MAIL)
    assert settings.channels == {"web_push", "email"}
    assert names(live_senders(settings)) == [("web_push", "web_push"), ("email", "email")]
    assert names(exercise_senders(settings)) == []
    rehearsed = read(twin(PUSH), twin(MAIL))
    assert rehearsed.channels == set()
    assert names(live_senders(rehearsed)) == []
    assert names(exercise_senders(rehearsed)) == [("web_push", "web_push"), ("email", "email")]


def test_a_group_whose_name_begins_like_another_is_read_as_its_own() -> None:
    settings = read(PUSH, {"SIAGA_WEB_PORT": "81", "SIAGA_WEB_PUSH_TTL_SECONDS": "60", "SIAGA_WEB_PUSH_HOSTS": "a.example, .B.example"})
    assert (settings.web.port, settings.web_push.ttl_seconds) == (81, 60)
    assert settings.web_push.extra_hosts == {"a.example", ".b.example"}


def test_a_key_is_the_same_in_either_form() -> None:
    assert public_text(PEM) == public_text(KEY)
    assert read(PUSH, {"SIAGA_WEB_PUSH_PRIVATE_KEY": PEM}).channels == {"web_push"}


def pem_of(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SIAGA_WEB_PUSH_SUBJECT": ""}, "subject"),
        ({"SIAGA_WEB_PUSH_SUBJECT": "siaga"}, "subject"),
        ({"SIAGA_WEB_PUSH_PRIVATE_KEY": "AAAA"}, "PRIVATE_KEY"),
        ({"SIAGA_WEB_PUSH_PRIVATE_KEY": "?"}, "PRIVATE_KEY"),
        ({"SIAGA_WEB_PUSH_PRIVATE_KEY": "A" * 43}, "PRIVATE_KEY"),
        ({"SIAGA_WEB_PUSH_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}, "PRIVATE_KEY"),
        ({"SIAGA_WEB_PUSH_PRIVATE_KEY": pem_of(ec.generate_private_key(ec.SECP384R1()))}, "P-256"),
        ({"SIAGA_WEB_PUSH_PRIVATE_KEY": pem_of(rsa.generate_private_key(65_537, 2048))}, "P-256"),
        ({"SIAGA_EMAIL_FROM": ""}, "host and an address"),
        ({"SIAGA_EMAIL_HOST": ""}, "host and an address"),
        ({"SIAGA_EMAIL_TLS": "maybe"}, "TLS"),
        ({"SIAGA_EMAIL_HOST": "mail.example.org"}, "loopback"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_half_or_wrong_stops_the_process_in_one_line(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        read(PUSH, MAIL, changes)
    assert sentence in str(stopped.value)
    assert KEY not in str(stopped.value)


def test_in_production_mail_leaves_this_machine_only_under_tls() -> None:
    away = {"SIAGA_EMAIL_HOST": "mail.example.org"}
    assert read(MAIL, away, mode="production").email.host == "mail.example.org"
    with pytest.raises(SystemExit, match="this machine only"):
        read(MAIL, away, {"SIAGA_EMAIL_TLS": "none"}, mode="production")


@pytest.mark.parametrize(
    ("exercise", "named"),
    [
        (twin(PUSH), "web_push_private_key"),
        (twin(PUSH, SIAGA_WEB_PUSH_PRIVATE_KEY=PEM), "web_push_private_key"),
        (twin(MAIL, SIAGA_EMAIL_USERNAME="latihan"), "email_from"),
        (twin(MAIL, SIAGA_EMAIL_USERNAME="latihan", SIAGA_EMAIL_FROM="Latihan <SIAGA@example.org>"), "email_from"),
        (twin(MAIL, SIAGA_EMAIL_FROM="latihan@example.org"), "email_username"),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_exercises_share_nothing_with_the_live_senders(exercise: dict[str, str], named: str) -> None:
    with pytest.raises(SystemExit, match=f"exercise.{named} is the live one"):
        read(PUSH, MAIL, exercise)


def test_exercises_of_their_own_are_taken() -> None:
    own = twin(MAIL, SIAGA_EMAIL_USERNAME="latihan", SIAGA_EMAIL_FROM="latihan@example.org")
    settings = read(PUSH, MAIL, twin(PUSH, SIAGA_WEB_PUSH_PRIVATE_KEY=OTHER_KEY), own)
    assert len(exercise_senders(settings)) == len(live_senders(settings)) == 2


def test_secrets_are_not_printed() -> None:
    settings = read(PUSH, MAIL, {"SIAGA_EMAIL_PASSWORD": "geheim"})
    assert KEY not in repr(settings)
    assert "geheim" not in repr(settings)


def test_outside_production_web_push_goes_to_this_machine_only() -> None:
    live = "https://fcm.googleapis.com/fcm/send/x"
    assert endpoint_policy(read(PUSH)).sending_fault(live) is not None
    assert endpoint_policy(read(PUSH, mode="production")).sending_fault(live) is None
    assert endpoint_policy(read(PUSH, mode="production")).sending_fault("http://127.0.0.1/x") is not None
