"""Pure decisions: the order of people, rounds, channels, texts."""

from __future__ import annotations

from datetime import UTC, datetime, time
from uuid import UUID, uuid4

import pytest

from alerts.notices.rules import (
    ALLOWED,
    AlarmKind,
    Candidate,
    Channel,
    Contact,
    ContactKind,
    State,
    alarm_texts,
    attempt_name,
    channels_of,
    is_on_duty,
    ladder,
    on_duty,
    parse_attempt,
    people_of_round,
    ready_text,
    states_before,
)

NOON = datetime(2026, 1, 1, 5, 0, tzinfo=UTC)  # 12:00 in Jakarta
ALL = ("push", "web_push", "sms", "voice", "email")
PHONE, PUSH, MAIL = (Contact(uuid4(), ContactKind(kind)) for kind in ("phone", "push", "email"))


def person(number: int, *, position: int | None = None, **fields: object) -> Candidate:
    return Candidate(UUID(int=number), position, **({"contacts": (PHONE,)} | fields))  # type: ignore[arg-type]


def numbers(people: list[Candidate]) -> list[int]:
    return [each.staff_id.int for each in people]


def test_the_roster_decides_the_order_and_who_is_off_duty_comes_after_it() -> None:
    people = [person(1), person(2, position=2), person(3, position=1, is_on=False), person(4, position=3), person(5)]
    assert numbers(ladder(people, excluded=(), now=NOON)) == [2, 4, 3, 1, 5]


def test_who_is_excluded_or_has_no_address_is_not_paged() -> None:
    people = [person(1, position=1), person(2, position=2, contacts=()), person(3, position=3)]
    assert numbers(ladder(people, excluded=[UUID(int=1)], now=NOON)) == [3]


@pytest.mark.parametrize(
    ("begins", "ends", "is_on"),
    [("08:00", "16:00", True), ("16:00", "08:00", False), ("22:00", "13:00", True), ("12:00", "12:30", True), ("11:00", "12:00", False)],
)
def test_hours_are_local_and_may_pass_midnight(begins: str, ends: str, *, is_on: bool) -> None:
    hours = (time.fromisoformat(begins), time.fromisoformat(ends))
    assert is_on_duty(person(1, position=1, hours=hours), NOON) is is_on
    assert is_on_duty(person(1, position=1, hours=hours, zone="Asia/Jakarta"), NOON) is is_on


def test_nobody_outside_the_roster_is_on_duty_but_a_role_without_anybody_on_duty_is_told_as_a_whole() -> None:
    listed, off, other = person(1, position=1), person(2, position=2, is_on=False), person(3)
    assert numbers(on_duty([listed, off, other], NOON)) == [1]
    assert numbers(on_duty([off, other], NOON)) == [2, 3]


def test_each_round_adds_the_next_deputy_and_pages_all_before_again() -> None:
    rungs = [person(number, position=number) for number in (1, 2, 3)]
    rounds = [[(each.staff_id.int, is_new) for each, is_new in people_of_round(rungs, number, is_quiet=False)] for number in (1, 2, 3, 4)]
    assert rounds[0] == [(1, True)]
    assert rounds[1] == [(1, False), (2, True)]
    assert rounds[2] == [(1, False), (2, False), (3, True)]
    assert rounds[3] == [(1, False), (2, False), (3, False)]


def test_in_a_quiet_incident_a_mission_is_paged_once_and_never_called() -> None:
    rungs = [person(1, position=1, is_of_mission=True), person(2, position=2, is_of_mission=True)]
    assert [each.staff_id.int for each, _ in people_of_round(rungs, 2, is_quiet=True)] == [2]
    assert [channel for _, channel in channels_of(rungs[0], ALL, is_quiet=True)] == [Channel.SMS]
    assert [channel for _, channel in channels_of(person(3), ALL, is_quiet=True)] == [Channel.SMS, Channel.VOICE]


def test_what_cannot_wait_for_a_second_round_pages_everybody_in_the_first() -> None:
    rungs = [person(number, position=number) for number in (1, 2, 3)]
    rounds = [
        [(each.staff_id.int, is_new) for each, is_new in people_of_round(rungs, number, is_quiet=False, is_at_once=True)]
        for number in (1, 2)
    ]
    assert rounds == [[(1, True), (2, True), (3, True)], [(1, False), (2, False), (3, False)]]


def test_all_ways_with_a_sender_at_once_and_mail_only_the_first_time() -> None:
    everything = person(1, contacts=(PUSH, PHONE, MAIL))
    assert [c.value for _, c in channels_of(everything, ALL, is_quiet=False)] == ["push", "sms", "voice", "email"]
    assert [c.value for _, c in channels_of(everything, ALL, is_quiet=False, is_new=False)] == ["push", "sms", "voice"]
    assert [c.value for _, c in channels_of(everything, ("sms",), is_quiet=False)] == ["sms"]
    assert [c.value for _, c in channels_of(person(1, contacts=(MAIL,)), ALL, is_quiet=False, is_new=False)] == ["email"]


@pytest.mark.parametrize(
    ("written", "status", "read"),
    [
        ("SIAGA: dua\nbaris", "Actual", "SIAGA: dua baris"),
        ("SIAGA: x", "Exercise", "LATIHAN: SIAGA: x"),
        ("LATIHAN: SIAGA: x", "Exercise", "LATIHAN: SIAGA: x"),
        ("latihan – LATIHAN x", "Actual", "x"),
    ],
)
def test_an_exercise_says_so_and_nothing_else_does(written: str, status: str, read: str) -> None:
    assert ready_text(written, status=status) == read


def test_a_long_text_is_cut() -> None:
    assert 390 < len(ready_text("x " * 500, status="Exercise")) <= 400


@pytest.mark.parametrize("kind", list(AlarmKind))
def test_an_alarm_is_told_in_both_languages_with_the_sender(kind: AlarmKind) -> None:
    texts = alarm_texts(kind, sender="twilio", count=1234)
    assert texts["id"] != texts["en"]
    assert all("twilio" in body and body.startswith("SIAGA: ") for body in texts.values())
    if "%(count)s" in str(kind) or kind in (AlarmKind.DEAD_TOKENS, AlarmKind.CONTENT_FILTERED):
        assert "1.234" in texts["id"]
        assert "1,234" in texts["en"]


def test_states_only_climb_and_unknown_never_returns_to_the_queue() -> None:
    assert State.QUEUED not in ALLOWED[State.UNKNOWN]
    assert set(states_before(State.DELIVERED)) == {"sending", "unknown", "accepted", "sent", "undelivered", "failed"}
    assert states_before(State.CANCELLED) == ["queued"]


@pytest.mark.parametrize("name", ["", "6401-1", "n" + "0" * 32, "n" + "z" * 32 + "-1", "n" + "0" * 32 + "-x", "n" + "0" * 31 + "-1"])
def test_names_of_other_attempts_are_not_ours(name: str) -> None:
    assert parse_attempt(name) is None


def test_a_name_leads_back_to_its_attempt() -> None:
    notice_id = uuid4()
    assert parse_attempt(attempt_name(notice_id, 3)) == (notice_id, 3)
