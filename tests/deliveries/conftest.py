"""A released message over real connections, and the sandbox carrier in a thread beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from alerts.broadcasts.actions import approve_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.schemas import Approval, BroadcastDraft, Correction
from alerts.channels.rule_book_outlets import SenderSets
from alerts.deliveries.actions import release
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.correcting import approve_message, correct_broadcast
from alerts.deliveries.escalation import TASK, Patience, begin_next_of_told, escalate
from alerts.deliveries.evidence import apply_receipts
from alerts.deliveries.queries import reach_of_incident
from alerts.deliveries.receipts import Receipt, keep_receipts
from alerts.deliveries.resting import list_resting
from alerts.deliveries.sending import send_batch
from alerts.deliveries.windows import Claim, Window, claim_batch, load_rows, open_window
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin, rows_of
from alerts.kit.outbox import claim_new
from alerts.sandbox.carrier import SandboxConfig
from alerts.sandbox.plan import Plan
from alerts.sandbox.server import serving
from alerts.settings import Settings
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from tests.support.servers import Servers

STEP_IS_OVER = (
    """UPDATE delivery SET state_at = state_at - make_interval(secs => :seconds),
    accepted_at = accepted_at - make_interval(secs => :seconds) WHERE answered_at IS NULL""",
    """UPDATE delivery_batch SET begun_at = begun_at - make_interval(secs => :seconds),
    next_step_at = least(next_step_at, clock_timestamp())""",
)
ACCOUNT, TOKEN, SECOND_KEY = "AC" + "0" * 32, "sandbox-token", "second-key"


@dataclass
class Carrier:
    """The sandbox in a thread."""

    url: str
    log_path: Path


@pytest.fixture
def carrier(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Carrier]:
    """A carrier with the default plan (faults by the last digits of a number), without receipts of its own accord."""
    with carrying(tmp_path / "carrier.jsonl", **getattr(request, "param", {})) as running:
        yield running


@contextmanager
def carrying(log_path: Path, **planned: Any) -> Iterator[Carrier]:
    """The same by hand, for who needs two."""
    plan = Plan.model_validate(planned | {"hang_seconds": 30, "reply_share": 0, "app_share": 0})
    loop, started = asyncio.new_event_loop(), threading.Event()
    found: dict[str, Any] = {}
    config = SandboxConfig(account_sid=ACCOUNT, auth_token=TOKEN, second_key=SECOND_KEY, log_path=log_path, plan=plan)

    async def serve() -> None:
        async with serving(config) as (running, url):
            found["url"], found["stop"] = url, running.stopping
            started.set()
            await running.stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    yield Carrier(found["url"], log_path)
    loop.call_soon_threadsafe(found["stop"].set)
    thread.join(10)
    loop.close()


@pytest.fixture
def more_settings() -> dict[str, str]:
    """What a module sets besides; it may override this fixture."""
    return {}


@pytest.fixture
def sending_settings(
    make_settings: Callable[..., Settings], servers: Servers, database_url: str, carrier: Carrier, more_settings: dict[str, str]
) -> Settings:
    fixed = {
        "SIAGA_REDIS_PREFIX": f"{servers.redis_prefix}{uuid4().hex}:",  # no test's pace is another's
        "SIAGA_PUBLIC_URL": "http://127.0.0.1:9",  # nobody listens: receipts are made by the tests
        "SIAGA_TWILIO_ACCOUNT_SID": ACCOUNT,
        "SIAGA_TWILIO_AUTH_TOKEN": TOKEN,
        "SIAGA_TWILIO_FROM": "+15005550006",
        "SIAGA_TWILIO_BASE_URL": carrier.url,
        "SIAGA_TWILIO_TIMEOUT_SECONDS": "3",
        "SIAGA_FCM_PROJECT": "sandbox",
        "SIAGA_FCM_STATIC_TOKEN": "push-token",
        "SIAGA_FCM_BASE_URL": carrier.url,
        "SIAGA_DELIVERY_LEASE_SECONDS": "30",
        "SIAGA_DELIVERY_LOOKUP_AFTER_SECONDS": "120",
        "SIAGA_DELIVERY_RESEND_AFTER_SECONDS": "300",
    }
    return make_settings(database_url, **fixed | more_settings)


@pytest.fixture
def carriers(sending_settings: Settings) -> Iterator[Carriers]:
    carriers = Carriers(sending_settings)
    yield carriers
    carriers.close()


@dataclass
class Fanout:
    """One message, approved and released (or about to be), and what a worker does with it."""

    settings: Settings
    sessions: Sessions
    keyring: Keyring
    broadcast_id: UUID
    incident_id: UUID

    def reach(self, *, known_at: datetime | None = None) -> SimpleNamespace:
        """The counts of this message as the incident's sheet has them."""
        with begin(self.sessions) as session:
            rows = reach_of_incident(session, self.incident_id, known_at=known_at)
        [row] = [row for row in rows if row["broadcast_id"] == self.broadcast_id]
        return SimpleNamespace(**row)

    def release(self) -> int:
        with begin(self.sessions) as session:
            return release(session, self.broadcast_id, batch_size=500)

    def batches(self) -> list[int]:
        return [row["id"] for row in self.rows("SELECT id FROM delivery_batch ORDER BY id")]

    def send(self, carriers: Carriers) -> None:
        for batch_id in self.batches():
            assert send_batch(self.settings, self.sessions, carriers, batch_id=batch_id, owner="test")

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with begin(self.sessions) as session:
            return rows_of(session.execute(text(query), values))

    def states(self) -> dict[str, int]:
        return {row["state"]: row["n"] for row in self.rows("SELECT state, count(*) AS n FROM delivery GROUP BY 1")}

    def intend(self, count: int, *, owner: str = "dies") -> tuple[Claim, Window]:
        """A worker claims the first batch, commits a window of so many, and is not heard of again."""
        with begin(self.sessions) as session:
            claim = claim_batch(session, self.batches()[0], owner=owner, lease_seconds=30)
            assert claim is not None
            window = open_window(session, claim, load_rows(session, claim)[:count], sender="twilio", lease_seconds=30)
        assert window is not None
        return claim, window

    def attempts(self) -> list[dict[str, Any]]:
        return self.rows("SELECT delivery_id, number, state, provider_id FROM attempt ORDER BY delivery_id, number")

    def hear(self, attempt: Mapping[str, Any], *words: str, provider_id: str = "SM1", code: str | None = None) -> bool:
        """Receipts come in by the door."""
        receipts = [Receipt(attempt["delivery_id"], attempt["number"], "twilio", word, provider_id, code) for word in words]
        return all(keep_receipts(self.sessions, receipts))

    def apply(self) -> int:
        with begin(self.sessions) as session:
            return apply_receipts(session)

    def grow_old(self) -> None:
        """Everything that was begun was begun ten minutes ago: long enough for look-ups and resends."""
        self.run("UPDATE attempt SET intent_at = intent_at - interval '10 minutes'")

    def step_time_passes(self) -> int:
        """Everything was begun a step's time ago, by the columns that hold it; the count of people whose next step begins."""
        for statement in STEP_IS_OVER:
            self.run(statement, seconds=self.settings.delivery.step_seconds)
        with begin(self.sessions) as session:
            return escalate(session, patience=Patience.of(self.settings))

    def run(self, statement: str, **values: Any) -> None:
        with begin(self.sessions) as session:
            session.execute(text(statement), values)


def go_on_after_receipts(sessions: Sessions) -> int:
    """The relay rings for whom receipts told of, and the task does its work; the count of people."""
    with begin(sessions) as session:
        claim_new(session, 1000, {"delivery.not_reached": (TASK,)})
    return begin_next_of_told(sessions)


def alarms(message: Fanout) -> list[dict[str, Any]]:
    """What the staff on duty is told of."""
    return [row["payload"] for row in message.rows("SELECT payload FROM outbox_event WHERE name = 'delivery.alarm' ORDER BY id")]


def due_again(message: Fanout) -> None:
    """What waits is due by the columns that hold it."""
    message.run("UPDATE delivery_batch SET due_at = clock_timestamp() WHERE state = 'waiting'")
    message.run("UPDATE delivery SET next_attempt_at = NULL")
    message.run("UPDATE sender_rest SET until = clock_timestamp()")


def resting(message: Fanout) -> Mapping[str, float]:
    with begin(message.sessions) as session:
        return list_resting(session)


@pytest.fixture
def fanout(sessions: Sessions, sending_settings: Settings) -> Callable[..., Fanout]:
    """`fanout("+62812…", …)`: an approved message to people with these numbers (or devices: `device:…`), or as `people` says."""

    def make(
        *addresses: str,
        people: Sequence[Mapping[str, Any]] = (),
        areas: Sequence[Mapping[str, Any]] = (),
        status: Status = Status.ACTUAL,
        **draft: Any,
    ) -> Fanout:
        keyring = sending_settings.keyring
        with begin(sessions) as session:
            incident = make_incident(session, status=status, **({"areas": list(areas)} if areas else {}))
            for address in addresses:
                kind, _, token = address.rpartition(":")
                make_citizen(session, keyring, **({"device": token, "phones": ()} if kind else {"phones": (address,)}))
            for person in people:
                make_citizen(session, keyring, **person)
            author, approver = make_actor(session, "duty_officer"), make_actor(session, "approver")
            command = BroadcastDraft(texts={"id": "Gempa kuat.", "en": "Strong earthquake."}, **draft)
            broadcast = draft_broadcast(session, actor=author, incident_id=incident.id, command=command)
            submit_broadcast(session, actor=author, broadcast_id=broadcast.id, configured=SenderSets.of(sending_settings))
            approval = Approval(content_hash=broadcast.content_hash or "")
            approve_broadcast(session, actor=approver, broadcast_id=broadcast.id, command=approval)
        return Fanout(sending_settings, sessions, keyring, broadcast.id, incident.id)

    return make


def numbers(count: int) -> list[str]:
    return [f"+62812{60_000_000 + number}" for number in range(count)]


def members(message: Fanout, broadcast: Broadcast) -> list[tuple[str, str, str]]:
    """(citizen, channel, language) of its list."""
    query = "SELECT citizen_id::text, channel, language FROM audience_member WHERE broadcast_id = :id ORDER BY 1"
    return [tuple(row.values()) for row in message.rows(query, id=broadcast.id)]  # type: ignore[misc]


def approved(message: Fanout, broadcast: Broadcast) -> Broadcast:
    """By a second person."""
    with begin(message.sessions) as session:
        actor, command = make_actor(session, "approver"), Approval(content_hash=session.get_one(Broadcast, broadcast.id).content_hash or "")
        return approve_message(session, actor=actor, broadcast_id=broadcast.id, command=command)


def freely(message: Fanout, actor: Actor) -> Broadcast:
    """Free words: they wait for a second person."""
    command = Correction(msg_type="Update", texts={"id": "Ralat.", "en": "Correction."})
    with begin(message.sessions) as session:
        return correct_broadcast(session, actor=actor, broadcast_id=message.broadcast_id, command=command, configured=senders())


@pytest.fixture
def officer(sessions: Sessions) -> Actor:
    with begin(sessions) as session:
        return make_actor(session, "duty_officer")
