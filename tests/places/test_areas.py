"""Areas: what is accepted, what is refused and why, and who is inside."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts.kit.errors import InvalidError
from alerts.places import (
    AreaSpec,
    area_from,
    bounding_boxes,
    contains,
    contains_many,
    distance_km,
    middle_of,
    touched_places,
)

SQUARE = [[36, 35], [36, 39], [39, 39], [39, 35], [36, 35]]
ACROSS = [[-20, 175], [-20, -175], [-10, -175], [-10, 175], [-20, 175]]

REFUSED: list[tuple[str, Any, str]] = [
    ("polygon", {"points": SQUARE[:-1]}, "polygon_open"),
    ("polygon", {"points": [[0, 0], [1, 1], [0, 0]]}, "point_count"),
    ("polygon", {"points": [[0, 0]] * 1001}, "point_count"),
    ("polygon", {"points": [[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]}, "polygon_crosses_itself"),
    ("polygon", {"points": [[0, 0], [1, 1], [2, 2], [0, 0]]}, "polygon_crosses_itself"),
    ("polygon", {"points": [[106, -6], [107, -6], [107, -7], [106, -6]]}, "latitude_out_of_range"),
    ("polygon", {"points": [[0, 0], [1, 181], [0, 1], [0, 0]]}, "longitude_out_of_range"),
    ("polygon", {"points": [[0, 0], [1], [0, 1], [0, 0]]}, "geometry_form"),
    ("polygon", {"points": [[0, 0], ["1", 1], [0, 1], [0, 0]]}, "not_a_number"),
    ("polygon", {"points": "0,0 1,1"}, "geometry_form"),
    ("polygon", {"points": [[80, 0], [80, 120], [80, -120], [80, 0]]}, "polygon_around_pole"),
    ("polygon", {"points": [[0, -100], [0, 0], [0, 100], [10, 100], [10, 0], [10, -100], [0, -100]]}, "polygon_too_wide"),
    ("polygon", "0,0 1,1,1 0,1 0,0", "geometry_form"),
    ("polygon", "0,0 1;1 0,1 0,0", "geometry_form"),
    ("circle", {"lat": 1, "lon": 1, "radius_km": 0}, "radius_out_of_range"),
    ("circle", {"lat": 1, "lon": 1, "radius_km": -5}, "radius_out_of_range"),
    ("circle", {"lat": 1, "lon": 1, "radius_km": 20038}, "radius_out_of_range"),
    ("circle", {"lat": 1, "lon": 1, "radius_km": math.nan}, "not_a_number"),
    ("circle", {"lat": True, "lon": 1, "radius_km": 1}, "not_a_number"),
    ("circle", {"lat": 1, "lon": 1}, "geometry_form"),
    ("circle", {"lat": 1, "lon": 1, "radius_km": 1, "unit": "mi"}, "geometry_form"),
    ("circle", "1,1", "geometry_form"),
    ("circle", "1e3,1 5", "not_a_number"),
    ("circle", None, "area_needs_geometry"),
    ("country", {"lat": 1}, "area_needs_code"),
    ("square", None, "unknown_area_kind"),
]


@pytest.mark.parametrize(("kind", "geometry", "code"), REFUSED)
def test_a_wrong_shape_is_refused_with_its_reason(kind: str, geometry: Any, code: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        area_from(kind=kind, geometry=geometry)
    assert refusal.value.code == code
    assert refusal.value.field in ("geometry", "kind", "code")


def test_swapped_coordinates_are_named() -> None:
    with pytest.raises(InvalidError, match="latitude comes first"):
        AreaSpec.circle(106.8, -6.2, 10)


@pytest.mark.parametrize(("kind", "code"), [("country", "XX"), ("country", "tr"), ("province", "TR-82"), ("province", "TR")])
def test_an_unknown_code_is_refused(kind: str, code: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        area_from(kind=kind, code=code)
    assert refusal.value.field == "code"


@pytest.mark.parametrize(
    ("area", "cap"),
    [
        (AreaSpec.country("TR"), None),
        (AreaSpec.province("TR-31"), None),
        (AreaSpec.circle(37.166, 37.032, 150.5), "37.166,37.032 150.5"),
        (AreaSpec.polygon(SQUARE), "36,35 36,39 39,39 39,35 36,35"),
    ],
)
def test_an_area_survives_storing_and_is_read_as_cap_writes_it(area: AreaSpec, cap: str | None) -> None:
    assert area_from(kind=area.kind.value, code=area.code, geometry=area.geometry_json()) == area
    if cap is not None:
        assert area_from(kind=area.kind.value, geometry=cap) == area


def test_cap_writes_latitude_first() -> None:
    area = area_from(kind="polygon", geometry="36,35 36,39 39,39 39,35 36,35")
    assert contains(area, 37, 36)
    assert not contains(area, 36.5, 34)
    assert contains(area, 36, 37), "the border belongs to it"


def test_a_polygon_across_the_antimeridian_is_the_narrow_one() -> None:
    area = AreaSpec.polygon(ACROSS)
    assert contains_many(area, [-15] * 5, [180, -180, 179, -179, 0]).tolist() == [True, True, True, True, False]
    boxes = bounding_boxes(area)
    assert len(boxes) == 2
    assert all(box.west <= box.east and box.east - box.west < 6 for box in boxes)
    middle = middle_of(area)
    assert middle is not None
    assert contains(area, *middle)


@pytest.mark.parametrize("start", range(4))
def test_where_the_ring_begins_does_not_matter(start: int) -> None:
    ring = ACROSS[:-1][start:] + ACROSS[:-1][:start]
    area = AreaSpec.polygon([*ring, ring[0]])
    assert contains(area, -15, 179)
    assert contains(area, -15, -179)
    assert not contains(area, -15, 170)


def test_a_circle_over_the_pole_has_all_longitudes() -> None:
    area = AreaSpec.circle(89.9, 0, 100)
    assert contains(area, 89.9, 180)
    assert bounding_boxes(area)[0].east - bounding_boxes(area)[0].west == 360


def test_distance_against_known_flights() -> None:
    assert distance_km(0, 0, 0, 1) == pytest.approx(111.195, abs=0.01)
    assert distance_km(-6.2, 106.8, 39.93, 32.86) == pytest.approx(9100, abs=20)
    assert distance_km(0, 179.5, 0, -179.5) == pytest.approx(111.195, abs=0.01)


def test_a_shape_touches_the_provinces_whose_town_it_holds() -> None:
    touched = touched_places(AreaSpec.circle(37.2, 37.0, 150))
    assert {"TR-27", "TR-46", "TR-79", "SY-HL"} <= {each.code for each in touched}
    assert all(each.is_assumed for each in touched)
    assert [each.code for each in touched_places(AreaSpec.circle(37.0, 36.6, 5))] == ["TR-80"], "the nearest town speaks for it"
    assert touched_places(AreaSpec.circle(0, -30, 50)) == [], "nobody is known in mid-ocean"
    named = touched_places(AreaSpec.province("TR-31"))
    assert [(each.code, each.is_assumed) for each in named] == [("TR-31", False)]


latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


@given(latitudes, longitudes, st.floats(0.1, 5000), latitudes, longitudes)
def test_no_point_of_a_circle_lies_outside_its_boxes(lat: float, lon: float, radius: float, at_lat: float, at_lon: float) -> None:
    area = AreaSpec.circle(lat, lon, radius)
    assume(contains(area, at_lat, at_lon))
    assert _in_a_box(area, at_lat, at_lon)


@given(st.floats(-80, 80), longitudes, st.floats(0.01, 9), st.floats(0.01, 80), st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_a_box_polygon_holds_exactly_what_lies_between_its_sides(
    lat: float, lon: float, half_lat: float, half_lon: float, up: float, right: float
) -> None:
    south, north = lat - half_lat, lat + half_lat
    west, east = _wrap(lon - half_lon), _wrap(lon + half_lon)
    area = AreaSpec.polygon([[south, west], [south, east], [north, east], [north, west], [south, west]])
    assume(abs(abs(up) - 1) > 1e-3 and abs(abs(right) - 1) > 1e-3)
    at_lat, at_lon = max(-90.0, min(90.0, lat + up * half_lat)), _wrap(lon + right * half_lon)
    assert contains(area, at_lat, at_lon) == (abs(up) < 1 and abs(right) < 1)
    if contains(area, at_lat, at_lon):
        assert _in_a_box(area, at_lat, at_lon)


def _in_a_box(area: AreaSpec, lat: float, lon: float) -> bool:
    return any(b.south <= lat <= b.north and b.west <= lon <= b.east for b in bounding_boxes(area))


def _wrap(lon: float) -> float:
    return (lon + 180) % 360 - 180
