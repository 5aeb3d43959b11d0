"""FCM's adapter: the request as documented, tokens fetched once and dropped when refused, and clear answers only."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import RefreshError, TransportError

from alerts.channels.fcm import Fcm, FcmConfig, ServiceAccountBearer, payload_of
from alerts.channels.outlets import exercise_senders
from alerts.channels.ports import Accepted, Priority, PushMessage, Rejected, Transient, Unknown, Verdict
from alerts.settings import Settings
from tests.channels.peer import SHORT_SECONDS, hang, http, peer, replying
from tests.sandbox.world import World, closing, play


def config(url: str, **changes: Any) -> FcmConfig:
    return FcmConfig(**({"project": "p-1", "static_token": "tok", "base_url": url, "timeout_seconds": 20.0} | changes))


def push(**changes: Any) -> PushMessage:
    fields = {
        "attempt_id": "a1",
        "token": "device",
        "title": "Peringatan",
        "body": "Gempa kuat.",
        "data": {"link": "https://siaga.test/i/1.x"},
        "ttl_seconds": 600,
    }
    return PushMessage(**(fields | changes))


def test_the_request_is_the_one_google_documents() -> None:
    async def scene() -> bytes:
        async with peer(replying(http("200 OK", {"name": "projects/p-1/messages/7"}))) as (one, url), closing(port := Fcm(config(url))):
            assert await port.send(push()) == Accepted("projects/p-1/messages/7", "accepted")
        return one.requests[0]

    head, _, body = asyncio.run(scene()).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/projects/p-1/messages:send HTTP/1.1"
    assert "Authorization: Bearer tok" in lines
    assert "Content-Type: application/json; charset=utf-8" in lines
    got = json.loads(body)["message"]
    assert got["token"] == "device"
    assert got["notification"] == {"title": "Peringatan", "body": "Gempa kuat."}
    assert got["data"] == {"link": "https://siaga.test/i/1.x", "attempt_id": "a1"}
    assert got["android"] == {"priority": "HIGH", "ttl": "600s"}
    assert got["apns"]["headers"]["apns-priority"] == "10"


def test_time_to_live_and_priority() -> None:
    got = json.loads(payload_of(push(ttl_seconds=99 * 86_400, priority=Priority.NORMAL), now=1_000.5))["message"]
    assert got["android"] == {"priority": "NORMAL", "ttl": f"{28 * 86_400}s"}
    assert got["apns"]["headers"] == {"apns-priority": "5", "apns-expiration": str(1_000 + 28 * 86_400)}


def test_what_would_be_refused_is_not_sent() -> None:
    async def scene(message: PushMessage) -> str:
        async with closing(port := Fcm(config("http://127.0.0.1:1"))):
            with pytest.raises(Rejected) as caught:
                await port.send(message)
        return caught.value.code

    assert asyncio.run(scene(push(ttl_seconds=0))) == "expired"
    assert asyncio.run(scene(push(body="ü" * 2049))) == "payload_too_large"


def test_credentials_are_required_and_not_printed() -> None:
    with pytest.raises(ValueError, match="service account"):
        config("http://127.0.0.1", static_token="")
    assert "tok" not in repr(config("http://127.0.0.1")).replace("static_token", "")
    assert "device" not in repr(push())


@pytest.mark.parametrize("answer", [hang, replying(http("500 Oops", {})), replying(http("503 Busy", {})), replying(http("200 OK", {}))])
def test_no_clear_answer(answer: Any) -> None:
    async def scene() -> None:
        async with peer(answer) as (one, url), closing(port := Fcm(config(url, timeout_seconds=SHORT_SECONDS))):
            with pytest.raises(Unknown):
                await port.send(push())
            assert len(one.requests) == 1

    asyncio.run(scene())


@pytest.mark.parametrize("status", ["429 Quota", "503 Busy"])
def test_not_now(status: str) -> None:
    async def scene() -> None:
        raw = http(status, {"error": {"status": "X"}}, "Retry-After: 9")
        async with peer(replying(raw)) as (_, url), closing(port := Fcm(config(url))):
            with pytest.raises(Transient) as caught:
                await port.send(push())
            assert caught.value.retry_after == 9

    asyncio.run(scene())


class Credentials:
    """Google's credentials as the adapter uses them: `refresh` is called in a thread with a transport."""

    def __init__(self, *outcomes: Exception | str) -> None:
        self.outcomes = list(outcomes)
        self.token: str | None = None
        self.refreshed = 0

    @property
    def valid(self) -> bool:
        return self.token is not None

    def refresh(self, request: object) -> None:
        assert callable(request)
        self.refreshed += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        time.sleep(0.02)
        self.token = outcome


def bearer(*outcomes: Exception | str) -> ServiceAccountBearer:
    return ServiceAccountBearer(Credentials(*outcomes))  # type: ignore[arg-type]


def test_a_token_is_fetched_once_for_many(tmp_path: Path) -> None:
    one = bearer("sandbox-push-token")

    async def scene(w: World) -> None:
        async with closing(port := Fcm(FcmConfig(project="p", credentials_file="x", base_url=w.url), bearer=one)):
            await asyncio.gather(*(port.send(w.note(f"p{n}", f"device-{n}")) for n in range(20)))
        assert w.carrier.stats()["push"] == 20

    play(scene, tmp_path / "log", plan={"app_share": 0})
    assert one._credentials.refreshed == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (TransportError("no network"), Transient),
        (RefreshError("busy", retryable=True), Transient),
        (OSError("reset"), Transient),
    ],
)
def test_a_token_that_cannot_be_fetched_means_surely_not_sent(error: Exception, raised: type[Exception]) -> None:
    async def scene() -> None:
        async with peer(hang) as (one, url), closing(port := Fcm(config(url), bearer=bearer(error, "tok"))):
            with pytest.raises(raised):
                await port.send(push())
            assert one.connections == 0

    asyncio.run(scene())


def test_an_account_that_google_refuses_stops_everything() -> None:
    async def scene() -> None:
        async with closing(port := Fcm(config("http://127.0.0.1:1"), bearer=bearer(RefreshError("invalid_grant")))):
            with pytest.raises(Rejected) as caught:
                await port.send(push())
        assert caught.value.verdict is Verdict.STOP_ALL

    asyncio.run(scene())


def test_a_refused_old_token_is_replaced_a_fresh_one_is_not(tmp_path: Path) -> None:
    one = bearer("stale", "sandbox-push-token")

    async def scene(w: World) -> None:
        async with closing(port := Fcm(FcmConfig(project="p", credentials_file="x", base_url=w.url), bearer=one)):
            await one.token()
            one._fetched_at -= 3_000
            with pytest.raises(Transient):
                await port.send(w.note("p1"))
            await port.send(w.note("p2"))
            fresh = Fcm(FcmConfig(project="p", credentials_file="x", base_url=w.url), bearer=bearer("wrong"))
            async with closing(fresh):
                with pytest.raises(Rejected) as caught:
                    await fresh.send(w.note("p3"))
            assert caught.value.verdict is Verdict.STOP_ALL

    play(scene, tmp_path / "log", plan={"app_share": 0})


def account_file(folder: Path) -> str:
    """A service account whose tokens nobody gives out."""
    key = rsa.generate_private_key(65_537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "client_email": "siaga@example.org",
        "private_key": pem.decode(),
        "token_uri": "http://127.0.0.1:1/token",
    }
    path = folder / "account.json"
    path.write_text(json.dumps(account))
    return str(path)


def test_a_service_account_file_is_read(tmp_path: Path) -> None:
    async def scene() -> None:
        async with closing(port := Fcm(FcmConfig(project="p", credentials_file=account_file(tmp_path), base_url="http://127.0.0.1:1"))):
            with pytest.raises(Transient, match="token_not_fetched"):
                await port.send(push())

    asyncio.run(scene())


def test_exercises_push_by_a_service_account_too(tmp_path: Path) -> None:
    """It is asked for a token, as the live one is: a static one is for a sandbox."""
    named = {"PROJECT": "drill", "CREDENTIALS_FILE": account_file(tmp_path), "BASE_URL": "http://127.0.0.1:1"}
    [sender] = exercise_senders(Settings.from_environment({f"SIAGA_EXERCISE_FCM_{name}": value for name, value in named.items()}))

    async def scene() -> None:
        async with closing(sender):
            with pytest.raises(Transient, match="token_not_fetched"):
                await sender.send(push())

    asyncio.run(scene())
