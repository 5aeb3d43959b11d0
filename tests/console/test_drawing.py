"""The server's own drawings and clocks: the map, the small lines, the three clocks, the sheet's signs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from alerts.console.clocks import clocks_for
from alerts.console.map_view import CELL_MIN, Post, cells_of, draw
from alerts.console.places import place_choices, read_place
from alerts.console.routes_approval import word_changes
from alerts.console.shapes import as_geojson, outlines
from alerts.console.sparkline import line_of
from alerts.kit.errors import InvalidError
from alerts.kit.i18n import choose_language, translator
from alerts.places import AreaSpec, is_country, zone_of, zone_of_area

AT = datetime(2023, 2, 6, 1, 17, tzinfo=UTC)


def test_every_outline_with_a_code_is_a_country_and_closed() -> None:
    assert len(outlines()) == 177
    coded = [outline for outline in outlines() if outline.code]
    assert len(coded) == 174
    assert all(is_country(outline.code) for outline in coded)
    assert len({outline.code for outline in coded}) == 174
    assert all(ring[0] == ring[-1] for outline in outlines() for ring in outline.rings)


def test_an_outline_lies_where_its_country_does() -> None:
    turkey = next(outline for outline in outlines() if outline.code == "TR")
    west, south, east, north = max(turkey.boxes(), key=lambda box: box[2] - box[0])
    assert 25 < west < 28
    assert 43 < east < 46
    assert 35 < south < 37
    assert 41 < north < 43


def test_the_island_gets_the_same_countries() -> None:
    assert len(json.loads(as_geojson())["features"]) == len(outlines())


def test_the_map_shows_the_country_the_circle_and_the_people() -> None:
    areas = [AreaSpec.country("TR"), AreaSpec.circle(37.2, 37.0, 200)]
    cells = cells_of({"TR-31": 40, "TR-46": CELL_MIN - 1, "TR": 7}, {"TR-31": "Hatay", "TR-46": "Kahramanmaraş"})
    drawing = draw(areas, cells, [Post("KBRI Ankara", 39.9, 32.8), Post("KBRI Tokyo", 35.6, 139.7)])
    assert sum(is_hit for _, is_hit in drawing.lands) == 1
    assert len(drawing.zones) == 1
    assert [(cell.name, cell.people) for *_, cell in drawing.spots] == [("Hatay", 40), ("Kahramanmaraş", None)]
    assert [post.name for *_, post in drawing.posts] == ["KBRI Ankara"]
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y, *_ in drawing.spots)


def test_a_small_cell_never_gives_its_count_away_to_the_island() -> None:
    drawing = draw([AreaSpec.country("TR")], cells_of({"TR-46": 3}, {}), [])
    assert [feature["properties"]["people"] for feature in drawing.geojson["cells"]["features"]] == [None]


@pytest.mark.parametrize("area", [AreaSpec.country("FJ"), AreaSpec.circle(-17.7, 179.9, 300), AreaSpec.circle(89.0, 0.0, 500)])
def test_the_edges_of_the_world_can_be_drawn(area: AreaSpec) -> None:
    assert draw([area], [], []).lands is not None


def test_without_any_ground_the_map_is_of_home() -> None:
    drawing = draw([], [], [])
    assert drawing.bounds[0] < 95
    assert drawing.bounds[2] > 141


def test_a_line_goes_in_steps_and_ends_at_its_last_value() -> None:
    line = line_of("safe", {"id": "a", "en": "b"}, [(AT, 0), (AT + timedelta(minutes=1), 10), (AT + timedelta(minutes=3), 10)])
    assert line
    assert (line.first, line.last) == (0, 10)
    assert line.path == "M0 44H100V4H300V4"


def test_a_line_breaks_where_nobody_gives_the_figure() -> None:
    values = (4, 10, None, 10)
    line = line_of("x", {}, [(AT + timedelta(minutes=n), value) for n, value in enumerate(values)])
    assert line
    assert line.path == "M0 28H100V4H200M300 4"
    assert line_of("x", {}, [(AT, 4), (AT + timedelta(minutes=1), 3), (AT + timedelta(minutes=2), None)]) is None


def test_one_point_is_no_line_and_a_long_series_stays_small() -> None:
    assert line_of("x", {}, [(AT, 1)]) is None
    line = line_of("x", {}, [(AT + timedelta(minutes=n), n) for n in range(5000)])
    assert line
    assert line.last == 4999
    assert len(line.path) < 3000


def test_three_clocks_and_none_twice() -> None:
    turkey, syria, jakarta = zone_of("TR"), zone_of("SY"), zone_of("ID")
    assert [clock.zone.key for clock in clocks_for(turkey, syria)] == ["Europe/Istanbul", "Asia/Damascus", "Asia/Jakarta"]
    assert [clock.zone.key for clock in clocks_for(turkey, turkey)] == ["Europe/Istanbul", "Asia/Jakarta"]
    assert [clock.zone.key for clock in clocks_for(jakarta)] == ["Asia/Jakarta"]
    assert [clock.zone.key for clock in clocks_for(None)] == ["Asia/Jakarta"]


@pytest.mark.parametrize(
    ("country", "near", "zone"),
    [
        ("TR", None, "Europe/Istanbul"),
        ("ID", None, "Asia/Jakarta"),
        ("US", None, "America/New_York"),
        ("US", (37.8, -122.4), "America/Los_Angeles"),
        ("AU", None, "Australia/Sydney"),
        ("AU", (-31.95, 115.86), "Australia/Perth"),
        ("RU", None, "Europe/Moscow"),
    ],
)
def test_the_clock_of_a_country_with_several_zones(country: str, near: tuple[float, float] | None, zone: str) -> None:
    found = zone_of(country, near)
    assert found
    assert found.key == zone


def test_nobody_knows_the_clock_of_nowhere() -> None:
    assert zone_of("XX") is None
    assert zone_of(None) is None


def test_a_circle_has_the_clock_of_the_town_nearest_to_it() -> None:
    zone = zone_of_area(AreaSpec.circle(37.2, 37.0, 50))
    assert zone
    assert zone.key == "Europe/Istanbul"


def test_a_time_is_never_without_its_zone() -> None:
    zone = zone_of("TR")
    assert zone
    assert translator("id").time(AT, zone) == "6 Feb 2023 04.17 UTC+3"
    assert translator("id").time(AT) == "6 Feb 2023 08.17 WIB"
    assert translator("en").time(AT) == "6 Feb 2023 08:17 WIB"


@pytest.mark.parametrize(
    ("chosen", "account", "accepted", "expected"),
    [
        ("en", "id", "id", "en"),
        (None, "en", "id", "en"),
        ("xx", None, "en-US,en;q=0.9", "en"),
        (None, None, "fr-FR", "id"),
        (None, None, None, "id"),
        (None, None, "\x00;;,,", "id"),
    ],
)
def test_whose_choice_the_language_is(chosen: str | None, account: str | None, accepted: str | None, expected: str) -> None:
    assert choose_language(chosen, account, accepted) == expected


@pytest.mark.parametrize(("text", "code"), [("Hatay, Turki (TR-31)", "TR-31"), ("Turki (TR)", "TR"), ("suriah", "SY"), ("tr-31", "TR-31")])
def test_a_place_as_people_choose_or_type_it(text: str, code: str) -> None:
    assert read_place(text).code == code


def test_a_misspelt_place_is_asked_about() -> None:
    with pytest.raises(InvalidError) as error:
        read_place("Suriahh")
    assert "SY" in error.value.extra["suggestions"]


@pytest.mark.parametrize("lang", ["id", "en"])
def test_every_choice_offered_is_understood(lang: str) -> None:
    assert [choice for choice in place_choices(lang) if read_place(choice).code is None] == []


def test_the_difference_to_the_message_before_is_word_by_word() -> None:
    changes = word_changes("Gempa kuat. Jauhi gedung.", "Gempa susulan. Jauhi gedung.")
    assert changes == [("same", "Gempa"), ("gone", "kuat."), ("new", "susulan."), ("same", "Jauhi gedung.")]
