"""Three clocks: where it happened, where the mission is, and Jakarta."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.core import get_global

from alerts.kit.i18n import JAKARTA, find_zone


@dataclass(frozen=True)
class Clock:
    """One of the clocks: `key` is event, mission or jakarta; `place` says whose time it is."""

    key: str
    zone: ZoneInfo
    place: str


def zone_of_country(country: str | None) -> ZoneInfo | None:
    """The zone of a country's first time zone (its only one, for most); None where nobody knows."""
    zones = get_global("territory_zones").get((country or "").upper(), [])
    return next((found for name in zones if (found := find_zone(name))), None)


def clocks_for(event_countries: Iterable[str], mission_country: str | None = None) -> list[Clock]:
    """The clocks a page shows, Jakarta last. A zone that was shown already is not shown twice."""
    wanted = [("event", code) for code in list(event_countries)[:1]] + [("mission", mission_country or "")]
    clocks: list[Clock] = []
    for key, country in wanted:
        zone = zone_of_country(country)
        if zone and zone.key not in {clock.zone.key for clock in clocks}:
            clocks.append(Clock(key, zone, country))
    return [*(clock for clock in clocks if clock.zone.key != JAKARTA.key), Clock("jakarta", JAKARTA, "ID")]


def as_machine_time(at: datetime) -> str:
    """For the `datetime` attribute, from which the browser keeps ages running."""
    return at.isoformat()
