"""Crises of other shapes than the one in the repository, all invented: what the sheet must say of each, in whatever order it came."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.live.rules.changes import changes_between, content_hash, content_of
from alerts.live.rules.facts import MissionFacts
from alerts.live.rules.sheet import build_sheet
from alerts.live.schemas import AnswerSheet, Figure
from tests.factories.reports import Filing, incident_facts, line, report_body

START = datetime(2026, 3, 1, tzinfo=UTC)
CHECKED = "kewarganegaraan diperiksa setelah evakuasi"
Bodies = list[dict[str, Any]]


def hours(count: float) -> str:
    return (START + timedelta(hours=count)).isoformat()


def ye(category: str, value: Any, **more: Any) -> dict[str, Any]:
    return line(category, value, places=more.pop("places", ("YE",)), **more)


def ministry(hour: float, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return report_body(*lines, source="ministry", as_of=hours(hour), **more)


def mission(code: str, hour: float, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return report_body(*lines, source=f"mission:{code}", as_of=hours(hour), **more)


UNDIVIDED = ministry(10, ye("evacuated", 1795, nationality="mixed"))
DIVIDED = ministry(34, ye("evacuated", 1684, how=CHECKED), ye("evacuated", 111, nationality="foreign_helped"))
OWN_FIRST = ministry(10, ye("evacuated", 1795))
PARTS = ministry(
    1,
    ye("registered", 4159),
    ye("registered", 2686, kind="of_which", of="registered", words="mahasiswa"),
    ye("registered", 1488, kind="of_which", of="registered", words="pekerja"),
)
SAME_EVENING = [mission("kbri-muscat", 18, ye("injured", 12)), ministry(20, ye("injured", 9))]
FIVE = [
    mission(code, hour, ye("evacuated", number, places=(place,)))
    for hour, code, number, place in (
        (5, "kbri-muscat", 40, "OM"),
        (6, "kbri-riyadh", 262, "SA"),
        (7, "kbri-sanaa", 90, "YE"),
        (8, "kbri-doha", 12, "QA"),
        (9, "kbri-addis-ababa", 31, "DJ"),
    )
]
LEGS = [
    ministry(10, ye("evacuated", 300), ye("evacuated", 100, kind="planned", words="penerbangan kedua")),
    ministry(12, ye("en_route", 180, words="penerbangan pertama, 180 orang")),
    ministry(
        20,
        ye("repatriated", 180),
        ye("repatriated", 110, kind="of_which", of="repatriated", words="penerbangan pertama"),
        ye("repatriated", 70, kind="of_which", of="repatriated", words="penerbangan kedua"),
        ye("en_route", 0),
    ),
]
STORIES = {
    "undivided, then divided": [UNDIVIDED, DIVIDED],
    "own fell, with the others named": [OWN_FIRST, DIVIDED],
    "own fell without a word": [OWN_FIRST, ministry(34, ye("evacuated", 1684))],
    "parts that do not sum": [PARTS],
    "one evening": SAME_EVENING,
    "five missions": FIVE,
    "flight legs": LEGS,
    "all of it": [UNDIVIDED, DIVIDED, PARTS, *SAME_EVENING, *FIVE, *LEGS],
}


def sheet_of(bodies: Bodies, *, at: float = 120, missions: tuple[MissionFacts, ...] = (), places: tuple[str, ...] = ("YE",)) -> AnswerSheet:
    filing = Filing()
    for body in bodies:
        filing.file(body)
    incident = incident_facts(places=places, opened_at=START, occurred_at=START, title="Yaman")
    return build_sheet(filing.facts(incident, missions), START + timedelta(hours=at), datetime(2030, 1, 1, tzinfo=UTC))


def figures_of(sheet: AnswerSheet, category: str) -> list[Figure]:
    asked = [f for question in sheet.questions for f in (*question.values, *question.others)]
    return [f for f in (*asked, *sheet.figures) if f.category == category]


def numbers(sheet: AnswerSheet, category: str) -> dict[str, int | None]:
    return {figure.nationality.value: figure.number for figure in figures_of(sheet, category)}


def without_arrival(value: Any) -> Any:
    """What a sheet says, without the ids and times that arrival itself gives."""
    if isinstance(value, dict):
        drop = ("known_at", "report_id", "line_id", "last_report_known_at", "withdrawn_known_at")
        return {key: without_arrival(item) for key, item in value.items() if key not in drop}
    return [without_arrival(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", STORIES)
def test_a_shuffled_arrival_ends_in_the_same_sheet(name: str) -> None:
    bodies = STORIES[name]
    expected = content_hash(without_arrival(content_of(sheet_of(bodies))))
    for seed in range(8):
        shuffled = random.Random(seed).sample(bodies, len(bodies))
        assert content_hash(without_arrival(content_of(sheet_of(shuffled)))) == expected


def test_a_nationality_check_divides_the_figure_and_says_so() -> None:
    before, after = sheet_of([UNDIVIDED]), sheet_of([UNDIVIDED, DIVIDED])
    assert numbers(after, "evacuated") == {"own": 1684, "foreign_helped": 111}
    assert [figure.number for figure in after.older] == [1795]
    for figure in figures_of(after, "evacuated"):
        assert figure.moved is not None
        assert figure.moved.id == f"pemeriksaan kewarganegaraan, 1.795 semua kewarganegaraan → 1.684 WNI + 111 WNA yang dibantu: {CHECKED}"
    assert any("1,795" in change.after.en and "1,684" in change.after.en for change in changes_between(before, after) if change.after)


@pytest.mark.parametrize("is_correction", [False, True], ids=["a later report", "a correction of the check"])
def test_what_was_divided_does_not_come_back_when_a_class_moves(is_correction: bool) -> None:
    again = ministry(50, ye("evacuated", 1681, how="tiga nama tercatat dua kali"), ye("evacuated", 111, nationality="foreign_helped"))
    filing = Filing()
    filing.file(UNDIVIDED)
    filing.file(DIVIDED, ref="divided")
    filing.file(again | ({"supersedes": "divided", "supersede_reason": "tiga nama tercatat dua kali"} if is_correction else {}))
    facts = filing.facts(incident_facts(places=("YE",), opened_at=START, occurred_at=START))
    sheet = build_sheet(facts, START + timedelta(days=5), datetime(2030, 1, 1, tzinfo=UTC))
    assert numbers(sheet, "evacuated") == {"own": 1681, "foreign_helped": 111}
    assert [figure.number for figure in sheet.older] == [1795]


def test_a_check_that_was_corrected_a_thousand_times_is_still_read() -> None:
    filing = Filing()
    filing.file(UNDIVIDED)
    filing.file(DIVIDED, ref="0")
    for number in range(1, 1101):
        filing.file(DIVIDED | {"supersedes": str(number - 1), "supersede_reason": "salah ketik"}, ref=str(number))
    facts = filing.facts(incident_facts(places=("YE",), opened_at=START, occurred_at=START))
    sheet = build_sheet(facts, START + timedelta(days=5), datetime(2030, 1, 1, tzinfo=UTC))
    assert numbers(sheet, "evacuated") == {"own": 1684, "foreign_helped": 111}


def test_a_check_that_is_taken_back_divides_nothing() -> None:
    filing = Filing()
    filing.file(UNDIVIDED)
    filing.file(DIVIDED, ref="divided")
    filing.file(ministry(50, ye("evacuated", 1684), supersedes="divided", supersede_reason="111 orang itu belum diperiksa"))
    facts = filing.facts(incident_facts(places=("YE",), opened_at=START, occurred_at=START))
    sheet = build_sheet(facts, START + timedelta(days=5), datetime(2030, 1, 1, tzinfo=UTC))
    assert numbers(sheet, "evacuated") == {"own": 1684, "mixed": 1795}


def test_a_correction_that_divides_says_so_too() -> None:
    filing = Filing()
    filing.file(UNDIVIDED, ref="first")
    filing.file(DIVIDED | {"supersedes": "first", "supersede_reason": "paspor diperiksa"})
    incident = incident_facts(places=("YE",), opened_at=START, occurred_at=START)
    sheet = build_sheet(filing.facts(incident), START + timedelta(days=5), datetime(2030, 1, 1, tzinfo=UTC))
    assert all(figure.moved and figure.moved.id.endswith("paspor diperiksa") for figure in figures_of(sheet, "evacuated"))


@pytest.mark.parametrize(
    "later",
    [
        ministry(34, ye("evacuated", 1684)),
        ministry(34, ye("evacuated", 1600), ye("evacuated", 111, nationality="foreign_helped")),
        mission("kbri-muscat", 34, ye("evacuated", 1684), ye("evacuated", 111, nationality="foreign_helped")),
        ministry(4, ye("evacuated", 1684), ye("evacuated", 111, nationality="foreign_helped")),
    ],
    ids=["one class alone", "84 unaccounted for", "somebody else's", "an older one"],
)
def test_what_does_not_account_for_the_whole_leaves_it_standing(later: dict[str, Any]) -> None:
    sheet = sheet_of([UNDIVIDED, later])
    assert numbers(sheet, "evacuated")["mixed"] == 1795
    assert not any(figure.moved for figure in figures_of(sheet, "evacuated"))


def test_a_fall_shows_what_stood_before_and_its_reason() -> None:
    own = next(f for f in figures_of(sheet_of([OWN_FIRST, DIVIDED]), "evacuated") if f.nationality == "own")
    assert (own.number, own.fell_from, own.fall_reason) == (1684, 1795, CHECKED)
    [silent] = figures_of(sheet_of([OWN_FIRST, ministry(34, ye("evacuated", 1684))]), "evacuated")
    assert (silent.fell_from, silent.fall_reason) == (1795, None)


def test_parts_that_do_not_sum_are_held_as_filed_and_count_nowhere() -> None:
    sheet = sheet_of([PARTS])
    assert {held.raw for held in sheet.held} == {"4159", "2686", "1488"}
    assert all("4174" in held.problems[0].id and "4159" in held.problems[0].id for held in sheet.held)
    assert figures_of(sheet, "registered") == []


def test_ministry_and_mission_of_one_evening_stand_side_by_side() -> None:
    sheet = sheet_of(SAME_EVENING)
    assert {frozenset(f.number for f in conflict.figures) for conflict in sheet.conflicts} == {frozenset({9, 12})}
    ours = next(question for question in sheet.questions if question.key == "ours")
    assert "9 sampai 12" in ours.text.id
    assert "12" not in sheet.sentence.id


def test_a_country_without_a_mission_still_has_a_sheet() -> None:
    sheet = sheet_of([ministry(2, ye("injured", "asked_none_reported"))])
    assert sheet.missions == []
    assert len(sheet.questions) == 5


def test_five_missions_are_kept_apart_and_none_hides_another() -> None:
    places = ("DJ", "OM", "QA", "SA", "YE")
    codes = [body["source"].partition(":")[2] for body in FIVE]
    missions = tuple(MissionFacts(code, code, "accreditation", False, places, None) for code in codes)
    sheet = sheet_of(FIVE, missions=missions, places=places)
    assert sorted(f.number or 0 for f in figures_of(sheet, "evacuated")) == [12, 31, 40, 90, 262]
    assert [row.reports for row in sheet.missions] == [1] * 5
    assert sheet.conflicts == []


def test_legs_are_parts_of_one_figure_and_a_plan_is_never_done() -> None:
    sheet = sheet_of(LEGS)
    assert numbers(sheet, "evacuated") == {"own": 300}
    [home] = figures_of(sheet, "repatriated")
    assert (home.number, sorted(part.number or 0 for part in home.of_which)) == (180, [70, 110])
    assert [(plan.category.value, plan.number) for plan in sheet.planned] == [("evacuated", 100)]
