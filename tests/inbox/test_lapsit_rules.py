"""From what a message says to what is filed and answered: clocks, bounds, and codes that stay secret. Without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.texts import Encoding, measure
from alerts.inbox.lapsit.rules import JUST_PASSED, Sender, as_report, bounded, cleaned, coming, without_code
from alerts.inbox.lapsit.words import Confirmation, confirm
from alerts.kit.i18n import translator
from alerts.reports.code_lists.rules import Verdict
from alerts.reports.rules.lapsit import read
from alerts.reports.schemas import LINES_MAX, PLACES_MAX

ISTANBUL = ZoneInfo("Europe/Istanbul")
NOW = datetime(2026, 3, 1, 11, 35, tzinfo=UTC)
ANKARA = Sender("kbri-ankara", "Sari, KBRI Ankara", ISTANBUL, ("TR",))


def local(day: int, hour: int, minute: int) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=ISTANBUL)


@pytest.mark.parametrize(
    ("clock", "now", "meant"),
    [
        ((14, 36), local(1, 14, 35), local(1, 14, 36)),
        ((14, 35), local(1, 14, 35), local(1, 14, 35)),
        ((14, 30), local(1, 14, 35), local(1, 14, 30)),
        ((14, 6), local(1, 14, 35), local(1, 14, 6)),
        ((14, 5), local(1, 14, 35), local(2, 14, 5)),
        ((6, 0), local(1, 14, 35), local(2, 6, 0)),
        ((0, 10), local(1, 23, 50), local(2, 0, 10)),
        ((23, 55), local(2, 0, 5), local(1, 23, 55)),
        ((23, 59), local(2, 0, 40), local(2, 23, 59)),
    ],
)
def test_a_promised_time_that_has_just_passed_is_not_tomorrows(clock: tuple[int, int], now: datetime, meant: datetime) -> None:
    assert coming(clock, now, ISTANBUL) == meant


@given(
    st.tuples(st.integers(0, 23), st.integers(0, 59)),
    st.integers(0, 20 * 365 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)),
)
def test_it_is_the_first_that_is_not_long_past(clock: tuple[int, int], now: datetime) -> None:
    at = coming(clock, now, ISTANBUL)
    assert -JUST_PASSED < at - now <= timedelta(days=1) - JUST_PASSED + timedelta(hours=1)
    assert (at.hour, at.minute) == clock


def test_more_figures_than_one_report_holds_are_named_as_not_read() -> None:
    said = bounded(read("LAPSIT A7K " + " ".join(f"TR-{number % 81 + 1:02} SLM{number}" for number in range(1, LINES_MAX + 4))))
    assert len(as_report(said, ANKARA, NOW, Verdict.NONE).lines) == LINES_MAX
    assert said.unread == tuple(f"TR-{number % 81 + 1:02} SLM{number}" for number in range(LINES_MAX + 1, LINES_MAX + 4))
    few = read("LAPSIT A7K SLM4")
    assert bounded(few) is few


def test_a_figure_without_a_place_speaks_of_countries_where_there_are_too_many_places() -> None:
    many = tuple(f"{country}-{number:02}" for country in ("JP", "TH", "TR") for number in range(PLACES_MAX // 2))
    sender = Sender(ANKARA.mission_code, ANKARA.name, ISTANBUL, many)
    for text in ("LAPSIT A7K SLM4", "LAPSIT A7K BELUM"):
        assert {tuple(line.places) for line in as_report(read(text), sender, NOW, Verdict.NONE).lines} == {("JP", "TH", "TR")}


@pytest.mark.parametrize("mark", ["#", "# ", "\uff03", "\ufe5f", "#\u200b", "\uff03\u00a0"])
@pytest.mark.parametrize("digits", ["483920", "\uff14\uff18\uff13\uff19\uff12\uff10", "48392"])
def test_a_code_is_read_and_hidden_in_whatever_signs_it_was_typed(mark: str, digits: str) -> None:
    text = cleaned(f"LAPSIT A7K {mark}{digits} SLM4 // kode {mark}{digits} terpakai")
    said = read(text)
    assert said.code in ("483920", "48392")
    filed = as_report(said, ANKARA, NOW, Verdict.NONE)
    assert filed.narrative == "kode #****** terpakai"
    assert "4839" not in without_code(text)
    assert digits not in without_code(text)


@pytest.mark.parametrize("slashes", ["//", "\uff0f\uff0f", "/\uff0f"])
def test_free_words_begin_behind_slashes_of_any_width(slashes: str) -> None:
    said = read(f"LAPSIT A7K SLM4 {slashes} jembatan putus // MGL2")
    assert (said.narrative, said.unread, len(said.tallies)) == ("jembatan putus // MGL2", (), 1)


WORD = st.sampled_from(["SLM4", "MGL?", "TR-31", "çöp€", "jahat.com/x", "LBR~400000000(TELEPON KONSUL)", "X" * 40, "#1234567890", "[|]"])


@given(st.lists(WORD, max_size=60), st.sampled_from(Verdict), st.booleans(), st.text(max_size=300), st.sampled_from(["id", "en"]))
def test_an_answer_is_two_segments_by_construction(words: list[str], verdict: Verdict, passed: bool, question: str, lang: str) -> None:
    said = read("LAPSIT A7K " + " ".join(words))
    told = Confirmation("A7K", 12_345, NOW, ISTANBUL, said, verdict, held=words, question=question, passed=NOW if passed else None)
    for each in (told, Confirmation("A7K", 12_345, NOW, ISTANBUL, said, verdict, is_again=True, held=words)):
        size = measure(f"LATIHAN: {confirm(translator(lang), each)}")
        assert (size.encoding, size.segments <= 2) == (Encoding.GSM7, True)
