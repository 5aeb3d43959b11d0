"""After a restore: what reads queued may have been sent. No worker sends until somebody has said so, and then it is unknown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from alerts.deliveries.actions import ring_due
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.facts import export_facts
from alerts.deliveries.lookups import look_up
from alerts.deliveries.resending import resend_unknown
from alerts.deliveries.restoring import accept_database, after_restore, is_elsewhere
from alerts.deliveries.sending import send_batch
from alerts.health import examine
from alerts.kit.db import begin
from alerts.kit.errors import ConflictError
from tests.deliveries.conftest import Carrier, Fanout
from workers.wiring import watch

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
MOVE = {
    "another server": "UPDATE installation SET system_identifier = '1'",
    "another timeline": "UPDATE installation SET timeline = timeline + 1",
    "never said": "DELETE FROM installation",
}


def numbers(count: int) -> list[str]:
    return [f"+62812{50_000_000 + number}" for number in range(count)]


@pytest.mark.parametrize("move", MOVE.values(), ids=MOVE)
def test_nothing_is_sent_from_a_database_that_is_elsewhere(fanout: Make, carriers: Carriers, carrier: Carrier, move: str) -> None:
    message = fanout(*numbers(3))
    message.release()
    message.run(move)
    assert send_batch(message.settings, message.sessions, carriers, batch_id=message.batches()[0], owner="test") is False
    assert resend_unknown(message.settings, message.sessions, carriers) == 0
    assert (message.states(), carrier.log_path.read_text()) == ({"queued": 3}, "")
    assert any("after-restore" in fault for fault in examine(message.settings, message.sessions, watch(message.settings)).faults)


def test_what_is_queued_becomes_unknown_and_nothing_goes_out_again(fanout: Make, carriers: Carriers, carrier: Carrier) -> None:
    message = fanout(*numbers(6))
    message.release()
    _, window = message.intend(2)
    message.run(MOVE["another timeline"])
    done = after_restore(message.settings, message.sessions)
    assert (done.made, done.unknown) == (0, 6)
    assert message.states() == {"unknown": 6}
    assert [a["number"] for a in message.attempts()] == [1] * 6
    message.send(carriers)
    with begin(message.sessions) as session:
        assert not is_elsewhere(session)
        assert ring_due(session) == 0
        attempts = export_facts(session)["attempts"]
    assert sum(a["is_restored"] for a in attempts) == 6 - len(window.rows)
    assert carrier.log_path.read_text() == ""


def test_a_callback_proves_what_the_lost_time_sent(fanout: Make) -> None:
    """Also a later attempt than the database remembers: our own signature on its name says that it was begun."""
    message = fanout(*numbers(3))
    message.release()
    message.run(MOVE["another server"])
    after_restore(message.settings, message.sessions)
    first, second, _ = message.attempts()
    message.hear(first, "delivered", provider_id="SM1")
    message.hear(second | {"number": 2}, "sent", provider_id="SM2")
    message.apply()
    assert [row["state"] for row in message.rows("SELECT state FROM delivery ORDER BY id")] == ["delivered", "sent", "unknown"]


def test_a_look_up_finds_what_the_lost_time_sent(fanout: Make, carriers: Carriers) -> None:
    """The message is with the carrier; the database is put back to the moment before."""
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    for statement in GO_BACK:
        message.run(statement)
    after_restore(message.settings, message.sessions, is_snapshot=True)
    message.grow_old()
    assert look_up(message.settings, message.sessions, carriers) == 2
    assert message.states() == {"accepted": 2}


def test_a_list_that_was_not_released_is_made_rows_first(fanout: Make) -> None:
    message = fanout(*numbers(4))
    message.run(MOVE["another server"])
    done = after_restore(message.settings, message.sessions)
    assert (done.made, done.unknown) == (4, 4)
    assert message.states() == {"unknown": 4}


def test_a_message_approved_after_the_restore_point_is_left_alone(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert after_restore(message.settings, message.sessions, is_snapshot=True, approved_before=hour_ago).unknown == 0
    message.send(carriers)
    assert message.states() == {"accepted": 2}


def test_only_a_restored_database_takes_the_word_without_the_flag(fanout: Make) -> None:
    message = fanout(*numbers(1))
    message.release()
    with pytest.raises(ConflictError, match="--snapshot"):
        after_restore(message.settings, message.sessions)
    assert message.states() == {"queued": 1}


def test_a_takeover_that_lost_nothing_goes_on(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.run(MOVE["another timeline"])
    with begin(message.sessions) as session:
        accept_database(session)
    message.send(carriers)
    assert message.states() == {"accepted": 2}


GO_BACK = (
    "DELETE FROM attempt",
    "DELETE FROM send_window",
    "UPDATE delivery SET state = 'queued', attempts = 0, provider_id = NULL, accepted_at = NULL",
    "UPDATE delivery_batch SET state = 'waiting', generation = 0, next_step_at = NULL",
)
