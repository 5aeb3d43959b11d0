"""Places as people type them in a form, and the two lists they are offered to choose from."""

from __future__ import annotations

import re
from functools import cache

from alerts.console.forms import Form
from alerts.incidents.schemas import AreaIn, CircleIn, PolygonIn
from alerts.kit.errors import InvalidError
from alerts.places import Place, PlaceKind, country_codes, find_place, place_name, provinces, suggest_places
from alerts.places.areas import AreaKind

CODE_AT_END = re.compile(r"\(([A-Z]{2}(?:-[A-Z0-9]{1,3})?)\)\s*$")
PAIR = re.compile(r"^\s*(-?\d{1,2}(?:\.\d+)?)\s*[,; ]\s*(-?\d{1,3}(?:\.\d+)?)\s*$")
PLACE_FIELDS = 3


@cache
def place_choices(lang: str) -> tuple[str, ...]:
    """`Hatay, Turki (TR-31)` for every province and `Turki (TR)` for every country, in this language's order."""
    countries = sorted(f"{place_name(code, lang)} ({code})" for code in country_codes())
    inner = sorted(f"{p.name}, {place_name(p.country, lang)} ({p.code})" for p in provinces().values())
    return (*countries, *inner)


def read_areas(form: Form) -> list[AreaIn]:
    """Places, a circle and a polygon, as far as they were filled in. Raises InvalidError naming the field."""
    areas = [read_place(text) for text in form.all("place")]
    circle = _read_circle(form)
    polygon = _read_polygon(form)
    return areas + [area for area in (circle, polygon) if area]


def read_place(text: str) -> AreaIn:
    """A country or province from what was chosen or typed; says what may have been meant."""
    place = find_typed_place(text)
    if place is None:
        meant = ", ".join(f"{each.name} ({each.code})" for each in suggest_places(text))
        raise InvalidError("unknown_place", "No country or province has this name.", field="place", suggestions=meant)
    kind = AreaKind.COUNTRY if place.kind is PlaceKind.COUNTRY else AreaKind.PROVINCE
    return AreaIn(kind=kind, code=place.code)


def find_typed_place(text: str) -> Place | None:
    """The place of a choice that ends in its code, or of a name that somebody typed."""
    chosen = CODE_AT_END.search(text)
    return find_place(chosen.group(1) if chosen else text)


def _read_circle(form: Form) -> AreaIn | None:
    lat, lon, radius = (form.text(name, limit=20).replace(",", ".") for name in ("lat", "lon", "radius_km"))
    if not (lat or lon or radius):
        return None
    numbers = [_number(value, name) for value, name in ((lat, "lat"), (lon, "lon"), (radius, "radius_km"))]
    if not (abs(numbers[0]) <= 90 and abs(numbers[1]) <= 180 and 0 < numbers[2] <= 3000):
        raise InvalidError("circle_out_of_range", "Latitude is ±90, longitude ±180, the radius up to 3,000 km.", field="lat")
    return AreaIn(kind=AreaKind.CIRCLE, geometry=CircleIn(lat=numbers[0], lon=numbers[1], radius_km=numbers[2]))


def _read_polygon(form: Form) -> AreaIn | None:
    lines = [line for line in form.text("polygon").splitlines() if line.strip()]
    if not lines:
        return None
    points = [PAIR.match(line) for line in lines]
    if len(lines) < 3 or not all(points):
        raise InvalidError("polygon_form", "A polygon is three or more lines of “latitude, longitude”.", field="polygon")
    corners = [(float(point.group(1)), float(point.group(2))) for point in points if point]
    ring = corners if corners[0] == corners[-1] else [*corners, corners[0]]
    return AreaIn(kind=AreaKind.POLYGON, geometry=PolygonIn(points=ring))


def _number(text: str, field: str) -> float:
    if not re.fullmatch(r"-?\d{1,4}(\.\d{1,10})?", text):
        raise InvalidError("not_a_number", "A circle needs latitude, longitude and radius as numbers.", field=field)
    return float(text)
