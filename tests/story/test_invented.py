"""Six invented crises told over HTTP: what the sheet says of each, and that the order in which they came changes nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from alerts.story.crisis import Crisis, parse_crisis
from alerts.story.replay import Result, open_incident, replay
from tests.story.invented import CRISES, END, MISSIONS, at
from tests.story.sheet_checks import current_figures, places_of
from tests.story.worlds import Teller

BY_ARRIVAL = frozenset({"known_at", "report_id", "line_id", "last_report_known_at", "basis", "opened_at", "counted_at"})
"""What a sheet has from arrival itself: ids and times of filing."""
TODAY = "2025"
OF_REPORTS = ("report", "event", "look")


@pytest.fixture
def tell(teller: Callable[[str], Teller]) -> Teller:
    return teller("invented")


def told(tell: Teller, name: str, *, seed: int | None = None) -> Result:
    """A crisis in the file's order, or with its reports shuffled: what was done to the incident keeps its place."""
    crisis = parse_crisis(CRISES[name])
    result = replay(crisis, tell.api, steps=crisis.steps if seed is None else shuffled(crisis, seed), incident_id=None)
    assert [each.detail for each in result.outcomes if each.state == "failed"] == []
    return result


def shuffled(crisis: Crisis, seed: int) -> list[Any]:
    reports = [each for each in crisis.steps if each.kind in OF_REPORTS]
    done = [each for each in crisis.steps if each.kind not in OF_REPORTS]
    return [*done, *random.Random(seed).sample(reports, len(reports))]


def without_arrival(value: Any) -> Any:
    if isinstance(value, dict):
        drop = BY_ARRIVAL if "en" in value else BY_ARRIVAL | {"id"}
        return {key: without_arrival(item) for key, item in value.items() if key not in drop}
    if isinstance(value, list):
        return [without_arrival(item) for item in value]
    return "when it was read" if isinstance(value, str) and value[:4].isdecimal() and value > TODAY else value


def numbers(sheet: dict[str, Any], category: str) -> dict[str, Any]:
    return {f"{places_of(f)} {f['nationality']} {f['source']}": f["number"] for f in current_figures(sheet) if f["category"] == category}


def test_totals_that_fall_after_a_nationality_check(tell: Teller) -> None:
    result = told(tell, "checked-totals")
    before, after = (tell.summary(result.incident_id, as_of=moment) for moment in (at(3, 0), END))
    assert numbers(before, "evacuated") == {"YE mixed ministry": 1795}
    assert numbers(after, "evacuated") == {"YE own ministry": 1684, "YE foreign_helped ministry": 111}
    assert (after["conflicts"], after["held"]) == ([], [])
    moved = {f["moved"]["id"] for f in current_figures(after) if f["category"] == "evacuated"}
    assert len(moved) == 1
    assert "1.795" in moved.pop()
    assert "Perkembangan berikutnya" not in after["sentence"]["id"], "nobody is asked about a past crisis, so nothing is expected"


def test_parts_that_do_not_sum_are_held_and_seen(tell: Teller) -> None:
    result = told(tell, "parts")
    assert [each.state for each in result.outcomes] == ["held", "held"]
    sheet = tell.summary(result.incident_id, as_of=END)
    assert numbers(sheet, "registered") == {}
    assert {each["raw"] for each in sheet["held"]} >= {"4159", "2686", "1488", "9"}
    assert "4.159" not in sheet["sentence"]["id"]


def test_a_ministry_and_a_mission_that_disagree_the_same_evening(tell: Teller) -> None:
    result = told(tell, "same-evening")
    sheet = tell.summary(result.incident_id, as_of=END)
    [conflict] = sheet["conflicts"]
    assert {figure["number"] for figure in conflict["figures"]} == {12, 9}
    assert not any(said in sheet["sentence"]["id"] for said in ("12 WNI", "9 WNI"))
    assert "luka-luka masih diverifikasi" in sheet["sentence"]["id"]


def test_a_country_without_a_mission(tell: Teller) -> None:
    result = told(tell, "no-mission")
    sheet = tell.summary(result.incident_id, as_of=END)
    assert numbers(sheet, "unaccounted") == {"FM own ministry": 1}
    assert numbers(sheet, "dead") == {"FM mixed host_state": 14, "FM own ministry": None}
    assert "belum ada laporan mengenai WNI yang meninggal" not in sheet["sentence"]["id"], "asked, and nobody answered"


def test_five_missions_and_an_area_that_grows(tell: Teller) -> None:
    result = told(tell, "five-missions")
    sheet = tell.summary(result.incident_id, as_of=END)
    assert sorted(f["number"] for f in current_figures(sheet) if f["category"] == "evacuated") == [12, 31, 40, 90, 262]
    assert {row["mission_code"] for row in sheet["missions"] if row["reports"]} == set(MISSIONS)
    assert (sheet["incident"]["severity"], [level for _, level in sheet["incident"]["levels"]]) == ("Extreme", ["II"])


def test_people_by_flight_leg_and_a_plan_that_is_no_fact(tell: Teller) -> None:
    result = told(tell, "flight-legs")
    on_the_way, home = (tell.summary(result.incident_id, as_of=moment) for moment in (at(2, 13), END))
    assert numbers(on_the_way, "en_route") == {"YE own ministry": 180}
    assert [f["number"] for f in on_the_way["planned"]] == [100]
    [total] = [f for f in current_figures(home) if f["category"] == "repatriated"]
    assert (total["number"], sorted(part["number"] for part in total["of_which"])) == (180, [70, 110])
    assert numbers(home, "en_route") == {"YE own ministry": 0}


@pytest.mark.parametrize("name", CRISES)
def test_told_in_another_order_each_ends_in_the_same_sheet(tell: Teller, name: str) -> None:
    first, *others = (told_apart(tell, name, seed) for seed in (None, 1, 2))
    for other in others:
        assert other == first


def told_apart(tell: Teller, name: str, seed: int | None) -> Any:
    """In an incident of its own; the sheets of two moments."""
    crisis = parse_crisis(CRISES[name])
    incident_id = open_incident(crisis, tell.api, edition=str(seed))
    steps = crisis.steps if seed is None else shuffled(crisis, seed)
    result = replay(crisis, tell.api, incident_id=incident_id, steps=steps)
    assert [each.detail for each in result.outcomes if each.state == "failed"] == []
    return [without_arrival(tell.summary(incident_id, as_of=moment)) for moment in (at(2, 13), END)]
