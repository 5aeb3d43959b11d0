"""What staff decide about figures and persons, as steps of a crisis file, over HTTP: an invented evening in Yemen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from alerts.story.crisis import CrisisFileError, parse_crisis
from alerts.story.replay import Result, replay
from tests.story.sheet_checks import current_figures
from tests.story.worlds import Teller

PARTS = [
    {"category": "registered", "places": ["YE"], "value": 4159},
    {"category": "registered", "places": ["YE"], "value": 2686, "kind": "of_which", "of": "registered", "words": "mahasiswa"},
    {"category": "registered", "places": ["YE"], "value": 1488, "kind": "of_which", "of": "registered", "words": "pekerja"},
]
DVI = {"basis": "dvi", "said_by": "Tim DVI", "how": "surat 41/DVI", "reason": "sidik jari cocok"}


def step(ref: str, kind: str, hour: int, **more: Any) -> dict[str, Any]:
    return {"ref": ref, "kind": kind, "at": f"2021-03-01T{hour:02}:00:00+03:00", "title": {"id": ref, "en": ref}, **more}


def report(ref: str, hour: int, source: str, *lines: dict[str, Any]) -> dict[str, Any]:
    return step(ref, "report", hour, report={"source": source, "lines": list(lines)})


def injured(value: int) -> dict[str, Any]:
    return {"category": "injured", "places": ["YE"], "value": value}


STEPS = [
    report("parts", 1, "ministry", *PARTS),
    report("mission", 18, "mission:kbri-muscat", injured(12)),
    report("ministry", 20, "ministry", injured(9)),
    step("look", "look", 20),
    step("counts", "confirm", 21, by="ministry", report="parts", lines=[0, 1, 2], reason="15 orang terhitung dua kali"),
    step("stands", "resolve", 21, keep="mission#0", reason="KBRI menghitung sendiri di rumah sakit"),
]


def file_of(steps: list[dict[str, Any]]) -> str:
    incident = {
        "kind": "unrest",
        "title": "Kerusuhan rekaan",
        "severity": "Severe",
        "occurred_at": "2021-03-01T00:00:00+03:00",
        "is_replayed": True,
        "areas": [{"kind": "country", "code": "YE"}],
    }
    about = {"id": "Rekaan.", "en": "Invented."}
    return json.dumps({"form": "siaga-crisis/1", "name": "yaman", "about": about, "incident": incident, "steps": steps})


@pytest.fixture
def told(teller: Callable[[str], Teller]) -> tuple[Teller, Result]:
    tell = teller("yaman")
    return tell, replay(parse_crisis(file_of(STEPS)), tell.api)


def test_held_lines_count_once_confirmed_and_of_contradicting_ones_one_stands(told: tuple[Teller, Result]) -> None:
    tell, result = told
    assert [(each.step.ref, each.state) for each in result.outcomes if each.state == "failed"] == [], result.outcomes
    assert {each.step.ref: each.state for each in result.outcomes} == {
        "parts": "held",
        "mission": "accepted",
        "ministry": "conflicting",
        "look": "read",
        "counts": "done",
        "stands": "done",
    }
    told_then = next(each.detail for each in result.outcomes if each.state == "read")
    assert "contradiction: " in told_then
    assert "held, counted nowhere: own citizens: registered 4159" in told_then
    sheet = tell.summary(result.incident_id, as_of="2021-03-01T22:00:00+03:00")
    assert (sheet["held"], sheet["conflicts"]) == ([], [])
    numbers = {figure["category"]: figure["number"] for figure in current_figures(sheet)}
    assert (numbers["registered"], numbers["injured"]) == (4159, 12)


def test_told_again_nothing_changes(told: tuple[Teller, Result]) -> None:
    """What was decided stays decided: the contradiction is gone from the sheet, and the step says so."""
    tell, first = told
    again = replay(parse_crisis(file_of(STEPS)), tell.api)
    assert (again.incident_id, again.reports) == (first.incident_id, first.reports)
    assert [each.state for each in again.outcomes] == ["held", "accepted", "conflicting", "read", "done", "skipped"]
    assert again.outcomes[-1].detail == "mission#0 contradicts nothing, or no longer"


def test_a_death_goes_its_way_to_publication(teller: Callable[[str], Teller]) -> None:
    dead = {"axis": "condition", "value": "dead", "source": "mission", "said_by": "rumah sakit"}
    named = {"name": "Orang Rekaan", "nationality": "own", "mission_code": "kbri-muscat", "place_code": "YE", "statements": [dead]}
    steps = [
        step("somebody", "person", 2, by="mission:kbri-muscat", person=named),
        step("confirmed", "death", 5, by="mission:kbri-muscat", person="somebody", step="confirm", body=DVI),
        step("kin", "death", 6, by="ministry", person="somebody", step="kin-told", body={k: v for k, v in DVI.items() if k != "basis"}),
    ]
    result = replay(parse_crisis(file_of(steps)), teller("yaman").api)
    assert [(each.state, each.detail) for each in result.outcomes] == [("done", "")] * 3


def test_a_mission_is_left_in_peace_and_asked_again(teller: Callable[[str], Teller]) -> None:
    steps = [
        step("peace", "snooze", 2, mission="kbri-muscat", snooze={"minutes": 30, "reason": "konvoi tanpa sinyal"}),
        step("again", "resume", 3, mission="kbri-muscat"),
        step("closed", "close", 4, reason="selesai"),
        step("open", "reopen", 5, reason="gempa susulan"),
        step("level", "change", 6, change={"levels": [{"area": "XX", "siaga_level": "I"}]}),
    ]
    crisis = parse_crisis(file_of(steps))
    today = crisis.model_copy(update={"incident": {**crisis.incident, "is_replayed": False}})
    result = replay(today, teller("yaman").api)
    assert [(each.step.ref, each.state, each.detail) for each in result.outcomes] == [
        ("peace", "done", ""),
        ("again", "done", ""),
        ("closed", "done", ""),
        ("open", "done", ""),
        ("level", "failed", "levels: the incident has no area XX"),
    ]


def test_a_cover_in_a_past_crisis_says_who_reports_for_whom(teller: Callable[[str], Teller]) -> None:
    cover = {"mission_code": "kbri-riyadh", "reason": "kantor tanpa listrik"}
    result = replay(parse_crisis(file_of([step("covered", "cover", 2, mission="kbri-muscat", cover=cover)])), teller("yaman").api)
    assert [(each.state, each.detail) for each in result.outcomes] == [
        ("done", "kbri-riyadh reports for KBRI Muscat; nobody is asked about a past crisis")
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (step("x", "confirm", 2, by="ministry", report="later", lines=[0], reason="karena"), "step x: speaks of later"),
        (step("x", "resolve", 2, keep="Later!", reason="karena"), "keep"),
        (step("x", "death", 2, by="ministry", person="nobody", step="bury", body={}), "step"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_place(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(CrisisFileError) as error:
        parse_crisis(file_of([wrong]))
    assert says in str(error.value)
