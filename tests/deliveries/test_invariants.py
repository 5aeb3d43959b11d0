"""Each promise of the tables can fail: it is broken on purpose here, and named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from alerts.deliveries.carriers import Carriers
from alerts.deliveries.lateness import LIVENESS, late
from alerts.deliveries.queries import INVARIANTS, invariants
from tests.deliveries.conftest import Fanout
from workers.wiring import watch

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
NEWEST = "(SELECT max(id) FROM delivery)"
WINDOW = "INSERT INTO send_window (batch_id, generation, sender, deliveries, numbers, lease_until, intent_at, closed_at)"
BATCH = "(SELECT max(batch_id) FROM delivery)"
ROAMING = """INSERT INTO roaming_broadcast (broadcast_id, country, operator, language, text_sha256, asked_by, state, intent_at, lease_until)
    SELECT id, 'TR', 'operator', 'id', '', 'x', 'sending', now() - interval '20 seconds', now() - interval '15 seconds' FROM broadcast"""
BREAKS = {
    "I1 every released member has its first delivery": ["DELETE FROM attempt", f"DELETE FROM delivery WHERE id = {NEWEST}"],
    "I1 a later step comes after the one before, by the way that the list has": [
        f"""INSERT INTO delivery (id, member_id, broadcast_id, batch_id, step, channel)
        SELECT member_id * 64 + 2, member_id, broadcast_id, batch_id, 2, 'email' FROM delivery WHERE id = {NEWEST}"""
    ],
    "I2 one acceptance per step, and approved resends": [
        f"""INSERT INTO attempt (delivery_id, number, channel, state, evidence, provider_id)
        VALUES ({NEWEST}, 9, 'sms', 'accepted', 'answer', 'SMother')"""
    ],
    "I2 a resend is of an original, and accepted once": [
        f"""INSERT INTO attempt (delivery_id, number, channel, state, evidence, provider_id, resend_of)
        VALUES ({NEWEST}, 8, 'sms', 'accepted', 'answer', 'SM8', 1), ({NEWEST}, 9, 'sms', 'accepted', 'answer', 'SM9', 1)"""
    ],
    "I2 an approval that forbids resends has none, but of what is known not to have arrived": [
        "UPDATE broadcast SET resend_unknown = 'never'",
        f"""INSERT INTO attempt (delivery_id, number, channel, state, evidence, resend_of)
        VALUES ({NEWEST}, 8, 'sms', 'failed', 'answer', 1)""",
    ],
    "I2 a look-up took nobody else's message": ["UPDATE attempt SET provider_id = 'SMsame', evidence = 'lookup'"],
    "I3 nothing is sent without a provider id": ["UPDATE delivery SET state = 'delivered', provider_id = NULL"],
    "I4 no window whose lease expired over one lease ago": [
        f"""{WINDOW} VALUES ({BATCH}, 1, 'twilio', ARRAY[{NEWEST}], ARRAY[9::smallint], clock_timestamp() - interval '3 seconds',
        clock_timestamp() - interval '4 seconds', NULL)"""
    ],
    "I5 states sum to the frozen count, per wave": ["UPDATE audience SET count = count + 1"],
    "I5 nothing is queued where nobody will look": [f"UPDATE delivery SET state = 'queued' WHERE id = {NEWEST}"],
    "I6 no send begins over 2 s after a cancel": ["UPDATE broadcast SET state = 'cancelled', cancelled_at = now() - interval '10 seconds'"],
    "I6 no operator is asked over 2 s after a cancel": [
        ROAMING,
        "UPDATE broadcast SET state = 'cancelled', cancelled_at = now() - interval '30 seconds'",
    ],
    "I4 no roaming broadcast is being handed over one lease after its own": [ROAMING],
    "I7 no send to the opted-out": ["UPDATE citizen SET opted_out_at = now() - interval '10 seconds'"],
    "I9 no open window of a generation that is over": [
        f"{WINDOW} VALUES ({BATCH}, 0, 'twilio', ARRAY[{NEWEST}], ARRAY[9::smallint], now() + interval '1 minute', now(), NULL)"
    ],
    "I9 no answer is written into a window that is closed": [
        "UPDATE send_window SET closed_at = closed_at - interval '10 seconds', intent_at = intent_at - interval '20 seconds'"
    ],
    "I9 a closed window says what became of each": [f"DELETE FROM attempt WHERE delivery_id = {NEWEST}"],
}
LATE = {
    "I8 outbox younger than 5 s": [
        """INSERT INTO outbox_event (name, payload, created_at, rung_at, rings)
        SELECT 'x', '{}', now() - interval '10 seconds', now(), 1 FROM generate_series(1, 500)"""
    ],
    "I8 a batch that is due is asked for": [
        "UPDATE delivery_batch SET state = 'waiting', due_at = now() - interval '90 seconds', rung_at = now() - interval '80 seconds'",
        "DELETE FROM outbox_event",
    ],
    "I8 events are answered": [
        """INSERT INTO outbox_event (name, payload, created_at, rung_at, rings, waiting_for)
        VALUES ('broadcast.freeze_asked', '{}', now() - interval '11 minutes', now(), 12, ARRAY['broadcasts.freeze'])"""
    ],
    "I8 receipts are applied in time": [
        f"""INSERT INTO receipt (delivery_id, number, raw_status, received_at)
        VALUES ({NEWEST}, 1, 'delivered', now() - interval '90 seconds')"""
    ],
    "I10 unknown is resolved within ten minutes, or shown": [
        "UPDATE attempt SET state = 'unknown', intent_at = now() - interval '11 minutes'"
    ],
}


def numbers(count: int) -> list[str]:
    return [f"+62812{50_000_000 + number}" for number in range(count)]


def test_every_promise_is_broken_below() -> None:
    assert (BREAKS.keys(), LATE.keys()) == (INVARIANTS.keys(), LIVENESS.keys())


@pytest.mark.parametrize("name", [*BREAKS, *LATE])
def test_a_broken_promise_is_named(fanout: Make, carriers: Carriers, name: str) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    with message.sessions() as session:
        assert [*invariants(session), *late(session, watch(message.settings))] == []
        for statement in (BREAKS | LATE)[name]:
            session.execute(text(statement))
        assert name in {violation.invariant for violation in (*invariants(session), *late(session, watch(message.settings)))}
        session.rollback()


@pytest.mark.breaks_promises
@pytest.mark.parametrize(("channel", "state", "is_late"), [("push", "unknown", False), ("push", "queued", True), ("sms", "unknown", True)])
def test_what_no_list_can_answer_has_to_be_shown(fanout: Make, carriers: Carriers, channel: str, state: str, is_late: bool) -> None:
    message = fanout(*numbers(1))
    message.release()
    message.send(carriers)
    message.run("UPDATE attempt SET state = 'unknown', channel = :channel, intent_at = now() - interval '11 minutes'", channel=channel)
    message.run("UPDATE delivery SET state = :state", state=state)
    with message.sessions() as session:
        found = {violation.invariant for violation in late(session, watch(message.settings))}
    assert ("I10 unknown is resolved within ten minutes, or shown" in found) == is_late
