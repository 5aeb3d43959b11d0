"""Messages to staff over the true adapters, to sandbox carriers that write down what they took: live and exercise apart."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerts.deliveries.carriers import Carriers
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin
from alerts.notices.contacts import hint_of
from alerts.notices.rules import attempt_name
from alerts.sandbox.carrier import SandboxConfig
from alerts.sandbox.plan import Plan
from alerts.sandbox.server import serving
from alerts.settings import Settings
from tests.factories.notices import make_contact, make_reachable
from tests.factories.staff import make_staff
from tests.notices.conftest import Office
from workers.staff import StaffOutlet, configured_of

LIVE, DRILL = "AC" + "0" * 32, "AC" + "1" * 32
PLAN = Plan.model_validate({"hang_seconds": 30, "reply_share": 0, "app_share": 0})


@dataclass
class Carrier:
    """A sandbox in a thread, and what it wrote down."""

    url: str
    log_path: Path

    def taken(self) -> list[str]:
        """Names of the attempts that it accepted."""
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()] if self.log_path.exists() else []
        return [line["attempt"] for line in lines if line["kind"] == "accepted"]


@contextmanager
def running_carrier(folder: Path, account: str) -> Iterator[Carrier]:
    log_path, loop, started = folder / f"{account}.jsonl", asyncio.new_event_loop(), threading.Event()
    found: dict[str, Any] = {}
    config = SandboxConfig(account_sid=account, auth_token="t" + account, fcm_token="push-" + account, log_path=log_path, plan=PLAN)

    async def serve() -> None:
        async with serving(config) as (running, url):
            found["url"], found["stop"] = url, running.stopping
            started.set()
            await running.stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield Carrier(found["url"], log_path)
    finally:
        loop.call_soon_threadsafe(found["stop"].set)
        thread.join(10)
        loop.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Carrier]:
    with running_carrier(tmp_path, LIVE) as carrier:
        yield carrier


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Carrier]:
    with running_carrier(tmp_path, DRILL) as carrier:
        yield carrier


@dataclass
class Wired(Office):
    """The same office with true senders."""

    def wire(self, carriers: Carriers) -> None:
        self.outbound = StaffOutlet(carriers, self.sessions, rest_seconds=60)  # type: ignore[assignment]


@pytest.fixture
def wired(
    make_settings: Callable[..., Settings], database_url: str, sessions: Sessions, keyring: Keyring, live: Carrier, drill: Carrier
) -> Iterator[Callable[..., Wired]]:
    made: list[Carriers] = []

    def make(**more: str) -> Wired:
        given = {
            "SIAGA_PUBLIC_URL": "http://127.0.0.1:9",
            "SIAGA_TWILIO_ACCOUNT_SID": LIVE,
            "SIAGA_TWILIO_AUTH_TOKEN": "t" + LIVE,
            "SIAGA_TWILIO_FROM": "+15005550006",
            "SIAGA_TWILIO_BASE_URL": live.url,
            "SIAGA_TWILIO_TIMEOUT_SECONDS": "3",
            "SIAGA_FCM_PROJECT": "live",
            "SIAGA_FCM_STATIC_TOKEN": "push-" + LIVE,
            "SIAGA_FCM_BASE_URL": live.url,
        }
        drilled = {
            "SIAGA_EXERCISE_TWILIO_ACCOUNT_SID": DRILL,
            "SIAGA_EXERCISE_TWILIO_AUTH_TOKEN": "t" + DRILL,
            "SIAGA_EXERCISE_TWILIO_FROM": "+15005550009",
            "SIAGA_EXERCISE_TWILIO_BASE_URL": drill.url,
            "SIAGA_EXERCISE_FCM_PROJECT": "drill",
            "SIAGA_EXERCISE_FCM_STATIC_TOKEN": "push-" + DRILL,
            "SIAGA_EXERCISE_FCM_BASE_URL": drill.url,
        }
        settings = make_settings(database_url, **(given | (drilled if more.pop("drilled", "yes") == "yes" else {}) | more))
        made.append(Carriers(settings))
        office = Wired(settings, sessions, keyring)
        office.wire(made[-1])
        return office

    yield make
    for carriers in made:
        carriers.close()


def go(office: Wired, status: str) -> None:
    """A message to somebody with a phone and a device waits, and one round is rung and sent."""
    with begin(office.sessions) as session:
        make_reachable(session, office.keyring, "approver", "phone", "push")
    office.channels = configured_of(office.settings)(status)
    office.submit(status=status)
    office.ring()
    office.send()


def names(office: Wired) -> list[str]:
    return sorted(attempt_name(row["id"], row["attempts"]) for row in office.rows("SELECT id, attempts FROM notice"))


def test_an_actual_page_leaves_by_the_live_senders_alone(wired: Callable[..., Wired], live: Carrier, drill: Carrier) -> None:
    office = wired()
    go(office, "Actual")
    assert office.states() == {"accepted": 2}
    assert sorted(live.taken()) == names(office)
    assert drill.taken() == []


TEMPLATES = {language: {"plain": "HX" + letter * 32} for language, letter in (("id", "a"), ("en", "b"))}


def test_whatsapp_takes_the_words_in_the_template_that_was_approved(wired: Callable[..., Wired], live: Carrier) -> None:
    office = wired(SIAGA_WHATSAPP_FROM="+15005550010", SIAGA_WHATSAPP_CONTENT_SIDS=json.dumps(TEMPLATES))
    with begin(office.sessions) as session:
        contact = make_contact(session, office.keyring, make_staff(session, "approver"), "whatsapp", "+628117654321")
        assert (contact.number_country, hint_of(office.keyring, contact)) == ("ID", "+62•••321")
    office.channels = configured_of(office.settings)("Actual")
    office.submit()
    office.ring()
    office.send()
    assert office.rows("SELECT channel, state FROM notice") == [{"channel": "whatsapp", "state": "accepted"}]
    assert live.taken() == names(office)
    query = {"To": "whatsapp:+628117654321"}
    listed = httpx.get(f"{live.url}/2010-04-01/Accounts/{LIVE}/Messages.json", params=query, auth=(LIVE, "t" + LIVE)).json()["messages"]
    [row] = office.rows("SELECT body, path FROM notice")
    assert [message["body"] for message in listed] == [f"{row['body']} http://127.0.0.1:9{row['path']}"]


def test_an_exercise_page_leaves_by_the_exercise_senders_alone(wired: Callable[..., Wired], live: Carrier, drill: Carrier) -> None:
    office = wired()
    go(office, "Exercise")
    assert office.states() == {"accepted": 2}
    assert sorted(drill.taken()) == names(office)
    assert live.taken() == []


def test_an_exercise_without_senders_of_its_own_pages_nobody(wired: Callable[..., Wired], live: Carrier) -> None:
    office = wired(drilled="no")
    go(office, "Exercise")
    assert configured_of(office.settings)("Exercise") == frozenset()
    assert (office.states(), live.taken()) == ({}, [])
    assert office.rows("SELECT 1 FROM alarm") == [], "a drill without senders is no alarm"


def test_even_a_forged_exercise_row_finds_no_live_sender(wired: Callable[..., Wired], live: Carrier) -> None:
    office = wired(drilled="no")
    office.channels = frozenset({"sms", "push"})
    with begin(office.sessions) as session:
        make_reachable(session, office.keyring, "approver", "phone", "push")
    office.submit(status="Exercise")
    office.ring()
    office.send()
    assert office.rows("SELECT DISTINCT state, error_code FROM notice") == [{"state": "failed", "error_code": "no_sender_configured"}]
    assert live.taken() == []


def test_a_server_error_after_sending_is_unknown_and_only_the_next_round_repeats(wired: Callable[..., Wired], live: Carrier) -> None:
    office = wired()
    with begin(office.sessions) as session:
        make_contact(session, office.keyring, make_staff(session, "approver"), "phone", "+628129990500")
    office.channels = frozenset({"sms"})
    office.submit()
    office.ring()
    office.send()
    office.send()
    assert office.states() == {"unknown": 1}
    assert len(live.taken()) == 1
    office.pass_time()
    office.ring()
    office.send()
    assert office.states() == {"unknown": 1, "accepted": 1}
    assert len(set(live.taken())) == 2


def test_a_closed_account_loses_no_message_to_staff_and_other_ways_go(wired: Callable[..., Wired], live: Carrier) -> None:
    office = wired(SIAGA_TWILIO_AUTH_TOKEN="wrong", SIAGA_VOICE_FROM="+15005550007")
    go(office, "Actual")
    assert found(office) == {"push": ("accepted", None), "sms": ("queued", "sender_closed"), "voice": ("queued", "sender_closed")}
    assert [row["sender"] for row in office.rows("SELECT sender FROM sender_rest")] == ["twilio"], "everybody who sends knows"
    told = office.rows("SELECT payload ->> 'kind' AS kind FROM outbox_event WHERE name = 'delivery.alarm'")
    assert told == [{"kind": "stop_all"}]
    mended = wired(SIAGA_VOICE_FROM="+15005550007")
    office.run("UPDATE notice SET due_at = clock_timestamp() WHERE state = 'queued'")
    mended.send()
    assert {state for state, _ in found(office).values()} == {"accepted", "queued"}, "nobody asks before the rest is over"
    office.run("UPDATE sender_rest SET until = clock_timestamp()")
    for _ in range(3):
        office.run("UPDATE notice SET due_at = clock_timestamp() WHERE state = 'queued'")
        mended.send()
    assert {state for state, _ in found(office).values()} == {"accepted"}
    assert office.rows("SELECT 1 FROM sender_rest") == []
    assert len(live.taken()) == 3


def found(office: Wired) -> dict[str, tuple[str, str | None]]:
    return {row["channel"]: (row["state"], row["error_code"]) for row in office.rows("SELECT channel, state, error_code FROM notice")}


def test_a_call_is_made_where_calls_are_set_up(wired: Callable[..., Wired], live: Carrier) -> None:
    office = wired(SIAGA_VOICE_FROM="+15005550007")
    with begin(office.sessions) as session:
        make_contact(session, office.keyring, make_staff(session, "approver"))
    office.channels = configured_of(office.settings)("Actual")
    assert "voice" in office.channels
    office.submit()
    office.ring()
    office.send()
    assert office.rows("SELECT channel, state FROM notice ORDER BY channel") == [
        {"channel": "sms", "state": "accepted"},
        {"channel": "voice", "state": "accepted"},
    ]
    assert sorted(live.taken()) == names(office)
