"""What is asked about a report, rule by rule. No database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.reports.actions import is_known_place
from alerts.reports.rules.codes import (
    AXIS_OF,
    CONFLICTING,
    HOLDING,
    Category,
    Claim,
    LineKind,
    Nationality,
    Outcome,
    ReportState,
    Rule,
    Series,
    Silence,
    Target,
)
from alerts.reports.rules.guards import Line, Problem, clock_problem, held_lines, report_state, review
from alerts.reports.rules.values import MOST_PEOPLE, Contact, counted_claim, read_value
from alerts.reports.rules.words import CATEGORY, CLAIM, KIND, MESSAGE, NATIONALITY, OUTCOME, SERIES, SILENCE, TARGET, message
from alerts.reports.schemas import ReportIn

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHOLE = st.integers(1, 500)


def a_line(category: str, raw: Any, *places: str, **more: Any) -> Line:
    return Line(category=Category(category), places=places or ("TR",), raw=raw, **more)


def rules_of(*lines: Line) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.rule.value) for problem in review(lines, is_known_place)]


def part(category: str, raw: Any, of: str, **more: Any) -> Line:
    return a_line(category, raw, kind=LineKind.OF_WHICH, of=Category(of), **more)


def test_every_code_has_words_in_both_languages() -> None:
    for codes, table in (
        (Category, CATEGORY), (Nationality, NATIONALITY), (Series, SERIES), (Claim, CLAIM), (LineKind, KIND),
        (Silence, SILENCE), (Target, TARGET), (Outcome, OUTCOME), (Rule, MESSAGE),
    ):  # fmt: skip
        assert set(codes) == set(table)
        assert all(both.id and both.en for both in table.values())
    assert set(AXIS_OF) == set(Category)
    assert not HOLDING & CONFLICTING


def test_a_message_never_fails_for_want_of_a_word() -> None:
    for rule in Rule:
        both = message(rule, {})
        assert "{" not in both.id + both.en


@given(st.integers(1, MOST_PEOPLE))
def test_any_plausible_number_is_itself(number: int) -> None:
    assert read_value(number).number == read_value(str(number)).number == read_value(float(number)).number == number


@given(st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=60)))
def test_reading_never_fails_and_never_invents(raw: Any) -> None:
    value = read_value(raw)
    said = [part for part in (value.number, value.silence, value.rule) if part is not None]
    assert len(said) == 1, "understood as exactly one thing"
    assert value.number is None or 0 < value.number <= MOST_PEOPLE


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda x: st.lists(x, max_size=3), max_leaves=5))
def test_what_the_schema_takes_is_kept_word_for_word(value: Any) -> None:
    body = {"source": "ministry", "as_of": NOW.isoformat(), "lines": [{"category": "dead", "places": ["TR"], "value": value}]}
    try:
        command = ReportIn.model_validate(body)
    except ValueError:
        return
    kept = command.model_dump(mode="json", exclude_unset=True)["lines"][0]["value"]
    assert kept == value
    assert json.loads(json.dumps(kept)) == value


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([a_line("injured", 10), part("in_hospital", 4, "injured")], [], id="10 injured, 4 of them in hospital"),
        pytest.param([a_line("injured", 3), part("in_hospital", 4, "injured")], [0, 1], id="subset exceeds set"),
        pytest.param([a_line("injured", 10), a_line("seriously_injured", 3), a_line("lightly_injured", 7)], [], id="3 + 7 = 10"),
        pytest.param([a_line("injured", 10), a_line("seriously_injured", 3), a_line("lightly_injured", 4)], [0, 1, 2], id="3 + 4, 10"),
        pytest.param([a_line("injured", 10), a_line("seriously_injured", 11)], [0, 1], id="more serious than injured"),
        pytest.param([a_line("injured", 10), a_line("seriously_injured", 3)], [], id="one severity may be part"),
        pytest.param([a_line("dead", 5), a_line("injured", 3)], [], id="dead and injured are no set and part"),
        pytest.param([a_line("evacuated", 4), a_line("injured", 9)], [], id="place and condition are never nested"),
        pytest.param([a_line("safe", 9), a_line("dead", 3), a_line("in_hospital", 8)], [], id="three axes"),
        pytest.param(
            [a_line("dead", 5), a_line("dead", 3, "TR-31"), a_line("dead", 3, "TR-46")], [0, 1, 2], id="places exceed the country"
        ),
        pytest.param([a_line("dead", 5), a_line("dead", 2, "TR-31"), a_line("dead", 1, "TR-46")], [], id="places may leave a rest"),
        pytest.param(
            [a_line("dead", 9, "TR", "SY"), a_line("dead", 5, "TR"), a_line("dead", 3, "SY")], [0, 1, 2], id="joint is not the sum"
        ),
        pytest.param([a_line("dead", 8, "TR", "SY"), a_line("dead", 5, "TR"), a_line("dead", 3, "SY")], [], id="joint is the sum"),
        pytest.param([a_line("dead", 2), a_line("dead", 5, "TR-31", series=Series.HOST_STATE)], [], id="series are never compared"),
        pytest.param(
            [
                a_line("evacuated", 123, nationality=Nationality.MIXED),
                part("evacuated", 2, "evacuated", nationality=Nationality.FOREIGN_HELPED, foreign_country="MY"),
                part("evacuated", 1, "evacuated", nationality=Nationality.FOREIGN_HELPED, foreign_country="MM"),
            ],
            [],
            id="123 with three foreigners",
        ),
        pytest.param(
            [
                a_line("evacuated", 100, nationality=Nationality.MIXED),
                part("evacuated", 60, "evacuated"),
                part("evacuated", 30, "evacuated", nationality=Nationality.FOREIGN_HELPED),
            ],
            [0, 1, 2],
            id="own and foreign are all there are",
        ),
        pytest.param([a_line("affected", 5), a_line("dead", 3), a_line("injured", 4)], [0, 1, 2], id="more hurt than affected"),
        pytest.param([a_line("dead", 2), a_line("dead", 3)], [0, 1], id="the same cell twice"),
        pytest.param([a_line("dead", 2), a_line("dead", 2)], [], id="the same said twice"),
        pytest.param(
            [a_line("injured", 100, is_approximate=True), part("in_hospital", 104, "injured")], [], id="an approximate set has slack"
        ),
        pytest.param(
            [a_line("injured", 5), a_line("en_route", 6, "TR-06", kind=LineKind.PLANNED, of=Category.INJURED)],
            [0, 1],
            id="plan exceeds set",
        ),
    ],
)
def test_arithmetic(lines: list[Line], expected: list[int]) -> None:
    assert sorted(held_lines(review(lines, is_known_place))) == expected


@given(st.lists(WHOLE, min_size=2, max_size=6), st.integers(-3, 3))
def test_parts_of_one_set_are_held_exactly_when_they_exceed_it(numbers: list[int], slip: int) -> None:
    total = max(1, sum(numbers) + slip)
    lines = [a_line("evacuated", total), *(part("evacuated", n, "evacuated", words=str(at)) for at, n in enumerate(numbers))]
    is_over = sum(numbers) > total or any(n > total for n in numbers)
    assert bool(held_lines(review(lines, is_known_place))) is is_over


@given(st.permutations([a_line("injured", 10), part("in_hospital", 11, "injured"), a_line("dead", 1), a_line("ill", "x")]))
def test_the_order_of_lines_does_not_matter(lines: list[Line]) -> None:
    held = {lines[at].category for at in held_lines(review(lines, is_known_place))}
    assert held == {Category.INJURED, Category.IN_HOSPITAL, Category.ILL}


def test_a_part_without_its_set_is_asked_about_but_counts() -> None:
    assert rules_of(part("in_hospital", 4, "injured")) == [(0, "set_missing")]


def test_parts_that_leave_a_rest_are_asked_about_but_count() -> None:
    lines = [a_line("evacuated", 100), part("evacuated", 20, "evacuated", words="anak"), part("evacuated", 30, "evacuated", words="ibu")]
    assert {rule for _, rule in rules_of(*lines)} == {"parts_leave_a_rest"}
    assert report_state(review(lines, is_known_place)) is ReportState.ACCEPTED


def test_withdrawing_needs_a_reason_and_no_value() -> None:
    assert rules_of(Line(category=Category.SAFE, is_withdrawal=True, withdraw_reason="tidak terbukti")) == []
    assert rules_of(Line(category=Category.SAFE, is_withdrawal=True, withdraw_reason="  ")) == [(0, "reason_missing")]


@pytest.mark.parametrize(
    ("place", "is_known"),
    [
        ("TR", True),
        ("TR-31", True),
        ("TR-99", False),
        ("XX", False),
        ("Hatay", False),
        ("NG-LA", True),
        ("NG-lagos", False),
        ("", False),
        ("tr", False),
    ],
)
def test_known_places(place: str, is_known: bool) -> None:
    assert is_known_place(place) is is_known


@pytest.mark.parametrize("claim", list(Claim))
@pytest.mark.parametrize("contact", [None, Contact("a", "b", None), Contact("a", " ", "c"), Contact("a", "b", "c")])
def test_no_rung_above_corroborated_without_who_when_how(claim: Claim, contact: Contact | None) -> None:
    counted = counted_claim(claim, contact)
    if claim in (Claim.REPORTED, Claim.CORROBORATED) or contact == Contact("a", "b", "c"):
        assert counted is claim
    else:
        assert counted is Claim.REPORTED


@pytest.mark.parametrize(
    ("off", "is_replayed", "is_flagged"),
    [
        (timedelta(days=1), False, True),
        (timedelta(days=1), True, True),
        (timedelta(minutes=5), False, False),
        (timedelta(days=-1), False, True),
        (timedelta(days=-1), True, False),
        (timedelta(hours=-3), False, False),
    ],
)
def test_clocks(off: timedelta, is_replayed: bool, is_flagged: bool) -> None:
    assert (clock_problem(NOW + off, NOW, is_replayed=is_replayed) is not None) is is_flagged


def test_conflicting_is_said_before_held() -> None:
    held, conflict = Problem(0, Rule.NEGATIVE), Problem(1, Rule.SOURCES_DIFFER)
    assert report_state([]) is ReportState.ACCEPTED
    assert report_state([held]) is ReportState.HELD
    assert report_state([held, conflict]) is ReportState.CONFLICTING
    assert report_state([Problem(None, Rule.CLOCK_OFF), Problem(0, Rule.CONTACT_WITHOUT_PROOF)]) is ReportState.ACCEPTED
