"""Claim, intent, handing over and record on two true connections, with the sandbox carrier as the other side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from alerts.broadcasts.actions import cancel_broadcast
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.rules import Variant
from alerts.broadcasts.schemas import Correction
from alerts.deliveries.actions import release, ring_due, stop, sweep
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.correcting import correct_broadcast, count_handed_over
from alerts.deliveries.facts import export_facts
from alerts.deliveries.messages import Messages
from alerts.deliveries.queries import invariants
from alerts.deliveries.rules import Outcome, State
from alerts.deliveries.sending import send_batch
from alerts.deliveries.windows import Ahead, claim_batch, finish_batch, load_rows, open_window, record, record_and_open, renew_lease
from alerts.incidents.rules import Status
from alerts.kit.db import begin
from alerts.kit.errors import ConflictError
from alerts.sandbox.judge import judge, read_facts, read_journal
from tests.deliveries.conftest import Carrier, Fanout, due_again
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from tests.support.stages import wait_until

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]


def numbers(count: int) -> list[str]:
    return [f"+62812{50_000_000 + number}" for number in range(count)]


def test_everybody_is_handed_one_message_and_the_carrier_agrees(fanout: Make, carriers: Carriers, carrier: Carrier, tmp_path: Path) -> None:
    message = fanout(*numbers(150), *[f"device:token{n:030d}" for n in range(50)])
    assert message.release() == 200
    for _ in range(5):  # what a busy machine could not begin within 1.5 s of its intent goes back to the queue, not begun
        message.send(carriers)
        if "queued" not in message.states():
            break
        assert {row["error_code"] for row in message.rows("SELECT error_code FROM delivery WHERE state = 'queued'")} <= {"not_begun", None}
        due_again(message)
    assert message.states() == {"accepted": 200}
    with begin(message.sessions) as session:
        reach = message.reach()
        (tmp_path / "facts.json").write_text(json.dumps(export_facts(session)))
    assert (reach.frozen, reach.handed_over, reach.unreachable, reach.no_receipt_possible) == (200, 200, 0, 50)
    total = judge(read_journal(carrier.log_path), read_facts(tmp_path / "facts.json")).total
    assert (total.frozen, total.handed_over, total.missed, total.sent_twice) == (200, 200, 0, 0)


def test_releasing_and_sending_again_changes_nothing(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(5))
    message.release()
    message.send(carriers)
    assert message.release() == 0
    message.send(carriers)
    assert message.rows("SELECT count(*) AS n FROM attempt") == [{"n": 5}]


@pytest.mark.parametrize(
    ("suffix", "state", "code"),
    [
        ("9990000", "accepted", None),
        ("9990429", "queued", "20429"),
        ("9990500", "unknown", "http_500"),
        ("9990104", "unknown", None),
        ("9990408", "unknown", None),
        ("9991211", "failed", "21211"),
        ("9991610", "opted_out", "21610"),
        ("9991408", "queued", "21408"),
    ],
)
def test_each_answer_of_the_carrier_becomes_the_honest_state(
    fanout: Make, carriers: Carriers, suffix: str, state: str, code: str | None
) -> None:
    message = fanout(f"+628121{suffix}")
    message.release()
    message.send(carriers)
    [row] = message.rows("SELECT state, error_code, accepted_at IS NOT NULL AS accepted FROM delivery")
    assert row["state"] == state
    assert row["accepted"] == (state == "accepted")
    if code:
        assert row["error_code"] == code


def test_not_now_is_asked_again_and_then_taken(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281219990429")
    message.release()
    message.send(carriers)
    message.run("UPDATE delivery SET next_attempt_at = now()")
    message.run("UPDATE delivery_batch SET due_at = clock_timestamp()")
    with begin(message.sessions) as session:
        assert ring_due(session) == 1

    def is_taken() -> bool:
        """The lane is shut for as long as the carrier asked: the batch comes back until it opens."""
        message.run("UPDATE delivery_batch SET due_at = clock_timestamp()")
        message.send(carriers)
        return message.states() == {"accepted": 1}

    wait_until(is_taken)
    assert message.rows("SELECT state FROM attempt ORDER BY number") == [{"state": "failed"}, {"state": "accepted"}]


def test_who_slept_past_the_lease_can_write_nothing_and_begin_nothing(fanout: Make) -> None:
    message = fanout(*numbers(10))
    message.release()
    sleeper, window = message.intend(4, owner="sleeper")
    message.run("UPDATE delivery_batch SET lease_until = now() - interval '1 second'")
    with begin(message.sessions) as session:
        other = claim_batch(session, message.batches()[0], owner="other", lease_seconds=30)
        assert other is not None
        rest = load_rows(session, other)
    assert other.generation == sleeper.generation + 1
    assert message.states() == {"queued": 6, "unknown": 4}
    answers = [Outcome(State.ACCEPTED, provider_id=f"SM{n}", raw_status="queued") for n in range(4)]
    with begin(message.sessions) as session:
        assert record(session, sleeper, window, answers, [None] * 4) == 0
        assert open_window(session, sleeper, rest, sender="twilio", lease_seconds=30) is None
        ahead, connection = Ahead("twilio", rest), session.connection()
        assert record_and_open(connection, sleeper, window, answers, ahead=ahead, lease_seconds=30) is None
        assert not renew_lease(session, sleeper, lease_seconds=30)
        assert finish_batch(session, sleeper, step_seconds=180) is None
    assert message.states() == {"queued": 6, "unknown": 4}
    assert message.rows("SELECT owner FROM delivery_batch") == [{"owner": "other"}]


def test_a_cancel_or_an_opt_out_is_seen_by_the_statement_that_also_records(fanout: Make) -> None:
    """The answers of the window before are written down whatever becomes of the next one."""
    message = fanout(*numbers(6))
    message.release()
    claim, window = message.intend(2)
    with begin(message.sessions) as session:
        rest = load_rows(session, claim)[2:]
    answers = [Outcome(State.ACCEPTED, provider_id=f"SM{n}", raw_status="queued") for n in range(2)]
    message.run("UPDATE citizen SET opted_out_at = clock_timestamp() WHERE id = :id", id=rest[0].citizen_id)
    with begin(message.sessions) as session:
        following = record_and_open(session.connection(), claim, window, answers, ahead=Ahead("twilio", rest), lease_seconds=30)
    assert following is not None
    assert [row.delivery_id for row in following.rows] == sorted(row.delivery_id for row in rest[1:])
    assert message.states() == {"accepted": 2, "queued": 4}
    message.run("UPDATE broadcast SET state = 'cancelled'")
    more = [Outcome(State.ACCEPTED, provider_id=f"SM1{n}", raw_status="queued") for n in range(3)]
    with begin(message.sessions) as session:
        assert record_and_open(session.connection(), claim, following, more, ahead=Ahead("twilio", rest[:1]), lease_seconds=30) is None
    assert message.states() == {"accepted": 5, "queued": 1}
    with begin(message.sessions) as session:
        stop(session, message.broadcast_id)


def test_an_answer_that_comes_after_the_window_was_given_up_is_not_recorded(fanout: Make) -> None:
    message = fanout(*numbers(2))
    message.release()
    claim, window = message.intend(2)
    message.run("UPDATE send_window SET lease_until = clock_timestamp()")
    with begin(message.sessions) as session:
        assert sweep(session) == 2
        assert record(session, claim, window, [Outcome(State.ACCEPTED, provider_id="SM1")] * 2, [None] * 2) == 0
    assert message.states() == {"unknown": 2}


def test_nothing_is_begun_after_the_end_that_the_lease_allows(fanout: Make, carriers: Carriers, carrier: Carrier) -> None:
    message = fanout(*numbers(3))
    message.release()
    _, window = message.intend(3)
    with begin(message.sessions) as session:
        texts = Messages.load(session, message.settings, message.broadcast_id)
    written = [texts.sms(row, "twilio") for row in window.rows]
    assert carriers.submit(Status.ACTUAL, "twilio", written, until=0.0).result() == [None, None, None]
    assert carrier.log_path.read_text() == ""


def test_what_is_read_ends_with_the_messages_code_and_a_call_does_not_say_it(fanout: Make) -> None:
    message = fanout("+6281219990011")
    message.release()
    _, window = message.intend(1)
    with begin(message.sessions) as session:
        code = session.get_one(Broadcast, message.broadcast_id).alert_code
        texts = Messages.load(session, message.settings, message.broadcast_id)
    for language, ending in (("id", f" Kode {code}"), ("en", f" Code {code}")):
        row = window.rows[0]._replace(language=language)
        assert texts.sms(row, "twilio").text.endswith(ending)
        assert code not in texts.voice(row, "voice").text
        assert texts.text(language, Variant.PLAIN).removesuffix(ending) == texts.voice(row, "voice").text


def test_two_workers_cannot_hold_one_batch(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    with begin(message.sessions) as session:
        assert claim_batch(session, message.batches()[0], owner="one", lease_seconds=30)
    assert send_batch(message.settings, message.sessions, carriers, batch_id=message.batches()[0], owner="two") is False
    assert message.states() == {"queued": 2}


def test_a_cancel_stops_what_is_queued(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(4))
    message.release()
    with begin(message.sessions) as session:
        officer = make_actor(session, "duty_officer")
        cancel_broadcast(session, actor=officer, broadcast_id=message.broadcast_id, reason="salah wilayah")
    message.send(carriers)
    assert message.states() == {"cancelled": 4}
    with begin(message.sessions) as session:
        assert stop(session, message.broadcast_id) == 0
        assert message.reach().stopped == 4


def test_an_alert_past_its_validity_is_not_sent(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2), validity_seconds=60)
    message.release()
    message.run("UPDATE broadcast SET approved_at = approved_at - interval '61 seconds'")
    message.send(carriers)
    assert message.states() == {"expired": 2}


@pytest.mark.parametrize(("column", "state"), [("opted_out_at", "opted_out"), ("died_at", "cancelled")])
def test_what_became_known_since_the_freeze_is_seen_at_the_claim(fanout: Make, carriers: Carriers, column: str, state: str) -> None:
    message = fanout(*numbers(3))
    message.release()
    message.run(f"UPDATE citizen SET {column} = now() WHERE id = (SELECT min(citizen_id::text)::uuid FROM audience_member)")
    message.send(carriers)
    assert message.states() == {"accepted": 2, state: 1}


def test_a_correction_goes_to_exactly_those_who_may_have_the_original(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(3), "+6281219991211", "+6281219990503", "+963944111222")
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        officer = make_actor(session, "duty_officer")
        command = Correction(msg_type="Cancel")
        correction = correct_broadcast(session, actor=officer, broadcast_id=message.broadcast_id, command=command, configured=senders())
        assert count_handed_over(session, message.broadcast_id) == 4
    rows = message.rows("SELECT citizen_id, channel FROM audience_member WHERE broadcast_id = :id", id=correction.id)
    originals = "SELECT m.citizen_id, m.channel FROM audience_member m JOIN delivery d ON d.member_id = m.id WHERE d.broadcast_id = :id"
    wanted = message.rows(f"{originals} AND d.state IN ('accepted', 'unknown')", id=message.broadcast_id)
    assert sorted(map(str, rows)) == sorted(map(str, wanted))
    assert (correction.references, correction.state.value) == ([message.broadcast_id], "submitted")


def test_the_invariants_can_fail(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    with message.sessions() as session:
        session.execute(text("DELETE FROM attempt WHERE delivery_id = (SELECT min(id) FROM delivery)"))
        session.execute(text("DELETE FROM delivery WHERE id = (SELECT min(id) FROM delivery)"))
        assert {violation.invariant[:2] for violation in invariants(session)} >= {"I1", "I5", "I9"}
        session.rollback()


def test_a_release_needs_an_approval(fanout: Make) -> None:
    message = fanout(*numbers(1))
    message.run("UPDATE broadcast SET state = 'cancelled'")
    with begin(message.sessions) as session:
        assert release(session, message.broadcast_id, batch_size=10) == 0
    assert message.states() == {}


def test_a_row_that_cannot_be_read_fails_alone(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(3))
    message.release()
    message.run("ALTER TABLE phone DISABLE TRIGGER USER")
    message.run(r"UPDATE phone SET e164_enc = '\x00' WHERE id = (SELECT phone_id FROM audience_member ORDER BY id LIMIT 1)")
    message.send(carriers)
    assert message.states() == {"accepted": 2, "failed": 1}


def test_a_batch_whose_owner_died_after_its_event_was_answered_is_asked_for_again(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    with begin(message.sessions) as session:
        assert claim_batch(session, message.batches()[0], owner="dies", lease_seconds=30)
    message.run("UPDATE delivery_batch SET lease_until = clock_timestamp(), rung_at = clock_timestamp() - interval '1 minute'")
    with begin(message.sessions) as session:
        assert ring_due(session) == 1
        assert ring_due(session) == 0
    message.send(carriers)
    assert message.states() == {"accepted": 2}


def test_a_message_still_going_out_is_cancelled_before_it_is_corrected(fanout: Make) -> None:
    message = fanout(*numbers(2))
    message.release()
    with begin(message.sessions) as session:
        officer = make_actor(session, "duty_officer")
        command = Correction(msg_type="Cancel")
        with pytest.raises(ConflictError, match="cancel it first"):
            correct_broadcast(session, actor=officer, broadcast_id=message.broadcast_id, command=command, configured=senders())


def test_no_copy_outlives_the_approved_period(fanout: Make) -> None:
    message = fanout(*numbers(1), validity_seconds=600)
    message.run("UPDATE broadcast SET approved_at = approved_at - interval '590 seconds'")
    with begin(message.sessions) as session:
        assert 1 <= Messages.load(session, message.settings, message.broadcast_id).validity_seconds <= 10
