from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.checkins import rules
from alerts.checkins.rules import Answer, Channel, Contact, Said, Standing
from alerts.incidents.rules import Claim
from alerts.kit.actor import Actor, Via
from alerts.kit.errors import InvalidError
from alerts.kit.ids import is_member_token_valid, member_token, parse_member_token
from alerts.kit.text import clean

START = datetime(2026, 3, 1, tzinfo=UTC)
CONTACT = Contact("duty desk", START, "telephone")
said = st.builds(
    Said,
    answer=st.sampled_from(Answer),
    rung=st.sampled_from(Claim),
    received_at=st.integers(0, 20).map(lambda minute: START + timedelta(minutes=minute)),
)


def at(minute: int, answer: Answer, rung: Claim = Claim.REPORTED) -> Said:
    return Said(answer, rung, START + timedelta(minutes=minute))


@given(st.lists(said, max_size=12))
def test_a_call_for_help_holds_until_somebody_made_contact(answers: list[Said]) -> None:
    calls = [each.received_at for each in answers if each.answer is Answer.NEED_HELP]
    confirmed = [each.received_at for each in answers if each.answer is Answer.SAFE and each.rung in (Claim.CONTACT_MADE, Claim.VERIFIED)]
    still_calls = bool(calls) and not any(time > max(calls) for time in confirmed)
    assert (rules.standing(answers) is Standing.NEED_HELP) is still_calls


@given(st.lists(said, max_size=8), st.randoms())
def test_the_order_in_which_answers_are_read_does_not_matter(answers: list[Said], random: object) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rules.standing(shuffled) is rules.standing(answers)


def test_standing_by_example() -> None:
    assert rules.standing([]) is None
    assert rules.standing([at(1, Answer.OTHER)]) is Standing.OTHER
    assert rules.standing([at(1, Answer.SAFE), at(2, Answer.OTHER)]) is Standing.SAFE
    assert rules.standing([at(1, Answer.NEED_HELP), at(2, Answer.SAFE)]) is Standing.NEED_HELP
    assert rules.standing([at(1, Answer.NEED_HELP), at(2, Answer.SAFE, Claim.CONTACT_MADE)]) is Standing.SAFE
    assert rules.standing([at(1, Answer.SAFE, Claim.CONTACT_MADE), at(2, Answer.NEED_HELP)]) is Standing.NEED_HELP
    assert rules.standing([at(1, Answer.NEED_HELP), at(1, Answer.SAFE, Claim.VERIFIED)]) is Standing.NEED_HELP


@pytest.mark.parametrize("channel", list(Channel))
def test_only_staff_with_who_when_and_how_make_contact(channel: Channel) -> None:
    assert rules.rung_of(channel, None) is Claim.REPORTED
    assert rules.rung_of(channel, CONTACT) is (Claim.CONTACT_MADE if channel is Channel.STAFF else Claim.REPORTED)
    if channel is not Channel.STAFF:
        with pytest.raises(InvalidError):
            rules.check_contact(CONTACT, channel, START)


def test_a_contact_of_tomorrow_is_refused() -> None:
    with pytest.raises(InvalidError) as refused:
        rules.check_contact(CONTACT, Channel.STAFF, START - timedelta(hours=1))
    assert refused.value.field == "contact.when"


def test_what_a_signed_in_person_records_is_staff() -> None:
    assert rules.channel_of(Actor(Via.SESSION), Channel.APP) is Channel.STAFF
    assert rules.channel_of(Actor(Via.TOKEN), None) is Channel.APP
    assert rules.channel_of(Actor(Via.TOKEN), Channel.SMS) is Channel.SMS


def test_a_note_loses_what_nobody_can_see() -> None:
    assert clean("  lantai 3\u202e\u200b\x00 \nsekolah ", 500) == "lantai 3 \nsekolah"
    assert clean("\u200b\x00 ", 500) is None
    assert clean(None, 500) is None
    assert clean("x" * 900, 500) == "x" * 500


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1), st.integers(1, 9))
def test_a_link_opens_for_its_own_member_and_generation_only(key: bytes, number: int, generation: int) -> None:
    token = parse_member_token(member_token(key, number=number, generation=generation))
    assert token is not None
    assert token.number == number
    assert is_member_token_valid(key, token, generation)
    assert not is_member_token_valid(key, token, generation + 1)
    assert not is_member_token_valid(key, token._replace(number=number + 1), generation)


@given(st.integers(0, 2**40), st.integers(0, 25), st.sampled_from("0Az.!"))
def test_a_link_with_one_changed_letter_is_no_link(number: int, place: int, letter: str) -> None:
    key = b"k" * 32
    token = member_token(key, number=number, generation=1)
    place %= len(token)
    forged = token[:place] + letter + token[place + 1 :]
    parsed = parse_member_token(forged)
    assert forged == token or parsed is None or not is_member_token_valid(key, parsed, 1)


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading_of_a_link(text: str) -> None:
    parsed = parse_member_token(text)
    assert parsed is None or not is_member_token_valid(b"k" * 32, parsed, 1)
