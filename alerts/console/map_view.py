"""The map of an incident, drawn by the server: countries, the areas, people by cell, missions.

The SVG stands in the page from the first byte; where the browser can, MapLibre replaces it with the same
data. People are shown per cell (province or country), never as a dot per person, and a cell of fewer than
five says so instead of its count. A table with the same figures stands below.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import shapely

from alerts.console.shapes import Ring, outlines
from alerts.places import AreaSpec, Circle, Polygon, bounding_boxes, find_province

CELL_MIN = 5
EARTH_DEGREE_KM = 111.2
WIDTH, HEIGHT = 800.0, 560.0
MARGIN_DEGREES = 2.5
SPAN_MIN = 8.0
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Cell:
    """People registered in one province or country; `people` None means fewer than five."""

    code: str
    name: str
    lat: float
    lon: float
    people: int | None


@dataclass(frozen=True)
class Post:
    """A mission on the map."""

    name: str
    lat: float
    lon: float


@dataclass(frozen=True)
class Drawing:
    """All that the SVG template draws, in pixels, and what the island gets, in degrees."""

    width: float
    height: float
    lands: list[tuple[str, bool]]
    zones: list[str]
    spots: list[tuple[float, float, float, Cell]]
    posts: list[tuple[float, float, Post]]
    bounds: Bounds
    geojson: dict[str, Any]


def draw(areas: Sequence[AreaSpec], cells: Sequence[Cell], posts: Sequence[Post]) -> Drawing:
    """The map around the areas; cells and missions outside the view are left out of the drawing, not of the table."""
    hit = {(area.code or "")[:2] for area in areas if area.code}
    bounds = _bounds(areas, cells)
    sheet = _Sheet(bounds)
    return Drawing(
        width=WIDTH,
        height=HEIGHT,
        lands=[(path, outline.code in hit) for outline in outlines() if (path := sheet.paths(outline.rings))],
        zones=[path for area in areas if area.geometry and (path := sheet.paths([ring_of(area)]))],
        spots=[(*sheet.point(cell.lon, cell.lat), _radius(cell), cell) for cell in cells if sheet.shows(cell.lon, cell.lat)],
        posts=[(*sheet.point(post.lon, post.lat), post) for post in posts if sheet.shows(post.lon, post.lat)],
        bounds=bounds,
        geojson={"hit": sorted(hit), "bounds": bounds, "zones": _zones(areas), "cells": _cells(cells), "posts": _posts(posts)},
    )


def cells_of(counts: Mapping[str, int], names: Mapping[str, str]) -> list[Cell]:
    """Cells by province, the largest first; a province code that nobody knows has no place on the map."""
    found = [(code, people, find_province(code)) for code, people in counts.items()]
    cells = [
        Cell(code, names.get(code, code), province.lat, province.lon, people if people >= CELL_MIN else None)
        for code, people, province in found
        if province
    ]
    return sorted(cells, key=lambda cell: -(cell.people or 0))


def ring_of(area: AreaSpec) -> Ring:
    """A circle or polygon as a ring of (lon, lat)."""
    match area.geometry:
        case Circle(lat, lon, radius_km):
            return list(_circle(lat, lon, radius_km / EARTH_DEGREE_KM))
        case Polygon(points):
            return [(lon, lat) for lat, lon in points]
    return []


class _Sheet:
    """Degrees to pixels: equirectangular, stretched so that a kilometre is as long in both directions in the middle."""

    def __init__(self, bounds: Bounds) -> None:
        self.west, self.south, self.east, self.north = bounds
        self.squeeze = math.cos(math.radians((self.south + self.north) / 2))
        self.scale = min(WIDTH / ((self.east - self.west) * self.squeeze), HEIGHT / (self.north - self.south))
        self.left = (WIDTH - (self.east - self.west) * self.squeeze * self.scale) / 2
        self.top = (HEIGHT - (self.north - self.south) * self.scale) / 2

    def point(self, lon: float, lat: float) -> tuple[float, float]:
        x = self.left + (lon - self.west) * self.squeeze * self.scale
        return round(x, 1), round(self.top + (self.north - lat) * self.scale, 1)

    def shows(self, lon: float, lat: float) -> bool:
        return self.west <= lon <= self.east and self.south <= lat <= self.north

    def paths(self, rings: Iterable[Ring]) -> str:
        return "".join(self._path(part) for ring in rings for part in self._clip(ring))

    def _clip(self, ring: Ring) -> Iterator[Ring]:
        """What of a ring lies in the drawing (it is wider than the view where the page is): the rest costs bytes only."""
        wide = (self.east - self.west) / 2
        high = (self.north - self.south) / 2
        seen = shapely.clip_by_rect(shapely.Polygon(ring), self.west - wide, self.south - high, self.east + wide, self.north + high)
        for part in shapely.get_parts(seen):
            if part.geom_type == "Polygon" and not part.is_empty:
                yield list(part.exterior.coords)

    def _path(self, ring: Ring) -> str:
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in (self.point(lon, lat) for lon, lat in ring)) + "Z"


def _bounds(areas: Sequence[AreaSpec], cells: Sequence[Cell]) -> Bounds:
    points = list(_points(areas)) or [(cell.lon, cell.lat) for cell in cells] or [(95.0, -11.0), (141.0, 6.0)]
    west, east = min(lon for lon, _ in points), max(lon for lon, _ in points)
    south, north = min(lat for _, lat in points), max(lat for _, lat in points)
    wide = max(0.0, SPAN_MIN - (east - west)) / 2 + MARGIN_DEGREES
    high = max(0.0, SPAN_MIN * 0.6 - (north - south)) / 2 + MARGIN_DEGREES
    return max(-180.0, west - wide), max(-85.0, south - high), min(180.0, east + wide), min(85.0, north + high)


def _points(areas: Sequence[AreaSpec]) -> Iterator[tuple[float, float]]:
    """The corners of everything that the view must hold."""
    for area in areas:
        province = find_province(area.code) if area.code else None
        if province:
            yield province.lon, province.lat
        elif area.code:
            yield from _country_corners(area.code)
        for box in bounding_boxes(area):
            yield from ((box.west, box.south), (box.east, box.north))


def _country_corners(code: str) -> Iterator[tuple[float, float]]:
    """Of the country's largest piece: overseas islands must not shrink it to nothing."""
    for outline in outlines():
        if outline.code == code:
            west, south, east, north = max(outline.boxes(), key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
            yield from ((west, south), (east, north))


def _circle(lat: float, lon: float, radius_degrees: float, corners: int = 48) -> Iterator[tuple[float, float]]:
    squeeze = max(0.05, math.cos(math.radians(lat)))
    for number in range(corners + 1):
        angle = 2 * math.pi * number / corners
        yield lon + radius_degrees * math.cos(angle) / squeeze, lat + radius_degrees * math.sin(angle)


def _radius(cell: Cell) -> float:
    """Area grows with the count, so that a circle twice as large to the eye is twice as many."""
    return round(min(34.0, 4 + 0.9 * math.sqrt(cell.people or 1)), 1)


def _zones(areas: Sequence[AreaSpec]) -> dict[str, Any]:
    rings = [ring_of(area) for area in areas if area.geometry]
    return _collection([({"type": "Polygon", "coordinates": [ring]}, {}) for ring in rings])


def _cells(cells: Sequence[Cell]) -> dict[str, Any]:
    return _collection([(_point(c.lon, c.lat), {"name": c.name, "radius": _radius(c), "people": c.people}) for c in cells])


def _posts(posts: Sequence[Post]) -> dict[str, Any]:
    return _collection([(_point(post.lon, post.lat), {"name": post.name}) for post in posts])


def _point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def _collection(features: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    listed = [{"type": "Feature", "geometry": geometry, "properties": properties} for geometry, properties in features]
    return {"type": "FeatureCollection", "features": listed}
