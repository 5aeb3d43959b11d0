"""What a statement may say of a sheet: every number a figure, verbs by the ladder, number forms in both languages. No database."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.rules import Claim
from alerts.live.rules.briefing import Brief, brief_of, coherent, in_order
from alerts.live.rules.sentence import CONFIRMED_DEAD, number_words
from alerts.live.rules.sheet import build_sheet
from alerts.live.schemas import AnswerSheet, Clause, Register, Spoken, Words
from alerts.people.deaths.rules import Death, Recorded, Step, stand
from alerts.people.rules import Axis, AxisState, Nationality, Statement
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


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((line("seriously_injured", 2),), {"seriously_injured": "2 WNI dilaporkan luka berat."}),
        (
            (line("seriously_injured", 2), line("lightly_injured", 5)),
            {"seriously_injured": "2 WNI dilaporkan luka berat.", "lightly_injured": "5 WNI dilaporkan luka ringan."},
        ),
        (
            (line("injured", 7), line("seriously_injured", 2, kind="of_which", of="injured")),
            {"injured": "7 WNI dilaporkan luka-luka."},
        ),
        ((line("injured", "asked_none_reported"),), {}),
    ],
)
def test_who_is_hurt_is_said_in_one_number_or_by_how_badly(lines: tuple[dict[str, Any], ...], said: dict[str, str]) -> None:
    made = brief(*lines)
    assert {clause.key: clause.text.id for clause in made.clauses if clause.key.endswith("injured")} == said
    assert all(clause.figures for clause in made.clauses if clause.key.endswith("injured"))


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


def death(nationality: Nationality, day: int, *missing: str) -> Death:
    said = Statement(uuid4(), Axis.CONDITION, "dead", Claim.VERIFIED, T0 + timedelta(days=day), T0 + timedelta(days=day))
    steps = [Recorded(uuid4(), step, None, "DVI", T0, T0, finding_id=said.id) for step in (Step.CONFIRMED, Step.KIN_TOLD)]
    return Death(uuid4(), nationality, None, "TR-31", said, stand([each for each in steps if each.step not in missing], AxisState(said)))


def sheet_with(*deaths: Death) -> AnswerSheet:
    facts = replace(Filing().facts(incident_facts(opened_at=T0, occurred_at=T0)), deaths=deaths)
    return build_sheet(facts, LATER, LATER)


FREE = (death(Nationality.OWN, 2), death(Nationality.OWN_CHILD_DUAL, 1))
NOT_OURS = (death(Nationality.FOREIGN_FAMILY, 3), death(Nationality.UNVERIFIED, 3), death(Nationality.FOREIGN_HELPED, 3))
NOT_FREE = (death(Nationality.OWN, 4, "confirmed"), death(Nationality.OWN, 5, "kin_told"))


def test_of_the_dead_only_ours_that_may_be_published_are_counted() -> None:
    made = brief_of(sheet_with(*FREE, *NOT_OURS, *NOT_FREE))
    figure = made.figures["own.confirmed_dead"]
    assert (figure.number, figure.value.id, figure.as_of) == (2, "2", T0 + timedelta(days=2))
    assert set(figure.basis) == {f"person/{each.person_id}" for each in FREE}
    assert text_of(made, "deaths").id == "2 WNI telah dipastikan meninggal dunia. Kami menyampaikan duka cita kepada keluarga."
    assert text_of(made, "deaths").en == "2 Indonesian citizens have been confirmed dead. Our condolences go to the families."
    assert "deaths" not in made.chosen, "somebody has to choose it"


def test_one_death_is_said_of_one() -> None:
    made = brief_of(sheet_with(FREE[1], *NOT_OURS, *NOT_FREE))
    assert text_of(made, "deaths").en == "1 Indonesian citizen has been confirmed dead. Our condolences go to the family."


def test_without_one_that_may_be_published_nothing_is_said_of_the_dead() -> None:
    made = brief_of(sheet_with(*NOT_OURS, *NOT_FREE))
    assert "own.confirmed_dead" not in made.figures
    assert "deaths" not in [clause.key for clause in made.clauses]


def test_whose_death_it_is_stands_in_a_code_not_in_the_words_of_its_label() -> None:
    sheet = sheet_with(*FREE, *NOT_OURS)
    other = Words(id="WNI atau bukan, entah", en="words that anybody may change")
    ours = Words(id="Warga negara Indonesia", en="Citizen")
    labels = {str(each.person_id): ours for each in FREE}
    said = [each.model_copy(update={"label": labels.get(str(each.person_id), other)}) for each in sheet.deaths]
    figure = brief_of(sheet.model_copy(update={"deaths": said})).figures["own.confirmed_dead"]
    assert set(figure.basis) == {f"person/{each.person_id}" for each in FREE}


def told(number: int) -> Spoken:
    said = number_words(number)
    return Spoken(key=CONFIRMED_DEAD, label=Words(id="", en=""), value=said, number=number, as_of=T0, basis=["person/1"])


@pytest.mark.parametrize(
    ("published", "deaths", "read"),
    [
        (1, FREE[:1], "1 WNI telah dipastikan"),
        (1, (*FREE, *NOT_FREE), "1 WNI telah dipastikan"),
        (2, (FREE[0], *NOT_OURS, *NOT_FREE), None),
        (1, (*NOT_OURS, *NOT_FREE), None),
        (None, FREE, None),
    ],
)
def test_the_sentence_reads_the_published_number_of_dead_as_long_as_it_holds(
    published: int | None, deaths: tuple[Death, ...], read: str | None
) -> None:
    facts = replace(Filing().facts(incident_facts(opened_at=T0, occurred_at=T0)), deaths=deaths, possible_deaths=len(deaths))
    sheet = build_sheet(replace(facts, told_dead=told(published) if published else None), LATER, LATER)
    said = {clause.key: clause for clause in sheet.sentence.clauses}
    assert ("deaths" in said) == (read is not None)
    if read is None:
        assert "masih diverifikasi" in said["harm"].text.id
        return
    assert said["deaths"].text.id.startswith(read)
    assert [figure.number for figure in said["deaths"].figures] == [published]
    assert "diverifikasi" not in sheet.sentence.id
    assert "WNI lainnya masih dikumpulkan" in said["harm"].text.id
    assert [clause.key for clause in brief_of(sheet, is_death_told=True).clauses].count("deaths") == 1


def test_beside_a_confirmed_death_no_clause_knows_of_none() -> None:
    dead = Spoken(key=CONFIRMED_DEAD, label=Words(id="", en=""), value=Words(id="1", en="1"))
    made = brief(line("dead", "asked_none_reported"))
    assert "belum ada laporan" in text_of(made, "harm").id
    said = coherent([*made.clauses, Clause(key="own.1", text=Words(id="1 WNI.", en="1 citizen."), figures=[dead])])
    assert "belum ada laporan" not in " ".join(clause.text.id for clause in said)
    assert coherent(made.clauses) == made.clauses


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
