"""recovery: what is broken in mid-run, how long it lasts, and whether anything is missing afterwards.

The carrier is the sandbox, and its book judges: every count comes from what it has taken. (1) All sending workers are
killed and started anew, as a supervisor would: seconds from the kill until something is accepted again. (2) The broker
forgets everything: the longest silence from then on. (3) The broker is frozen while staff submit, approve and report: what
the API takes. (2) and (3) need servers of our own and are left out on foreign ones.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import redis
from sqlalchemy import text

from alerts.bench.desk import Desk
from alerts.bench.ground import COUNTRY, TEXTS, Ground, Say, ground
from alerts.bench.outcome import Goal, Outcome, Plan
from alerts.embedded import EmbeddedError, Services
from alerts.kit.clock import db_now
from alerts.kit.db import begin

FULL, QUICK = 6_000, 200
CALLS, CALLS_QUICK = 150, 10
PER_SECOND, SEGMENTS = 250, 2
BROKEN_AT = 0.25
SECONDS_MAX = 600.0
LOOK_SECONDS = 0.02
CALM = {"receipt_seconds": [0.05, 0.2], "reply_share": 0, "app_share": 0, "has_suffix_rules": False}
PROCESSES = ("sandbox", "serve", "worker", "quick", "evidence", "relay")
# A pace that leaves time to break something; leases and look-ups at a twelfth, so that the end is not waited for in vain.
# How soon hints are repeated (relay, ring) is production's: that is what is measured.
OVERRIDES = {
    "SIAGA_PACE_SENDER_PER_SECOND": str(PER_SECOND * SEGMENTS),
    "SIAGA_DELIVERY_BATCH_SIZE": "50",
    "SIAGA_DELIVERY_LEASE_SECONDS": "5",
    "SIAGA_DELIVERY_SWEEP_SECONDS": "1",
    "SIAGA_DELIVERY_LOOKUP_AFTER_SECONDS": "5",
}
GOALS = {
    "killed_sending_again_seconds": Goal(at_most=10),
    "flushed_silence_seconds": Goal(at_most=15),
    "frozen_api_p99_ms": Goal(at_most=300),
}
FAULTS = ("missed", "sent_twice", "accepted_reads_unknown", "outsiders", "unproven")


@dataclass(frozen=True)
class Broken:
    """One fault: how long nothing was sent, and the judge's counts of that message."""

    seconds: float
    counts: Mapping[str, int]

    def is_exact(self, people: int) -> bool:
        """Nobody missed, nobody texted twice."""
        return self.counts["frozen"] == people and not any(self.counts[name] for name in FAULTS)


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """Break one thing after another; see the module."""
    people = plan.size(full=FULL, quick=QUICK)
    with ground(services, "recovery", plan=plan, say=say, overrides=OVERRIDES) as floor, _running(floor):
        floor.write_people({COUNTRY: people})
        incident_id = floor.open_incident()
        killed = [_broken(floor, incident_id, people, _kill_workers) for _ in range(plan.rounds)]
        say(f"recovery: workers killed, sending again after {[round(each.seconds, 1) for each in killed]} s")
        flushed = [_broken(floor, incident_id, people, _flush) for _ in range(plan.rounds)] if services.is_own_valkey else []
        say(f"recovery: broker emptied, longest silence {[round(each.seconds, 1) for each in flushed]} s")
        frozen = _frozen_api(floor, CALLS_QUICK if plan.is_quick else CALLS) if services.is_own_valkey else {}
        say(f"recovery: broker frozen, API {frozen}")
        outside = int(floor.stage.judge()["unknown_outside_windows"])
    every = killed + flushed
    details = {
        "killed_sending_again_seconds": _worst(killed),
        "flushed_silence_seconds": _worst(flushed),
        "frozen_api_p99_ms": frozen.get("p99"),
        "frozen_api_ms": frozen,
        "unknown_per_kill": max(each.counts["unknown"] for each in killed),
        "unknown_outside_windows": outside,
        "counts": {name: sum(each.counts[name] for each in every) for name in ("frozen", "handed_over", *FAULTS)},
        "faults": len(every),
    }
    is_exact = not outside and all(each.is_exact(people) for each in every)
    return Outcome("recovery", plan, people, [], is_exact, GOALS, details)


@contextmanager
def _running(floor: Ground) -> Iterator[None]:
    floor.stage.start(*PROCESSES, plan=CALM)
    try:
        yield
    finally:
        for name in PROCESSES:
            floor.stage.services.stop_process(name, signal.SIGKILL)


def _broken(floor: Ground, incident_id: UUID, people: int, fault: Callable[[Ground, int], float]) -> Broken:
    """Approve a message, cause the fault when a quarter is with the carrier, and wait for everybody's outcome."""
    before = _accepted(floor)
    broadcast_id = floor.approve_message(incident_id, people=people)
    _until(lambda: _accepted(floor) - before >= people * BROKEN_AT)
    seconds = fault(floor, before + people)
    _until(lambda: _is_settled(floor))
    return Broken(seconds, floor.stage.judge()["by_broadcast"][str(broadcast_id)])


def _kill_workers(floor: Ground, _: int) -> float:
    """All at once and without a word; new ones at once. Seconds until the carrier takes something again."""
    services, began = floor.stage.services, time.monotonic()
    pid = services.process_pid("worker")
    if pid is None:
        raise EmbeddedError("the worker is gone before it was killed")
    os.killpg(pid, signal.SIGKILL)
    _until(lambda: services.process_pid("worker") is None)
    time.sleep(LOOK_SECONDS)  # what had left already arrives
    count = _accepted(floor)
    floor.stage.start("worker")
    _until(lambda: _accepted(floor) > count)
    return time.monotonic() - began


def _flush(floor: Ground, all_accepted: int) -> float:
    """Everything that the broker knew is gone: hints, buckets, who works. The longest silence until everybody has it."""
    with redis.Redis.from_url(floor.stage.services.redis_url) as client:
        client.flushall()
    longest, last_at, count = 0.0, time.monotonic(), _accepted(floor)
    deadline = last_at + SECONDS_MAX
    while count < all_accepted and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        now_count, now = _accepted(floor), time.monotonic()
        longest = max(longest, now - last_at)
        if now_count > count:
            count, last_at = now_count, now
    return longest


def _frozen_api(floor: Ground, calls: int) -> dict[str, float]:
    """Milliseconds of submitting, approving and reporting while the broker does not answer anybody."""
    accounts = floor.stage.make_accounts({"kbri-ankara": "ankara"})
    writer, approver, mission = (Desk(floor.stage.url, accounts[name]) for name in ("duty_officer", "approver", "ankara"))
    approver.sign_in()
    with begin(floor.sessions) as session:
        now = db_now(session)
    opening: dict[str, Any] = {
        "kind": "earthquake",
        "title": "Gempa uji",
        "status": "Actual",
        "urgency": "Immediate",
        "severity": "Extreme",
    }
    opening |= {"certainty": "Observed", "occurred_at": (now - timedelta(minutes=1)).isoformat()}
    incident = writer.post("/api/v1/incidents", opening | {"areas": [{"kind": "province", "code": PROVINCE}]}, is_timed=False)
    _one_person_there(floor)
    report: dict[str, Any] = {"source": "mission:kbri-ankara", "as_of": now.isoformat()}
    report |= {"lines": [{"category": "dead", "places": ["TR"], "value": "asked_none_reported"}]}
    valkey = floor.stage.services.valkey_pid
    if valkey is None:
        raise EmbeddedError("the broker is gone before it was frozen")
    os.kill(valkey, signal.SIGSTOP)
    try:
        for _ in range(calls):
            _one_round(incident["id"], writer, approver, mission, report)
    finally:
        os.kill(valkey, signal.SIGCONT)
    seconds = sorted(writer.seconds + approver.seconds + mission.seconds)
    return {
        "calls": len(seconds),
        **{f"p{mark}": round(seconds[min(len(seconds) - 1, len(seconds) * mark // 100)] * 1000, 1) for mark in (50, 95, 99)},
    }


def _one_round(incident_id: str, writer: Desk, approver: Desk, mission: Desk, report: Mapping[str, Any]) -> None:  # noqa: PLR0917
    draft = writer.post(f"/api/v1/incidents/{incident_id}/broadcasts", {"texts": TEXTS, "channels": ["sms"]}, is_timed=False)
    submitted = writer.post(f"/api/v1/broadcasts/{draft['id']}/submit")
    approver.post(f"/api/v1/broadcasts/{draft['id']}/approve", {"content_hash": submitted["content_hash"]})
    mission.post(f"/api/v1/incidents/{incident_id}/reports", report)


def _one_person_there(floor: Ground) -> None:
    """A list of one: the waiting for the broker is measured, not the freezing."""
    with begin(floor.sessions) as session:
        session.execute(text(MOVE_ONE), {"province": PROVINCE})


def _accepted(floor: Ground) -> int:
    return int(floor.stage.carrier_stats().get("accepted", 0))


def _is_settled(floor: Ground) -> bool:
    with begin(floor.sessions) as session:
        return int(session.execute(text(OPEN)).scalar_one()) == 0


def _until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not what():
        if time.monotonic() > deadline:
            raise EmbeddedError("it did not recover in time")
        time.sleep(LOOK_SECONDS)


def _worst(broken: list[Broken]) -> float | None:
    """A promise of recovery is kept by the worst round, not by the middle one."""
    return round(max(each.seconds for each in broken), 2) if broken else None


PROVINCE = "TR-31"
MOVE_ONE = "UPDATE citizen SET province_code = :province WHERE id = (SELECT id FROM citizen WHERE country_iso2 = 'TR' LIMIT 1)"
OPEN = """
SELECT (SELECT count(*) FROM delivery WHERE state = 'queued') + (SELECT count(*) FROM send_window WHERE closed_at IS NULL)
     + (SELECT count(*) FROM attempt WHERE state = 'unknown' AND looked_up_at IS NULL)
     + (SELECT count(*) FROM receipt WHERE applied_at IS NULL)
     + (SELECT count(*) FROM broadcast WHERE state = 'approved' AND released_at IS NULL)
"""
