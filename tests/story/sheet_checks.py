"""Comparing a sheet (as the API's JSON) with the hand-written table."""

from __future__ import annotations

from typing import Any

from tests.story.turkiye_expected import Fig, Instant, Tot

Json = dict[str, Any]


def check_instant(sheet: Json, want: Instant) -> None:
    """Every assertion names the statement that it rests on."""
    figures = current_figures(sheet)
    for fig in want.stands:
        _check_figure(figures, fig)
    for total in want.totals:
        _check_total(sheet, total)
    planned = {(f["category"], places_of(f), f["number"]) for f in sheet["planned"]}
    assert set(want.planned) <= planned, planned
    assert not [f for f in figures if f["kind"] == "planned"], "a plan is counted as done"
    numbers = {frozenset(f["number"] for f in conflict["figures"]) for conflict in sheet["conflicts"]}
    assert set(want.conflicts) <= numbers, numbers
    withdrawn = {(w["author"], w["figure"]["category"], places_of(w["figure"])) for w in sheet["withdrawn"]}
    assert withdrawn == set(want.withdrawn)
    for category, places in want.absent:
        found = [f for f in figures if (f["category"], places_of(f), f["series"]) == (category, places, "own")]
        assert not found, f"{category} {places} must not stand: {found}"
    ours = next(question for question in sheet["questions"] if question["key"] == "ours")
    for category in want.not_known:
        assert category not in {t["category"] for t in ours["totals"]}, f"{category} has a figure that nobody filed"
        assert sheet["contact"].get(category) is None
    for text in want.sentence_has:
        assert text in sheet["sentence"]["id"], sheet["sentence"]["id"]
    for text in want.sentence_lacks:
        assert text not in sheet["sentence"]["id"], sheet["sentence"]["id"]


def current_figures(sheet: Json) -> list[Json]:
    """Every standing figure, wherever the sheet shows it."""
    asked = [f for question in sheet["questions"] for f in (*question["values"], *question["others"])]
    return [*asked, *sheet["figures"]]


def places_of(figure: Json) -> str:
    return "|".join(sorted(place["code"] for place in figure["places"]))


def _check_figure(figures: list[Json], want: Fig) -> None:
    cell = (want.category, want.places, want.nationality, want.series)
    found = [f for f in figures if (f["category"], places_of(f), f["nationality"], f["series"]) == cell]
    by_source = [f for f in found if f["source"] == want.source and f["author"] == want.author]
    assert len(by_source) == 1, f"{want.row}: {len(by_source)} figures for {cell}, all: {found}"
    figure = by_source[0]
    is_number = isinstance(want.value, int)
    assert (figure["number"] if is_number else figure["answer"]) == want.value, want.row
    if not is_number:
        assert figure["number"] is None, f"{want.row}: a silence printed as a number"
    assert figure["is_conflicting"] is want.is_conflicting, want.row
    if want.claim is not None:
        assert figure["claim"] == want.claim, want.row
    parts = sorted((part["category"], part["nationality"], part["number"]) for part in figure["of_which"])
    assert parts == sorted(want.of_which), want.row


def _check_total(sheet: Json, want: Tot) -> None:
    question = next(q for q in sheet["questions"] if q["key"] == want.question)
    total = next((t for t in question["totals"] if t["category"] == want.category), None)
    assert total is not None, f"{want.row}: the question has no total of {want.category}"
    assert (total["answer"], total["low"], total["high"]) == (want.answer, want.low, want.high), want.row
    assert places_of(total) == want.places, want.row
    if want.text is not None:
        assert total["text"]["id"] == want.text, want.row
    if want.answer not in {"number", "none_found"}:
        assert not any(digit in total["text"]["id"] for digit in "0123456789"), f"{want.row}: a silence printed as a number"
