"""fanout: one SMS step from the release to the last recorded acceptance, by the product's own processes.

Ours are the relay, a worker of two sending processes, a quick worker and one web process, as `siaga` starts them: outbox,
claim, committed intents, fencing, personal text and signed callback address, country rules and buckets, bulk record;
Postgres with fsync. Receipts come in at a held rate while it sends, the rest afterwards. The time is the database's: from
`released_at` to the last `accepted_at`. Each round then sends a few thousand by the naive twin, with receipts at the same
rate at its own door, and posts the very bytes of our last request by one lean aiohttp process.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import text

from alerts.bench import naive
from alerts.bench.ground import COUNTRY, WARM_UP_COUNTRY, Ground, Say, ground
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.bench.pipe import Figures
from alerts.bench.postman import Postman, postman
from alerts.deliveries.actions import release
from alerts.embedded import EmbeddedError, Services
from alerts.embedded.scratch import CHECKOUT
from alerts.kit.db import begin
from alerts.stage import get_json, post_json

FULL, QUICK = 50_000, 300
NAIVE_FULL, NAIVE_QUICK = 3_000, 30
OWN_SHARE = 3
WARM_UP = 40
CONNECTIONS = 64
RECEIPTS_PER_SECOND = 1000.0
REST_PER_SECOND = 2000.0
RAW_SHARE = 3  # the carrier must take at least so many times our rate, or it would be measured in our place
SECONDS_MAX = 1800.0
LOOK_SECONDS = 0.1
SENDING = ("worker", "relay")
OURS = (*SENDING, "serve", "quick")
ABOVE_REACH = "1000000"
# Buckets are taken from as in production and never empty. What is no part of this path stays away: the sheet, latecomers.
OVERRIDES = {
    "SIAGA_PACE_ACCOUNT_PER_SECOND": ABOVE_REACH,
    "SIAGA_PACE_SENDER_PER_SECOND": ABOVE_REACH,
    "SIAGA_PACE_COUNTRY_PER_SECOND": ABOVE_REACH,
    "SIAGA_LIVE_REFRESH_SECONDS": "3600",
    "SIAGA_DELIVERY_WAVE_SECONDS": "3600",
}
GOALS = {
    "ratio_to_naive": Goal(at_least=30, floor=18),
    "share_of_limit": Goal(at_least=1.1, floor=0.6),
    "cpu_seconds_per_1000": Goal(at_most=0.15),
}


@dataclass(frozen=True)
class Sent:
    """One turn of ours: recipients per second; processor seconds per 1,000 by process, without the carrier's two."""

    per_second: float
    cpu_per_1000: Mapping[str, float]
    is_exact: bool
    held: Figures
    rest: Figures
    rest_cpu: Mapping[str, float]


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """Run the path; see the module."""
    people = plan.size(full=FULL, quick=QUICK)
    with standing(services, plan, say, people) as floor, _posters(floor) as (ours, naive_door):
        incident_id = floor.open_incident(COUNTRY)
        turns, rounds, beside_cpu, naive_held, own = [], [], [], [], []
        for number in range(plan.rounds):
            turns.append(sent := send(floor, incident_id, people, ours))
            last = get_json(f"{floor.stage.carrier_url}/last") or {}
            twin, held = _naive(floor, plan, naive_door)
            naive_held.append(held)
            own.append(_naive_with_its_own(floor, plan, naive_door))
            limit, limit_cpu = beside("lean", floor, last, people)
            rounds.append(Round(sent.per_second, twin[0], limit, sum(sent.cpu_per_1000.values())))
            beside_cpu.append((twin[1], limit_cpu))
            words = f"ours {sent.per_second:.0f}/s, task per message {twin[0] or 0:.0f}/s, lean client {limit:.0f}/s"
            say(f"fanout {number + 1}/{plan.rounds}: {words}; receipts {sent.held['per_second']:.0f}/s, {held.get('per_second', 0):.0f}/s")
        ceiling, _ = beside("raw", floor, last, people * RAW_SHARE)
    details = (
        _details(turns, beside_cpu) | _receipt_details(turns, naive_held) | _own_details(turns, own) | _carrier_details(ceiling, turns)
    )
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


def _receipt_details(turns: list[Sent], naive_held: list[Figures]) -> dict[str, Any]:
    naive_rates = [held["per_second"] for held in naive_held if held]
    posted = [turn.held for turn in turns]
    return {
        "receipts_per_second_ours": round(median(held["per_second"] for held in posted)),
        "receipts_per_second_naive": round(median(naive_rates)) if naive_rates else None,
        "receipts_rest_per_second": round(median(turn.rest["per_second"] for turn in turns)),
        "receipt_latency_ms": posted[-1]["latency_ms"],
        "receipt_answers": posted[-1]["statuses"],
        "poster_cpu_seconds_per_1000": round(median(held["cpu_seconds"] / max(1, held["answered"]) * 1000 for held in posted), 3),
    }


def _own_details(turns: list[Sent], own: list[float | None]) -> dict[str, Any]:
    """A twin that gets no more receipts than it has sent messages: fewer a second than ours, in its favour."""
    known = [(turn.per_second, rate) for turn, rate in zip(turns, own, strict=True) if rate]
    return {
        "naive_per_second_own_receipts": round(median(rate for _, rate in known), 1) if known else None,
        "ratio_to_naive_own_receipts": round(median(ours / rate for ours, rate in known), 1) if known else None,
    }


def _carrier_details(ceiling: float, turns: list[Sent]) -> dict[str, Any]:
    return {
        "limit": "one lean aiohttp process",
        "carrier_ceiling_per_second": float(f"{ceiling:.3g}"),
        "is_carrier_quick_enough": ceiling >= RAW_SHARE * max(turn.per_second for turn in turns),
    }


@contextmanager
def standing(services: Services, plan: Plan, say: Say, people: int, *, name: str = "fanout", has_naive: bool = True) -> Iterator[Ground]:
    """Register written, carrier and both kinds of workers running and warm."""
    with ground(services, name, plan=plan, say=say, overrides=OVERRIDES) as floor:
        say(f"{name}: writing {people} people, starting carrier and workers")
        _start(floor, "carrier", "alerts.bench.carrier", str(floor.stage.carrier_port))
        floor.stage.start(*OURS)
        has_naive = has_naive and naive.is_there()
        if has_naive:
            naive.start(floor)
        floor.write_people({COUNTRY: people, WARM_UP_COUNTRY: WARM_UP})
        floor.stage.wait_for(f"{floor.stage.carrier_url}/stats", "carrier")
        send(floor, floor.open_incident(WARM_UP_COUNTRY), WARM_UP, batch_size=2)
        if has_naive and not plan.is_quick:
            naive.send(floor, WARM_UP)
        try:
            yield floor
        finally:
            for process in (*OURS, "carrier", *naive.PROCESSES):
                with suppress(EmbeddedError):  # one that never ran
                    services.stop_process(process, signal.SIGKILL)  # nothing is under way, and a kind farewell takes seconds


@contextmanager
def _posters(floor: Ground) -> Iterator[tuple[Postman, Postman]]:
    """One poster of receipts for our door, one for the naive one: each keeps its own connections."""
    carrier, environment = floor.stage.carrier_url, floor.stage.environment
    with postman(carrier, environment) as ours, postman(carrier, environment) as theirs:
        yield ours, theirs


@dataclass(frozen=True)
class Pace:
    """Receipts per second while we send, and afterwards (None: as fast as the door takes them)."""

    held: float | None = RECEIPTS_PER_SECOND
    rest: float | None = REST_PER_SECOND


def send(
    floor: Ground, incident_id: UUID, people: int, post: Postman | None = None, *, pace: Pace = Pace(), batch_size: int | None = None
) -> Sent:
    """Send one message to everybody, by the processes that are running, and look at the carrier's book and at the rows."""
    broadcast_id = floor.approve_message(incident_id, people=people)
    post_json(f"{floor.stage.carrier_url}/reset", {})
    if post:
        post.hold(pace.held)
    used = floor.cpu_of(*OURS)
    while _release(floor, broadcast_id, batch_size or floor.settings.delivery.batch_size):
        pass
    _wait(floor, UNFINISHED, broadcast_id)
    after = floor.cpu_of(*OURS)
    cpu = Counter({name: after[name] - used[name] for name in after})
    held, rest = post.rest(pace.rest) if post else ({}, {})
    _wait(floor, UNAPPLIED, broadcast_id)
    rest_cpu = floor.cpu_of(*OURS)
    rest_cpu.subtract(after)
    with begin(floor.sessions) as session:
        row = session.execute(text(RESULT), {"broadcast": broadcast_id}).one()
    book = get_json(f"{floor.stage.carrier_url}/stats")
    known = (people, people, people, people if post else 0)
    is_exact = book == {"accepted": people, "numbers": people, "most_per_number": 1} and tuple(row[1:]) == known
    per_1000 = {name: seconds / people * 1000 for name, seconds in cpu.items()}
    return Sent(people / float(row.seconds), per_1000, is_exact, held, rest, rest_cpu)


def _release(floor: Ground, broadcast_id: UUID, batch_size: int) -> int:
    with begin(floor.sessions) as session:
        return release(session, broadcast_id, batch_size=batch_size)


def _naive(floor: Ground, plan: Plan, post: Postman) -> tuple[tuple[float | None, float | None], Figures]:
    """The twin's turn, with receipts at the same rate: it accepts fewer messages than that, so that some come again."""
    if not naive.is_there():
        return (None, None), {}
    post_json(f"{floor.stage.carrier_url}/reset", {})
    post.hold(RECEIPTS_PER_SECOND, has_repeats=True)
    sent = naive.send(floor, NAIVE_QUICK if plan.is_quick else NAIVE_FULL)
    return sent, post.stop()


def _naive_with_its_own(floor: Ground, plan: Plan, post: Postman) -> float | None:
    """The twin once more, with a receipt for each message and none again."""
    if not naive.is_there():
        return None
    post_json(f"{floor.stage.carrier_url}/reset", {})
    post.hold(RECEIPTS_PER_SECOND)
    rate, _ = naive.send(floor, (NAIVE_QUICK if plan.is_quick else NAIVE_FULL) // OWN_SHARE)
    post.stop()
    return rate


def _wait(floor: Ground, query: str, broadcast_id: UUID) -> None:
    """Until the query finds nothing more to be done; with the worker's own last words when that takes too long."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        with begin(floor.sessions) as session:
            if not session.execute(text(query), {"broadcast": broadcast_id}).scalar_one():
                return
        if floor.stage.services.process_pid("worker") is None:
            break
        time.sleep(LOOK_SECONDS)
    raise EmbeddedError(f"the worker did not finish: {floor.stage.services.log_of('worker').strip()[-600:]}")


def beside(way: str, floor: Ground, last: Mapping[str, Any], count: int) -> tuple[float, float]:
    """Post our own last request so often by a process that does nothing else; per second, and its processor seconds per 1,000."""
    task = json.dumps({"url": floor.stage.carrier_url, "count": count, "connections": CONNECTIONS, **last})
    argv = [sys.executable, "-m", "alerts.bench.limit", way]
    done = subprocess.run(argv, input=task, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS_MAX, check=True)  # noqa: S603
    figures = json.loads(done.stdout)
    return count / figures["seconds"], figures["cpu_seconds"] / count * 1000


def _start(floor: Ground, name: str, module: str, *arguments: str) -> None:
    floor.stage.services.start_process(name, [sys.executable, "-m", module, *arguments], floor.stage.environment)


UNFINISHED = "SELECT EXISTS (SELECT FROM delivery_batch WHERE broadcast_id = :broadcast AND state <> 'done')"
UNAPPLIED = "SELECT EXISTS (SELECT FROM receipt WHERE applied_at IS NULL AND CAST(:broadcast AS uuid) IS NOT NULL)"

RESULT = """
SELECT extract(epoch FROM max(d.accepted_at) - b.released_at) AS seconds,
    count(*), count(d.accepted_at), count(DISTINCT d.provider_id), count(*) FILTER (WHERE d.state = 'delivered')
FROM delivery d JOIN broadcast b ON b.id = d.broadcast_id WHERE b.id = :broadcast GROUP BY b.released_at
"""
