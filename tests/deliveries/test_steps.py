"""One way after the other until the person answers; nearest to the danger first; each country in a lane of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from alerts.broadcasts.actions import cancel_broadcast
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.escalation import NEXT_STEP, Patience, escalate
from alerts.deliveries.evidence import mark_answered
from alerts.deliveries.queries import invariants
from alerts.deliveries.resending import resend_unknown
from alerts.kit.db import begin
from tests.deliveries.conftest import STEP_IS_OVER, Fanout
from tests.factories.staff import make_actor

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
ADANA = (36.99, 35.33)
CIRCLE = {"kind": "circle", "geometry": {"lat": ADANA[0], "lon": ADANA[1], "radius_km": 300}}
TWO_NUMBERS = {"phones": ("+6281250000001", "+6281250000002"), "device": "token-of-an-app-that-nobody-reads"}


def steps(message: Fanout) -> list[tuple[int, str, str]]:
    rows = message.rows("SELECT step, channel, state FROM delivery ORDER BY id")
    return [(row["step"], row["channel"], row["state"]) for row in rows]


def answer(message: Fanout) -> None:
    [member] = message.rows("SELECT DISTINCT citizen_id FROM audience_member")
    with begin(message.sessions) as session:
        mark_answered(session, [{"citizen_id": str(member["citizen_id"]), "incident_id": str(message.incident_id)}])


def test_each_way_is_tried_once_until_there_is_none(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[TWO_NUMBERS])
    message.release()
    message.send(carriers)
    assert steps(message) == [(1, "push", "accepted")]
    for _ in range(4):
        message.step_time_passes()
        message.send(carriers)
    assert steps(message) == [(1, "push", "accepted"), (2, "sms", "accepted"), (3, "sms", "accepted")]
    addresses = message.rows("SELECT count(DISTINCT address_id) AS n FROM delivery")
    assert addresses == [{"n": 3}], "two numbers are two addresses, each once"
    reach = message.reach()
    assert (reach.frozen, reach.handed_over) == (1, 1), "three steps towards one person are one person"


def test_an_answer_ends_the_steps(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[TWO_NUMBERS])
    message.release()
    message.send(carriers)
    answer(message)
    assert message.step_time_passes() == 0
    assert steps(message) == [(1, "push", "accepted")]


def test_an_answer_that_comes_when_the_next_step_has_begun_stops_it_before_it_leaves(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[TWO_NUMBERS])
    message.release()
    message.send(carriers)
    assert message.step_time_passes() == 1
    answer(message)
    message.send(carriers)
    assert steps(message) == [(1, "push", "accepted"), (2, "sms", "cancelled")]
    assert message.rows("SELECT count(*) AS n FROM attempt") == [{"n": 1}]


def test_of_those_not_reached_nobody_elses_list_is_read(fanout: Make, carriers: Carriers) -> None:
    others = [{"phones": (f"+62812510000{number:02}", f"+62812520000{number:02}")} for number in range(20)]
    message = fanout(people=[*others, {"phones": ("+6281219991211", "+6281250000002")}])
    message.release()
    [batch] = message.batches()
    message.send(carriers)
    message.run("DELETE FROM delivery WHERE step = 2")
    values = {"batch": batch, "by_clock": False, "step": 0, "repeat": 0, "barred": [], "blocked": []}
    with begin(message.sessions) as session:
        plan = session.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {NEXT_STEP.text}"), values).scalar_one()
    assert message.rows("SELECT count(*) AS n FROM delivery WHERE step = 2") == [{"n": 1}]
    assert sum(loops_over("audience_member", plan[0]["Plan"])) == 1


def loops_over(table: str, node: dict[str, Any]) -> Iterator[int]:
    """How often each part of a plan looked into the table."""
    if node.get("Relation Name") == table:
        yield node["Actual Loops"]
    for child in node.get("Plans", ()):
        yield from loops_over(table, child)


def test_whom_a_step_surely_did_not_reach_need_not_wait(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[{"phones": ("+6281219991211", "+6281250000002")}, {"phones": ("+6281250000003", "+6281250000004")}])
    message.release()
    message.send(carriers)
    message.send(carriers)
    assert sorted(steps(message)) == [(1, "sms", "accepted"), (1, "sms", "failed"), (2, "sms", "accepted")]


def test_no_step_begins_after_a_cancel(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[TWO_NUMBERS])
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        cancel_broadcast(session, actor=make_actor(session, "duty_officer"), broadcast_id=message.broadcast_id, reason="salah wilayah")
    assert message.step_time_passes() == 0
    assert steps(message) == [(1, "push", "accepted")]


def test_two_clocks_begin_a_step_once(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[TWO_NUMBERS])
    message.release()
    message.send(carriers)
    for statement in STEP_IS_OVER:
        message.run(statement, seconds=180)
    with begin(message.sessions) as first, begin(message.sessions) as second:
        assert (escalate(first, patience=Patience(180)), escalate(second, patience=Patience(180))) == (1, 0)
    assert steps(message) == [(1, "push", "accepted"), (2, "sms", "queued")]


def test_in_a_quiet_incident_nothing_follows_an_acceptance_but_a_failure_goes_on(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[TWO_NUMBERS, {"phones": ("+6281219991211", "+6281250000005")}])
    message.run("UPDATE incident SET is_quiet = true")
    message.release()
    message.send(carriers)
    assert message.rows("SELECT count(next_step_at) AS n FROM delivery_batch") == [{"n": 0}]
    message.send(carriers)
    assert sorted(steps(message)) == [(1, "push", "accepted"), (1, "sms", "failed"), (2, "sms", "accepted")]


def test_nearest_to_the_danger_first_and_in_a_ring_those_who_need_more_time(fanout: Make) -> None:
    def person(name: int, km: float, **fields: Any) -> dict[str, Any]:
        return {"phones": (f"+62812500001{name:02}",), "external_id": f"p{name}", "lat": ADANA[0] + km / 111.2, "lon": ADANA[1], **fields}

    people = [person(1, 120), person(2, 3), person(3, 41), person(4, 4.5, is_vulnerable=True), person(5, 1)]
    people.append(person(6, 42, is_vulnerable=True))
    message = fanout(people=people, areas=[CIRCLE])
    order = [row["external_id"] for row in message.rows(ORDER)]
    assert set(order[1:3]) == {"p2", "p5"}
    assert (order[0], order[3:]) == ("p4", ["p6", "p3", "p1"])
    message.release()
    assert message.rows("SELECT first_member_id FROM delivery_batch ORDER BY id") == sorted(
        message.rows("SELECT first_member_id FROM delivery_batch"), key=lambda row: row["first_member_id"]
    )


ORDER = "SELECT external_id FROM audience_member m JOIN citizen c ON c.id = m.citizen_id ORDER BY m.id"


def test_each_country_has_its_own_batches(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281250000001", "+905321234567", "+6281250000002", "+60123456789", "device:token-of-an-app")
    message.release()
    lanes = message.rows("SELECT channel, number_country, count(*) AS n FROM delivery_batch GROUP BY 1, 2 ORDER BY 1, 2")
    assert [(lane["channel"], lane["number_country"]) for lane in lanes] == [("push", ""), ("sms", "ID"), ("sms", "MY"), ("sms", "TR")]
    message.send(carriers)
    assert message.states() == {"accepted": 5}


def test_one_countrys_429_keeps_no_other_waiting(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281219990429", "+905321234567")
    message.release()
    message.send(carriers)
    states = message.rows("SELECT number_country, state FROM delivery ORDER BY 1")
    assert [(row["number_country"], row["state"]) for row in states] == [("ID", "queued"), ("TR", "accepted")]


@pytest.mark.parametrize("policy", ["once", "never"])
def test_a_handset_that_was_off_is_tried_once_more_after_minutes(fanout: Make, carriers: Carriers, policy: str) -> None:
    """Whatever was approved for unknowns: that it did not arrive is known."""
    message = fanout("+6281250000001", resend_unknown=policy)
    message.release()
    message.send(carriers)
    [attempt] = message.attempts()
    message.hear(attempt, "undelivered", code="30003", provider_id=attempt["provider_id"])
    message.apply()
    assert resend_unknown(message.settings, message.sessions, carriers) == 0, "not at once"
    message.run("UPDATE attempt SET resolved_at = resolved_at - interval '10 minutes'")
    resend_unknown(message.settings, message.sessions, carriers)
    resend_unknown(message.settings, message.sessions, carriers)
    assert message.rows("SELECT count(*) AS n, count(resend_of) AS again FROM attempt") == [{"n": 2, "again": 1}]
    assert message.states() == {"undelivered": 1}, "an acceptance is no delivery"
    message.hear(message.attempts()[1], "delivered", provider_id="SM2")
    message.apply()
    assert message.states() == {"delivered": 1}
    with begin(message.sessions) as session:
        assert invariants(session) == []


def test_a_second_release_goes_on_where_the_first_was_ended(fanout: Make) -> None:
    message = fanout(*[f"+62812{50_000_000 + number}" for number in range(5)])
    assert message.release() == 5
    message.run("UPDATE audience SET released_at = NULL")
    assert message.release() == 0
    assert message.rows("SELECT count(*) AS n FROM delivery") == [{"n": 5}]
    with begin(message.sessions) as session:
        assert session.execute(text("SELECT released_at IS NOT NULL FROM audience")).scalar_one()
        assert invariants(session) == []
