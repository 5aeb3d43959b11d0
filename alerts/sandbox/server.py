"""The sandbox carrier over HTTP: Twilio's texts and calls, FCM v1, browsers, a second carrier, and `/sandbox/…` for whoever runs it."""

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

import uvloop
from aiohttp import web
from pydantic import ValidationError

from alerts.sandbox.calls import call_form
from alerts.sandbox.carrier import Carrier, SandboxConfig, attempt_of
from alerts.sandbox.forms import SERVER_ERROR, Message, as_json, fcm_error, message_form, page_form, twilio_error
from alerts.sandbox.journal import JournalBrokenError
from alerts.sandbox.mail import mail_serving
from alerts.sandbox.orders import Order, read_call_order, read_message_order, read_push
from alerts.sandbox.plan import Channel, Decision, Fault, Plan
from alerts.sandbox.push_service import BROWSER_PATH, PUSH_PATH, BrowserRequest, Refusal, read_browser_order, subscription_json
from alerts.sandbox.roaming import ONE as ROAMING_ONE
from alerts.sandbox.roaming import PATH as ROAMING_PATH
from alerts.sandbox.roaming import RoamingDesk
from alerts.sandbox.second import KEY_HEADER, read_second_order, second_accepted, second_refusal
from alerts.sandbox.second import PATH as SECOND_PATH

TWILIO = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/(Messages|Calls)(?:/((?:SM|MM|CA)[0-9a-f]{32}))?\.json")
PUSHES = re.compile(r"/v1/projects/([\w-]+)/messages:send")
MOST_PER_PAGE = 1000
SHUTDOWN_SECONDS = 2.0
OF_TWILIO = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.VOICE})
THROTTLED = {Channel.PUSH: "QUOTA_EXCEEDED", Channel.WEB_PUSH: "429"}
REFUSED = {Channel.PUSH: "UNREGISTERED", Channel.WEB_PUSH: "410"}
RST = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends a reset instead of a goodbye


@dataclass(frozen=True, slots=True)
class Resource:
    """One of Twilio's resources: how its orders are read, how it looks, and what is in its list."""

    name: str
    read: Callable[[bytes, frozenset[str]], Order | str]
    form: Callable[[Message, str], dict[str, object]]
    channels: tuple[Channel, ...]
    date: str


RESOURCES = {
    "Messages": Resource("Messages", read_message_order, message_form, (Channel.SMS, Channel.WHATSAPP), "DateSent"),
    "Calls": Resource("Calls", read_call_order, call_form, (Channel.VOICE,), "StartTime"),
}


class Server:
    """Reads requests, asks the carrier, answers, and acts out the planned faults."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        account = f"{carrier.config.account_sid}:{carrier.config.auth_token}".encode()
        self._basic = "Basic " + base64.b64encode(account).decode()
        self._bearer = f"Bearer {carrier.config.fcm_token}"
        self.roaming = RoamingDesk()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every request comes here: no router, because there are few paths and the first is nearly all of the load."""
        path = request.path
        if match := TWILIO.fullmatch(path):
            return await self._twilio(request, RESOURCES[match[2]], account=match[1], sid=match[3])
        if path == SECOND_PATH and request.method == "POST":
            return await self._second(request)
        if PUSHES.fullmatch(path) and request.method == "POST":
            return await self._push(request)
        if (match := PUSH_PATH.fullmatch(path)) and request.method == "POST":
            return await self._web_push(request, match[1])
        if path.startswith(ROAMING_PATH):
            return await self._roaming(request, path)
        return await self._behind_the_scenes(request, path)

    async def _behind_the_scenes(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """What no carrier has: for whoever runs this one."""
        if (match := BROWSER_PATH.fullmatch(path)) and request.method == "GET":
            return _json(200, subscription_json(match[1], origin=_origin(request), config=self.carrier.config))
        if path == "/sandbox/stats" and request.method == "GET":
            return _json(200, self.carrier.stats())
        if path == "/sandbox/plan":
            return await self._plan(request)
        if path == "/sandbox/texts" and request.method == "POST":
            return await self._write_in(request)
        return _json(*twilio_error("20404"))

    async def _twilio(self, request: web.BaseRequest, resource: Resource, *, account: str, sid: str | None) -> web.StreamResponse:
        is_known = hmac.compare_digest(request.headers.get("Authorization", "").encode(), self._basic.encode())
        if not is_known or account != self.carrier.config.account_sid:
            return _json(*twilio_error("20003"))
        if request.method == "POST" and sid is None:
            return await self._create(request, resource)
        if request.method != "GET":
            return _json(405, {"code": 20004, "message": "Not allowed", "status": 405})
        return self._fetch(resource, sid) if sid else self._list(request, resource)

    async def _create(self, request: web.BaseRequest, resource: Resource) -> web.StreamResponse:
        order = resource.read(await request.read(), self.carrier.config.callback_hosts)
        if isinstance(order, str):
            return _json(*twilio_error(order))
        taken = await self._take(request, order)
        return taken if isinstance(taken, web.StreamResponse) else _json(201, resource.form(taken, self.carrier.config.account_sid))

    async def _roaming(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """A home operator's desk: asked with the account's token, answers with counts, knows nobody."""
        shown = request.headers.get("Authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Bearer {self.carrier.config.auth_token}".encode()):
            return _json(401, {"error": "who_are_you"})
        if path == ROAMING_PATH and request.method == "POST":
            return _json(*self.roaming.ask(await request.read()))
        if path == ROAMING_PATH and request.method == "GET":
            return _json(*self.roaming.find(request.query.get("reference", "")))
        match = ROAMING_ONE.fullmatch(path)
        return _json(*self.roaming.read(match[1])) if match and request.method == "GET" else _json(404, {"error": "not_found"})

    async def _second(self, request: web.BaseRequest) -> web.StreamResponse:
        """The other carrier: its own key, its own words."""
        config = self.carrier.config
        shown = request.headers.get(KEY_HEADER, "")
        if not config.second_key or not hmac.compare_digest(shown.encode(), config.second_key.encode()):
            return _json(*second_refusal("NO-KEY"))
        order = read_second_order(await request.read(), config.callback_hosts)
        if isinstance(order, str):
            return _json(*second_refusal(order))
        taken = await self._take(request, order)
        return taken if isinstance(taken, web.StreamResponse) else _json(*second_accepted(taken))

    async def _take(self, request: web.BaseRequest, order: Order) -> Message | web.StreamResponse:
        """Take a text or a call over, or answer as the plan has it."""
        asked, decision = self.carrier.ask(order.channel, order.number)
        if not _is_accepting(decision.fault):
            return await self._not_sent(request, order.channel, attempt_of(order.callback), decision)
        try:
            message = await self.carrier.accept(order, asked, decision)
        except JournalBrokenError:
            return _json(SERVER_ERROR[0], {"status": 500, "message": "The journal cannot be written"})
        await asyncio.sleep(self.carrier.plan.latency_seconds)
        return message if decision.fault is Fault.NONE else await self._misbehave(request, order.channel, decision.fault)

    def _fetch(self, resource: Resource, sid: str) -> web.Response:
        message = self.carrier.find(sid)
        if message is None:
            return _json(*twilio_error("20404"))
        return _json(200, resource.form(message, self.carrier.config.account_sid))

    def _list(self, request: web.BaseRequest, resource: Resource) -> web.Response:
        query = dict(request.query)
        try:
            page, size = int(query.pop("Page", "0")), int(query.pop("PageSize", "50"))
            bounds = _sent_bounds(query, resource.date)
        except ValueError:
            return _json(*twilio_error("20001"))
        if page < 0 or not 1 <= size <= MOST_PER_PAGE:
            return _json(*twilio_error("20001"))
        query.pop("PageToken", None)
        account = self.carrier.config.account_sid
        everything = self.carrier.list_by(to=query.get("To", ""), sender=query.get("From", ""), channels=resource.channels)
        found = [resource.form(message, account) for message in everything if _is_sent_in(message, bounds)]
        return _json(200, page_form(found, account, query, resource=resource.name, page=page, size=size))

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
            return _json(*_refusal(channel, THROTTLED.get(channel, "20429")), retry_after=decision.retry_after_seconds)
        if decision.fault is Fault.REFUSE:
            code = decision.code or REFUSED.get(channel, "21211")
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

    async def _write_in(self, request: web.BaseRequest) -> web.Response:
        """A phone writes to us first: `from`, `to`, `body`, and the `url` of the webhook for incoming messages."""
        try:
            form = json.loads(await request.read())
            sender, to, words, url = (str(form[name]) for name in ("from", "to", "body", "url"))
        except (ValueError, KeyError, TypeError):
            return _json(400, {"faults": ["a text has from, to, body and url"]})
        is_taken = await self.carrier.write_in(sender=sender, to=to, words=words, url=url)
        return _json(200 if is_taken else 502, {"taken": is_taken})

    async def _plan(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            return _json(200, self.carrier.plan.model_dump(mode="json"))
        try:
            plan = Plan.model_validate_json(await request.read())
        except ValidationError as error:
            return _json(400, {"faults": [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]})
        self.carrier.change_plan(plan)
        return _json(200, plan.model_dump(mode="json"))


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
        await carrier.end_calls()
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
    if channel in OF_TWILIO:
        return twilio_error(code)
    if channel is Channel.SECOND_SMS:
        return second_refusal(code)
    return fcm_error(code) if channel is Channel.PUSH else (int(code), Refusal(int(code), "refused by the sandbox").as_json())


def _origin(request: web.BaseRequest) -> str:
    return f"http://{request.host}"


def _is_accepting(fault: Fault) -> bool:
    return fault in (Fault.NONE, Fault.ERROR, Fault.HANG, Fault.RESET)


def _sent_bounds(query: dict[str, str], date: str) -> list[tuple[str, datetime]]:
    """Twilio's filters by a date: on that day, before it, after it. Raises ValueError for what is no date."""
    named = [(sign, query[date + sign]) for sign in ("", "<", ">") if query.get(date + sign)]
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
