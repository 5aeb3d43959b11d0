"""The data files against what is known of the network: counts, codes, one embassy per country."""

from __future__ import annotations

from collections import Counter

from alerts.missions.actions import read_accreditations, read_districts, read_missions
from alerts.missions.rules import MissionKind, MissionState
from alerts.places import country_codes, distance_km, find_place, is_country, provinces, provinces_of


def test_132_working_missions_one_suspended_and_the_trade_office() -> None:
    missions = read_missions()
    kinds = Counter(row["kind"] for row in missions)
    assert kinds == {"kbri": 96, "kjri": 30, "kri": 4, "ptri": 3, "kdei": 1}
    working = [row for row in missions if row["state"] != MissionState.SUSPENDED and row["kind"] != MissionKind.KDEI]
    assert len(working) == 132
    assert [row["code"] for row in missions if row["state"] == MissionState.SUSPENDED] == ["kbri-sanaa"]
    assert len({row["code"] for row in missions}) == len(missions) == 134


def test_every_code_is_one_that_iso_has() -> None:
    assert {row["country_iso2"] for row in read_missions() if row["country_iso2"]} <= country_codes()
    assert {row["country_iso2"] for row in read_accreditations()} <= country_codes()
    places = {row["place_code"] for row in read_districts()}
    unmatched = [place for place in places if place not in provinces() and not is_country(place)]
    assert unmatched == []


def test_every_city_lies_near_its_country() -> None:
    """A row whose latitude and longitude were swapped, or which slipped by a line, would be far from every town of its country."""
    covered = {code[:2] for code in provinces()}
    for row in read_missions():
        if row["country_iso2"] in covered and row["code"] != "kjri-noumea":  # France, but in the Pacific
            towns = provinces_of(row["country_iso2"])
            assert min(distance_km(row["lat"], row["lon"], town.lat, town.lon) for town in towns) < 600, row["code"]


def test_no_relation_hangs_in_the_air() -> None:
    codes = {row["code"] for row in read_missions()}
    assert {row["mission_code"] for row in read_accreditations()} <= codes
    assert {row["mission_code"] for row in read_districts()} <= codes
    assert {row["covered_by"] for row in read_missions() if row["covered_by"]} <= codes


def test_each_country_has_one_embassy() -> None:
    double = [country for country, count in Counter(row["country_iso2"] for row in read_accreditations()).items() if count > 1]
    assert double == []
    assert len(read_accreditations()) == 190


def test_every_consulate_and_the_trade_office_has_a_district_and_all_are_assumed() -> None:
    with_district = {row["mission_code"] for row in read_districts()}
    wanted = {row["code"] for row in read_missions() if row["kind"] in {"kjri", "kri", "kdei"}}
    assert with_district == wanted
    assert all(row["is_assumed"] for row in read_districts()), "no district has a published source yet"


def test_only_districts_that_the_source_splits_within_a_province_overlap() -> None:
    double = {place for place, count in Counter(row["place_code"] for row in read_districts()).items() if count > 1}
    assert double == {"MY-12", "US-CA"}


def test_a_district_that_is_listed_by_name_was_understood_name_by_name() -> None:
    """Where the source lists places, each listed name must be a place of the district, and nothing else in it."""
    by_mission: dict[str, tuple[str, set[str]]] = {}
    for row in read_districts():
        by_mission.setdefault(row["mission_code"], (row["source_words"], set()))[1].add(row["place_code"])
    understood = []
    for code, (words, places) in by_mission.items():
        country = min(places)[:2]
        found = [find_place(word, country=country) or find_place(word) for word in words.split(";")]
        if None not in found:
            assert {place.code for place in found if place} == places, code
            understood.append(code)
    assert len(understood) == 16, "the others are described by regions and split in our file"
