"""fanout: one SMS step from the release to the last recorded acceptance, by the product's own processes.

Ours are the relay and a worker of two sending processes, as `siaga relay` and `siaga worker` start them: outbox, claim,
committed intents, personal text and signed callback address, bulk record; Postgres with fsync. The time is the
database's: from `released_at` to the last `accepted_at`. Each round then sends a tenth by the naive twin and posts the
very bytes of our last request by one lean aiohttp process. Receipts are not part of this path.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
GOALS = {
    "ratio_to_naive": Goal(at_least=30, floor=18),
    "share_of_limit": Goal(at_least=1.1, floor=0.6),
    "cpu_seconds_per_1000": Goal(at_most=0.15),
}


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """Run the path; see the module."""
    people = plan.size(full=FULL, quick=QUICK)
    with _standing(services, plan, say, people) as floor:
        carrier = _carrier_url(floor)
        incident_id = floor.open_incident(COUNTRY)
        rounds, exact, naive_cpu = [], True, []
        for number in range(plan.rounds):
            ours, cpu, is_exact = _ours(floor, incident_id, people)
            exact &= is_exact
            last = get_json(f"{carrier}/last") or {}
            twin = naive.send(floor, max(1, people // NAIVE_SHARE)) if naive.is_there() else (None, None)
            limit = _beside("lean", carrier, last, people)
            rounds.append(Round(ours, twin[0], limit, cpu))
            naive_cpu.append(twin[1])
            say(f"fanout {number + 1}/{plan.rounds}: ours {ours:.0f}/s, task per message {twin[0] or 0:.0f}/s, lean client {limit:.0f}/s")
        ceiling = _beside("raw", carrier, last, people * RAW_SHARE)
    return Outcome("fanout", plan, people, rounds, exact, GOALS, _details(rounds, naive_cpu, ceiling))


def _details(rounds: list[Round], naive_cpu: list[float | None], ceiling: float) -> dict[str, Any]:
    fastest = max(each.ours for each in rounds)
    twin = "a Celery task per message, Twilio's client" if naive.is_there() else "not measured: the tests are not here"
    known = sorted(each for each in naive_cpu if each is not None)
    return {
        "naive": twin,
        "naive_cpu_seconds_per_1000": round(known[len(known) // 2], 2) if known else None,
        "limit": "one lean aiohttp process",
        "carrier_ceiling_per_second": float(f"{ceiling:.3g}"),
        "is_carrier_quick_enough": ceiling >= RAW_SHARE * fastest,
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
        if naive.is_there():
            naive.send(floor, WARM_UP)
        try:
            yield floor
        finally:
            for name in (*OURS, "carrier", naive.PROCESS):
                services.stop_process(name)


def _ours(floor: Ground, incident_id: UUID, people: int, *, batch_size: int | None = None) -> tuple[float, float, bool]:
    """Send one message to everybody: recipients per second, processor seconds per 1,000, and whether each got it once.

    Processor time is that of the relay, the worker, Postgres and Valkey; not the carrier's.
    """
    broadcast_id = floor.approve_message(incident_id, people=people)
    post_json(f"{_carrier_url(floor)}/reset", {})
    used = floor.cpu_seconds(*OURS)
    with begin(floor.sessions) as session:
        release(session, broadcast_id, batch_size=batch_size or floor.settings.delivery.batch_size)
    _wait(floor, broadcast_id)
    cpu = floor.cpu_seconds(*OURS) - used
    with begin(floor.sessions) as session:
        row = session.execute(text(RESULT), {"broadcast": broadcast_id}).one()
    book = get_json(f"{_carrier_url(floor)}/stats")
    is_exact = book == {"accepted": people, "numbers": people, "most_per_number": 1} and tuple(row[1:]) == (people, people, people)
    return people / float(row.seconds), cpu / people * 1000, is_exact


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


def _beside(way: str, carrier: str, last: Mapping[str, Any], count: int) -> float:
    """Post our own last request so often by a process that does nothing else; per second."""
    task = json.dumps({"url": carrier, "count": count, "connections": CONNECTIONS, **last})
    argv = [sys.executable, "-m", "alerts.bench.limit", way]
    done = subprocess.run(argv, input=task, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS_MAX, check=True)  # noqa: S603
    return float(count / json.loads(done.stdout)["seconds"])


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
