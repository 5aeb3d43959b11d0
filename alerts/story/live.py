"""Tells a crisis as it happens: opened now, each step at its own moment, an hour pressed into a minute or so.

No clock is moved. What is filed is as old as it is when the story ends: a report of minute 12 of sixty is filed as of 48 minutes before
the end, so that what was said twenty minutes apart stands twenty minutes apart. What is promised is still to come, and real: such
moments are pressed together as the telling is, and the waits of the settings with them (`alerts.stage_waits`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.story.crisis import Crisis, CrisisFileError
from alerts.story.steps import Step

MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})")
STILL_TO_COME = frozenset({"next_report_at", "by_when"})


@dataclass(frozen=True, slots=True)
class LiveTelling:
    """A crisis that is told from `begun` on. `crisis`: the file with its moments moved, and no replay."""

    crisis: Crisis
    file: Crisis
    begun: datetime

    def wait_for(self, step: Step) -> None:
        """Until the step's turn; one whose turn has passed is late, and not left out."""
        told = next(each for each in self.file.steps if each.ref == step.ref)
        left = (_pressed(self.file, told.at, self.begun) - datetime.now(UTC)).total_seconds()
        if left > 0:
            time.sleep(left)


def share_of(crisis: Crisis) -> float:
    """How long a wait is in the telling: 1/60 where a minute of the story takes a second."""
    return crisis.live.seconds_per_minute / 60 if crisis.live else 1.0


def as_it_happens(crisis: Crisis, now: datetime) -> LiveTelling:
    """The crisis opened now. Raises CrisisFileError for a file that does not say how long a minute takes."""
    if crisis.live is None or not crisis.steps:
        raise CrisisFileError(f"{crisis.name}: the file does not say at which pace it is told live")
    last = crisis.steps[-1].at
    ends = _pressed(crisis, last, now)

    def filed(at: datetime) -> datetime:
        return (ends - (last - at)).astimezone(at.tzinfo)

    def promised(at: datetime) -> datetime:
        return _pressed(crisis, at, now).astimezone(at.tzinfo)

    document = _moved(crisis.model_dump(mode="json", by_alias=True), filed, promised)
    document["incident"] |= {"is_replayed": False}
    return LiveTelling(Crisis.model_validate(document), crisis, now)


def minute_of(crisis: Crisis, at: datetime) -> int:
    """Whole minutes of the story since it happened."""
    return round((at - datetime.fromisoformat(crisis.incident["occurred_at"])) / timedelta(minutes=1))


def _pressed(crisis: Crisis, at: datetime, begun: datetime) -> datetime:
    """When the telling comes to that moment of the file."""
    assert crisis.live is not None
    return begun + (at - crisis.live.opened_at) * share_of(crisis)


def _moved(value: Any, filed: Callable[[datetime], datetime], promised: Callable[[datetime], datetime]) -> Any:
    if isinstance(value, dict):
        moves = {name: promised if name in STILL_TO_COME else filed for name in value}
        return {name: _moved(each, moves[name], promised) for name, each in value.items()}
    if isinstance(value, list):
        return [_moved(each, filed, promised) for each in value]
    if isinstance(value, str) and MOMENT.fullmatch(value):
        return filed(datetime.fromisoformat(value)).isoformat()
    return value
