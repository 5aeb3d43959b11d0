"""What a statement may say of a sheet: every number a figure, verbs by the ladder, number forms in both languages. No database."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.live.rules.briefing import Brief, brief_of, in_order
from alerts.live.rules.sheet import build_sheet
from alerts.live.schemas import Register, Words
from tests.factories.reports import Filing, incident_facts, line, report_body

T0 = datetime(2026, 3, 1, tzinfo=UTC)
END, LATER = T0 + timedelta(hours=9), datetime(2030, 1, 1, tzinfo=UTC)
CONTACT = {"claim": "contact_made", "contact": {"who": "KBRI", "when": "09.00", "how": "telepon"}}
TIMES = ("as_of", "next", "exercise")
NUMBER = re.compile(r"\d[\d.,]*\d|\d")


def check(target: str, name: str, outcome: str) -> dict[str, Any]:
    return {"target": target, "name": name, "outcome": outcome, "places": ["TR"]}


def brief(*lines: dict[str, Any], checks: tuple[dict[str, Any], ...] = (), register: int | None = None, **incident: Any) -> Brief:
    filing = Filing()
    if lines or checks:
        filing.file(report_body(*lines, as_of=T0 + timedelta(hours=1), checks=list(checks)))
    facts = filing.facts(incident_facts(opened_at=T0, occurred_at=T0, **incident))
    if register is not None:
        counted = Register(people=register, country_only=0, text=Words(id="", en=""), classes=[], lists=[], counted_at=T0)
        facts = replace(facts, register=counted)
    return brief_of(build_sheet(facts, END, LATER))


def text_of(made: Brief, key: str) -> Words:
    return next(clause.text for clause in made.clauses if clause.key == key)


def test_it_is_there_before_anybody_reported() -> None:
    made = brief(register=1447)
    assert [clause.key for clause in made.clauses] == ["as_of", "present", "voluntary", "harm", "appeal"]
    assert made.chosen == [clause.key for clause in made.clauses]
    assert text_of(made, "present").id.startswith("1.447 WNI")
    assert text_of(made, "present").en.startswith("1,447 Indonesian citizens are")
    assert (made.heading.id, made.heading.en, made.about) == ("Gempa bumi: Turki", "Earthquake: Türkiye", "earthquake-tr")


@pytest.mark.parametrize(
    ("number", "id_", "en"), [(1, "1 WNI", "1 Indonesian citizen is"), (1234, "1.234 WNI", "1,234 Indonesian citizens are")]
)
def test_number_forms_are_right_in_both_languages(number: int, id_: str, en: str) -> None:
    made = brief(line("injured", number), register=number)
    for key in ("injured", "present"):
        assert text_of(made, key).id.startswith(id_)
        assert text_of(made, key).en.startswith(en)


def test_contacted_of_known_by_one_source_and_only_with_proof() -> None:
    proven = brief(line("safe", 12, **CONTACT), line("unaccounted", 3))
    assert "12 dari 15 WNI yang dicatat" in text_of(proven, "contacted").id
    assert "12 of the 15" in text_of(proven, "contacted").en
    unproven = brief(line("safe", 12, claim="contact_made"), line("unaccounted", 3))
    assert "contacted" not in [clause.key for clause in unproven.clauses]


def test_coordination_is_x_of_y_by_kind_and_names_no_place() -> None:
    made = brief(
        checks=(check("hospital", "RS Adana", "asked"), check("hospital", "RS Hatay", "visited"), check("hospital", "RS Lain", "not_tried"))
    )
    words = text_of(made, "check.hospital")
    assert words.id == "Perwakilan RI telah menghubungi 2 dari 3 rumah sakit yang didata, 1 di antaranya didatangi."
    assert "2 of 3" in words.en
    assert "RS" not in words.id


def test_the_host_states_figures_are_offered_as_theirs_and_not_said_by_themselves() -> None:
    filing = Filing()
    more = {"series": "host_state", "nationality": "mixed"}
    filing.file(report_body(line("dead", 40, **more), line("injured", 1, **more), source="host_state", author="AFAD", as_of=T0))
    made = brief_of(build_sheet(filing.facts(incident_facts(opened_at=T0, occurred_at=T0)), END, LATER))
    assert "host" not in made.chosen
    assert (
        text_of(made, "host").id
        == "Menurut otoritas setempat, tercatat 40 orang meninggal dunia dan 1 orang luka-luka dari semua kewarganegaraan."
    )
    assert text_of(made, "host").en == "The local authorities count 40 people dead and 1 person injured of all nationalities."


def test_a_possible_death_is_no_figure_of_the_brief() -> None:
    made = brief(line("dead", 2))
    assert "own.dead" not in made.figures
    assert not any("2" in NUMBER.findall(clause.text.id) for clause in made.clauses if clause.key not in TIMES)


def test_an_exercise_says_so_and_nobody_can_leave_it_out() -> None:
    made = brief(register=3, status="Exercise")
    assert [clause.key for clause in in_order(made, ["present"])] == ["exercise", "as_of", "present", "voluntary"]
    assert made.heading.id.startswith("LATIHAN")


COUNTS = st.integers(0, 5_000_000)
CATEGORIES = ("dead", "injured", "unaccounted", "safe", "missing", "registered", "in_hospital")


@given(
    st.lists(st.tuples(st.sampled_from(CATEGORIES), COUNTS), max_size=6, unique_by=lambda pair: pair[0]),
    st.one_of(st.none(), COUNTS),
    st.lists(
        st.tuples(st.sampled_from(["hospital", "police", "authorities"]), st.sampled_from(["asked", "visited", "not_tried"])), max_size=6
    ),
)
def test_every_number_of_a_clause_is_one_of_its_figures(
    counts: list[tuple[str, int]], register: int | None, checks: list[tuple[str, str]]
) -> None:
    lines = [line(category, number or "asked_none_reported", **(CONTACT if category == "safe" else {})) for category, number in counts]
    made = brief(*lines, checks=tuple(check(target, f"n{at}", outcome) for at, (target, outcome) in enumerate(checks)), register=register)
    for clause in made.clauses:
        for language in ("id", "en"):
            text = getattr(clause.text, language)
            assert not re.search(r"\b(selamat|aman|safe|unharmed)\b", text), text
            if clause.key in TIMES:
                continue
            values = [number for figure in clause.figures for number in NUMBER.findall(getattr(figure.value, language))]
            assert set(NUMBER.findall(text)) <= set(values), (text, values)
            assert all(figure.basis and figure.as_of for figure in clause.figures), clause
