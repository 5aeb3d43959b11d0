"""Runs the chosen paths one after another on one pair of servers of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from alerts import embedded
from alerts.bench import checkins, fanout, live, receipts, recovery, rows, scale, summary
from alerts.bench.ground import Say, make_template
from alerts.bench.outcome import Outcome, Plan
from alerts.embedded import Services
from alerts.embedded.safety import safe_environment

PATHS: Mapping[str, Callable[[Services, Plan, Say], Outcome]] = MappingProxyType(
    {
        "fanout": fanout.measure,
        "rows": rows.measure,
        "receipts": receipts.measure,
        "recovery": recovery.measure,
        "scale": scale.measure,
        "summary": summary.measure,
        "checkins": checkins.measure,
        "live": live.measure,
    }
)
ALL = "all"
ALONE = frozenset({"scale"})
"""What takes too long to belong to `all`; asked for by name."""


def paths_of(name: str) -> Sequence[str]:
    """The paths that a name stands for; empty for an unknown name."""
    return tuple(path for path in PATHS if path not in ALONE) if name == ALL else tuple(path for path in PATHS if path == name)


def run(paths: Sequence[str], plan: Plan, say: Say) -> Iterator[Outcome]:
    """Measure each path and hand its outcome over at once. Everything that was started is gone afterwards."""
    with embedded.services(purpose="bench", environ=safe_environment(os.environ)) as services:
        say("Postgres and Valkey are up; making tables")
        make_template(services)
        for path in paths:
            yield PATHS[path](services, plan, say)
