"""What becomes known afterwards: receipts, look-ups, answers, resends, and what a refusal says of a person."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from alerts.broadcasts.rules import Channel
from alerts.deliveries.actions import sweep
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.evidence import mark_answered
from alerts.deliveries.lookups import look_up
from alerts.deliveries.resending import _begin, resend_unknown
from alerts.deliveries.rules import Outcome, State
from alerts.deliveries.windows import record
from alerts.kit.db import begin
from tests.deliveries.conftest import Fanout, alarms

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]


def numbers(count: int) -> list[str]:
    return [f"+62812{50_000_000 + number}" for number in range(count)]


@pytest.mark.parametrize(("suffix", "known"), [("9990500", 1), ("9990503", 0)])
def test_a_look_up_finds_what_was_taken_and_proves_nothing_by_finding_nothing(
    fanout: Make, carriers: Carriers, suffix: str, known: int
) -> None:
    message = fanout(f"+628121{suffix}")
    message.release()
    message.send(carriers)
    message.grow_old()
    assert message.states() == {"unknown": 1}
    assert look_up(message.settings, message.sessions, carriers) == known
    assert message.states() == ({"unknown": 1} if known == 0 else message.states())
    assert ("unknown" in message.states()) == (known == 0)


def test_receipts_in_any_order_and_number_end_in_the_same_state(fanout: Make, carriers: Carriers) -> None:
    orders = list(permutations(["queued", "sent", "delivered"]))
    message = fanout(*numbers(len(orders)))
    message.release()
    message.send(carriers)
    for attempt, order in zip(message.attempts(), orders, strict=True):
        for word in (*order, *order):
            assert message.hear(attempt, word, provider_id=attempt["provider_id"])
            message.apply()
    assert message.states() == {"delivered": len(orders)}
    assert message.rows("SELECT count(*) AS n FROM receipt") == [{"n": 3 * len(orders)}]


def test_receipts_that_are_applied_together_end_as_if_they_came_one_by_one(fanout: Make, carriers: Carriers) -> None:
    orders = [("sent", "undelivered"), ("delivered", "failed"), ("failed", "sent"), ("undelivered", "delivered", "sent")]
    message = fanout(*numbers(len(orders)))
    message.release()
    message.send(carriers)
    for attempt, words in zip(message.attempts(), orders, strict=True):
        assert message.hear(attempt, *words, code="30003")
    assert (message.apply(), message.apply()) == (9, 0)
    states = [row["state"] for row in message.rows("SELECT state FROM delivery ORDER BY id")]
    assert states == ["undelivered", "delivered", "failed", "delivered"]


def test_a_receipt_proves_a_sending_whose_record_was_lost(fanout: Make) -> None:
    message = fanout(*numbers(2))
    message.release()
    _, window = message.intend(1)
    message.run("UPDATE send_window SET lease_until = clock_timestamp()")
    with begin(message.sessions) as session:
        assert sweep(session) == 1
    assert message.states() == {"unknown": 1, "queued": 1}
    message.hear(window.rows[0]._asdict(), "delivered")
    message.apply()
    assert message.states() == {"delivered": 1, "queued": 1}


def test_a_receipt_that_comes_before_our_own_record_is_not_undone_by_it(fanout: Make) -> None:
    message = fanout(*numbers(1))
    message.release()
    claim, window = message.intend(1)
    message.hear(window.rows[0]._asdict(), "delivered", provider_id="SM7")
    message.apply()
    with begin(message.sessions) as session:
        record(session, claim, window, [Outcome(State.ACCEPTED, provider_id="SM7", raw_status="queued")], [None])
    assert message.states() == {"delivered": 1}
    [attempt] = message.rows("SELECT state, sender, window_id FROM attempt")
    assert attempt == {"state": "delivered", "sender": "twilio", "window_id": window.id}


def test_a_word_that_we_do_not_know_is_kept_and_moves_nothing_that_was_taken(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(1))
    message.release()
    message.send(carriers)
    [attempt] = message.attempts()
    assert message.hear(attempt, "teleported")
    assert not message.hear(attempt | {"delivery_id": 64 * 999_999 + 1}, "sent")
    message.apply()
    assert message.states() == {"accepted": 1}
    assert message.rows("SELECT raw_status FROM receipt") == [{"raw_status": "teleported"}]
    assert alarms(message) == [{"kind": "unread_answer", "sender": "twilio", "count": 1}]
    assert message.rows("SELECT value, sample FROM vital WHERE name = 'unread_words'") == [{"value": 1.0, "sample": "teleported"}]


def test_a_word_that_we_do_not_know_proves_that_the_carrier_has_the_message(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    _, window = message.intend(2)
    message.run("UPDATE send_window SET lease_until = clock_timestamp()")
    with begin(message.sessions) as session:
        sweep(session)
    assert message.states() == {"unknown": 2}
    message.hear(window.rows[0]._asdict(), "teleported", provider_id="SM8")
    message.apply()
    assert message.states() == {"accepted": 1, "unknown": 1}


def test_an_answer_is_a_fact_beside_the_state_and_the_past_stays_as_it_was(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    [before] = message.rows("SELECT clock_timestamp() AS at")
    message.send(carriers)
    [sent] = message.rows("SELECT clock_timestamp() AS at")
    [member] = message.rows("SELECT citizen_id FROM audience_member ORDER BY id LIMIT 1")
    with begin(message.sessions) as session:
        answer = {"citizen_id": str(member["citizen_id"]), "incident_id": str(message.incident_id)}
        stranger = {"citizen_id": None, "incident_id": None}
        assert mark_answered(session, [answer, stranger, answer]) == 1
        assert mark_answered(session, [answer]) == 0
        assert mark_answered(session, []) == 0
    now, then, earlier = (message.reach(known_at=at) for at in (None, sent["at"], before["at"]))
    assert (now.handed_over, now.answered) == (2, 1)
    assert (then.handed_over, then.answered) == (2, 0)
    assert (earlier.handed_over, earlier.in_progress) == (0, 2)


@pytest.mark.parametrize(("policy", "states", "attempts"), [("once", {"accepted": 1}, 2), ("never", {"unknown": 1}, 1)])
def test_an_unknown_is_sent_once_more_only_where_the_approval_allows_it(
    fanout: Make, carriers: Carriers, policy: str, states: dict[str, int], attempts: int
) -> None:
    message = fanout("+6281219990503", resend_unknown=policy)
    message.release()
    message.send(carriers)
    message.grow_old()
    assert resend_unknown(message.settings, message.sessions, carriers) == 0, "nobody has looked yet"
    look_up(message.settings, message.sessions, carriers)
    assert resend_unknown(message.settings, message.sessions, carriers) == (policy == "once")
    assert resend_unknown(message.settings, message.sessions, carriers) == 0
    assert message.states() == states
    assert message.rows("SELECT count(*) AS n, count(resend_of) AS again FROM attempt") == [{"n": attempts, "again": attempts - 1}]


def test_a_second_sending_that_is_not_taken_leaves_the_unknown_unknown(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281219990503", resend_unknown="once")
    message.release()
    message.send(carriers)
    message.grow_old()
    look_up(message.settings, message.sessions, carriers)
    message.run("UPDATE citizen SET opted_out_at = now()")
    assert resend_unknown(message.settings, message.sessions, carriers) == 0
    assert message.states() == {"unknown": 1}


def test_who_answers_before_our_own_record_has_answered(fanout: Make) -> None:
    message = fanout(*numbers(1))
    message.release()
    message.intend(1, owner="slow")
    [member] = message.rows("SELECT citizen_id FROM audience_member")
    with begin(message.sessions) as session:
        assert mark_answered(session, [{"citizen_id": str(member["citizen_id"]), "incident_id": str(message.incident_id)}]) == 1


def test_two_attempts_of_one_delivery_that_speak_at_once_end_in_the_higher_state(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281219990503", resend_unknown="once")
    message.release()
    message.send(carriers)
    message.grow_old()
    look_up(message.settings, message.sessions, carriers)
    assert resend_unknown(message.settings, message.sessions, carriers) == 1
    first, second = message.attempts()
    message.hear(second, "delivered", provider_id="SM2")
    message.hear(first, "failed", code="30005")
    message.apply()
    assert message.states() == {"delivered": 1}


def test_a_resend_whose_worker_died_after_its_callback_is_still_a_resend(fanout: Make, carriers: Carriers) -> None:
    """The callback was quicker than any record: when the window is closed, the attempt learns what it repeated."""
    message = fanout(*numbers(1))
    message.release()
    message.intend(1)
    message.run("UPDATE send_window SET lease_until = clock_timestamp()")
    with begin(message.sessions) as session:
        sweep(session)
    message.grow_old()
    assert look_up(message.settings, message.sessions, carriers) == 0
    with begin(message.sessions) as session:
        rows = _begin(session, message.settings, Channel.SMS, only=[attempt["delivery_id"] for attempt in message.attempts()])
    message.hear({"delivery_id": rows[0]["delivery_id"], "number": 2}, "delivered", provider_id="SM2")
    message.apply()
    message.run("UPDATE send_window SET lease_until = clock_timestamp() WHERE closed_at IS NULL")
    with begin(message.sessions) as session:
        assert sweep(session) == 0
    assert message.rows("SELECT number, state, resend_of, sender FROM attempt ORDER BY number") == [
        {"number": 1, "state": "unknown", "resend_of": None, "sender": "twilio"},
        {"number": 2, "state": "delivered", "resend_of": 1, "sender": "twilio"},
    ]
