"""The sandbox carrier over HTTP: Twilio's Messages API, FCM v1, a push service of browsers, and `/sandbox/…` for whoever runs it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import uvloop
from aiohttp import web
from pydantic import ValidationError

from alerts.sandbox.carrier import Carrier, SandboxConfig, SmsOrder, attempt_of
from alerts.sandbox.forms import SERVER_ERROR, Message, as_json, fcm_error, message_form, page_form, twilio_error
from alerts.sandbox.journal import JournalBrokenError
from alerts.sandbox.mail import mail_serving
from alerts.sandbox.outbound import is_allowed
from alerts.sandbox.plan import Channel, Decision, Fault, Plan
from alerts.sandbox.push_service import BROWSER_PATH, PUSH_PATH, BrowserRequest, Refusal, read_browser_order, subscription_json

MESSAGES = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages(?:/((?:SM|MM)[0-9a-f]{32}))?\.json")
PUSHES = re.compile(r"/v1/projects/([\w-]+)/messages:send")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
LONGEST_BODY = 1600
LONGEST_VALIDITY_SECONDS = 36_000
MOST_PER_PAGE = 1000
SHUTDOWN_SECONDS = 2.0
THROTTLED = {Channel.SMS: "20429", Channel.PUSH: "QUOTA_EXCEEDED", Channel.WEB_PUSH: "429"}
REFUSED = {Channel.SMS: "21211", Channel.PUSH: "UNREGISTERED", Channel.WEB_PUSH: "410"}
RST = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends a reset instead of a goodbye


class Server:
    """Reads requests, asks the carrier, answers, and acts out the planned faults."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        account = f"{carrier.config.account_sid}:{carrier.config.auth_token}".encode()
        self._basic = "Basic " + base64.b64encode(account).decode()
        self._bearer = f"Bearer {carrier.config.fcm_token}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every request comes here: no router, because there are few paths and the first is nearly all of the load."""
        path = request.path
        if match := MESSAGES.fullmatch(path):
            return await self._messages(request, account=match[1], sid=match[2])
        if PUSHES.fullmatch(path) and request.method == "POST":
            return await self._push(request)
        if (match := PUSH_PATH.fullmatch(path)) and request.method == "POST":
            return await self._web_push(request, match[1])
        return await self._behind_the_scenes(request, path)

    async def _behind_the_scenes(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """What no carrier has: for whoever runs this one."""
        if (match := BROWSER_PATH.fullmatch(path)) and request.method == "GET":
            return _json(200, subscription_json(match[1], origin=_origin(request), config=self.carrier.config))
        if path == "/sandbox/stats" and request.method == "GET":
            return _json(200, self.carrier.stats())
        if path == "/sandbox/plan":
            return await self._plan(request)
        return _json(*twilio_error("20404"))

    async def _messages(self, request: web.BaseRequest, *, account: str, sid: str | None) -> web.StreamResponse:
        is_known = hmac.compare_digest(request.headers.get("Authorization", "").encode(), self._basic.encode())
        if not is_known or account != self.carrier.config.account_sid:
            return _json(*twilio_error("20003"))
        if request.method == "POST" and sid is None:
            return await self._create(request)
        if request.method != "GET":
            return _json(405, {"code": 20004, "message": "Not allowed", "status": 405})
        return self._fetch(sid) if sid else self._list(request)

    async def _create(self, request: web.BaseRequest) -> web.StreamResponse:
        order = read_order(await request.read(), self.carrier.config)
        if isinstance(order, str):
            return _json(*twilio_error(order))
        asked, decision = self.carrier.ask(Channel.SMS, order.to)
        if not _is_accepting(decision.fault):
            return await self._not_sent(request, Channel.SMS, attempt_of(order.callback), decision)
        try:
            message = await self.carrier.accept_sms(order, asked, decision)
        except JournalBrokenError:
            return _json(SERVER_ERROR[0], {"status": 500, "message": "The journal cannot be written"})
        await asyncio.sleep(self.carrier.plan.latency_seconds)
        if decision.fault is not Fault.NONE:
            return await self._misbehave(request, Channel.SMS, decision.fault)
        return _json(201, message_form(message, self.carrier.config.account_sid))

    def _fetch(self, sid: str) -> web.Response:
        message = self.carrier.find(sid)
        if message is None:
            return _json(*twilio_error("20404"))
        return _json(200, message_form(message, self.carrier.config.account_sid))

    def _list(self, request: web.BaseRequest) -> web.Response:
        query = dict(request.query)
        try:
            page, size = int(query.pop("Page", "0")), int(query.pop("PageSize", "50"))
            bounds = _sent_bounds(query)
        except ValueError:
            return _json(*twilio_error("20001"))
        if page < 0 or not 1 <= size <= MOST_PER_PAGE:
            return _json(*twilio_error("20001"))
        query.pop("PageToken", None)
        everything = self.carrier.list_by(to=query.get("To", ""), sender=query.get("From", ""))
        found = [message for message in everything if _is_sent_in(message, bounds)]
        return _json(200, page_form(found, self.carrier.config.account_sid, query, page=page, size=size))

    async def _push(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.carrier.config.fcm_token and request.headers.get("Authorization") != self._bearer:
            return _json(*fcm_error("UNAUTHENTICATED"))
        order = read_push(await request.read())
        if order is None:
            return _json(*fcm_error("INVALID_ARGUMENT"))
        asked, decision = self.carrier.ask(Channel.PUSH, order.token)
        if not _is_accepting(decision.fault):
            return await self._not_sent(request, Channel.PUSH, order.data.get("attempt_id", ""), decision)
        try:
            push_id = await self.carrier.accept_push(order.token, order.data, asked, decision)
        except JournalBrokenError:
            return _json(*fcm_error("INTERNAL"))
        await asyncio.sleep(self.carrier.plan.latency_seconds)
        if decision.fault is not Fault.NONE:
            return await self._misbehave(request, Channel.PUSH, decision.fault)
        project = PUSHES.fullmatch(request.path)
        return _json(200, {"name": f"projects/{project[1] if project else ''}/messages/{push_id}"})

    async def _web_push(self, request: web.BaseRequest, push_id: str) -> web.StreamResponse:
        origin = _origin(request)
        received = BrowserRequest(request.headers, await request.read(), origin)
        order = read_browser_order(push_id, received, self.carrier.config)
        if isinstance(order, Refusal):
            return _json(order.status, order.as_json())
        asked, decision = self.carrier.ask(Channel.WEB_PUSH, push_id)
        if not _is_accepting(decision.fault):
            return await self._not_sent(request, Channel.WEB_PUSH, order.data.get("attempt_id", ""), decision)
        try:
            message_id = await self.carrier.accept_push(push_id, order.data, asked, decision)
        except JournalBrokenError:
            return _json(503, {"message": "The journal cannot be written"})
        await asyncio.sleep(self.carrier.plan.latency_seconds)
        if decision.fault is not Fault.NONE:
            return await self._misbehave(request, Channel.WEB_PUSH, decision.fault)
        return web.Response(status=201, headers={"Location": f"{origin}/message/{message_id}"})

    async def _not_sent(self, request: web.BaseRequest, channel: Channel, attempt: str, decision: Decision) -> web.StreamResponse:
        """A request that the carrier does not take over."""
        if decision.fault is Fault.THROTTLE:
            self.carrier.counts[f"{channel}_throttled"] += 1
            return _json(*_refusal(channel, THROTTLED[channel]), retry_after=decision.retry_after_seconds)
        if decision.fault is Fault.REFUSE:
            code = decision.code or REFUSED[channel]
            self.carrier.note_refusal(channel, attempt, code)
            return _json(*_refusal(channel, code))
        return await self._misbehave(request, channel, decision.fault)

    async def _misbehave(self, request: web.BaseRequest, channel: Channel, fault: Fault) -> web.StreamResponse:
        """No clear answer: a server error, silence, or a reset. Whether it was sent, the sender cannot see."""
        self.carrier.counts[f"{channel}_{fault}"] += 1
        if fault in (Fault.HANG, Fault.HANG_NOT_SENT):
            await self._hang(request)
        if fault in (Fault.HANG, Fault.HANG_NOT_SENT, Fault.RESET, Fault.RESET_NOT_SENT):
            _reset(request)
        status, sentence = SERVER_ERROR
        return _json(status, {"status": status, "message": sentence})

    async def _hang(self, request: web.BaseRequest) -> None:
        """Say nothing until the sender has gone, the plan's patience or the carrier ends."""
        until = asyncio.get_running_loop().time() + self.carrier.plan.hang_seconds
        while asyncio.get_running_loop().time() < until and not self.carrier.stopping.is_set():
            if request.transport is None or request.transport.is_closing():
                return
            await asyncio.sleep(0.05)

    async def _plan(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            return _json(200, self.carrier.plan.model_dump(mode="json"))
        try:
            plan = Plan.model_validate_json(await request.read())
        except ValidationError as error:
            return _json(400, {"faults": [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]})
        self.carrier.change_plan(plan)
        return _json(200, plan.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class PushOrder:
    """A notification that somebody wants sent."""

    token: str
    data: dict[str, str]


def read_order(body: bytes, config: SandboxConfig) -> SmsOrder | str:
    """The order in a create call's form, or the code of what is wrong with it."""
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        validity = int(form.get("ValidityPeriod", LONGEST_VALIDITY_SECONDS))
    except (UnicodeDecodeError, ValueError):
        return "20001"
    to, text, callback = form.get("To", ""), form.get("Body", ""), form.get("StatusCallback", "")
    sender, service = form.get("From", ""), form.get("MessagingServiceSid")
    faults = {
        "21604": not to,
        "21211": not E164.fullmatch(to),
        "21603": not (sender or service),
        "21602": not text,
        "21617": len(text) > LONGEST_BODY,
        "20001": not 1 <= validity <= LONGEST_VALIDITY_SECONDS,
        "21609": bool(callback) and not is_allowed(callback, config.callback_hosts),
    }
    fault = next((code for code, is_so in faults.items() if is_so), None)
    return fault or SmsOrder(to, sender, service, text, callback)


def read_push(body: bytes) -> PushOrder | None:
    """The token and data of a send call; None where FCM would find fault."""
    try:
        message = json.loads(body)["message"]
        token, data = message["token"], message.get("data", {})
    except (ValueError, KeyError, TypeError):
        return None
    is_good = isinstance(token, str) and token and isinstance(data, dict) and all(isinstance(v, str) for v in data.values())
    return PushOrder(token, data) if is_good else None


@asynccontextmanager
async def serving(config: SandboxConfig) -> AsyncIterator[tuple[Carrier, str]]:
    """A carrier under way in this event loop, and its address. With port 0 the system picks a free one."""
    carrier = Carrier(config)
    carrier.outbound.open()
    runner = web.ServerRunner(web.Server(Server(carrier).handle, access_log=None), shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, config.host, config.port, backlog=1024)
    try:
        await site.start()
        port = runner.addresses[0][1]
        async with mail_serving(carrier):
            yield carrier, f"http://{config.host}:{port}"
    finally:
        carrier.stopping.set()
        await runner.cleanup()
        await carrier.outbound.close()
        await carrier.journal.close()


def run(config: SandboxConfig, *, on_ready: Callable[[str], None] = print) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` is told the address once requests are taken."""
    uvloop.run(_serve(config, on_ready))


async def _serve(config: SandboxConfig, on_ready: Callable[[str], None]) -> None:
    async with serving(config) as (carrier, url):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, carrier.stopping.set)
        on_ready(url)
        await carrier.stopping.wait()


def _refusal(channel: Channel, code: str) -> tuple[int, dict[str, object]]:
    """The answer in the words of the service that the request was for."""
    if channel is Channel.SMS:
        return twilio_error(code)
    return fcm_error(code) if channel is Channel.PUSH else (int(code), Refusal(int(code), "refused by the sandbox").as_json())


def _origin(request: web.BaseRequest) -> str:
    return f"http://{request.host}"


def _is_accepting(fault: Fault) -> bool:
    return fault in (Fault.NONE, Fault.ERROR, Fault.HANG, Fault.RESET)


def _sent_bounds(query: dict[str, str]) -> list[tuple[str, datetime]]:
    """Twilio's filters by DateSent: on that day, before it, after it. Raises ValueError for what is no date."""
    named = [(sign, query[f"DateSent{sign}"]) for sign in ("", "<", ">") if query.get(f"DateSent{sign}")]
    parsed = [(sign, datetime.fromisoformat(value)) for sign, value in named]
    return [(sign, at if at.tzinfo else at.replace(tzinfo=UTC)) for sign, at in parsed]


def _is_sent_in(message: Message, bounds: list[tuple[str, datetime]]) -> bool:
    """What is accepted and not yet sent has no such date, and is left out as soon as one is asked for."""
    sent_at = message.sent_at
    return not bounds or (sent_at is not None and all(_fits(sent_at, sign, at) for sign, at in bounds))


def _fits(sent_at: datetime, sign: str, at: datetime) -> bool:
    if sign == "<":
        return sent_at <= at
    return sent_at >= at and (sign == ">" or sent_at < at + timedelta(days=1))


def _reset(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is None:
        return
    peer = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    transport.abort()


def _json(status: int, body: dict[str, object], *, retry_after: float | None = None) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after)) if retry_after else 0)}
    return web.Response(body=as_json(body), status=status, content_type="application/json", headers=headers)
