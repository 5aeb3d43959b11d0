"""Which of a channel's senders takes the next window. Pure decisions.

A sender's weight falls quickly while its answers are bad and rises slowly once they are good. It moves only while some
other sender is better: when all are bad there is nowhere to go, and a change would only carry the trouble along.
All times are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp

WEIGHT_MIN = 0.05
"""A sender keeps so much: without any traffic nobody would learn that it is well again."""
GOOD = 0.9
"""From this quality on a sender counts as good."""
ERRORS_ALLOWED = 0.02
EVIDENCE_MIN = 5.0
"""Fewer recent answers than this say nothing."""
SHARPNESS = 3


@dataclass(frozen=True, slots=True)
class Notes:
    """Answers of one sender, counted. `surely_not_sent` is trouble on the way or at the provider's door: a refused account too.

    A 429 (the pace's business) and a refusal of the number or text are answers, and count as `ok`.
    """

    ok: float = 0.0
    surely_not_sent: float = 0.0
    unknown: float = 0.0
    seconds: float = 0.0
    """Sum of the times that the answers took; one that never came took its timeout."""

    def __add__(self, other: Notes) -> Notes:
        return Notes(
            self.ok + other.ok, self.surely_not_sent + other.surely_not_sent, self.unknown + other.unknown, self.seconds + other.seconds
        )

    def faded(self, share: float) -> Notes:
        """What is left of old answers."""
        return Notes(self.ok * share, self.surely_not_sent * share, self.unknown * share, self.seconds * share)

    @property
    def count(self) -> float:
        return self.ok + self.surely_not_sent + self.unknown


@dataclass(frozen=True, slots=True)
class Standing:
    """How a sender does: its recent answers, the older the fainter, and the weight that came of them."""

    recent: Notes = field(default_factory=Notes)
    weight: float = 1.0


def quality(recent: Notes, *, slow_seconds: float) -> float | None:
    """From 1 (answers well) to 0; None where there are too few answers to tell. Slowness costs as much as errors."""
    if recent.count < EVIDENCE_MIN:
        return None
    errors = (recent.surely_not_sent + recent.unknown) / recent.count
    latency = recent.seconds / recent.count
    in_time = min(1.0, slow_seconds / latency) if latency > 0 else 1.0
    return (1.0 - max(0.0, errors - ERRORS_ALLOWED) / (1 - ERRORS_ALLOWED)) * in_time


def moved(
    standings: Mapping[str, Standing],
    news: Mapping[str, Notes],
    *,
    elapsed: float,
    memory_seconds: float,
    back_seconds: float,
    slow_seconds: float,
) -> dict[str, Standing]:
    """The standings of one channel's senders, `elapsed` later and with the news of that time."""
    elapsed = max(0.0, elapsed)
    left = exp(-elapsed / memory_seconds)
    recent = {name: standing.recent.faded(left) + news.get(name, Notes()) for name, standing in standings.items()}
    found = {name: quality(notes, slow_seconds=slow_seconds) for name, notes in recent.items()}
    if all(value is not None and value < GOOD for value in found.values()):
        return {name: Standing(recent[name], standing.weight) for name, standing in standings.items()}
    after = {}
    for name, standing in standings.items():
        value, weight = found[name], standing.weight
        target = max(WEIGHT_MIN, (1.0 if value is None or value >= GOOD else value) ** SHARPNESS)
        if target < weight:
            # After a lull one bad window is little evidence, however long the lull was.
            weight = target + (weight - target) * exp(-2 * min(elapsed / memory_seconds, 1 / 3))
        else:
            weight = min(target, weight + elapsed / back_seconds)
        after[name] = Standing(recent[name], weight)
    return after


def parts_of(shares: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Each sender's part of the windows: its share while all do equally well; what a weaker one loses goes to the best.

    So a small share, which keeps a new provider small, keeps nobody waiting when the large one fails.
    """
    total, best = sum(shares.values()) or 1.0, max(weights.values())
    kept = {name: share / total * weights[name] / best for name, share in shares.items()}
    heirs = [name for name in shares if weights[name] == best]
    lost, known = 1.0 - sum(kept.values()), sum(shares[name] for name in heirs)
    return {
        name: part + (lost * (shares[name] / known if known else 1 / len(heirs)) if name in heirs else 0.0) for name, part in kept.items()
    }


def next_turn(weights: Mapping[str, float], credits_before: Mapping[str, float]) -> tuple[str, dict[str, float]]:
    """Whose turn it is, in proportion to the weights and evenly mixed (smooth weighted round-robin), and the credits then."""
    raised = {name: credits_before.get(name, 0.0) + weight for name, weight in weights.items()}
    name = max(raised, key=lambda each: raised[each])
    raised[name] -= sum(weights.values())
    return name, raised
