from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.inbox import rules
from alerts.inbox.rules import Flag, State, Understood, understand
from alerts.kit.errors import ConflictError
from alerts.kit.text import visible

HOSTILE = st.text(alphabet=st.one_of(st.sampled_from("12 amntolgsedp.,!\n\x00\u200b\u202e"), st.characters()), max_size=40)


@pytest.mark.parametrize("text", ["1", "AMAN", "aman", "Aman", " 1 ", "aman\n"])
def test_safe_is_the_whole_message(text: str) -> None:
    assert understand(text).understood is Understood.SAFE


@pytest.mark.parametrize("text", ["2", "TOLONG", "tolong", " 2\r\n"])
def test_need_help_is_the_whole_message(text: str) -> None:
    assert understand(text).understood is Understood.NEED_HELP


@pytest.mark.parametrize(
    "text",
    [
        *("selamat pagi", "belum aman", "aman tapi anak saya hilang", "tidak aman", "1 atau 2?", "11", "1.", "aman!", "12", "21"),
        *("１", "①", "amаn", "ya", "safe", "hmm", "END OF ROAD", "stop saya di mana", "saya berhenti di bandara", "kapan aman"),
    ],
)
def test_everything_else_goes_to_a_person(text: str) -> None:
    reading = understand(text)
    assert reading.understood is Understood.UNCLEAR
    assert reading.is_for_a_person


@pytest.mark.parametrize(
    "text",
    [
        "2 kaki patah",
        "TOLONG 2",
        "tolong!",
        "aman tapi tolong jemput",
        "minta tolong",
        "2.",
        "2, anak",
        "T\u200bOLONG",
        "\u202e2",
        "２",
        "2\x00",
        "SOS",
        "help",
    ],
)
def test_a_call_for_help_in_other_words_is_read_first(text: str) -> None:
    reading = understand(text)
    assert reading.understood is Understood.URGENT_UNREAD
    assert reading.is_for_a_person


@pytest.mark.parametrize(
    "text", ["STOP", "stop.", "Stop!", "BERHENTI", "berhenti.", "UNSUBSCRIBE", "unreg", "cancel", "END", "quit", "Stop  SMS"]
)
def test_opting_out_in_both_languages(text: str) -> None:
    assert understand(text).understood is Understood.OPT_OUT


def test_what_the_carrier_took_for_an_opt_out_is_one() -> None:
    assert understand("sudah cukup", carrier_opted_out=True).understood is Understood.OPT_OUT


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("", {Flag.EMPTY}),
        (" \n\u200b", {Flag.EMPTY, Flag.HIDDEN_CHARACTERS}),
        ("x" * 1530, {Flag.LONG}),
        ("1\x00", {Flag.CONTROL_CHARACTERS}),
        ("\u202e1", {Flag.HIDDEN_CHARACTERS}),
        ("1\ufeff", {Flag.HIDDEN_CHARACTERS}),
    ],
)
def test_odd_messages_are_flagged_and_never_safe(text: str, flags: set[Flag]) -> None:
    reading = understand(text)
    assert reading.flags == flags
    assert reading.understood is Understood.UNCLEAR


def test_ten_parts_and_attachments_are_more_than_the_text() -> None:
    assert understand("1", segments=10).understood is Understood.UNCLEAR
    assert understand("1", media=1).flags == {Flag.HAS_MEDIA}
    assert understand("1", media=1).understood is Understood.UNCLEAR
    assert understand("2", media=1).understood is Understood.URGENT_UNREAD


@given(HOSTILE)
def test_only_the_asked_for_words_are_ever_understood(text: str) -> None:
    """The whole of the trust that a text can win: nothing but these exact words."""
    reading = understand(text)
    bare = text.strip(" \t\r\n").lower()
    assert (reading.understood is Understood.SAFE) is (bare in ("1", "aman"))
    assert (reading.understood is Understood.NEED_HELP) is (bare in ("2", "tolong"))


@given(st.sampled_from(["1", "aman", "2", "tolong", "stop"]), st.text(min_size=1, max_size=20))
def test_a_word_more_changes_the_meaning(word: str, more: str) -> None:
    text = word + "\N{LATIN SMALL LETTER X}" + more
    assert understand(text).understood in (Understood.UNCLEAR, Understood.URGENT_UNREAD)


@given(HOSTILE, HOSTILE)
def test_tolong_is_read_first_wherever_it_stands(before: str, after: str) -> None:
    reading = understand(f"{before} tolong {after}")
    assert reading.understood in (Understood.URGENT_UNREAD, Understood.NEED_HELP)


@given(st.text(max_size=200))
def test_what_is_shown_has_nothing_hidden(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(c) in ("Cf", "Co", "Cs") for c in shown)
    assert "\x00" not in shown
    assert visible(shown) == shown


def test_moves_of_a_message() -> None:
    for state in State:
        for to in State:
            if to in rules.ALLOWED[state]:
                rules.check_move(state, to)
            else:
                with pytest.raises(ConflictError):
                    rules.check_move(state, to)
    assert rules.ALLOWED[State.HANDLED] == frozenset()
    assert State.RECEIVED not in {to for targets in rules.ALLOWED.values() for to in targets}


@pytest.mark.parametrize(("text", "is_in"), [("START", True), (" mulai. ", True), ("unstop", True), ("start now", False), ("", False)])
def test_a_number_is_let_in_again_by_the_whole_word_only(text: str, is_in: bool) -> None:
    assert rules.is_opt_in(text) is is_in
