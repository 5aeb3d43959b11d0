"""What a caller may be told: what the person allowed, and nothing once something worse is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.families.rules import ALLOWED, EnquiryState, Known, Tell, fold_reference, may_tell, new_reference
from alerts.families.words import spoken

AT = datetime(2023, 2, 8, 10, tzinfo=UTC)
allowed = st.sets(st.sampled_from(Tell))
minutes = st.integers(-500, 500).map(lambda number: AT + timedelta(minutes=number))


@given(allowed, st.none() | st.just(AT), st.booleans(), st.none() | minutes)
def test_nothing_is_told_that_was_not_allowed(
    tells: set[Tell], contacted_at: datetime | None, is_dead: bool, worse_at: datetime | None
) -> None:
    told = may_tell(tells, contacted_at, Known(is_dead, worse_at))
    assert set(told) <= tells
    if is_dead or contacted_at is None or (worse_at is not None and worse_at >= contacted_at):
        assert told == ()
    elif tells:
        assert set(told) == tells


@given(allowed, st.sampled_from(["id", "en"]))
def test_what_is_read_out_holds_no_more_than_what_is_told(tells: set[Tell], lang: str) -> None:
    order = tuple(each for each in Tell if each in tells)
    words = spoken(lang, order, reference="k7m-2qp", contacted_at=AT, place="TR-31", message="jangan khawatir")
    assert ("Hatay" in words) is (Tell.PLACE in tells)
    assert ("jangan khawatir" in words) is (Tell.MESSAGE in tells)
    assert ("k7m-2qp" in words) is (not tells)
    assert "hilang" not in words
    assert "missing" not in words


def test_the_standard_sentence_is_the_domains() -> None:
    assert spoken("en", (), reference=None, contacted_at=None, place=None, message=None) == "We have your question and will call you."


def test_a_reference_is_read_however_it_is_said() -> None:
    made = {new_reference() for _ in range(200)}
    assert len(made) == 200
    for reference in made:
        assert fold_reference(reference.upper().replace("-", " ")) == reference
    assert [fold_reference(text) for text in ("", "k7m2q", "k7m-2ql1", "ooo-000")] == [None, None, None, None]


def test_every_state_has_a_way_on() -> None:
    assert set(ALLOWED) == set(EnquiryState)
    assert all(ALLOWED.values())
