"""A lane that has to wait, for its pace or for the end of quiet hours, holds up no other and loses nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from alerts.channels.country_rules import QuietScope
from alerts.channels.rule_book import RuleBook, remember_book
from alerts.country_rules.actions import change_rule, claim_rule
from alerts.deliveries.actions import release
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.sending import send_batch
from alerts.kit.db import begin
from alerts.sandbox.judge import read_journal
from tests.deliveries.conftest import Carrier, Fanout
from tests.factories.staff import make_actor
from tests.support.stages import wait_until

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]


@pytest.fixture(autouse=True)
def _book_of_the_package() -> Iterator[None]:
    yield
    remember_book(RuleBook.packaged())


def set_rule(message: Fanout, **values: object) -> None:
    with begin(message.sessions) as session:
        rule = claim_rule(session, ("twilio", "sms", "TR"))
        change_rule(session, actor=make_actor(session, "administrator"), rule=rule, values={"source": "uji", **values})


def quiet_now() -> dict[str, object]:
    """Hours around this one, by the clock of Greenwich."""
    hour = datetime.now(UTC).hour
    begin, end = datetime(2026, 1, 1, (hour - 1) % 24, tzinfo=UTC).time(), datetime(2026, 1, 1, (hour + 2) % 24, tzinfo=UTC).time()
    return {"quiet_scope": QuietScope.EVERYTHING, "quiet_from": begin, "quiet_until": end, "quiet_zone": "UTC"}


def test_a_slow_countrys_batches_hold_up_no_other(fanout: Make, carriers: Carriers, carrier: Carrier) -> None:
    """One task of the slow lane, whose five batches are ahead: while it waits for its pace, all others are sent."""
    message = fanout(*[f"+9053212345{number:02}" for number in range(20)], *[f"+62812500000{number:02}" for number in range(40)])
    set_rule(message, rate_per_second=1)
    with begin(message.sessions) as session:
        release(session, message.broadcast_id, batch_size=4)
    [slow] = message.rows("SELECT min(id) AS id FROM delivery_batch WHERE number_country = 'TR'")
    assert send_batch(message.settings, message.sessions, carriers, batch_id=slow["id"], owner="one")
    country_of = {row["id"]: row["number_country"] for row in message.rows("SELECT id, number_country FROM delivery")}
    countries = [country_of[int(attempt.split("-")[0])] for attempt in read_journal(carrier.log_path).accepted]
    assert countries.count("ID") == 40
    assert countries[:42].count("ID") == 40, "the other country waits for two messages of the slow one at most"
    assert message.rows("SELECT count(*) AS n FROM delivery_batch WHERE state = 'claimed'") == [{"n": 0}]


def test_a_batch_that_cannot_be_begun_is_its_own_tasks_fault(fanout: Make, carriers: Carriers) -> None:
    """Whoever looks for something else while its lane waits tells of it once and sends the others."""
    message = fanout(*[f"+9053212345{number:02}" for number in range(20)], *[f"+62812500000{number:02}" for number in range(12)])
    set_rule(message, rate_per_second=1)
    with begin(message.sessions) as session:
        release(session, message.broadcast_id, batch_size=4)
    [slow] = message.rows("SELECT min(id) AS id FROM delivery_batch WHERE number_country = 'TR'")
    [broken] = message.rows("SELECT min(id) AS id FROM delivery_batch WHERE number_country = 'ID'")
    message.run("UPDATE delivery_batch SET channel = 'none' WHERE id = :id", id=broken["id"])
    with capture_logs() as lines:
        assert send_batch(message.settings, message.sessions, carriers, batch_id=slow["id"], owner="one")
    assert [line["batch_id"] for line in lines if line["event"] == "batch.not_begun"] == [broken["id"]]
    states = message.rows("SELECT batch_id = :id AS is_its, state FROM delivery WHERE number_country = 'ID' GROUP BY 1, 2", id=broken["id"])
    assert {(row["is_its"], row["state"]) for row in states} == {(True, "queued"), (False, "accepted")}
    with pytest.raises(KeyError):
        send_batch(message.settings, message.sessions, carriers, batch_id=broken["id"], owner="its own")


def test_quiet_hours_that_begin_in_mid_run_fail_nobody(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+905321234501", people=[{"phones": ("+905321234502", "+6281250000001")}])
    message.release()
    set_rule(message, **quiet_now())
    message.send(carriers)
    assert message.states() == {"queued": 2}
    [batch] = message.rows("SELECT extract(epoch FROM due_at - clock_timestamp()) AS s FROM delivery_batch")
    assert 3500 < batch["s"] <= 7200
    assert message.step_time_passes() == 1, "the step's time goes on: another way is tried meanwhile"
    message.send(carriers)
    set_rule(message, quiet_scope=QuietScope.NOTHING, quiet_from=None, quiet_until=None, quiet_zone="")

    def are_over() -> bool:
        """A worker reads the rules anew at most once a second."""
        message.run("UPDATE delivery_batch SET due_at = clock_timestamp() WHERE state = 'waiting'")
        message.send(carriers)
        return message.states() == {"accepted": 3}

    wait_until(are_over)


def test_quiet_hours_that_outlast_the_message_end_with_it(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+905321234501", validity_seconds=600)
    message.release()
    set_rule(message, **quiet_now())
    message.send(carriers)
    [batch] = message.rows("SELECT extract(epoch FROM due_at - clock_timestamp()) AS s FROM delivery_batch")
    assert 500 < batch["s"] <= 602


def test_where_no_clock_opens_the_lane_it_fails_for_good(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+905321234501")
    message.release()
    set_rule(message, outbound="no")
    message.send(carriers)
    assert message.rows("SELECT state, error_code FROM delivery") == [{"state": "failed", "error_code": "no_provider"}]
