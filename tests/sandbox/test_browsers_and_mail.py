"""The sandbox as a push service and as a mail server: strict with the sender, and its journal names the attempts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alerts.channels.email_smtp import EmailSmtp, SmtpConfig
from alerts.channels.ports import EmailMessage, Rejected, Transient, Unknown, Verdict, WebPushMessage
from alerts.channels.push_services import EndpointPolicy
from alerts.channels.web_push import Signer, WebPush, WebPushConfig, seal
from alerts.kit.p256 import public_text
from alerts.sandbox.judge import read_journal
from alerts.settings_groups import MailTls
from tests.sandbox.test_carrier import lines
from tests.sandbox.world import World, closing, play

OUR_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
OTHER_KEY = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
SUBJECT = "mailto:siaga@example.org"
FROM = "siaga@kemlu.example"
SILENT = {"app_share": 0}
FAULTS = [
    ("9990429", Transient, 0),
    ("9990500", Unknown, 1),
    ("9990503", Unknown, 0),
    ("9990408", Unknown, 1),
    ("9990407", Unknown, 0),
    ("9990104", Unknown, 1),
    ("9990103", Unknown, 0),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def browser_sender(key: str = OUR_KEY, **changes: Any) -> WebPush:
    policy = EndpointPolicy(is_rehearsal=True)
    return WebPush(WebPushConfig(**({"private_key": key, "subject": SUBJECT, "policy": policy, "timeout_seconds": 10.0} | changes)))


async def to_browser(w: World, attempt: str, push_id: str = "b1", **changes: Any) -> WebPushMessage:
    _, subscription = await w.api("GET", f"/sandbox/browsers/{push_id}")
    data = {"attempt_id": attempt, "link": f"{w.hooks.url}/i/{attempt}.mac"}
    payload = json.dumps({"title": "Peringatan", "data": data}).encode()
    fields = {"attempt_id": attempt, "endpoint": subscription["endpoint"], "payload": payload, "ttl_seconds": 60} | subscription["keys"]
    return WebPushMessage(**(fields | changes))


def mail_sender(w: World, **changes: Any) -> EmailSmtp:
    fields = {"host": "127.0.0.1", "port": w.carrier.mail_port, "from_": FROM, "tls": MailTls.NONE, "timeout_seconds": 10.0}
    return EmailSmtp(SmtpConfig(**(fields | changes)))


def letter(w: World, attempt: str, name: str = "warga") -> EmailMessage:
    body = f"Gempa kuat.\n\n{w.hooks.url}/i/{attempt}.mac\n"
    message_id = f"{attempt}.x1@kemlu.example"
    return EmailMessage(attempt_id=attempt, message_id=message_id, to=f"{name}@example.org", subject="Peringatan", body=body, language="id")


# -- browsers ----------------------------------------------------------------------------------------------------------------


def test_a_sealed_message_is_opened_written_down_and_answered(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := browser_sender()):
            accepted = await port.send(await to_browser(w, "6401-1"))
        [line] = lines(log)
        assert (line["attempt"], line["id"], line["channel"]) == ("6401-1", accepted.provider_id, "web_push")
        got = await w.hooks.until(lambda got: len(got) == 1)
        assert (got[0].path, got[0].form) == ("/i/6401-1.mac", {"answer": "safe"})

    play(scene, log, plan={"app_share": 1, "app_answers": {"safe": 1}}, application_key=public_text(OUR_KEY))
    assert read_journal(log).answered == {"6401-1"}
    assert "Peringatan" not in log.read_text()


def test_a_browser_keeps_its_keys_and_has_them_alone(log: Path) -> None:
    async def scene(w: World) -> None:
        first, again, other = [(await w.api("GET", f"/sandbox/browsers/{name}"))[1]["keys"] for name in ("b1", "b1", "b2")]
        assert first == again
        assert first["p256dh"] != other["p256dh"]
        async with closing(port := browser_sender()):
            wrong = await to_browser(w, "6401-1", **other)
            await port.send(wrong)
        assert [line["attempt"] for line in lines(log)] == [""], "taken, but nobody could open it"

    play(scene, log, plan=SILENT)


@pytest.mark.parametrize(("suffix", "raised", "accepted"), FAULTS)
def test_each_fault_of_a_push_request(log: Path, suffix: str, raised: type[Exception], accepted: int) -> None:
    async def scene(w: World) -> None:
        patience = {"timeout_seconds": 1.5} if suffix in ("9990408", "9990407") else {}
        async with closing(port := browser_sender(**patience)):
            with pytest.raises(raised):
                await port.send(await to_browser(w, "a-1", f"b{suffix}"))
        assert len(lines(log)) == accepted
        async with closing(port := browser_sender()):
            await port.send(await to_browser(w, "a-2", f"b{suffix}"))
        assert len(lines(log)) == accepted + 1

    play(scene, log, plan=SILENT)


def test_a_browser_that_is_gone(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := browser_sender()):
            with pytest.raises(Rejected) as caught:
                await port.send(await to_browser(w, "6401-1", "b9990410"))
        assert (caught.value.code, caught.value.verdict) == ("http_410", Verdict.DEAD_TOKEN)

    play(scene, log, plan=SILENT)
    assert read_journal(log).refused == {"6401-1"}


def test_another_key_than_the_browser_subscribed_for_is_refused_and_stops_nobody_else(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := browser_sender(OTHER_KEY)):
            with pytest.raises(Rejected) as caught:
                await port.send(await to_browser(w, "6401-1"))
        assert (caught.value.code, caught.value.verdict) == ("http_403", Verdict.OTHER)

    play(scene, log, plan=SILENT, application_key=public_text(OUR_KEY))
    assert lines(log) == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 201),
        ({"Authorization": None}, 401),
        ({"Authorization": "vapid t=a.b.c,k=AAAA"}, 403),
        ({"Authorization": "Bearer x"}, 403),
        ({"Authorization": Signer(OUR_KEY, SUBJECT).authorization("https://another.example")}, 403),
        ({"TTL": None}, 400),
        ({"TTL": "soon"}, 400),
        ({"Urgency": "very high"}, 400),
        ({"Content-Encoding": "aesgcm"}, 400),
    ],
    ids=["as it is", "unsigned", "no token", "another scheme", "for another service", "no TTL", "odd TTL", "odd urgency", "old encoding"],
)
def test_the_push_service_is_strict(log: Path, changes: dict[str, str | None], status: int) -> None:
    async def scene(w: World) -> None:
        message = await to_browser(w, "6401-1")
        signed = Signer(OUR_KEY, SUBJECT).authorization(w.url)
        headers = {"Authorization": signed, "TTL": "60", "Urgency": "high", "Content-Encoding": "aes128gcm"} | changes
        body = seal(message.payload, p256dh=message.p256dh, auth=message.auth)
        async with aiohttp.ClientSession() as client:
            given = {name: value for name, value in headers.items() if value is not None}
            async with client.post(message.endpoint, data=body, headers=given) as answer:
                assert answer.status == status, await answer.text()
            async with client.post(message.endpoint, data=b"x" * 4097, headers=given) as answer:
                assert answer.status == (413 if status == 201 else status)

    play(scene, log, plan=SILENT)


# -- mail ----------------------------------------------------------------------------------------------------------------------


def test_a_mail_is_written_down_by_its_message_id_and_answered(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(mail := mail_sender(w)):
            accepted = await mail.send(letter(w, "6401-1"))
        [line] = lines(log)
        assert (line["attempt"], line["channel"]) == ("6401-1", "email")
        assert accepted.provider_id == f"6401-1.x1@kemlu.example {line['id']}"
        got = await w.hooks.until(lambda got: len(got) == 1)
        assert got[0].path == "/i/6401-1.mac"

    play(scene, log, plan={"app_share": 1}, smtp_port=0)
    raw = log.read_text()
    assert "warga" not in raw
    assert "Gempa" not in raw


@pytest.mark.parametrize(("suffix", "raised", "accepted"), FAULTS)
def test_each_fault_of_a_mail(log: Path, suffix: str, raised: type[Exception], accepted: int) -> None:
    """Sent or not, the sender sees the same. The second mail goes through."""

    async def scene(w: World) -> None:
        patience = {"timeout_seconds": 1.5} if suffix in ("9990408", "9990407") else {}
        async with closing(mail := mail_sender(w, **patience)):
            with pytest.raises(raised):
                await mail.send(letter(w, "a-1", f"w{suffix}"))
        assert len(lines(log)) == accepted
        async with closing(mail := mail_sender(w)):
            await mail.send(letter(w, "a-2", f"w{suffix}"))
        assert len(lines(log)) == accepted + 1

    play(scene, log, plan=SILENT, smtp_port=0)


@pytest.mark.parametrize(
    ("suffix", "code", "verdict"), [("9990550", "smtp_550_5.1.1", Verdict.BAD_NUMBER), ("9990554", "smtp_554_5.7.1", Verdict.CONTENT)]
)
def test_refused_mail(log: Path, suffix: str, code: str, verdict: Verdict) -> None:
    async def scene(w: World) -> None:
        async with closing(mail := mail_sender(w)):
            with pytest.raises(Rejected) as caught:
                await mail.send(letter(w, "6401-1", f"w{suffix}"))
            assert (caught.value.code, caught.value.verdict) == (code, verdict)
            await mail.send(letter(w, "6402-1"))

    play(scene, log, plan=SILENT, smtp_port=0)
    assert read_journal(log).refused == {"6401-1"}
    assert read_journal(log).accepted == {"6402-1": 1}


def test_many_mails_go_by_few_connections(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(mail := mail_sender(w, connections=3)):
            await asyncio.gather(*(mail.send(letter(w, f"{number}-1")) for number in range(60)))
            assert len(mail._idle) <= 3
        assert len(read_journal(log).accepted) == 60

    play(scene, log, plan=SILENT, smtp_port=0)


def test_the_account_is_asked_for(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(mail := mail_sender(w, username="siaga", password="geheim")):
            await mail.send(letter(w, "1-1"))
        for changes in ({"username": "siaga", "password": "falsch"}, {}):
            async with closing(mail := mail_sender(w, **changes)):
                with pytest.raises(Rejected) as caught:
                    await mail.send(letter(w, "2-1"))
                assert caught.value.verdict is Verdict.STOP_ALL

    play(scene, log, plan=SILENT, smtp_port=0, mail_password="geheim")
    assert read_journal(log).accepted == {"1-1": 1}
