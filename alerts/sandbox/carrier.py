"""The carrier itself, without HTTP: accepts, writes its journal, keeps messages, and lets receipts and replies follow.

It never deduplicates: the same text to the same number twice is two messages, as it is at a real carrier.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from alerts.sandbox.calls import TAKEN_UP, call_status_form, press_keys
from alerts.sandbox.forms import Message, inbound_form, receipt_form, reply_form
from alerts.sandbox.journal import Journal
from alerts.sandbox.orders import WHATSAPP, Order
from alerts.sandbox.outbound import Outbound, Post, is_allowed
from alerts.sandbox.plan import Asked, Channel, Decision, Plan, Planner, Receipts
from alerts.sandbox.second import second_receipt
from alerts.sandbox.steps import FINAL, Step, steps_of

INBOUND_PATH = "/hooks/twilio/inbound"
MESSAGES = (Channel.SMS, Channel.WHATSAPP)
SIDS = {Channel.SMS: "SM", Channel.WHATSAPP: "SM", Channel.VOICE: "CA", Channel.SECOND_SMS: "L-"}


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """One carrier. Senders must show `account_sid` and `auth_token`, and `fcm_token` where it is set.

    `callback_hosts` are the hosts besides this machine that receipts and answers may be posted to.
    `inbound_url` is where replies go; empty: the path `/hooks/twilio/inbound` of the host that asked for receipts.
    `second_key` opens the second carrier's door (empty: it is shut), `second_receipt_secret` signs its receipts.
    `application_key` is the key that browsers subscribed for (empty: any); `smtp_port` None: no mail server, 0: any port.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    log_path: Path
    fcm_token: str = field(default="", repr=False)
    plan: Plan = field(default_factory=Plan)
    host: str = "127.0.0.1"
    port: int = 0
    inbound_url: str = ""
    callback_hosts: frozenset[str] = frozenset()
    second_key: str = field(default="", repr=False)
    second_receipt_secret: str = field(default="", repr=False)
    application_key: str = ""
    smtp_port: int | None = None
    mail_password: str = field(default="", repr=False)


class Pacer:
    """Turns at an even pace. A burst waits; nobody is refused."""

    def __init__(self) -> None:
        self._next = 0.0

    async def turn(self, per_second: float) -> None:
        if per_second <= 0:
            return
        now = asyncio.get_running_loop().time()
        mine = max(self._next, now)
        self._next = mine + 1 / per_second
        if mine > now:
            await asyncio.sleep(mine - now)


class Carrier:
    """State and acts of one sandbox carrier. All of it runs in one event loop."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.planner = Planner(config.plan)
        self.journal = Journal(config.log_path)
        self.outbound = _outbound(config, config.plan)
        self.stopping = asyncio.Event()
        self.mail_port = 0
        self.accepted: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._messages: dict[str, Message] = {}
        self._by_to: dict[str, list[Message]] = defaultdict(list)
        self._asked: Counter[tuple[str, str]] = Counter()
        self._pacers = {channel: Pacer() for channel in Channel}
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def plan(self) -> Plan:
        return self.planner.plan

    def change_plan(self, plan: Plan) -> None:
        """From the next request on; what is under way keeps its plan."""
        self.planner = Planner(plan)

    def ask(self, channel: Channel, address: str) -> tuple[Asked, Decision]:
        """Count this request for its address and decide what it gets."""
        self._asked[channel, address] += 1
        asked = Asked(channel, address, self._asked[channel, address], self.accepted.total())
        return asked, self.planner.decide(asked)

    def note_refusal(self, channel: Channel, attempt: str, code: str) -> None:
        """A permanent no, for the judge: whoever claims a refusal must find it here."""
        self.counts[f"{channel}_refused"] += 1
        self.journal.note({"kind": "refused", "at": _now(), "channel": channel, "attempt": attempt, "code": code})

    async def accept(self, order: Order, asked: Asked, decision: Decision) -> Message:
        """Take a text or a call over: returns when the journal's line is on disk. What follows comes by itself."""
        pace = self.plan.calls_per_second if order.channel is Channel.VOICE else self.plan.sms_per_second
        await self._pacers[order.channel].turn(pace)
        message = Message(
            sid=f"{SIDS[order.channel]}{uuid4().hex}",
            attempt=attempt_of(order.callback),
            to=order.to,
            sender=order.sender,
            service=order.service,
            body=order.body,
            callback=order.callback,
            created_at=datetime.now(UTC),
            channel=order.channel,
        )
        await self._record(order.channel, message.attempt, message.sid, order.number)
        self._messages[message.sid] = message
        self._by_to[order.to].append(message)
        await self._follow_up(message, asked, decision)
        return message

    async def accept_push(self, token: str, data: Mapping[str, str], asked: Asked, decision: Decision) -> str:
        """Take a notification or a mail over; its reader may answer at the link that the data carries."""
        await self._pacers[asked.channel].turn(self.plan.push_per_second)
        push_id, attempt = uuid4().hex, data.get("attempt_id", "")
        await self._record(asked.channel, attempt, push_id, token)
        link = link_in(data)
        if decision.reply and link and self._may_post(link):
            post = Post(link, {"answer": decision.reply}, "answer", is_signed=False, then=self._noting(attempt, decision.reply))
            self.outbound.later(self.planner.between(self.plan.reply_seconds, asked, "reply"), post)
        return push_id

    def find(self, sid: str) -> Message | None:
        return self._messages.get(sid)

    def list_by(self, *, to: str, sender: str, channels: Collection[Channel] = MESSAGES) -> list[Message]:
        """Newest first. Without a number: everything of these channels."""
        rows = self._by_to.get(to, []) if to else list(self._messages.values())
        return [m for m in reversed(rows) if m.channel in channels and (not sender or m.sender == sender)]

    def stats(self) -> dict[str, object]:
        """Counts so far; `accepted` grows with each line on disk, `pending` is what the carrier still wants to post."""
        return {
            "accepted": self.accepted.total(),
            "sms": self.accepted[Channel.SMS],
            "push": self.accepted[Channel.PUSH],
            "web_push": self.accepted[Channel.WEB_PUSH],
            "email": self.accepted[Channel.EMAIL],
            "whatsapp": self.accepted[Channel.WHATSAPP],
            "voice": self.accepted[Channel.VOICE],
            "sms2": self.accepted[Channel.SECOND_SMS],
            "pending": self.outbound.pending,
            "syncs": self.journal.syncs,
            "counts": dict(sorted((self.counts + self.outbound.counts).items())),
        }

    async def _record(self, channel: Channel, attempt: str, provider_id: str, address: str) -> None:
        to = hmac.digest(self.config.auth_token.encode(), address.encode(), hashlib.sha256)[:12].hex()
        line = {"kind": "accepted", "at": _now(), "channel": channel, "attempt": attempt, "id": provider_id, "to": to}
        await self.journal.durable(line)
        self.accepted[channel] += 1

    def _may_post(self, url: str) -> bool:
        return bool(url) and is_allowed(url, self.config.callback_hosts)

    async def post(self, post: Post) -> tuple[bool, str]:
        """Post at once, if that address may be posted to; whether it was taken, and what was said."""
        return await self.outbound.ask(post) if self._may_post(post.url) else (False, "")

    async def write_in(self, *, sender: str, to: str, words: str, url: str) -> bool:
        """Somebody's phone writes to a number of ours without having been asked; whether the webhook at `url` took it."""
        fields = inbound_form(self.config.account_sid, sid=f"SM{uuid4().hex}", sender=sender, to=to, words=words)
        is_taken, _ = await self.post(Post(url, fields, "text"))
        return is_taken

    def note_answer(self, attempt: str, words: str) -> None:
        """An answer that was taken, for the judge."""
        self.journal.note({"kind": "answer", "at": _now(), "attempt": attempt, "words": words})

    async def end_calls(self) -> None:
        """Hang up everywhere."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _follow_up(self, message: Message, asked: Asked, decision: Decision) -> None:
        steps = steps_of(decision, self.plan, self.planner, asked)
        if decision.receipts is Receipts.EARLY:
            await self._step(message, steps.pop(0))
        if message.channel is Channel.VOICE:
            self._begin_call(message, steps, asked, decision)
            return
        self._next_step(message, steps)
        is_reachable = message.sender.removeprefix(WHATSAPP)[:1] in ("+", *"0123456789") and decision.receipts is not Receipts.UNDELIVERED
        url = self.config.inbound_url or _inbound_beside(message.callback)
        if decision.reply and is_reachable and self._may_post(url):
            fields = reply_form(message, self.config.account_sid, sid=f"SM{uuid4().hex}", words=decision.reply)
            post = Post(url, fields, "reply", then=self._noting(message.attempt, decision.reply))
            self.outbound.later(self.planner.between(self.plan.reply_seconds, asked, "reply"), post)

    def _begin_call(self, message: Message, steps: list[Step], asked: Asked, decision: Decision) -> None:
        seconds = self.planner.between(self.plan.reply_seconds, asked, "keys")
        call = asyncio.get_running_loop().create_task(self._call(message, steps, keys=decision.reply or "", seconds=seconds))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, message: Message, steps: list[Step], *, keys: str, seconds: float) -> None:
        """One call from ringing to its end; whoever takes it up hears the question and presses keys."""
        self.outbound.pending += 1
        try:
            if message.status == TAKEN_UP:
                await press_keys(self, message, account=self.config.account_sid, keys=keys, seconds=seconds)
            for step in steps:
                await asyncio.sleep(step.seconds)
                was = message.status
                await self._step(message, step)
                if message.status == TAKEN_UP != was:
                    await press_keys(self, message, account=self.config.account_sid, keys=keys, seconds=seconds)
        finally:
            self.outbound.pending -= 1

    def _next_step(self, message: Message, steps: list[Step]) -> None:
        """Receipts of one message go one after the other, each when the one before it was answered."""
        if steps:
            step, rest = steps[0], steps[1:]
            self.outbound.pending += 1
            asyncio.get_running_loop().call_later(step.seconds, self._start_step, message, step, rest)

    def _start_step(self, message: Message, step: Step, rest: list[Step]) -> None:
        self.outbound.pending -= 1
        self._advance(message, step)
        if step.is_posted and self._may_post(message.callback):
            post = self._receipt(message, step)
            self.outbound.later(0, replace(post, then=lambda _: self._next_step(message, rest)))
        else:
            self._next_step(message, rest)

    async def _step(self, message: Message, step: Step) -> None:
        self._advance(message, step)
        if step.is_posted and self._may_post(message.callback):
            await self.outbound.now(self._receipt(message, step))

    def _receipt(self, message: Message, step: Step) -> Post:
        if message.channel is Channel.SECOND_SMS:
            return second_receipt(message, self.config.second_receipt_secret, status=step.status, code=step.code)
        if message.channel is Channel.VOICE:
            fields = call_status_form(message, self.config.account_sid, status=step.status)
        else:
            fields = receipt_form(message, self.config.account_sid, status=step.status, error_code=step.code)
        return Post(message.callback, fields, "receipt")

    def _advance(self, message: Message, step: Step) -> None:
        if message.status in FINAL:
            return
        now = datetime.now(UTC)
        message.status, message.updated_at = step.status, now
        message.sent_at = message.sent_at or now
        message.error_code = int(step.code) if step.code else None
        if step.status in FINAL:
            self.journal.note({"kind": "receipt", "at": _now(), "attempt": message.attempt, "status": step.status})

    def _noting(self, attempt: str, words: str) -> Callable[[bool], None]:
        def note(is_taken: bool) -> None:  # noqa: FBT001  (the form of Post.then)
            if is_taken:
                self.note_answer(attempt, words)

        return note


def attempt_of(callback: str) -> str:
    """The attempt id in the last part of a status callback's path (`…/<attempt id>.<signature>`); empty if there is none."""
    return urlsplit(callback).path.rpartition("/")[2].partition(".")[0]


def link_in(data: Mapping[str, str]) -> str:
    """The citizen's page that a notification carries: its `link`, else any address with `/i/` in its path."""
    values = [data.get("link", ""), *data.values()]
    return next((v for v in values if v.startswith("http") and "/i/" in urlsplit(v).path), "")


def _inbound_beside(callback: str) -> str:
    parts = urlsplit(callback)
    return f"{parts.scheme}://{parts.netloc}{INBOUND_PATH}" if parts.netloc else ""


def _outbound(config: SandboxConfig, plan: Plan) -> Outbound:
    return Outbound(config.auth_token, tries=plan.callback_tries, retry_seconds=plan.callback_retry_seconds)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
