"""The time zone of a country, a province or an area."""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.core import get_global

from alerts.kit.i18n import find_zone
from alerts.places.areas import AreaSpec
from alerts.places.geometry import distance_km, touched_places
from alerts.places.names import find_province

ZONES = Path(__file__).resolve().parent / "data" / "zones.csv"
Point = tuple[float, float]


def zone_of(country: str | None, near: Point | None = None) -> ZoneInfo | None:
    """The time zone of a country; of several the one whose town is nearest to `near` (lat, lon), else the capital's.

    None where nobody knows.
    """
    code = (country or "").upper()
    several = _towns().get(code)
    if several is None:
        return next((found for name in get_global("territory_zones").get(code, []) if (found := find_zone(name))), None)
    towns = sorted(several, key=lambda town: distance_km(*near, town[1], town[2])) if near else several
    return find_zone(towns[0][0])


def zone_of_place(code: str | None) -> ZoneInfo | None:
    """The zone of a country's or a province's code."""
    province = find_province(code or "")
    return zone_of((code or "")[:2], (province.lat, province.lon) if province else None)


def zone_of_area(area: AreaSpec) -> ZoneInfo | None:
    """The zone of an area; a circle or polygon has that of the province whose main town is nearest."""
    return zone_of_place(area.code or next((touched.code for touched in touched_places(area)), None))


@cache
def _towns() -> dict[str, list[tuple[str, float, float]]]:
    """Zone, latitude, longitude of the countries with several zones, the capital's first (from the tz database)."""
    towns: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    with ZONES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            towns[row["country"]].append((row["zone"], float(row["lat"]), float(row["lon"])))
    return dict(towns)
