"""fanout: one SMS step from the release to the last recorded acceptance, by the product's own processes.

Ours are the relay and a worker of two sending processes, as `siaga relay` and `siaga worker` start them: outbox, claim,
committed intents, personal text and signed callback address, bulk record; Postgres with fsync. The time is the
database's: from `released_at` to the last `accepted_at`. Each round then sends a tenth by the naive twin and posts the
very bytes of our last request by one lean aiohttp process. Receipts are not part of this path.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import text

from alerts.bench import naive
from alerts.bench.ground import COUNTRY, WARM_UP_COUNTRY, Ground, Say, ground
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.deliveries.actions import release
from alerts.embedded import EmbeddedError, Services
from alerts.embedded.scratch import CHECKOUT
from alerts.kit.db import begin
from alerts.stage import get_json, post_json

FULL, QUICK = 10_000, 300
NAIVE_SHARE = 10
WARM_UP = 40
CONNECTIONS = 64
RAW_SHARE = 3  # the carrier must take at least so many times our rate, or it would be measured in our place
SECONDS_MAX = 900.0
LOOK_SECONDS = 0.1
OURS = ("worker", "relay")
# Between the turns nothing of ours shall be rung again only because no `quick` worker runs here.
OVERRIDES = {"SIAGA_RELAY_RERING_SECONDS": "600", "SIAGA_DELIVERY_SWEEP_SECONDS": "600", "SIAGA_DELIVERY_RECEIPTS_SECONDS": "600"}
FLOOR = 3.0
"""Times the naive way, below which something broke. It is raised behind what is reached; the goal stays what it is."""
GOALS = {
    "ratio_to_naive": Goal(at_least=30, floor=FLOOR),
    "share_of_limit": Goal(at_least=1.1),
    "cpu_seconds_per_1000": Goal(at_most=0.15),
}


@dataclass(frozen=True)
class Sent:
    """One turn of ours: recipients per second; processor seconds per 1,000 by process, without the carrier's."""

    per_second: float
    cpu_per_1000: Mapping[str, float]
    is_exact: bool


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """Run the path; see the module."""
    people = plan.size(full=FULL, quick=QUICK)
    with _standing(services, plan, say, people) as floor:
        carrier = _carrier_url(floor)
        incident_id = floor.open_incident(COUNTRY)
        turns, rounds, beside_cpu = [], [], []
        for number in range(plan.rounds):
            turns.append(sent := _ours(floor, incident_id, people))
            last = get_json(f"{carrier}/last") or {}
            twin = naive.send(floor, max(1, people // NAIVE_SHARE)) if naive.is_there() else (None, None)
            limit, limit_cpu = _beside("lean", carrier, last, people)
            rounds.append(Round(sent.per_second, twin[0], limit, sum(sent.cpu_per_1000.values())))
            beside_cpu.append((twin[1], limit_cpu))
            words = f"ours {sent.per_second:.0f}/s, task per message {twin[0] or 0:.0f}/s, lean client {limit:.0f}/s"
            say(f"fanout {number + 1}/{plan.rounds}: {words}")
        ceiling, _ = _beside("raw", carrier, last, people * RAW_SHARE)
    details = _details(turns, beside_cpu) | _carrier_details(ceiling, turns)
    return Outcome("fanout", plan, people, rounds, all(turn.is_exact for turn in turns), GOALS, details)


def _details(turns: list[Sent], beside_cpu: list[tuple[float | None, float]]) -> dict[str, Any]:
    known = [each for each, _ in beside_cpu if each is not None]
    ours = median(sum(turn.cpu_per_1000.values()) for turn in turns)
    return {
        "cpu_by_process": {name: round(median(turn.cpu_per_1000[name] for turn in turns), 3) for name in turns[0].cpu_per_1000},
        "naive": "a Celery task per message, Twilio's client" if naive.is_there() else "not measured: the tests are not here",
        "limit_cpu_seconds_per_1000": round(median(each for _, each in beside_cpu), 3),
        "naive_cpu_seconds_per_1000": round(median(known), 2) if known else None,
        "cpu_ratio_to_naive": round(median(known) / ours, 1) if known and ours else None,
    }


def _carrier_details(ceiling: float, turns: list[Sent]) -> dict[str, Any]:
    return {
        "limit": "one lean aiohttp process",
        "carrier_ceiling_per_second": float(f"{ceiling:.3g}"),
        "is_carrier_quick_enough": ceiling >= RAW_SHARE * max(turn.per_second for turn in turns),
    }


@contextmanager
def _standing(services: Services, plan: Plan, say: Say, people: int) -> Iterator[Ground]:
    """Register imported, carrier and both kinds of workers running and warm."""
    with ground(services, "fanout", plan=plan, say=say, overrides=OVERRIDES) as floor:
        say(f"fanout: importing {people} people, starting carrier and workers")
        _start(floor, "carrier", "alerts.bench.carrier", str(floor.stage.carrier_port))
        floor.stage.start(*OURS)
        if naive.is_there():
            naive.start(floor)
        floor.import_people({COUNTRY: people, WARM_UP_COUNTRY: WARM_UP})
        floor.stage.wait_for(f"{_carrier_url(floor)}/stats", "carrier")
        _ours(floor, floor.open_incident(WARM_UP_COUNTRY), WARM_UP, batch_size=2)
        if naive.is_there() and not plan.is_quick:
            naive.send(floor, WARM_UP)
        try:
            yield floor
        finally:
            for name in (*OURS, "carrier", naive.PROCESS):
                services.stop_process(name, signal.SIGKILL)  # nothing is under way, and a kind farewell takes seconds


def _ours(floor: Ground, incident_id: UUID, people: int, *, batch_size: int | None = None) -> Sent:
    """Send one message to everybody, by the processes that are running, and look at the carrier's book and at the rows."""
    broadcast_id = floor.approve_message(incident_id, people=people)
    post_json(f"{_carrier_url(floor)}/reset", {})
    used = floor.cpu_of(*OURS)
    with begin(floor.sessions) as session:
        release(session, broadcast_id, batch_size=batch_size or floor.settings.delivery.batch_size)
    _wait(floor, broadcast_id)
    cpu = floor.cpu_of(*OURS)
    cpu.subtract(used)
    with begin(floor.sessions) as session:
        row = session.execute(text(RESULT), {"broadcast": broadcast_id}).one()
    book = get_json(f"{_carrier_url(floor)}/stats")
    is_exact = book == {"accepted": people, "numbers": people, "most_per_number": 1} and tuple(row[1:]) == (people, people, people)
    return Sent(people / float(row.seconds), {name: seconds / people * 1000 for name, seconds in cpu.items()}, is_exact)


def _wait(floor: Ground, broadcast_id: UUID) -> None:
    """Until no batch is left to be done; with the worker's own last words when that takes too long."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        with begin(floor.sessions) as session:
            if not session.execute(text(UNFINISHED), {"broadcast": broadcast_id}).scalar_one():
                return
        if floor.stage.services.process_pid("worker") is None:
            break
        time.sleep(LOOK_SECONDS)
    raise EmbeddedError(f"the worker did not finish: {floor.stage.services.log_of('worker').strip()[-600:]}")


def _beside(way: str, carrier: str, last: Mapping[str, Any], count: int) -> tuple[float, float]:
    """Post our own last request so often by a process that does nothing else; per second, and its processor seconds per 1,000."""
    task = json.dumps({"url": carrier, "count": count, "connections": CONNECTIONS, **last})
    argv = [sys.executable, "-m", "alerts.bench.limit", way]
    done = subprocess.run(argv, input=task, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS_MAX, check=True)  # noqa: S603
    figures = json.loads(done.stdout)
    return count / figures["seconds"], figures["cpu_seconds"] / count * 1000


def _start(floor: Ground, name: str, module: str, *arguments: str) -> None:
    floor.stage.services.start_process(name, [sys.executable, "-m", module, *arguments], floor.stage.environment)


def _carrier_url(floor: Ground) -> str:
    return floor.stage.carrier_url


UNFINISHED = "SELECT EXISTS (SELECT FROM delivery_batch WHERE broadcast_id = :broadcast AND state <> 'done')"

RESULT = """
SELECT extract(epoch FROM max(d.accepted_at) - b.released_at) AS seconds,
    count(*), count(*) FILTER (WHERE d.state = 'accepted'), count(DISTINCT d.provider_id)
FROM delivery d JOIN broadcast b ON b.id = d.broadcast_id WHERE b.id = :broadcast GROUP BY b.released_at
"""
