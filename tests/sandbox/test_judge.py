"""The judge's counting, by hand-made journals: the definitions of who was handed over, unknown, unreachable, missed, twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.sandbox.judge import Attempt, Count, Ending, Facts, Journal, Member, Terminal, broken_promises, judge, judge_files, read_journal

B = "broadcast"


def member(*persons: str) -> tuple[Member, ...]:
    return tuple(Member(B, p) for p in persons)


def attempt(name: str, person: str, **more: object) -> Attempt:
    return Attempt(**{"attempt": name, "broadcast": B, "person": person, "step": "sms"} | more)  # type: ignore[arg-type]


def count(journal: Journal, facts: Facts) -> Count:
    return judge(journal, facts).by_broadcast[B]


def test_the_four_kinds_sum_to_the_frozen() -> None:
    facts = Facts(
        member("an", "bo", "ci", "di"),
        (attempt("1", "an"), attempt("2", "bo", is_unresolved=True), attempt("3", "ci")),
        (Ending(B, "ci", Terminal.OPTED_OUT),),
    )
    verdict = judge(Journal({"1": 1}), facts)
    assert verdict.total == Count(frozen=4, handed_over=1, unknown=1, unreachable=1, missed=1)
    assert verdict.missed == ("broadcast/di",)
    assert verdict.missed_why == {"no reason given": 1}


def test_what_the_carrier_took_counts_before_everything_else() -> None:
    facts = Facts(member("an"), (attempt("1", "an", is_unresolved=True),), (Ending(B, "an", Terminal.OPTED_OUT),))
    assert count(Journal({"1": 1}), facts) == Count(frozen=1, handed_over=1, accepted_reads_unknown=1)


@pytest.mark.parametrize("reason", Terminal)
def test_five_endings_excuse_three_leave_out_and_two_do_neither(reason: Terminal) -> None:
    facts = Facts(member("an"), (attempt("1", "an"),), (Ending(B, "an", reason),))
    verdict = judge(Journal({}, refused=frozenset({"1"})), facts)
    kind = "left_out" if reason in ("answered", "died", "merged") else "missed" if reason in ("cancelled", "expired") else "unreachable"
    assert verdict.total == Count(frozen=1, **{kind: 1})
    assert verdict.left_out_why == ({reason: 1} if kind == "left_out" else {})
    assert verdict.missed_why == ({reason: 1} if kind == "missed" else {})


def test_whom_the_carrier_took_is_handed_over_whatever_came_afterwards() -> None:
    facts = Facts(member("an"), (attempt("1", "an"),), (Ending(B, "an", Terminal.DIED),))
    assert count(Journal({"1": 1}), facts) == Count(frozen=1, handed_over=1)


@pytest.mark.parametrize("reason", [Terminal.REFUSED, Terminal.DEAD])
def test_a_refusal_that_the_carrier_does_not_know_of_is_no_excuse(reason: Terminal) -> None:
    verdict = judge(Journal({}), Facts(member("an"), (attempt("1", "an"),), (Ending(B, "an", reason),)))
    assert verdict.total == Count(frozen=1, missed=1, unproven=1)
    assert verdict.missed_why == {"refusal not proven": 1}


def test_only_the_last_attempt_makes_a_person_unknown() -> None:
    attempts = (attempt("2", "an", number=2), attempt("1", "an", number=1, is_unresolved=True))
    assert count(Journal({}), Facts(member("an"), attempts)).missed == 1
    assert count(Journal({}), Facts(member("an"), attempts[1:])).unknown == 1


def test_twice_is_more_than_one_acceptance_of_a_person_and_step() -> None:
    two_attempts = Facts(member("an"), (attempt("1", "an"), attempt("2", "an")))
    assert count(Journal({"1": 1, "2": 1}), two_attempts).sent_twice == 1
    assert count(Journal({"1": 2}), two_attempts).sent_twice == 1
    two_steps = Facts(member("an"), (attempt("1", "an", step="push"), attempt("2", "an", step="sms")))
    assert count(Journal({"1": 1, "2": 1}), two_steps) == Count(frozen=1, handed_over=1)


def test_twice_is_named() -> None:
    verdict = judge(Journal({"1": 2}), Facts(member("an"), (attempt("1", "an"),)))
    assert verdict.sent_twice == ("broadcast/an/sms",)


def test_a_permitted_resend_counts_apart() -> None:
    facts = Facts(member("an"), (attempt("1", "an"), attempt("2", "an", resend_of="1")))
    both = Journal({"1": 1, "2": 1})
    assert count(both, facts) == Count(frozen=1, handed_over=1, resent=1)
    assert count(Journal({"2": 1}), facts) == Count(frozen=1, handed_over=1)
    forbidden = Facts(facts.members, facts.attempts, no_resend=frozenset({B}))
    assert count(both, forbidden) == Count(frozen=1, handed_over=1, sent_twice=1)
    told = Journal({"1": 1, "2": 1}, undelivered=frozenset({"1"}))
    assert count(told, forbidden) == Count(frozen=1, handed_over=1, resent=1), "what is known not to have arrived needs no approval"


@pytest.mark.parametrize(
    "extra",
    [
        attempt("3", "an", resend_of="1"),  # a second resend of the same
        attempt("3", "an", resend_of="2"),  # a resend of a resend
        attempt("3", "an", resend_of="9"),  # of nothing
        attempt("3", "an"),
    ],
)
def test_a_resend_excuses_one_acceptance_only(extra: Attempt) -> None:
    facts = Facts(member("an"), (attempt("1", "an"), attempt("2", "an", resend_of="1"), extra))
    assert count(Journal({"1": 1, "2": 1, "3": 1}), facts).sent_twice == 1


def test_a_resend_does_not_excuse_a_double_original() -> None:
    facts = Facts(member("an"), (attempt("1", "an"), attempt("2", "an", resend_of="1")))
    assert count(Journal({"1": 2, "2": 1}), facts).sent_twice == 1
    assert count(Journal({"1": 1, "2": 2}), facts).sent_twice == 1


def test_broadcasts_are_counted_apart_and_added_up() -> None:
    facts = Facts(
        (Member("b1", "an"), Member("b2", "an")),
        (Attempt("1", "b1", "an", "sms"), Attempt("2", "b2", "an", "sms")),
    )
    verdict = judge(Journal({"1": 1, "2": 1}), facts)
    assert verdict.total == Count(frozen=2, handed_over=2)
    assert verdict.by_broadcast["b1"] == verdict.by_broadcast["b2"] == Count(frozen=1, handed_over=1)


def test_an_unknown_attempt_lies_in_a_window_or_was_restored() -> None:
    attempts = (
        attempt("1", "an", is_unresolved=True),
        attempt("2", "bo", is_unresolved=True),
        attempt("3", "ci", is_unresolved=True, is_restored=True),
    )
    facts = Facts(member("an", "bo", "ci"), attempts, windows=frozenset({"1"}))
    assert judge(Journal({}), facts).unknown_outside_windows == 1


def test_two_steps_of_a_person_are_two_pairs_and_each_is_judged() -> None:
    attempts = (attempt("1-1", "an", step="1"), attempt("2-1", "an", step="2"), attempt("2-2", "an", step="2"))
    verdict = judge(Journal({"1-1": 1, "2-1": 1, "2-2": 1}), Facts(member("an"), attempts))
    assert (verdict.total.sent_twice, verdict.sent_twice) == (1, (f"{B}/an/2",))


def test_outsiders_and_strays_are_seen() -> None:
    verdict = judge(Journal({"1": 1, "x": 2}), Facts(member("an"), (attempt("1", "bo"),)))
    assert (verdict.total.outsiders, verdict.total.missed, verdict.strays) == (1, 1, 2)


NOTICE, REPLY = f"n{'0a' * 16}-1", "reply-019b0000-0000-7000-8000-00000000000a-2"


def test_messages_to_staff_and_replies_are_no_strays_and_twice_among_them_is_told() -> None:
    verdict = judge(Journal({NOTICE: 1, REPLY: 1}), Facts(()))
    assert (verdict.strays, verdict.notices, verdict.replies, verdict.told_twice) == (0, 1, 1, 0)
    verdict = judge(Journal({NOTICE: 2, REPLY: 3}), Facts(()))
    assert (verdict.strays, verdict.notices, verdict.replies, verdict.told_twice) == (0, 2, 3, 2)
    assert broken_promises(verdict.as_json()) == {"told_twice": 2}


@pytest.mark.parametrize("name", ["", "1-1", NOTICE[:-1], NOTICE.upper(), f"{NOTICE}.x", "reply-1-1", "n1-1"])
def test_any_other_name_is_a_stray(name: str) -> None:
    verdict = judge(Journal({name: 1}), Facts(()))
    assert (verdict.strays, verdict.notices, verdict.replies) == (1, 0, 0)
    assert broken_promises(verdict.as_json()) == {"strays": 1}


def test_a_person_frozen_in_two_waves_is_one() -> None:
    assert count(Journal({"1": 1}), Facts(member("an", "an"), (attempt("1", "an"),))).frozen == 1


PEOPLE = st.sampled_from(["an", "bo", "ci", "di", "eka"])
ATTEMPTS = st.lists(st.tuples(PEOPLE, st.sampled_from(["push", "sms"]), st.booleans(), st.integers(0, 3)), max_size=12)


@given(st.sets(PEOPLE), ATTEMPTS, st.dictionaries(PEOPLE, st.sampled_from(Terminal)))
def test_every_frozen_person_is_in_exactly_one_kind(
    people: set[str], tries: list[tuple[str, str, bool, int]], endings: dict[str, Terminal]
) -> None:
    attempts = tuple(attempt(str(n), p, step=step, number=n, is_unresolved=u) for n, (p, step, u, _) in enumerate(tries))
    accepted = {str(n): taken for n, (_, _, _, taken) in enumerate(tries) if taken}
    verdict = judge(Journal(accepted), Facts(member(*people), attempts, tuple(Ending(B, p, r) for p, r in endings.items())))
    total = verdict.total
    assert total.frozen == len(people) == total.handed_over + total.unknown + total.unreachable + total.left_out + total.missed
    by_pair: dict[tuple[str, str], int] = {}
    for person, step, _, taken in tries:
        by_pair[person, step] = by_pair.get((person, step), 0) + taken
    assert total.sent_twice == sum(n > 1 for n in by_pair.values())


def test_files_in_and_plain_json_out(tmp_path: Path) -> None:
    log, facts = tmp_path / "log", tmp_path / "facts"
    events = [
        {"kind": "accepted", "attempt": "1"},
        {"kind": "refused", "attempt": "2", "code": "21211"},
        {"kind": "receipt", "attempt": "1", "status": "delivered"},
        {"kind": "answer", "attempt": "1", "words": "1"},
    ]
    log.write_text("".join(json.dumps(e) + "\n" for e in events) + '{"kind":"acc')
    export = {
        "members": [{"broadcast": B, "person": p} for p in ("an", "bo")],
        "attempts": [{"attempt": n, "broadcast": B, "person": p, "step": "sms"} for n, p in (("1", "an"), ("2", "bo"))],
        "endings": [{"broadcast": B, "person": "bo", "reason": "refused"}],
        "windows": [{"window": 1, "attempts": ["1", "2"], "intent_at": "2026-01-01T00:00:00+00:00", "closed_at": None}],
    }
    facts.write_text(json.dumps(export))
    assert read_journal(log).has_torn_line
    verdict = json.loads(json.dumps(judge_files(log, facts)))
    wanted = {"frozen": 2, "handed_over": 1, "unreachable": 1, "missed": 0, "delivered": 1, "answered": 1, "sent_twice": 0}
    assert {name: verdict["total"][name] for name in wanted} == wanted


def test_a_line_spoilt_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"kind":"accep\n{"kind":"accepted","attempt":"1"}\n')
    with pytest.raises(json.JSONDecodeError):
        read_journal(log)
