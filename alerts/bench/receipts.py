"""receipts: the carrier's words while we send, and flat out when we don't.

Each round sends the same list twice by our own processes: without receipts, and with 3,000 a second coming in; what the
second takes longer is how much receipts slow the sending. The rest of the receipts is then posted flat out, to our door
(signature checked, stored once, answered after the commit) and to the naive one (an UPDATE of its own for each). The limit
is the same web server with a route that reads the body and stores nothing.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import Any

from alerts.bench import naive
from alerts.bench.fanout import Pace, Sent, send, standing
from alerts.bench.ground import COUNTRY, Ground, Say
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.bench.pipe import Figures
from alerts.bench.postman import Postman, postman
from alerts.embedded import Services
from alerts.stage import free_port, post_json

FULL, QUICK = 40_000, 300
HELD_PER_SECOND = 3000.0
NAIVE_SHARE, NAIVE_ROWS_SHARE, NAIVE_ROWS_MIN = 10, 100, 30
BARE, READY_SECONDS = "bare_door", 30.0
GOALS = {
    "receipts_per_second_held": Goal(at_least=0.97 * HELD_PER_SECOND),
    "sending_slowed_share": Goal(at_most=0.2),
    "ratio_to_naive": Goal(at_least=5, floor=2),
}


@dataclass(frozen=True)
class Turn:
    """One round: the same sending without and with receipts, and each door flat out."""

    alone: Sent
    beside: Sent
    naive: Figures
    limit: Figures
    cpu_per_1000: float

    @property
    def slowed(self) -> float:
        """The share of its rate that sending lost."""
        return max(0.0, 1 - self.beside.per_second / self.alone.per_second)


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """Run the path; see the module."""
    people = plan.size(full=FULL, quick=QUICK)
    with standing(services, plan, say, people, name="receipts") as floor:
        turns = []
        for number in range(plan.rounds):
            turns.append(turn := _turn(floor, people))
            held, rest = turn.beside.held, turn.beside.rest
            words = (
                f"sending {turn.alone.per_second:.0f}/s alone, {turn.beside.per_second:.0f}/s beside {held['per_second']:.0f} receipts/s"
            )
            flat_out = f"flat out {rest['per_second']:.0f}/s, naive {turn.naive.get('per_second', 0):.0f}/s"
            say(f"receipts {number + 1}/{plan.rounds}: {words}; {flat_out}")
    rounds = [
        Round(turn.beside.rest["per_second"], turn.naive.get("per_second"), turn.limit["per_second"], turn.cpu_per_1000) for turn in turns
    ]
    is_exact = all(sent.is_exact for turn in turns for sent in (turn.alone, turn.beside))
    return Outcome("receipts", plan, people, rounds, is_exact, GOALS, _details(turns))


def _details(turns: list[Turn]) -> dict[str, Any]:
    held = [turn.beside.held for turn in turns]
    return {
        "receipts_per_second_held": round(median(each["per_second"] for each in held)),
        "sending_slowed_share": round(median(turn.slowed for turn in turns), 3),
        "sending_per_second_alone": round(median(turn.alone.per_second for turn in turns)),
        "sending_per_second_beside": round(median(turn.beside.per_second for turn in turns)),
        "receipt_latency_ms": held[-1]["latency_ms"],
        "receipt_latency_flat_out_ms": turns[-1].beside.rest["latency_ms"],
        "naive_latency_ms": turns[-1].naive.get("latency_ms"),
        "poster_cpu_seconds_per_1000": round(
            median(turn.beside.rest["cpu_seconds"] / max(1, turn.beside.rest["answered"]) * 1000 for turn in turns), 3
        ),
        "cpu_by_process": {
            name: round(seconds / max(1, turns[-1].beside.rest["answered"]) * 1000, 3)
            for name, seconds in turns[-1].beside.rest_cpu.items()
        },
        "naive": "an UPDATE per receipt in FastAPI's threads" if naive.is_there() else "not measured: the tests are not here",
        "limit": "the same server, a route that stores nothing",
    }


def _turn(floor: Ground, people: int) -> Turn:
    incident_id = floor.open_incident(COUNTRY)
    alone = send(floor, incident_id, people)
    with _poster(floor) as post:
        beside = send(floor, incident_id, people, post, pace=Pace(HELD_PER_SECOND, None))
    theirs, limit = _flood_naive(floor, people), _flood_bare(floor, people)
    return Turn(alone, beside, theirs, limit, sum(beside.rest_cpu.values()) / max(1, beside.rest["answered"]) * 1000)


def _poster(floor: Ground) -> AbstractContextManager[Postman]:
    return postman(floor.stage.carrier_url, floor.stage.environment)


def _flood_naive(floor: Ground, people: int) -> Figures:
    """Receipts for a few messages that the twin has sent, each again and again."""
    if not naive.is_there():
        return {}
    rows = max(NAIVE_ROWS_MIN, people // NAIVE_ROWS_SHARE)
    post_json(f"{floor.stage.carrier_url}/reset", {})
    naive.send(floor, rows)
    with _poster(floor) as post:
        return post.flood(f"{naive.door_url(floor)}/status", different=rows, count=max(rows, people // NAIVE_SHARE))


def _flood_bare(floor: Ground, people: int) -> Figures:
    port = free_port()
    argv = [sys.executable, "-m", "alerts.bench.bare_door", str(port)]
    floor.stage.services.start_process(BARE, argv, floor.stage.environment)
    try:
        wait_for_port(port)
        with _poster(floor) as post:
            return post.flood(f"http://127.0.0.1:{port}/status", different=people, count=people)
    finally:
        floor.stage.services.stop_process(BARE, signal.SIGKILL)


def wait_for_port(port: int) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
