"""The clock of a mission: never before a promised time, always after it unless somebody said otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.kit.errors import ConflictError, InvalidError
from alerts.reports.chasing.rules import (
    Basis,
    Chaser,
    Filed,
    Pace,
    Said,
    Standing,
    Word,
    chaser_of,
    check_acknowledge,
    check_cover,
    check_resume,
    check_snooze,
    clock_of,
    shown_of,
    standing_of,
    word_due,
)

T0 = datetime(2026, 3, 1, tzinfo=UTC)
EVERY = timedelta(minutes=30)
PACE = Pace(timedelta(minutes=5), {"Extreme": EVERY, "Minor": timedelta(hours=6)}, timedelta(minutes=15), timedelta(hours=6))
FIRST = T0 + PACE.first


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


minutes = st.integers(0, 600)
reports = st.lists(st.builds(lambda m, p: Filed(at(m), at(p) if p is not None else None), minutes, st.none() | minutes), max_size=6)
said = st.one_of(
    st.builds(lambda m: Said(Word.CHASED, at(m)), minutes),
    st.builds(lambda m: Said(Word.SETTLED, at(m)), minutes),
    st.builds(lambda m: Said(Word.RESUMED, at(m)), minutes),
    st.builds(lambda m, n: Said(Word.SNOOZED, at(m), until=at(m + n), reason="jalan"), minutes, st.integers(1, 300)),
    st.builds(lambda m: Said(Word.ACKNOWLEDGED, at(m), until=at(m) + PACE.acknowledged), minutes),
    st.builds(lambda m: Said(Word.COVERED, at(m), covered_by="kbri-muscat", reason="terkena"), minutes),
)


def state_at(now: datetime, filed: list[Filed], words: list[Said]) -> tuple[Chaser, Standing]:
    """What the clock does at this moment, knowing no more than was known then."""
    known = [each for each in filed if each.known_at <= now]
    heard = [each for each in words if each.known_at <= now]
    standing = standing_of(heard, max((each.known_at for each in known), default=None))
    return chaser_of(clock_of(FIRST, known, EVERY), standing, now), standing


@given(reports, st.lists(said, max_size=6), minutes)
def test_no_promise_silences_longer_than_the_severity_allows(filed: list[Filed], words: list[Said], minute: int) -> None:
    longest = PACE.longest("Extreme")
    assert longest == timedelta(hours=6)
    far = [Filed(each.known_at, each.known_at + timedelta(days=90)) for each in filed]
    clock = clock_of(FIRST, far, EVERY, longest=longest)
    assert clock is not None
    assert clock.due_at == (max(each.known_at for each in far) + longest if far else FIRST)
    standing = standing_of(words, max((each.known_at for each in far), default=None))
    later = clock.due_at + timedelta(minutes=minute)
    assert chaser_of(clock, standing, later) is not Chaser.WAITING


@given(reports, st.lists(said, max_size=6), minutes)
def test_nobody_is_chased_before_a_promised_time(filed: list[Filed], words: list[Said], minute: int) -> None:
    now = at(minute)
    known = sorted((each for each in filed if each.known_at <= now), key=lambda each: each.known_at)
    promises = [each.next_report_at for each in known if each.next_report_at and each.next_report_at > each.known_at]
    if promises and promises[-1] > now:
        assert state_at(now, filed, words)[0] is not Chaser.CHASING


@given(reports, st.lists(said, max_size=6), minutes)
def test_whoever_is_overdue_is_chased_unless_somebody_said_otherwise(filed: list[Filed], words: list[Said], minute: int) -> None:
    now = at(minute)
    state, standing = state_at(now, filed, words)
    clock = clock_of(FIRST, [each for each in filed if each.known_at <= now], EVERY)
    assert clock is not None
    silenced = (Chaser.COVERED, Chaser.SNOOZED, Chaser.ACKNOWLEDGED)
    if clock.due_at <= now:
        assert state is Chaser.CHASING or state in silenced
        assert (state in silenced) == any(
            each is not None and (each.until is None or each.until > now)
            for each in (standing.cover, standing.snooze, standing.acknowledged)
        )
    elif state not in silenced:
        assert state is Chaser.WAITING


@given(reports, st.lists(said, max_size=6), minutes)
def test_the_clock_writes_a_word_once_and_the_sheet_then_says_the_same(filed: list[Filed], words: list[Said], minute: int) -> None:
    now = at(minute)
    heard = [each for each in words if each.known_at <= now]
    known = [each for each in filed if each.known_at <= now]
    last = max((each.known_at for each in known), default=None)
    state, standing = state_at(now, filed, words)
    word = word_due(state, standing)
    after = standing_of([*heard, *([Said(word, now + timedelta(microseconds=1))] if word else [])], last)
    assert word_due(state, after) is None
    if state in (Chaser.CHASING, Chaser.WAITING):
        assert shown_of(after, now) is state


@pytest.mark.parametrize(
    ("filed", "due", "basis"),
    [
        ([], 5, Basis.FIRST),
        ([Filed(at(3))], 33, Basis.SEVERITY),
        ([Filed(at(3), at(120))], 120, Basis.PROMISED),
        ([Filed(at(3), at(120)), Filed(at(40))], 120, Basis.PROMISED),
        ([Filed(at(3), at(120)), Filed(at(110))], 140, Basis.SEVERITY),
        ([Filed(at(3), at(120)), Filed(at(40), at(60))], 60, Basis.PROMISED),
        ([Filed(at(1500), at(60))], 1530, Basis.SEVERITY),
    ],
)
def test_when_the_next_report_is_due(filed: list[Filed], due: float, basis: Basis) -> None:
    clock = clock_of(FIRST, filed, EVERY)
    assert clock is not None
    assert (clock.due_at, clock.basis) == (at(due), basis)


def test_a_severity_that_nobody_knows_is_taken_for_the_gravest() -> None:
    assert PACE.every("Unheard") == EVERY


def test_a_report_ends_the_asking_and_the_taking_on_but_not_a_snooze_or_a_cover() -> None:
    words = [
        Said(Word.SNOOZED, at(1), until=at(90), reason="jalan"),
        Said(Word.COVERED, at(2), covered_by="kbri-muscat", reason="terkena"),
        Said(Word.ACKNOWLEDGED, at(10), until=at(25)),
        Said(Word.CHASED, at(11), paging_id=uuid4()),
    ]
    standing = standing_of(words, at(12))
    assert (standing.chased, standing.acknowledged) == (None, None)
    assert standing.cover is not None
    assert standing.snooze is not None
    assert standing_of(words, at(5)).chased is not None


def test_what_cannot_be_said_is_refused_with_its_reason() -> None:
    check_snooze(PACE.snooze_max, Chaser.CHASING, PACE)
    with pytest.raises(InvalidError, match="so long"):
        check_snooze(PACE.snooze_max + timedelta(seconds=1), Chaser.WAITING, PACE)
    with pytest.raises(ConflictError, match="Another mission"):
        check_snooze(EVERY, Chaser.COVERED, PACE)
    for state in (Chaser.WAITING, Chaser.SNOOZED, Chaser.COVERED, Chaser.NONE):
        with pytest.raises(ConflictError, match="nothing to take on"):
            check_acknowledge(state)
    with pytest.raises(InvalidError, match="itself"):
        check_cover("a", "a", {})
    with pytest.raises(ConflictError, match="itself covered"):
        check_cover("a", "b", {"b": "c"})
    with pytest.raises(ConflictError, match="Nothing keeps"):
        check_resume(Standing(), Chaser.CHASING)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=12))
def test_covers_never_run_in_a_circle(wanted: list[tuple[str, str]]) -> None:
    covers: dict[str, str] = {}
    for mission, by in wanted:
        try:
            check_cover(mission, by, covers)
        except (InvalidError, ConflictError):
            continue
        covers[mission] = by
    for mission, by in covers.items():
        seen, at_last = {mission}, by
        while at_last in covers:
            assert at_last not in seen
            seen.add(at_last)
            at_last = covers[at_last]
