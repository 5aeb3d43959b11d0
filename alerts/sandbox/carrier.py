"""The carrier itself, without HTTP: accepts, writes its journal, keeps messages, and lets receipts and replies follow.

It never deduplicates: the same text to the same number twice is two messages, as it is at a real carrier.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from alerts.sandbox.forms import Message, receipt_form, reply_form
from alerts.sandbox.journal import Journal
from alerts.sandbox.outbound import Outbound, Post, is_allowed
from alerts.sandbox.plan import Asked, Channel, Decision, Plan, Planner, Receipts

INBOUND_PATH = "/hooks/twilio/inbound"
FINAL = frozenset({"delivered", "undelivered", "failed"})


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """One carrier. Senders must show `account_sid` and `auth_token`, and `fcm_token` where it is set.

    `callback_hosts` are the hosts besides this machine that receipts and answers may be posted to.
    `inbound_url` is where replies go; empty: the path `/hooks/twilio/inbound` of the host that asked for receipts.
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
    application_key: str = ""
    smtp_port: int | None = None
    mail_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SmsOrder:
    """A text that somebody wants sent, checked for form."""

    to: str = field(repr=False)
    sender: str
    service: str | None
    body: str = field(repr=False)
    callback: str = field(repr=False)


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

    async def accept_sms(self, order: SmsOrder, asked: Asked, decision: Decision) -> Message:
        """Take a text over: returns when the journal's line is on disk. Receipts and a reply follow by themselves."""
        await self._pacers[Channel.SMS].turn(self.plan.sms_per_second)
        message = Message(
            sid=f"SM{uuid4().hex}",
            attempt=attempt_of(order.callback),
            to=order.to,
            sender=order.sender,
            service=order.service,
            body=order.body,
            callback=order.callback,
            created_at=datetime.now(UTC),
        )
        await self._record(Channel.SMS, message.attempt, message.sid, order.to)
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

    def list_by(self, *, to: str, sender: str) -> list[Message]:
        """Newest first. Without a number: everything."""
        rows = self._by_to.get(to, []) if to else list(self._messages.values())
        return [m for m in reversed(rows) if not sender or m.sender == sender]

    def stats(self) -> dict[str, object]:
        """Counts so far; `accepted` grows with each line on disk, `pending` is what the carrier still wants to post."""
        return {
            "accepted": self.accepted.total(),
            "sms": self.accepted[Channel.SMS],
            "push": self.accepted[Channel.PUSH],
            "web_push": self.accepted[Channel.WEB_PUSH],
            "email": self.accepted[Channel.EMAIL],
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

    async def _follow_up(self, message: Message, asked: Asked, decision: Decision) -> None:
        steps = _receipt_steps(decision, self.plan, self.planner, asked)
        if decision.receipts is Receipts.EARLY:
            await self._step(message, steps.pop(0))
        self._next_step(message, steps)
        is_reachable = message.sender[:1] in ("+", *"0123456789") and decision.receipts is not Receipts.UNDELIVERED
        url = self.config.inbound_url or _inbound_beside(message.callback)
        if decision.reply and is_reachable and self._may_post(url):
            fields = reply_form(message, self.config.account_sid, sid=f"SM{uuid4().hex}", words=decision.reply)
            post = Post(url, fields, "reply", then=self._noting(message.attempt, decision.reply))
            self.outbound.later(self.planner.between(self.plan.reply_seconds, asked, "reply"), post)

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
            self.outbound.later(0, Post(post.url, post.fields, post.kind, then=lambda _: self._next_step(message, rest)))
        else:
            self._next_step(message, rest)

    async def _step(self, message: Message, step: Step) -> None:
        self._advance(message, step)
        if self._may_post(message.callback):
            await self.outbound.now(self._receipt(message, step))

    def _receipt(self, message: Message, step: Step) -> Post:
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

    def _noting(self, attempt: str, words: str) -> _Noting:
        return _Noting(self.journal, attempt, words)


@dataclass(frozen=True, slots=True)
class _Noting:
    """Writes down an answer that was taken."""

    journal: Journal
    attempt: str
    words: str

    def __call__(self, is_taken: bool) -> None:  # noqa: FBT001  (the form of Post.then)
        if is_taken:
            self.journal.note({"kind": "answer", "at": _now(), "attempt": self.attempt, "words": self.words})


@dataclass(frozen=True, slots=True)
class Step:
    """One receipt: after so many seconds, this status."""

    seconds: float
    status: str
    code: str = ""
    is_posted: bool = True


def attempt_of(callback: str) -> str:
    """The attempt id in the last part of a status callback's path (`…/<attempt id>.<signature>`); empty if there is none."""
    return urlsplit(callback).path.rpartition("/")[2].partition(".")[0]


def link_in(data: Mapping[str, str]) -> str:
    """The citizen's page that a notification carries: its `link`, else any address with `/i/` in its path."""
    values = [data.get("link", ""), *data.values()]
    return next((v for v in values if v.startswith("http") and "/i/" in urlsplit(v).path), "")


def _receipt_steps(decision: Decision, plan: Plan, planner: Planner, asked: Asked) -> list[Step]:
    first = planner.between(plan.receipt_seconds, asked, "sent")
    second = planner.between(plan.receipt_seconds, asked, "delivered")
    sent, delivered = Step(first, "sent"), Step(second, "delivered")
    late = Step(plan.late_seconds + first, "sent")
    undelivered = Step(second, "undelivered", decision.receipt_code or "30003")
    return {
        Receipts.NORMAL: [sent, delivered],
        Receipts.EARLY: [sent, delivered],
        Receipts.LATE: [late, delivered],
        Receipts.DUPLICATE: [sent, Step(0, "sent"), delivered, Step(0, "delivered")],
        Receipts.REVERSED: [Step(first, "delivered"), Step(second, "sent")],
        Receipts.MISSING: [Step(first, "sent", is_posted=False), Step(second, "delivered", is_posted=False)],
        Receipts.UNDELIVERED: [sent, undelivered],
    }[decision.receipts]


def _inbound_beside(callback: str) -> str:
    parts = urlsplit(callback)
    return f"{parts.scheme}://{parts.netloc}{INBOUND_PATH}" if parts.netloc else ""


def _outbound(config: SandboxConfig, plan: Plan) -> Outbound:
    return Outbound(config.auth_token, tries=plan.callback_tries, retry_seconds=plan.callback_retry_seconds)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
