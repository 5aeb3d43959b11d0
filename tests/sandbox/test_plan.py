"""The plan decides the same way for the same question, in whatever order questions come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerts.sandbox.plan import SUFFIX_RULES, Asked, Channel, Fault, Plan, Planner, Receipts


def ask(to: str = "+628110000001", *, nth: int = 1, before: int = 0, channel: Channel = Channel.SMS) -> Asked:
    return Asked(channel, to, nth, before)


def planner(**plan: object) -> Planner:
    return Planner(Plan.model_validate(plan))


def test_a_good_day_has_no_faults() -> None:
    decision = planner().decide(ask())
    assert (decision.fault, decision.receipts, decision.reply) == (Fault.NONE, Receipts.NORMAL, None)


def test_each_suffix_is_of_its_own_and_seven_digits() -> None:
    suffixes = [rule.suffix for rule in SUFFIX_RULES]
    assert len(set(suffixes)) == len(suffixes)
    assert all(len(s) == 7 and s.isdigit() for s in suffixes)


def test_suffix_rules_can_be_switched_off() -> None:
    assert planner().decide(ask("+628119990408")).fault is Fault.HANG
    assert planner(has_suffix_rules=False).decide(ask("+628119990408")).fault is Fault.NONE


def test_a_rule_of_the_plan_comes_before_suffix_and_prefix() -> None:
    one = planner(rules=[{"fault": "none"}])
    assert one.decide(ask("+628119990408")).fault is Fault.NONE
    assert one.decide(ask("+963941234567")).fault is Fault.NONE


@pytest.mark.parametrize(
    ("rule", "hit", "miss"),
    [
        ({"channel": "push"}, ask(channel=Channel.PUSH), ask()),
        ({"prefix": "+90"}, ask("+905321234567"), ask()),
        ({"suffix": "01"}, ask(), ask("+628110000002")),
        ({"first": 2}, ask(nth=2), ask(nth=3)),
        ({"after_accepted": 5}, ask(before=5), ask(before=4)),
        ({"until_accepted": 5}, ask(before=4), ask(before=5)),
        ({"share": 1.0}, ask(), None),
        ({"share": 0.0}, None, ask()),
    ],
)
def test_each_condition(rule: dict[str, object], hit: Asked | None, miss: Asked | None) -> None:
    one = planner(rules=[rule | {"fault": "hang"}])
    assert hit is None or one.decide(hit).fault is Fault.HANG
    assert miss is None or one.decide(miss).fault is Fault.NONE


def test_a_share_is_about_that_part_of_the_addresses() -> None:
    one = planner(rules=[{"share": 0.2, "fault": "throttle"}])
    hit = sum(one.decide(ask(f"+62811{n:07}")).fault is Fault.THROTTLE for n in range(2000))
    assert 300 < hit < 500


def test_effects_of_several_rules_add_up() -> None:
    one = planner(rules=[{"receipts": "late"}, {"fault": "hang", "receipts": "missing"}, {"reply": "AMAN"}])
    decision = one.decide(ask())
    assert (decision.fault, decision.receipts, decision.reply) == (Fault.HANG, Receipts.LATE, "AMAN")


@given(st.integers(), st.text(max_size=20), st.integers(1, 5), st.sampled_from(Channel))
def test_same_question_same_answer(seed: int, to: str, nth: int, channel: Channel) -> None:
    first, second = planner(seed=seed), planner(seed=seed)
    second.decide(ask("+60123"))
    asked = ask(to, nth=nth, channel=channel)
    assert first.decide(asked) == second.decide(asked)
    assert 2 <= first.between((2, 3), asked, "reply") <= 3


def test_misspelt_names_are_refused() -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate({"sms_per_secnd": 3})
