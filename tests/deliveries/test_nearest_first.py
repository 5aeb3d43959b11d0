"""Nearest to the danger first, by what the carrier took: also where a lane waits for its pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from alerts.channels.rule_book import RuleBook, remember_book
from alerts.deliveries.actions import release, ring_due
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.claiming import find_first_batch
from alerts.deliveries.lateness import late
from alerts.deliveries.sending import send_batch
from alerts.deliveries.windows import claim_batch
from alerts.kit.db import begin
from alerts.sandbox.judge import read_journal
from tests.deliveries.conftest import Carrier, Fanout
from tests.deliveries.test_slow_lanes import set_rule
from workers.wiring import watch

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
ASKED = """SELECT id, CAST(payload->>'batch_id' AS bigint) AS batch FROM outbox_event
    WHERE name = 'delivery.batch_due' AND id > :last ORDER BY id LIMIT 1"""


@pytest.fixture(autouse=True)
def _book_of_the_package() -> Iterator[None]:
    yield
    remember_book(RuleBook.packaged())


def batches_of(fanout: Make, *, count: int, size: int, rate: float = 0) -> Fanout:
    message = fanout(*[f"+9053212345{number:02}" for number in range(count * size)])
    set_rule(message, rate_per_second=rate or None)
    with begin(message.sessions) as session:
        release(session, message.broadcast_id, batch_size=size)
    return message


def answer_hints(message: Fanout, carriers: Carriers) -> int:
    """One worker answers each hint in its order; the count."""
    count = last = 0
    while asked := message.rows(ASKED, last=last):
        last, count = asked[0]["id"], count + 1
        assert send_batch(message.settings, message.sessions, carriers, batch_id=asked[0]["batch"], owner="one")
    return count


def test_a_slow_lane_hands_over_one_batch_after_the_other(fanout: Make, carriers: Carriers, carrier: Carrier) -> None:
    message = batches_of(fanout, count=2, size=16, rate=4)
    assert answer_hints(message, carriers) > 2, "the first batch was given back while its lane waited"
    batch_of = {row["id"]: row["batch_id"] for row in message.rows("SELECT id, batch_id FROM delivery")}
    taken = [batch_of[int(attempt.split("-")[0])] for attempt in read_journal(carrier.log_path).accepted]
    assert len(taken) == 32
    assert taken == sorted(taken), "nobody of a later batch before the last of an earlier one"


def test_two_workers_hold_the_two_nearest_batches(fanout: Make, carriers: Carriers) -> None:
    message = batches_of(fanout, count=4, size=2)
    first, *_, last = message.batches()
    with begin(message.sessions) as session:
        assert claim_batch(session, first, owner="another", lease_seconds=30)
    assert send_batch(message.settings, message.sessions, carriers, batch_id=last, owner="one")
    assert send_batch(message.settings, message.sessions, carriers, batch_id=first, owner="one"), "its hint serves the next"
    left = message.rows("SELECT DISTINCT batch_id FROM delivery WHERE state = 'queued' ORDER BY 1")
    assert [row["batch_id"] for row in left] == [first, last]


def test_who_finds_the_first_batch_locked_takes_the_next(fanout: Make) -> None:
    message = batches_of(fanout, count=3, size=1)
    first, second, last = message.batches()
    with begin(message.sessions) as one, begin(message.sessions) as other:
        assert find_first_batch(one, last, []) == first
        assert find_first_batch(other, last, []) == second


def test_whose_hint_served_another_is_asked_for_again(fanout: Make, carriers: Carriers) -> None:
    """The first was to be asked for by the clock; the last one's hint was used for it."""
    message = batches_of(fanout, count=2, size=1)
    first, last = message.batches()
    message.run("UPDATE delivery_batch SET rung_at = NULL WHERE id = :id", id=first)
    assert send_batch(message.settings, message.sessions, carriers, batch_id=last, owner="one")
    assert message.states() == {"accepted": 1, "queued": 1}
    with begin(message.sessions) as session:
        assert ring_due(session) == 1
    assert answer_hints(message, carriers) == 3
    assert message.states() == {"accepted": 2}


def test_a_batch_that_cannot_be_begun_holds_up_none_behind_it(fanout: Make, carriers: Carriers) -> None:
    message = batches_of(fanout, count=3, size=2)
    [first, *_] = message.batches()
    message.run("UPDATE delivery_batch SET generation = 2147483647 WHERE id = :id", id=first)
    for batch_id in message.batches()[1:]:
        assert send_batch(message.settings, message.sessions, carriers, batch_id=batch_id, owner="one")
    assert message.states() == {"accepted": 4, "queued": 2}


def test_a_hint_that_found_what_is_locked_is_told_again(fanout: Make, carriers: Carriers) -> None:
    message = batches_of(fanout, count=2, size=1)
    first, last = message.batches()
    message.run("UPDATE delivery_batch SET state = 'done' WHERE id = :id", id=first)
    message.run("UPDATE delivery SET state = 'expired' WHERE batch_id = :id", id=first)
    with begin(message.sessions) as session:
        assert find_first_batch(session, last, []) == last
        assert not send_batch(message.settings, message.sessions, carriers, batch_id=first, owner="one")
    assert send_batch(message.settings, message.sessions, carriers, batch_id=first, owner="one")
    assert message.states() == {"accepted": 1, "expired": 1}


@pytest.mark.leaves_work
def test_a_batch_that_waits_for_the_hint_of_another_is_not_late(fanout: Make) -> None:
    message = batches_of(fanout, count=2, size=1)
    [_, last] = message.batches()
    long_ago = "clock_timestamp() - interval '5 minutes'"
    message.run(f"UPDATE delivery_batch SET due_at = {long_ago}, rung_at = {long_ago}")
    message.run("DELETE FROM outbox_event WHERE CAST(payload->>'batch_id' AS bigint) = :id", id=last)
    assert _late(message) == set()
    message.run("UPDATE outbox_event SET rung_at = clock_timestamp() WHERE name = 'delivery.batch_due'")
    assert _late(message) == {"I8 a batch that is due is asked for"}


def _late(message: Fanout) -> set[str]:
    with begin(message.sessions) as session:
        return {violation.invariant for violation in late(session, watch(message.settings))}
