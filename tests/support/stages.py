"""A whole Siaga in real processes for one test: own servers, sandbox carrier, API, worker, relay, and an API client."""

from __future__ import annotations

import csv
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import text

from alerts.deliveries.lateness import late, list_stalls
from alerts.deliveries.queries import invariants
from alerts.kit.db import begin, rows_of
from alerts.stage import Account, Stage, load_register
from tests.support.grounds import KEPT, own_ground
from workers.wiring import watch

WAIT_SECONDS = 60.0
# Production's waits at 1/60 or less; a rate that leaves time to break something in the middle.
QUICK = {
    "SIAGA_DELIVERY_LEASE_SECONDS": "4",
    "SIAGA_DELIVERY_SWEEP_SECONDS": "0.5",
    "SIAGA_DELIVERY_LOOKUP_AFTER_SECONDS": "2",
    "SIAGA_DELIVERY_RETRY_SECONDS": "0.25",
    "SIAGA_DELIVERY_BATCH_SIZE": "100",
    "SIAGA_RELAY_POLL_SECONDS": "0.05",
    "SIAGA_RELAY_RERING_SECONDS": "1",
    "SIAGA_LIVE_REFRESH_SECONDS": "0.5",
}
TEXTS = {"id": "Gempa kuat. Jauhi gedung retak.", "en": "Strong earthquake. Keep away from cracked buildings."}
INCIDENT = {
    "kind": "earthquake",
    "title": "Gempa uji",
    "status": "Actual",
    "urgency": "Immediate",
    "severity": "Extreme",
    "certainty": "Observed",
    "occurred_at": "2026-01-01T00:00:00Z",
    "areas": [{"kind": "country", "code": "TR"}],
}


@dataclass
class Ministry:
    """The staff at their desks, over HTTP."""

    stage: Stage
    accounts: Mapping[str, Account]
    _approver: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: Any = None, *, who: str = "duty_officer", **headers: str) -> requests.Response:
        """One request with a token and a fresh Idempotency-Key."""
        token = self.accounts[who].token
        given = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex} | headers
        return requests.request(method, self.stage.url + path, json=body, headers=given, timeout=60)

    def done(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The same, and it must succeed; the document."""
        answer = self.call(method, path, body, **more)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def approve(self, broadcast: Mapping[str, Any]) -> requests.Response:
        """As the second person, signed in: a token may not."""
        account, url = self.accounts["approver"], self.stage.url
        if not self._approver.cookies:
            credentials = {"username": account.username, "password": account.password}
            assert self._approver.post(f"{url}/api/v1/session", json=credentials, timeout=30).status_code == 201
        return self._approver.post(
            f"{url}/api/v1/broadcasts/{broadcast['id']}/approve",
            json={"content_hash": broadcast["content_hash"]},
            headers={"Idempotency-Key": uuid.uuid4().hex, "Origin": url},
            timeout=60,
        )

    def alert(self, incident_id: str, **draft: Any) -> Any:
        """Write, submit and release a message; its document."""
        drafted = self.done("POST", f"/api/v1/incidents/{incident_id}/broadcasts", {"texts": TEXTS, **draft})
        submitted = self.done("POST", f"/api/v1/broadcasts/{drafted['id']}/submit")
        answer = self.approve(submitted)
        assert answer.ok, answer.text
        return answer.json()

    def close(self) -> None:
        self._approver.close()

    def reach(self, broadcast_id: str) -> Any:
        return self.done("GET", f"/api/v1/broadcasts/{broadcast_id}/reach")


@contextmanager
def running(
    *,
    people: int,
    plan: Mapping[str, Any] | None = None,
    overrides: Mapping[str, str] | None = None,
    ways: tuple[str, ...] = (),
    is_durable: bool = False,
) -> Iterator[Ministry]:
    """Everything started, a register loaded, nobody alerted yet. Ends with the promises of the tables checked.

    `is_durable`: for who kills the servers, which are its own then; the others have the same ones, one scene after the other.
    """
    with ExitStack() as stack:
        ground = stack.enter_context(own_ground(is_durable=True) if is_durable else KEPT.lent())
        # Closed whatever happens: what a test that failed left open is else told of in the middle of the next one.
        stage = stack.enter_context(closing(Stage(ground.services, mode="test", overrides=QUICK | dict(overrides or {}), ways=ways)))
        ministry = stack.enter_context(closing(Ministry(stage, ground.accounts)))
        if people:
            load_register(stage.settings, stage.sessions, write_register(stage.folder / "register.csv", people))
        stage.start(plan=plan or {})
        yield ministry
        with begin(stage.sessions) as session:
            broken = invariants(session)
        assert not broken, broken


def write_register(path: Path, people: int, *, first: int = 0) -> Path:
    """Made-up people in one province: every second one with the app, the others on numbers of home and host country."""
    rows = [
        {
            "external_id": f"t{number}",
            "name": f"Orang {number}",
            "phone": phone_of(number),
            "language": "id" if number % 3 else "en",
            "class": "resident",
            "country": "TR",
            "province": "TR-31",
            "device_token": f"token{number:040d}" if number % 2 else "",
        }
        for number in range(first, first + people)
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def phone_of(number: int) -> str:
    """The number of the person `t<number>` of `write_register`: most of home, some of the host country."""
    return f"+62812{40_000_000 + number}" if number % 4 else f"+90532{2_000_000 + number}"


def wait_until(what: Callable[[], Any], *, seconds: float = WAIT_SECONDS) -> Any:
    """The first truthy answer; an assertion error when the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def is_settled(stage: Stage) -> bool:
    """Nothing is queued or being sent, and everything unknown was looked up."""
    with begin(stage.sessions) as session:
        open_count = session.execute(text(OPEN)).scalar_one()
    return int(open_count) == 0


def comes_to_rest(stage: Stage) -> None:
    """Every event is told of and answered, every receipt applied, every unknown looked up; then no promise of pace is broken.

    But for the age of the outbox in seconds, which is the machine's: that nothing waits in it is what a busy one can be held to.
    """
    watched = watch(stage.settings)
    try:
        wait_until(lambda: _count(stage, WAITING) == 0)
    finally:
        with begin(stage.sessions) as session:
            waiting = rows_of(session.execute(text(WHAT_WAITS)))
            broken = [each for each in late(session, watched) if each.invariant != "I8 outbox younger than 5 s"]
            stalls = list_stalls(session, watched)
    assert (waiting, broken, stalls) == ([], [], [])


def _count(stage: Stage, query: str) -> int:
    with begin(stage.sessions) as session:
        return int(session.execute(text(query)).scalar_one())


WHAT_WAITS = "SELECT name, waiting_for, rings FROM outbox_event WHERE rung_at IS NULL OR waiting_for <> '{}' LIMIT 5"
WAITING = """
SELECT (SELECT count(*) FROM outbox_event WHERE rung_at IS NULL OR waiting_for <> '{}')
     + (SELECT count(*) FROM receipt WHERE applied_at IS NULL)
     + (SELECT count(*) FROM attempt WHERE state = 'unknown' AND channel IN ('sms', 'whatsapp', 'voice') AND looked_up_at IS NULL)
"""
OPEN = """
SELECT (SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending'))
     + (SELECT count(*) FROM attempt WHERE state = 'unknown' AND channel = 'sms' AND looked_up_at IS NULL)
     + (SELECT count(*) FROM broadcast WHERE state = 'approved' AND released_at IS NULL)
"""
