"""scale: whether a recipient of a million costs what a recipient of ten thousand costs, and whether workers stay small.

Ours alone, by the same processes as `fanout`, without receipts: first the small list, then the large one. `ours` is the
large list's rate, `naive` is not sent (its cost per message does not depend on the list), the limit is one lean client.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from alerts.bench.cpu import children_memory_mb
from alerts.bench.fanout import WARM_UP, Sent, beside, send, standing
from alerts.bench.ground import COUNTRY, Ground, Say
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.embedded import Services
from alerts.stage import get_json

FULL, QUICK = 1_000_000, 600
SMALL_SHARE_MAX, SMALL = 2, 10_000
SMALL_COUNTRY = "MY"
LOOK_SECONDS, TELL_SECONDS = 0.5, 20.0
AT_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
GOALS = {"cost_ratio": Goal(at_most=1.2), "worker_growth_mb": Goal(at_most=30)}


class Watch(threading.Thread):
    """Looks at the sending processes while a list goes out, and tells how far it is."""

    def __init__(self, floor: Ground, people: int) -> None:
        super().__init__(daemon=True)
        self._floor, self._people = floor, people
        self._over = threading.Event()
        self.seen: list[tuple[float, float]] = []

    def run(self) -> None:
        """Until told to stop."""
        began = told = time.monotonic()
        while not self._over.wait(LOOK_SECONDS):
            count = int((get_json(f"{self._floor.stage.carrier_url}/stats") or {}).get("accepted", 0))
            self._look(count)
            began = began if count else time.monotonic()
            if count and time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                left = (told - began) / count * (self._people - count)
                self._floor.say(f"scale: {count} of {self._people} sent, {left:.0f} s left")

    def stop(self) -> None:
        """Look once more, and no more."""
        self._over.set()
        self.join()
        self._look(self._people)

    def at(self, share: float) -> float:
        """Megabytes when that share was out."""
        return next((memory for seen, memory in self.seen if seen >= share), self.seen[-1][1])

    def _look(self, count: int) -> None:
        self.seen.append((count / self._people, children_memory_mb(self._floor.stage.services.process_pid("worker"))))


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """One round: small, then large."""
    people = plan.size(full=FULL, quick=QUICK)
    small = min(SMALL, people // SMALL_SHARE_MAX)
    with standing(services, plan, say, people, name="scale", has_naive=False) as floor:
        floor.write_people({SMALL_COUNTRY: small}, first=people + WARM_UP)
        first, _ = _send(floor, SMALL_COUNTRY, small)
        say(f"scale: {small} sent, {first.per_second:.0f}/s, {_cost(first):.3f} CPU-s per 1,000")
        second, watch = _send(floor, COUNTRY, people)
        limit, _ = beside("lean", floor, get_json(f"{floor.stage.carrier_url}/last") or {}, small)
    memory = [round(watch.at(share), 1) for share in AT_SHARES]
    details = {
        "small": small,
        "small_per_second": round(first.per_second),
        "small_cpu_seconds_per_1000": round(_cost(first), 3),
        "cost_ratio": round(_cost(second) / _cost(first), 3) if _cost(first) else None,
        "worker_rss_mb": memory,
        "worker_rss_at": list(AT_SHARES),
        "worker_growth_mb": round(memory[-1] - memory[1], 1),
        "cpu_by_process": {name: round(cost, 3) for name, cost in second.cpu_per_1000.items()},
    }
    rounds = [Round(second.per_second, None, limit, _cost(second))]
    return Outcome("scale", plan, people, rounds, first.is_exact and second.is_exact, GOALS, details)


def _send(floor: Ground, country: str, people: int) -> tuple[Sent, Watch]:
    incident_id = floor.open_incident(country)
    with _watching(floor, people) as watch:
        return send(floor, incident_id, people), watch


@contextmanager
def _watching(floor: Ground, people: int) -> Iterator[Watch]:
    watch = Watch(floor, people)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def _cost(sent: Sent) -> float:
    return sum(sent.cpu_per_1000.values())
