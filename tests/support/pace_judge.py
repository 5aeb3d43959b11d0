"""What the tests of the pace share: a sender's waiting, and the judge of its log."""

from __future__ import annotations

from alerts.deliveries.buckets import Grant, Lane
from alerts.deliveries.pacing import Pacer
from tests.support.stages import wait_until

Entry = tuple[float, float, int, int]
"""One grant: when it was asked for, when it was had, how many, and whether it came from the shared buckets."""


def until_granted(pacer: Pacer, lane: Lane, wanted: int, *, cost: int = 1) -> Grant:
    """Wait as a sender does: as long as it was told."""
    found: list[Grant] = []

    def ask() -> bool:
        found.append(pacer.take(lane, wanted, cost=cost))
        return found[-1].count > 0

    wait_until(ask)
    return found[-1]


def worst_of(log: list[Entry], rate: float) -> float:
    """By how much the most generous interval exceeds the rate.

    A grant was surely made within an interval if it was asked for after its start and had before its end: a process that
    the machine kept waiting can only make this count smaller, never larger.
    """
    worst = 0.0
    for start, *_ in log:
        total = 0
        for _, got, count, _ in sorted((entry for entry in log if entry[0] >= start), key=lambda entry: entry[1]):
            total += count
            worst = max(worst, total - rate * (got - start))
    return worst
