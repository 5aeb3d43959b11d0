"""Country outlines from the TopoJSON file beside this module: decoded once, drawn as SVG or sent as GeoJSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA_FOLDER = Path(__file__).resolve().parent / "data"
Point = tuple[float, float]
Ring = list[Point]


@dataclass(frozen=True)
class Outline:
    """One country's rings of (lon, lat) degrees; `code` is ISO 3166-1 alpha-2, empty where the file has none."""

    code: str
    rings: list[Ring]

    def boxes(self) -> Iterator[tuple[float, float, float, float]]:
        """West, south, east, north of each ring: a country may lie on both sides of the world's edge."""
        for ring in self.rings:
            lons, lats = [lon for lon, _ in ring], [lat for _, lat in ring]
            yield min(lons), min(lats), max(lons), max(lats)


@cache
def outlines() -> tuple[Outline, ...]:
    """Every country of the file."""
    world = json.loads((DATA_FOLDER / "countries-110m.json").read_text(encoding="utf-8"))
    arcs = [_decode(arc, world["transform"]) for arc in world["arcs"]]
    codes = _codes()
    countries = world["objects"]["countries"]["geometries"]
    return tuple(Outline(codes.get(each.get("id", ""), ""), list(_rings(each, arcs))) for each in countries)


@cache
def as_geojson() -> bytes:
    """The same for MapLibre: one feature per country with its code, two decimals (about a kilometre)."""
    features = [
        {
            "type": "Feature",
            "properties": {"code": outline.code},
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[[[round(lon, 2), round(lat, 2)] for lon, lat in ring]] for ring in outline.rings],
            },
        }
        for outline in outlines()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")).encode()


def _codes() -> dict[str, str]:
    with (DATA_FOLDER / "iso_numeric.csv").open(encoding="utf-8", newline="") as file:
        return {row["numeric"]: row["code"] for row in csv.DictReader(file)}


def _decode(arc: Sequence[Sequence[int]], transform: dict[str, Any]) -> Ring:
    """TopoJSON keeps the first point and then steps, in whole units of the transform."""
    (scale_x, scale_y), (move_x, move_y) = transform["scale"], transform["translate"]
    x = y = 0
    points: Ring = []
    for step_x, step_y in arc:
        x, y = x + step_x, y + step_y
        points.append((x * scale_x + move_x, y * scale_y + move_y))
    return points


def _rings(geometry: dict[str, Any], arcs: list[Ring]) -> Iterator[Ring]:
    """Outer rings only: the few holes of this coarse file are countries that are drawn over them."""
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    for polygon in polygons:
        yield _join(polygon[0], arcs)


def _join(numbers: Sequence[int], arcs: list[Ring]) -> Ring:
    """A ring is a chain of arcs; a negative number ~n is arc n backwards; shared end points are kept once."""
    ring: Ring = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        ring += arc[1:] if ring else arc
    return ring
