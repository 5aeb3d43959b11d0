"""An area of an incident or an audience: a country, a province, a circle or a polygon, checked when it is made.

Coordinates are decimal degrees, latitude first, as CAP 1.2 writes them. A polygon is closed: its last
point repeats its first. An area may cross the antimeridian: a step of more than 180° in longitude is
taken to go round the other way. Edges are straight in latitude and longitude.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any, Self

import shapely

from alerts.kit.errors import InvalidError
from alerts.places.names import find_province, is_country, place_name

RADIUS_KM_MIN = 0.1
RADIUS_KM_MAX = 5000.0
POINTS_MIN = 4
POINTS_MAX = 1000
# One decimal degree to six places is about 0.1 m; finer digits are noise.
DECIMALS = 6
NUMBER = re.compile(r"[+-]?\d{1,4}(\.\d{1,15})?")

Point = tuple[float, float]


class AreaKind(StrEnum):
    """What an area is given by."""

    COUNTRY = "country"
    PROVINCE = "province"
    CIRCLE = "circle"
    POLYGON = "polygon"


@dataclass(frozen=True, slots=True)
class Circle:
    """All within `radius_km` kilometres of a point, over the sphere."""

    lat: float
    lon: float
    radius_km: float


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed ring of (lat, lon); the border belongs to it."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class AreaSpec:
    """A checked area. `code` is set for a country or province, `geometry` for a circle or polygon."""

    kind: AreaKind
    code: str | None = None
    geometry: Circle | Polygon | None = None

    @classmethod
    def country(cls, code: str) -> Self:
        """A whole country or territory, by ISO 3166-1 code."""
        if not is_country(code):
            raise InvalidError("unknown_country", f"{code!r} is not an ISO 3166-1 country code", field="code")
        return cls(AreaKind.COUNTRY, code)

    @classmethod
    def province(cls, code: str) -> Self:
        """One first-level division, by ISO 3166-2 code."""
        if find_province(code) is None:
            raise InvalidError("unknown_province", f"{code!r} is not a province code that we know", field="code")
        return cls(AreaKind.PROVINCE, code)

    @classmethod
    def circle(cls, lat: float, lon: float, radius_km: float) -> Self:
        """A circle around a point."""
        return cls(AreaKind.CIRCLE, geometry=_checked_circle(lat, lon, radius_km))

    @classmethod
    def polygon(cls, points: Sequence[Sequence[float]]) -> Self:
        """A closed ring of (lat, lon) pairs."""
        return cls(AreaKind.POLYGON, geometry=_checked_polygon(points))

    def geometry_json(self) -> dict[str, Any] | None:
        """The geometry as stored and sent: `{"lat","lon","radius_km"}` or `{"points": [[lat, lon], …]}`."""
        match self.geometry:
            case Circle(lat, lon, radius_km):
                return {"lat": lat, "lon": lon, "radius_km": radius_km}
            case Polygon(points):
                return {"points": [list(point) for point in points]}
        return None

    def describe(self, lang: str = "id") -> str:
        """A short name for lists: the place's name, or the shape."""
        if self.code is not None:
            return place_name(self.code, lang)
        match self.geometry:
            case Circle(lat, lon, radius_km):
                words = "radius" if lang == "id" else "circle of"
                return f"{words} {radius_km:g} km ({lat:.2f}, {lon:.2f})"
        return "poligon" if lang == "id" else "polygon"


def area_from(*, kind: str, code: str | None = None, geometry: Mapping[str, Any] | str | None = None) -> AreaSpec:
    """An area from what was sent or stored; raises InvalidError (422) naming `kind`, `code` or `geometry`.

    `geometry` is the form of `AreaSpec.geometry_json`, or CAP's text.
    """
    if kind not in tuple(AreaKind):
        raise InvalidError("unknown_area_kind", f"an area is one of {', '.join(AreaKind)}", field="kind")
    named = kind in (AreaKind.COUNTRY, AreaKind.PROVINCE)
    if named and (code is None or geometry is not None):
        raise InvalidError("area_needs_code", f"a {kind} has a code and no geometry", field="code")
    if not named and (code is not None or geometry is None):
        raise InvalidError("area_needs_geometry", f"a {kind} has a geometry and no code", field="geometry")
    if code is not None:
        return AreaSpec.country(code) if kind == AreaKind.COUNTRY else AreaSpec.province(code)
    if isinstance(geometry, str):
        return _from_cap(kind, geometry)
    return _from_mapping(kind, geometry or {})


def unwrapped(points: Sequence[Point]) -> list[Point]:
    """The ring with longitudes made continuous, so that one across the antimeridian has no jump."""
    ring, turn = [points[0]], 0.0
    for (_, before), (lat, lon) in pairwise(points):
        step = lon - before
        turn += -360.0 if step > 180 else 360.0 if step < -180 else 0.0
        ring.append((lat, lon + turn))
    return ring


@lru_cache(maxsize=256)
def shape_of(polygon: Polygon) -> shapely.Polygon:
    """The prepared shapely polygon in (lon, lat), longitudes continuous."""
    shape = shapely.Polygon([(lon, lat) for lat, lon in unwrapped(polygon.points)])
    shapely.prepare(shape)
    return shape


def _from_mapping(kind: str, geometry: Mapping[str, Any]) -> AreaSpec:
    wanted = {"lat", "lon", "radius_km"} if kind == AreaKind.CIRCLE else {"points"}
    if set(geometry) != wanted:
        raise _bad("geometry_form", f"a {kind} has exactly {', '.join(sorted(wanted))}")
    if kind == AreaKind.CIRCLE:
        return AreaSpec.circle(geometry["lat"], geometry["lon"], geometry["radius_km"])
    if not isinstance(geometry["points"], list | tuple):
        raise _bad("geometry_form", "points is a list of [lat, lon] pairs")
    return AreaSpec.polygon(geometry["points"])


def _from_cap(kind: str, text: str) -> AreaSpec:
    if len(text) > POINTS_MAX * 40:
        raise _bad("too_many_points", f"at most {POINTS_MAX} points")
    parts = text.split()
    if kind == AreaKind.POLYGON:
        return AreaSpec.polygon([_pair(part) for part in parts])
    if len(parts) != 2:
        raise _bad("geometry_form", "a circle is written 'lat,lon radius', the radius in kilometres")
    lat, lon = _pair(parts[0])
    return AreaSpec.circle(lat, lon, _number(parts[1]))


def _pair(text: str) -> Point:
    parts = text.split(",")
    if len(parts) != 2:
        raise _bad("geometry_form", f"{text[:40]!r} is not a point 'lat,lon'")
    return _number(parts[0]), _number(parts[1])


def _number(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise _bad("not_a_number", f"{text[:40]!r} is not a decimal number")
    return float(text)


def _checked_circle(lat: float, lon: float, radius_km: float) -> Circle:
    lat, lon = _checked_point(lat, lon)
    radius = _finite(radius_km)
    if not RADIUS_KM_MIN <= radius <= RADIUS_KM_MAX:
        raise _bad("radius_out_of_range", f"a radius is {RADIUS_KM_MIN:g} to {RADIUS_KM_MAX:g} km, not {radius:g}")
    return Circle(lat, lon, radius)


def _checked_polygon(points: Sequence[Sequence[float]]) -> Polygon:
    if not POINTS_MIN <= len(points) <= POINTS_MAX:
        raise _bad("point_count", f"a polygon has {POINTS_MIN} to {POINTS_MAX} points, the last one repeating the first")
    ring = tuple(_checked_pair(point) for point in points)
    if ring[0] != ring[-1]:
        raise _bad("polygon_open", "a polygon is closed: its last point must repeat its first")
    polygon = Polygon(ring)
    _check_shape(polygon)
    return polygon


def _check_shape(polygon: Polygon) -> None:
    ring = unwrapped(polygon.points)
    longitudes = [lon for _, lon in ring]
    if ring[0] != ring[-1]:
        raise _bad("polygon_around_pole", "a polygon may not go round a pole; use a circle")
    if max(longitudes) - min(longitudes) >= 180:
        raise _bad("polygon_too_wide", "a polygon spans less than 180 degrees of longitude")
    shape = shapely.Polygon([(lon, lat) for lat, lon in ring])
    if not shape.is_valid:
        reason = shapely.is_valid_reason(shape)
        raise _bad("polygon_crosses_itself", f"the polygon's border crosses or touches itself ({reason})")
    if shape.area == 0:
        raise _bad("polygon_flat", "the polygon encloses nothing")


def _checked_pair(point: Sequence[float]) -> Point:
    if not isinstance(point, list | tuple) or len(point) != 2:
        raise _bad("geometry_form", "a point is a pair [lat, lon]")
    return _checked_point(point[0], point[1])


def _checked_point(lat: float, lon: float) -> Point:
    lat, lon = _finite(lat), _finite(lon)
    if not -90 <= lat <= 90:
        hint = "; latitude comes first, then longitude" if -90 <= lon <= 90 else ""
        raise _bad("latitude_out_of_range", f"{lat:g} is not a latitude (-90 to 90){hint}")
    if not -180 <= lon <= 180:
        raise _bad("longitude_out_of_range", f"{lon:g} is not a longitude (-180 to 180)")
    return round(lat, DECIMALS), round(lon, DECIMALS)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad("not_a_number", "coordinates and radius are finite numbers")
    return float(value)


def _bad(code: str, detail: str) -> InvalidError:
    return InvalidError(code, detail, field="geometry")
