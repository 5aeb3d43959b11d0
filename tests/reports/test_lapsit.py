"""The message of a mission that has nothing but a phone: what it prints it reads back, and it guesses nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.rules import SMS_CODE
from alerts.places import country_codes, provinces
from alerts.reports.rules.codes import Category, Nationality, Silence
from alerts.reports.rules.lapsit import (
    AS_OF,
    CATEGORY_CODES,
    COUNTS_OF_MISSION,
    KEYWORD,
    NATIONALITY_LETTERS,
    NEXT,
    NOTHING_KNOWN,
    STATES_OF_MISSION,
    Lapsit,
    Tally,
    is_lapsit,
    may_be_incident,
    read,
    write,
)

PLACES = st.one_of(st.none(), st.sampled_from(["TR", "TR-31", "TR-01", "SY", "LB", "LB-AS", "TH-50", "PS", "JP-13"]))
HOW = st.text(st.sampled_from("ABCDEFGHIJ KLMN.,"), min_size=1, max_size=30).map(lambda s: " ".join(s.split())).filter(bool)
NUMBERED = st.builds(
    Tally,
    st.sampled_from(Category),
    PLACES,
    number=st.integers(0, 999_999_999),
    nationality=st.sampled_from(sorted(NATIONALITY_LETTERS.values())),
    is_approximate=st.booleans(),
    how=st.none() | HOW,
).filter(lambda tally: tally.number or not tally.how)
SILENT = st.builds(
    Tally,
    st.sampled_from(Category),
    PLACES,
    silence=st.sampled_from([Silence.NOT_ASKED, Silence.ASKED_NO_ANSWER, Silence.ASKED_NONE_REPORTED]),
)
CHECKED = st.builds(Tally, st.sampled_from(Category), PLACES, silence=st.just(Silence.CHECKED_NONE_FOUND), how=HOW)
TALLIES = st.lists(st.one_of(NUMBERED, SILENT, CHECKED), max_size=8)
MISSION = st.dictionaries(st.sampled_from(sorted(STATES_OF_MISSION.values())), st.sampled_from("+-?")) | st.fixed_dictionaries(
    {}, optional={"staff": st.just("12/14"), "families": st.just("30/32"), "vehicles": st.just("3")}
)
CLOCKS = st.none() | st.tuples(st.integers(0, 23), st.integers(0, 59))
INCIDENTS = st.text(st.sampled_from("ABCDEFGHJKMNPQRSTUVWXYZ23456789"), min_size=3, max_size=4)


@st.composite
def messages(draw: st.DrawFn) -> Lapsit:
    grouped = sorted(draw(TALLIES), key=lambda tally: tally.place is not None)
    return Lapsit(
        incident=draw(INCIDENTS.filter(may_be_incident)),
        code=draw(st.none() | st.integers(0, 999_999).map(lambda number: f"{number:06}")),
        tallies=tuple(grouped),
        mission=draw(MISSION),
        as_of=draw(CLOCKS),
        next_at=draw(CLOCKS),
        is_nothing_known=draw(st.booleans()),
        narrative=draw(st.none() | HOW),
    )


@given(messages())
def test_what_it_prints_it_reads_back(said: Lapsit) -> None:
    assert read(write(said)) == said


@given(messages(), st.sampled_from([" ", "  ", ", ", "\n", " ; "]), st.booleans())
def test_case_blanks_and_commas_do_not_matter(said: Lapsit, gap: str, is_lower: bool) -> None:
    head, slashes, tail = write(said).partition("//")
    bare = head if "(" in head else head.replace(" ", gap)
    assert read((bare.lower() if is_lower else bare) + slashes + tail) == said


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error_and_nothing_of_it_is_lost(text: str) -> None:
    said = read(f"{KEYWORD} {text}")
    assert read(write(said)).tallies == said.tallies
    if not said.says_anything and not said.incident and said.code is None and text.strip(" ,;:.\n\t\r"):
        assert said.unread or "//" in text or not any(char.isalnum() for char in text)


@pytest.mark.parametrize(
    ("text", "tally"),
    [
        ("MGL2", Tally(Category.DEAD, number=2)),
        ("meninggal 2", Tally(Category.DEAD, number=2)),
        ("Mgl: 2", Tally(Category.DEAD, number=2)),
        ("mgl = 2", Tally(Category.DEAD, number=2)),
        ("TR-31 SLM~40", Tally(Category.SAFE, "TR-31", number=40, is_approximate=True)),
        ("SLM12 (telepon,  konsul)", Tally(Category.SAFE, number=12, how="TELEPON, KONSUL")),
        ("tr31 slm3k", Tally(Category.SAFE, "TR-31", number=3, nationality=Nationality.FOREIGN_FAMILY)),
        ("MGL-", Tally(Category.DEAD, silence=Silence.ASKED_NONE_REPORTED)),
        ("MGL –", Tally(Category.DEAD, silence=Silence.ASKED_NONE_REPORTED)),
        ("HLG?", Tally(Category.MISSING, silence=Silence.ASKED_NO_ANSWER)),
        ("HLG *", Tally(Category.MISSING, silence=Silence.NOT_ASKED)),
        ("MGL0(rs adana, forensik)", Tally(Category.DEAD, silence=Silence.CHECKED_NONE_FOUND, how="RS ADANA, FORENSIK")),
        ("MGL 0", Tally(Category.DEAD, number=0)),
        ("ＭＧＬ２", Tally(Category.DEAD, number=2)),
    ],
)
def test_ways_to_write_one_figure(text: str, tally: Tally) -> None:
    said = read(f"LAPSIT A7K {text}")
    assert said.tallies == (tally,)
    assert said.unread == ()


def test_a_place_is_that_of_all_figures_after_it_and_countries_are_never_figures() -> None:
    said = read("LAPSIT A7K LB MGL2 LB-AS LBR3, TH-50 THN1 TH THN4")
    assert [(tally.place, tally.category, tally.number) for tally in said.tallies] == [
        ("LB", Category.DEAD, 2),
        ("LB-AS", Category.SERIOUSLY_INJURED, 3),
        ("TH-50", Category.DETAINED, 1),
        ("TH", Category.DETAINED, 4),
    ]


def test_no_code_is_a_country_or_a_province_and_none_is_given_twice() -> None:
    words = [word for both in CATEGORY_CODES.values() for word in both]
    words += [*COUNTS_OF_MISSION, *STATES_OF_MISSION, NEXT, AS_OF, NOTHING_KNOWN]
    assert len(set(words)) == len(words)
    assert not set(words) & {*country_codes(), *provinces()}
    assert set(CATEGORY_CODES) == set(Category)


@given(st.from_regex(SMS_CODE, fullmatch=True))
def test_a_code_that_incidents_are_given_is_never_anything_else(code: str) -> None:
    assert may_be_incident(code)
    assert read(f"LAPSIT {code} MGL2").incident == code


@pytest.mark.parametrize("text", ["MGL2", "LBR-", "TR31 MGL2", "TR-31 MGL2", "SKT1", "STF9/9 MGL2", "KTR+", "LJT930", "MGL 2", "2 MGL"])
def test_without_a_code_the_first_figure_or_place_is_not_taken_for_one(text: str) -> None:
    assert read(f"LAPSIT {text}").incident == ""


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("MGL", ("MGL",)),
        ("MGL dua", ("MGL", "DUA")),
        ("MGL - 2", ("MGL", "-", "2")),
        ("2 MGL 3 LBR 1", ("2", "MGL 3", "LBR 1")),
        ("XYZ3", ("XYZ3",)),
        ("MGL-2", ("MGL", "-2")),
        ("MGL2.5", ("MGL", "2.5")),
        ("MGL1,200", ("MGL", "1", "200")),
        ("TR-31", ("TR-31",)),
        ("PKL2400", ("PKL2400",)),
        ("LJT2561", ("LJT2561",)),
        ("STF-", ("STF-",)),
        ("KDR3/4", ("KDR3/4",)),
    ],
)
def test_what_is_not_understood_is_named_and_not_guessed(text: str, unread: tuple[str, ...]) -> None:
    said = read(f"LAPSIT A7K {text}")
    assert said.unread == unread


def test_the_mission_itself_comes_along() -> None:
    said = read("lapsit a7k #483920 belum pkl 0905 stf12/14 klg 30/32 ktr+ lst- tlp? kdr3 ljt1430 // jembatan  putus")
    assert said.code == "483920"
    assert said.is_nothing_known
    assert said.mission == {"staff": "12/14", "families": "30/32", "office": "+", "power": "-", "telephone": "?", "vehicles": "3"}
    assert (said.as_of, said.next_at) == ((9, 5), (14, 30))
    assert said.narrative == "jembatan putus"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("LAPSIT A7K MGL2", True), (" lapsit", True), ("LAPSIT: A7K", True), ("LAPOR DIRI", False), ("LAPSITX 2", False), ("", False)],
)
def test_the_keyword_stands_alone(text: str, expected: bool) -> None:
    assert is_lapsit(text) is expected


PAGE = Path(__file__).parents[2] / "docs" / "lapsit.md"


def test_the_page_of_the_grammar_names_every_code_and_its_examples_are_read() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for code, word in CATEGORY_CODES.values():
        assert f"| {code} | {word} |" in page
    for code in (*COUNTS_OF_MISSION, *STATES_OF_MISSION, NEXT, AS_OF, NOTHING_KNOWN):
        assert re.search(rf"`{code}[^`]*`", page), code
    examples = re.findall(r"^    (LAPSIT .*)$", page, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        assert (read(example).incident, read(example).unread, write(read(example))) == ("A7K", (), example)
