"""A carrier and somebody who receives its posts, in one event loop: what the tests of both sides need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from multidict import MultiDict

from alerts.channels.fcm import Fcm, FcmConfig
from alerts.channels.ports import PushMessage, Sender, SmsMessage
from alerts.channels.twilio_account import TwilioConfig
from alerts.channels.twilio_sms import TwilioSms
from alerts.sandbox.carrier import Carrier, SandboxConfig
from alerts.sandbox.plan import Plan
from alerts.sandbox.server import serving

ACCOUNT = "AC" + "5a" * 16
TOKEN = "sandbox-account-token"
FCM_TOKEN = "sandbox-push-token"
SENDER = "+12025550123"
PATIENCE_SECONDS = 20.0
QUICK = {"receipt_seconds": (0, 0.01), "reply_seconds": (0, 0.01), "late_seconds": 0.2, "callback_retry_seconds": 0.02}


@dataclass
class Received:
    """One form that the carrier or one of its people posted."""

    path: str
    form: dict[str, str]
    signature: str | None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Receiver:
    """Our side of the webhooks: keeps what comes, in order. `statuses` are answered first, then 204.

    `says`: what the voice says next, one after the other, to whoever pressed a key.
    """

    url: str = ""
    got: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        body = await request.read()
        form: MultiDict[Any] = await request.post()  # type: ignore[assignment]
        fields, headers = {k: str(v) for k, v in form.items()}, dict(request.headers)
        self.got.append(Received(request.path_qs, fields, headers.get("X-Twilio-Signature"), body, headers))
        async with self._more:
            self._more.notify_all()
        if "/voice/" in request.path and self.says:
            return web.Response(text=self.says.pop(0), content_type="text/xml")
        return web.Response(status=204)

    async def until(self, is_enough: Callable[[list[Received]], bool]) -> list[Received]:
        """Wait for what must come; a test that waits in vain fails with what did come."""
        async with self._more:
            try:
                await asyncio.wait_for(self._more.wait_for(lambda: is_enough(self.got)), PATIENCE_SECONDS)
            except TimeoutError:
                raise AssertionError(f"waited in vain; came: {self.got}") from None
        return self.got

    def callback(self, attempt: str) -> str:
        return f"{self.url}/hooks/twilio/status/{attempt}.signed"

    def statuses_of(self, attempt: str) -> list[str]:
        return [r.form["MessageStatus"] for r in self.got if f"/{attempt}." in r.path]


@dataclass
class World:
    """The carrier, its address, its journal and the receiver."""

    carrier: Carrier
    url: str
    log: Path
    hooks: Receiver

    def sms(self, **changes: Any) -> TwilioSms:
        config = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from_": SENDER, "base_url": self.url, "timeout_seconds": 10.0}
        return TwilioSms(TwilioConfig(**(config | changes)))

    def push(self, **changes: Any) -> Fcm:
        config = {"project": "siaga-test", "static_token": FCM_TOKEN, "base_url": self.url, "timeout_seconds": 10.0}
        return Fcm(FcmConfig(**(config | changes)))

    def text(
        self, attempt: str, to: str = "+628110000001", *, body: str = "Gempa kuat. Menjauhlah dari bangunan.", **changes: Any
    ) -> SmsMessage:
        fields = {
            "attempt_id": attempt,
            "to_e164": to,
            "text": body,
            "status_callback": self.hooks.callback(attempt),
            "validity_seconds": 600,
        }
        return SmsMessage(**(fields | changes))

    def note(self, attempt: str, token: str = "device-1", **changes: Any) -> PushMessage:
        fields = {
            "attempt_id": attempt,
            "token": token,
            "title": "Peringatan",
            "body": "Gempa kuat.",
            "data": {"link": f"{self.hooks.url}/i/{attempt}.mac"},
            "ttl_seconds": 600,
        }
        return PushMessage(**(fields | changes))

    async def settled(self) -> None:
        """Until the carrier has nothing left to post."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.carrier.stats()["pending"]:  # noqa: ASYNC110 - the carrier offers a count, as it does to a demo
                await asyncio.sleep(0.005)

    async def api(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """A plain request to the carrier, with the account's credentials."""
        headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
        async with aiohttp.ClientSession(headers=headers) as session, session.request(method, self.url + path, **options) as answer:
            return answer.status, await answer.json()


def play(scene: Callable[[World], Awaitable[None]], log: Path, *, plan: dict[str, Any] | None = None, **more: Any) -> None:
    """Run one scene against a fresh carrier. `more`: of its configuration."""

    async def run() -> None:
        async with world(log, plan=plan, **more) as one:
            await scene(one)

    asyncio.run(run())


@asynccontextmanager
async def world(log: Path, *, plan: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[World]:
    hooks = Receiver()
    runner = web.ServerRunner(web.Server(hooks.handle, access_log=None), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    config = SandboxConfig(
        account_sid=ACCOUNT, auth_token=TOKEN, fcm_token=FCM_TOKEN, log_path=log, plan=Plan.model_validate(QUICK | (plan or {})), **more
    )
    try:
        async with serving(config) as (carrier, url):
            yield World(carrier, url, log, hooks)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def closing(*ports: Sender) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for port in ports:
            await port.close()


def words(received: Sequence[Received]) -> list[str]:
    """The texts of the replies among what came."""
    return [r.form["Body"] for r in received if "Body" in r.form]
