"""Distances and containment: haversine for circles, prepared shapely polygons, bounding boxes to ask an index first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from alerts.places.areas import AreaKind, AreaSpec, Circle, Polygon, shape_of
from alerts.places.names import find_province, provinces

EARTH_RADIUS_KM = 6371.0088
# A box may be a little too large, never too small: rounding must not lose the border.
BOX_MARGIN_DEGREES = 1e-6
# How far a shape without a main town inside may be from the town that speaks for it.
NEAR_TOWN_KM = 150.0


@dataclass(frozen=True, slots=True)
class Box:
    """Degrees; `west` ≤ `east` always (an area across the antimeridian has two boxes)."""

    south: float
    west: float
    north: float
    east: float


@dataclass(frozen=True, slots=True)
class Touched:
    """A province or country that an area reaches. `is_assumed` when only a main town's place says so."""

    code: str
    is_assumed: bool


def distance_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance in kilometres (haversine, mean Earth radius; within 0.6 % of the ellipsoid)."""
    return float(distances_km(lat1, lon1, lat2, lon2))


def distances_km(lat: float, lon: float, lats: ArrayLike, lons: ArrayLike) -> NDArray[np.float64]:
    """Kilometres from one point to many."""
    lat1, lat2 = np.radians(lat), np.radians(np.asarray(lats, dtype=np.float64))
    half_lat = (lat2 - lat1) / 2
    half_lon = (np.radians(np.asarray(lons, dtype=np.float64)) - np.radians(lon)) / 2
    chord = np.sin(half_lat) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin(half_lon) ** 2
    distances: NDArray[np.float64] = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))
    return distances


def contains(area: AreaSpec, lat: float, lon: float) -> bool:
    """Whether a circle or polygon holds the point, its border included."""
    return bool(contains_many(area, [lat], [lon])[0])


def contains_many(area: AreaSpec, lats: ArrayLike, lons: ArrayLike) -> NDArray[np.bool_]:
    """`contains` for many points at once. A country or province has no shape here: ValueError."""
    match area.geometry:
        case Circle(lat, lon, radius_km):
            return np.asarray(distances_km(lat, lon, lats, lons) <= radius_km)
        case Polygon() as polygon:
            return _in_polygon(polygon, np.asarray(lats, dtype=np.float64), np.asarray(lons, dtype=np.float64))
    raise ValueError(f"a {area.kind} is decided by code, not by a shape")


def bounding_boxes(area: AreaSpec) -> tuple[Box, ...]:
    """One box around a circle or polygon, two when it crosses the antimeridian; none for a named place."""
    match area.geometry:
        case Circle() as circle:
            return _circle_boxes(circle)
        case Polygon() as polygon:
            west, south, east, north = shape_of(polygon).bounds
            return _split(south, west, north, east)
    return ()


def touched_places(area: AreaSpec) -> list[Touched]:
    """The place codes whose missions an area concerns, nearest first.

    A named place is itself. For a shape: the provinces whose main town lies inside, otherwise the one whose
    main town is nearest to the shape's middle, if within 150 km; all assumed, since a town is not a border.
    Empty where nothing is known: whoever opens the incident names the country.
    """
    if area.code is not None:
        return [Touched(area.code, is_assumed=False)]
    codes, lats, lons = _towns()
    middle = _middle(area)
    away = distances_km(*middle, lats, lons)
    inside = contains_many(area, lats, lons)
    order = np.argsort(away)
    chosen = [i for i in order if inside[i]] or [i for i in order[:1] if away[i] <= NEAR_TOWN_KM]
    return [Touched(codes[i], is_assumed=True) for i in chosen]


def middle_of(area: AreaSpec) -> tuple[float, float] | None:
    """A point (lat, lon) to put a mark on a map; None for a country."""
    if area.geometry is not None:
        return _middle(area)
    province = find_province(area.code or "")
    return (province.lat, province.lon) if province else None


def is_named(area: AreaSpec) -> bool:
    """Whether the area is decided by a code."""
    return area.kind in (AreaKind.COUNTRY, AreaKind.PROVINCE)


def _in_polygon(polygon: Polygon, lats: NDArray[np.float64], lons: NDArray[np.float64]) -> NDArray[np.bool_]:
    shape = shape_of(polygon)
    inside = np.asarray(shapely.intersects_xy(shape, lons, lats))
    for turn in (-360.0, 360.0):
        west, _, east, _ = shape.bounds
        if west < -180 or east > 180:
            inside |= np.asarray(shapely.intersects_xy(shape, lons + turn, lats))
    return inside


def _circle_boxes(circle: Circle) -> tuple[Box, ...]:
    angle = circle.radius_km / EARTH_RADIUS_KM
    south, north = circle.lat - math.degrees(angle), circle.lat + math.degrees(angle)
    if south <= -90 or north >= 90:
        return (Box(max(south, -90.0), -180.0, min(north, 90.0), 180.0),)
    half = math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(circle.lat)))))
    return _split(south, circle.lon - half, north, circle.lon + half)


def _split(south: float, west: float, north: float, east: float) -> tuple[Box, ...]:
    south, north = max(-90.0, south - BOX_MARGIN_DEGREES), min(90.0, north + BOX_MARGIN_DEGREES)
    west, east = west - BOX_MARGIN_DEGREES, east + BOX_MARGIN_DEGREES
    if east - west >= 360:
        return (Box(south, -180.0, north, 180.0),)
    if west < -180:
        return (Box(south, west + 360, north, 180.0), Box(south, -180.0, north, east))
    if east > 180:
        return (Box(south, west, north, 180.0), Box(south, -180.0, north, east - 360))
    return (Box(south, west, north, east),)


def _middle(area: AreaSpec) -> tuple[float, float]:
    match area.geometry:
        case Circle(lat, lon, _):
            return lat, lon
        case Polygon() as polygon:
            point: Any = shape_of(polygon).representative_point()
            return float(point.y), (float(point.x) + 180) % 360 - 180
    raise ValueError(f"a {area.kind} has no middle")


@cache
def _towns() -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    all_provinces = list(provinces().values())
    lats = np.array([p.lat for p in all_provinces])
    return tuple(p.code for p in all_provinces), lats, np.array([p.lon for p in all_provinces])
