"""Three clocks: where it happened, where the mission is, and Jakarta."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.kit.i18n import JAKARTA


@dataclass(frozen=True)
class Clock:
    """One of the clocks: `key` is event, mission or jakarta."""

    key: str
    zone: ZoneInfo


def clocks_for(event: ZoneInfo | None, mission: ZoneInfo | None = None) -> list[Clock]:
    """The clocks a page shows, Jakarta last. A zone that was shown already is not shown twice."""
    clocks: list[Clock] = []
    for key, zone in (("event", event), ("mission", mission)):
        if zone and zone.key not in {JAKARTA.key, *(clock.zone.key for clock in clocks)}:
            clocks.append(Clock(key, zone))
    return [*clocks, Clock("jakarta", JAKARTA)]


def as_machine_time(at: datetime) -> str:
    """For the `datetime` attribute, from which the browser keeps ages running."""
    return at.isoformat()
