"""One path's figures as one JSON line: what was measured, the goal, and whether it was met."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Plan:
    """How much is done: `quick` proves that everything works and that the counts are exact; its rates say nothing."""

    is_quick: bool = False
    recipients: int | None = None

    @property
    def rounds(self) -> int:
        """Rounds of a path; each has one turn of ours, of the naive way and of the limit."""
        return 1 if self.is_quick else 3

    def size(self, *, full: int, quick: int) -> int:
        """How many recipients this path works on."""
        return self.recipients or (quick if self.is_quick else full)


@dataclass(frozen=True)
class Round:
    """Rates of one round, in units per second. None: that way was not there to be measured."""

    ours: float
    naive: float | None
    limit: float
    cpu_per_1000: float | None = None


@dataclass(frozen=True)
class Goal:
    """A figure to reach. A `floor` decides over success; a goal is only compared and said."""

    at_least: float | None = None
    at_most: float | None = None
    floor: float | None = None

    def is_met(self, measured: float | None) -> bool | None:
        """None when nothing was measured."""
        if measured is None:
            return None
        return (self.at_least is None or measured >= self.at_least) and (self.at_most is None or measured <= self.at_most)


@dataclass(frozen=True)
class Outcome:
    """One path: its rounds, whether every count came out exactly, its goals, and whatever else belongs to it."""

    path: str
    plan: Plan
    recipients: int
    rounds: Sequence[Round]
    is_exact: bool
    goals: Mapping[str, Goal]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Exact; and in a full run, above every floor."""
        figures = self.figures()
        floors = {name: goal.floor for name, goal in self.goals.items() if goal.floor is not None and not self.plan.is_quick}
        return self.is_exact and all(figures[name] is None or figures[name] >= floor for name, floor in floors.items())

    def figures(self) -> dict[str, Any]:
        """Medians of the rounds; each ratio is the median of the ratios of single rounds, so that noise is shared."""
        with_naive = [(each.ours, each.naive) for each in self.rounds if each.naive]
        return {
            "ours_per_second": _round(_median([each.ours for each in self.rounds])),
            "naive_per_second": _round(_median([naive for _, naive in with_naive])),
            "limit_per_second": _round(_median([each.limit for each in self.rounds])),
            "ratio_to_naive": _round(_median([ours / naive for ours, naive in with_naive])),
            "share_of_limit": _round(_median([each.ours / each.limit for each in self.rounds])),
            "cpu_seconds_per_1000": _round(_median([each.cpu_per_1000 for each in self.rounds if each.cpu_per_1000 is not None])),
            **self.details,
        }

    def as_json(self) -> dict[str, Any]:
        """The line. `met` is null for what could not be measured; `is_quick` rates mean nothing."""
        figures = self.figures()
        return {
            "path": self.path,
            **figures,
            "rounds": len(self.rounds) or self.plan.rounds,
            "recipients": self.recipients,
            "exact": self.is_exact,
            "goal": {name: _bound(goal) for name, goal in self.goals.items()},
            "measured": {name: figures[name] for name in self.goals},
            "met": {name: goal.is_met(figures[name]) for name, goal in self.goals.items()},
            "is_quick": self.plan.is_quick,
            "machine": machine(),
        }

    def as_words(self) -> str:
        """The same for a reader in a hurry."""
        figures = self.figures()
        rates = ", ".join(f"{name} {figures[f'{name}_per_second']}/s" for name in ("ours", "naive", "limit"))
        verdict = "exact" if self.is_exact else "NOT EXACT"
        return f"{self.path}: {rates}; {figures['ratio_to_naive']} × naive, {figures['share_of_limit']} of the limit; {verdict}"


def machine() -> dict[str, Any]:
    """Where it was measured, and how busy that machine was."""
    return {"cpus": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 1)}


def _bound(goal: Goal) -> dict[str, float]:
    given = {"at_least": goal.at_least, "at_most": goal.at_most, "floor": goal.floor}
    return {name: value for name, value in given.items() if value is not None}


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _round(value: float | None) -> float | None:
    """Three significant digits are more than a shared machine deserves."""
    return None if value is None else float(f"{value:.3g}")
