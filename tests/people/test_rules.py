from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.rules import Claim, is_at_least
from alerts.kit.errors import InvalidError
from alerts.people import rules
from alerts.people.rules import GRAVITY, Axis, Statement, current, file_statement

START = datetime(2023, 2, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def said(number: int, axis: Axis, value: str, claim: Claim = Claim.REPORTED, day: float = 0) -> Statement:
    return Statement(UUID(int=number), axis, value, claim, START + day * DAY, START + day * DAY)


@st.composite
def statements(draw: st.DrawFn) -> list[Statement]:
    drawn = []
    for number in range(draw(st.integers(0, 8))):
        axis = draw(st.sampled_from(Axis))
        value = draw(st.sampled_from(sorted(GRAVITY[axis])))
        filed = file_statement(axis, value, draw(st.sampled_from(Claim)), has_contact=draw(st.booleans()))
        drawn.append(said(number, axis, filed.value, filed.claim, day=draw(st.integers(0, 5))))
    return drawn


def test_contact_made_without_who_when_and_how_stands_as_reported() -> None:
    assert file_statement(Axis.CONTACT, "contact_made", Claim.CONTACT_MADE, has_contact=False) == rules.Filed("reported", Claim.REPORTED)
    assert file_statement(Axis.CONTACT, "contact_made", Claim.REPORTED, has_contact=True) == rules.Filed("contact_made", Claim.CONTACT_MADE)
    assert file_statement(Axis.CONDITION, "unhurt", Claim.CONTACT_MADE, has_contact=False) == rules.Filed("unhurt", Claim.REPORTED)
    assert file_statement(Axis.CONDITION, "dead", Claim.VERIFIED, has_contact=False) == rules.Filed("dead", Claim.VERIFIED)


def test_an_axis_knows_its_own_words_only() -> None:
    with pytest.raises(InvalidError) as refused:
        file_statement(Axis.CONDITION, "in_hospital", Claim.REPORTED, has_contact=False)
    assert refused.value.field == "value"


def test_the_therapist_of_diyarbakir_never_stood_above_reported() -> None:
    filed = file_statement(Axis.CONTACT, "contact_made", Claim.CONTACT_MADE, has_contact=False)
    story = [said(1, Axis.CONTACT, "unaccounted", day=1), said(2, Axis.CONTACT, filed.value, filed.claim, day=4)]
    assert current(story)[Axis.CONTACT].stands.claim is Claim.REPORTED
    end = said(3, Axis.CONDITION, "dead", Claim.VERIFIED, day=12)
    after = current([*story, end], frozenset({UUID(int=2)}))
    assert after[Axis.CONTACT].stands.value == "unaccounted"
    assert (after[Axis.CONDITION].stands.value, after[Axis.CONDITION].stands.claim) == ("dead", Claim.VERIFIED)


def test_alarm_is_quick() -> None:
    story = [said(1, Axis.CONDITION, "unhurt", Claim.VERIFIED), said(2, Axis.CONDITION, "dead", Claim.REPORTED, day=1)]
    assert current(story)[Axis.CONDITION].stands.value == "dead"
    story = [said(1, Axis.CONTACT, "verified", Claim.VERIFIED), said(2, Axis.CONTACT, "reported_missing", day=1)]
    assert current(story)[Axis.CONTACT].stands.value == "reported_missing"


def test_reassurance_needs_proof_and_is_shown_beside_it() -> None:
    story = [said(1, Axis.CONDITION, "dead", Claim.VERIFIED), said(2, Axis.CONDITION, "unhurt", Claim.REPORTED, day=1)]
    state = current(story)[Axis.CONDITION]
    assert state.stands.value == "dead"
    assert state.also_claimed is not None
    assert state.also_claimed.value == "unhurt"
    proof = said(3, Axis.CONDITION, "unhurt", Claim.VERIFIED, day=2)
    assert current([*story, proof])[Axis.CONDITION] == rules.AxisState(proof)


def test_a_finding_is_every_word_of_it_until_another_stands() -> None:
    story = [
        said(1, Axis.CONDITION, "dead", Claim.VERIFIED),
        said(2, Axis.CONDITION, "dead", Claim.REPORTED, day=1),
        said(3, Axis.CONDITION, "unhurt", Claim.REPORTED, day=2),
        said(4, Axis.CONDITION, "dead", Claim.VERIFIED, day=3),
    ]
    state = current(story)[Axis.CONDITION]
    assert (state.stands.id, state.finding) == (UUID(int=4), {UUID(int=number) for number in (1, 2, 4)})
    assert current(story, frozenset({UUID(int=4)}))[Axis.CONDITION].finding == {UUID(int=1), UUID(int=2)}
    alive = [said(5, Axis.CONDITION, "unhurt", Claim.VERIFIED, day=4), said(6, Axis.CONDITION, "dead", day=5)]
    assert current([*story, *alive])[Axis.CONDITION].finding == {UUID(int=6)}


def test_hearsay_does_not_lower_a_contact_that_was_made() -> None:
    story = [said(1, Axis.CONTACT, "contact_made", Claim.CONTACT_MADE), said(2, Axis.CONTACT, "reported", Claim.REPORTED, day=1)]
    assert current(story)[Axis.CONTACT].stands.value == "contact_made"


def test_place_and_wish_follow_life() -> None:
    story = [said(1, Axis.PLACE, "sheltering", Claim.VERIFIED), said(2, Axis.PLACE, "en_route", day=1)]
    assert current(story)[Axis.PLACE].stands.value == "en_route"
    story = [said(1, Axis.WISH, "stay", Claim.CONTACT_MADE), said(2, Axis.WISH, "leave", day=1)]
    assert current(story)[Axis.WISH].stands.value == "leave"


@pytest.mark.parametrize(("axis", "known", "nothing"), [(Axis.CONDITION, "ill", "not_known"), (Axis.WISH, "stay", "not_asked")])
def test_saying_nothing_replaces_nothing(axis: Axis, known: str, nothing: str) -> None:
    state = current([said(1, axis, known), said(2, axis, nothing, Claim.VERIFIED, day=1)])[axis]
    assert state.stands.value == known
    assert state.also_claimed is None


@given(statements(), st.randoms())
def test_the_order_of_arrival_in_memory_does_not_matter(drawn: list[Statement], random: object) -> None:
    shuffled = list(drawn)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert current(shuffled) == current(drawn)


@given(statements())
def test_the_axes_never_look_at_each_other(drawn: list[Statement]) -> None:
    together = current(drawn)
    for axis in Axis:
        alone = current([each for each in drawn if each.axis is axis])
        assert alone.get(axis) == together.get(axis)


@given(statements())
def test_better_news_never_wins_on_a_lower_rung(drawn: list[Statement]) -> None:
    ordered = sorted(drawn, key=lambda each: (each.as_of, each.known_at, each.id))
    for count in range(1, len(ordered)):
        before, after = current(ordered[:count]), current(ordered[: count + 1])
        news = ordered[count]
        stood = before.get(news.axis)
        if stood is None or after[news.axis].stands != news:
            continue
        gravity = GRAVITY[news.axis]
        assert gravity[news.value] >= gravity[stood.stands.value] or is_at_least(news.claim, stood.stands.claim)


@given(statements(), st.sets(st.integers(0, 7)))
def test_a_withdrawn_statement_counts_for_nothing(drawn: list[Statement], numbers: set[int]) -> None:
    gone = frozenset(UUID(int=number) for number in numbers)
    assert current(drawn, gone) == current([each for each in drawn if each.id not in gone])
