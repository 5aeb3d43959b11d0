"""The time of a step is each person's own: nobody waits for a neighbour whose message cannot leave, and no failure is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alerts.deliveries.call_list.queries import list_calls
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.resending import resend_unknown
from alerts.kit.db import begin
from tests.deliveries.conftest import Fanout, go_on_after_receipts
from tests.support.stages import wait_until

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
NOT_NOW, BAD = "+6281219990429", "+6281219991211"
STUCK = {"phones": (NOT_NOW, "+905321234501")}
"""Their first number is refused for now; their second is of another lane."""
PROMPT = {"phones": ("+6281250000001", "+905321234502")}


def steps(message: Fanout) -> list[tuple[int, str, str]]:
    rows = message.rows("SELECT step, number_country, state FROM delivery ORDER BY id")
    return sorted((row["step"], row["number_country"], row["state"]) for row in rows)


def quiet(message: Fanout) -> Fanout:
    message.run("UPDATE incident SET is_quiet = true")
    return message


def lane_opens(message: Fanout, carriers: Carriers) -> None:
    """The carrier takes what it did not take before, once its lane is open again."""
    message.run("UPDATE delivery SET next_attempt_at = NULL WHERE state = 'queued'")

    def is_done() -> bool:
        message.run("UPDATE delivery_batch SET due_at = clock_timestamp() WHERE state = 'waiting'")
        message.send(carriers)
        return message.rows("SELECT id FROM delivery_batch WHERE state <> 'done'") == []

    wait_until(is_done)


def test_one_that_cannot_leave_keeps_nobody_waiting_and_goes_on_too(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[STUCK, PROMPT])
    message.release()
    message.send(carriers)
    assert steps(message) == [(1, "ID", "accepted"), (1, "ID", "queued")]
    assert message.rows("SELECT count(next_step_at) AS n FROM delivery_batch WHERE state = 'waiting'") == [{"n": 1}]
    assert message.step_time_passes() == 2
    message.send(carriers)
    assert steps(message) == [(1, "ID", "accepted"), (1, "ID", "queued"), (2, "TR", "accepted"), (2, "TR", "accepted")]
    lane_opens(message, carriers)
    assert message.states() == {"accepted": 4}, "two steps are two steps: the first is sent once its lane opens"


def test_whose_last_way_is_silent_is_called_though_an_earlier_one_has_not_left_yet(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[STUCK])
    message.release()
    message.send(carriers)
    assert called(message) == []
    message.step_time_passes()
    message.send(carriers)
    assert steps(message) == [(1, "ID", "queued"), (2, "TR", "accepted")]
    assert called(message) == ["unanswered"]


def called(message: Fanout) -> list[str]:
    with begin(message.sessions) as session:
        found = list_calls(session, message.incident_id, mission_code=None, broadcast_id=None, after_seconds=0, limit=9)
    return [row.gap for row in found.items]


def test_whoever_answered_a_later_step_is_not_sent_the_earlier_one(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[STUCK, PROMPT])
    message.release()
    message.send(carriers)
    message.step_time_passes()
    message.send(carriers)
    message.run("UPDATE delivery SET answered_at = clock_timestamp() WHERE state = 'accepted'")
    lane_opens(message, carriers)
    assert steps(message) == [(1, "ID", "accepted"), (1, "ID", "cancelled"), (2, "TR", "accepted"), (2, "TR", "accepted")]


def test_each_has_a_time_of_their_own(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[PROMPT, {"phones": ("+6281250000003", "+905321234503")}])
    message.release()
    message.send(carriers)
    message.run("""UPDATE delivery SET accepted_at = accepted_at + interval '150 seconds' WHERE id = (SELECT max(id) FROM delivery)""")
    assert message.step_time_passes() == 1
    [look] = message.rows("SELECT extract(epoch FROM next_step_at - clock_timestamp()) AS s FROM delivery_batch WHERE step = 1")
    assert 120 < look["s"] <= 150
    message.run("UPDATE delivery SET accepted_at = accepted_at - interval '150 seconds' WHERE step = 1")
    assert message.step_time_passes() == 1
    assert message.rows("SELECT next_step_at FROM delivery_batch WHERE step = 1") == [{"next_step_at": None}]


def test_in_a_quiet_incident_who_was_never_sent_to_goes_on_and_is_sent_to_once(fanout: Make, carriers: Carriers) -> None:
    message = quiet(fanout(people=[STUCK, PROMPT]))
    message.release()
    message.send(carriers)
    assert message.step_time_passes() == 1
    message.send(carriers)
    lane_opens(message, carriers)
    assert steps(message) == [(1, "ID", "accepted"), (1, "ID", "expired"), (2, "TR", "accepted")]


def test_in_a_quiet_incident_who_failed_goes_on_while_a_neighbour_is_still_queued(fanout: Make, carriers: Carriers) -> None:
    message = quiet(fanout(people=[{"phones": (BAD, "+905321234501")}, STUCK]))
    message.release()
    message.send(carriers)
    message.send(carriers)
    assert steps(message) == [(1, "ID", "failed"), (1, "ID", "queued"), (2, "TR", "accepted")]


@pytest.mark.parametrize(
    ("is_quiet", "receipt", "goes_on"),
    [(True, {"code": "30005"}, 1), (True, {"code": "30003"}, 1), (False, {"code": "30005"}, 1), (False, {"code": "30003"}, 0)],
)
def test_a_receipt_that_says_not_reached_begins_the_next_step(
    fanout: Make, carriers: Carriers, is_quiet: bool, receipt: dict[str, Any], goes_on: int
) -> None:
    """A handset that was off is tried once more first, where messages may be repeated."""
    message = fanout(people=[PROMPT, {"phones": ("+6281250000003", "+905321234503")}])
    message.run("UPDATE incident SET is_quiet = :quiet", quiet=is_quiet)
    message.release()
    message.send(carriers)
    [attempt, _] = message.attempts()
    message.hear(attempt, "undelivered", provider_id=attempt["provider_id"], **receipt)
    message.apply()
    assert go_on_after_receipts(message.sessions) == goes_on
    assert go_on_after_receipts(message.sessions) == 0
    assert len(steps(message)) == 2 + goes_on


def test_receipts_ask_once_for_a_batch_and_not_at_all_where_there_is_no_other_way(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281250000009", people=[PROMPT, {"phones": ("+6281250000003", "+905321234503")}])
    message.release()
    message.send(carriers)
    for attempt in message.attempts():
        message.hear(attempt, "undelivered", provider_id=attempt["provider_id"], code="30005")
    message.apply()
    assert message.rows("SELECT count(*) AS n FROM outbox_event WHERE name = 'delivery.not_reached'") == [{"n": 1}]


def was_off(fanout: Make, carriers: Carriers, number: str = "+6281250000003") -> Fanout:
    message = fanout(people=[{"phones": (number, "+905321234503")}])
    message.release()
    message.send(carriers)
    [attempt] = message.attempts()
    message.hear(attempt, "undelivered", provider_id=attempt["provider_id"], code="30003")
    message.apply()
    return message


def time_passes(message: Fanout, seconds: float) -> int:
    """For the attempts too; the count of people whose next step begins."""
    message.run("UPDATE attempt SET resolved_at = resolved_at - make_interval(secs => :seconds)", seconds=seconds)
    return message.step_time_passes()


def test_the_next_way_of_a_handset_that_was_off_waits_for_the_repetition(fanout: Make, carriers: Carriers) -> None:
    message = was_off(fanout, carriers)
    assert time_passes(message, 180) == 0
    assert resend_unknown(message.settings, message.sessions, carriers) == 0, "not yet"
    assert time_passes(message, 125) == 0
    assert message.rows("SELECT 1 FROM delivery_batch WHERE next_step_at IS NOT NULL"), "it is looked at again"
    assert resend_unknown(message.settings, message.sessions, carriers) == 1
    assert time_passes(message, 170) == 0, "a step's time after the repetition was taken"
    assert time_passes(message, 15) == 1
    message.send(carriers)
    assert steps(message) == [(1, "ID", "undelivered"), (2, "TR", "accepted")]


def test_the_next_way_begins_when_the_repetition_failed(fanout: Make, carriers: Carriers) -> None:
    message = was_off(fanout, carriers)
    time_passes(message, 305)
    assert resend_unknown(message.settings, message.sessions, carriers) == 1
    message.run("UPDATE attempt SET state = 'undelivered', evidence = 'callback', error_code = '30003' WHERE number = 2")
    assert time_passes(message, 0) == 1


def test_a_repetition_that_never_came_is_not_waited_for_and_comes_no_more(fanout: Make, carriers: Carriers) -> None:
    message = was_off(fanout, carriers)
    assert time_passes(message, 470) == 0
    assert time_passes(message, 15) == 1
    assert resend_unknown(message.settings, message.sessions, carriers) == 0


def test_who_was_off_before_the_batch_was_given_back_is_looked_at(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[{"phones": ("+6281250000003", "+905321234503")}])
    message.release()
    message.run("UPDATE delivery SET state = 'undelivered', error_code = '30003', provider_id = 'SM1', accepted_at = clock_timestamp()")
    message.send(carriers)
    assert message.rows("SELECT 1 FROM delivery_batch WHERE next_step_at IS NOT NULL")


WITH_DEVICE = {"phones": ("+6281250000003", "+6281250000004"), "device": "token-of-an-app"}
FROM_NUMBERS_TO_THE_APP = """UPDATE audience_member SET channel = 'sms', number_country = 'ID',
    phone_id = CAST(further_ways -> 0 ->> 1 AS uuid), address_id = CAST(further_ways -> 0 ->> 1 AS uuid),
    further_ways = jsonb_build_array(further_ways -> 1, jsonb_build_array('push', address_id, NULL))"""


@pytest.mark.parametrize(("code", "way"), [("30007", ["sms", "push"]), ("30004", ["sms", "push"]), ("30005", ["sms"])])
def test_words_that_a_network_blocked_are_not_sent_to_the_second_number(
    fanout: Make, carriers: Carriers, code: str, way: list[str]
) -> None:
    message = fanout(people=[WITH_DEVICE])
    message.run("ALTER TABLE audience_member DISABLE TRIGGER USER")
    message.run(FROM_NUMBERS_TO_THE_APP)
    message.release()
    message.send(carriers)
    [attempt] = message.attempts()
    message.hear(attempt, "undelivered", provider_id=attempt["provider_id"], code=code)
    message.apply()
    assert go_on_after_receipts(message.sessions) == 1
    message.send(carriers)
    rows = message.rows("SELECT channel, state, error_code FROM delivery WHERE step > 1 ORDER BY step")
    passed_over = [{"channel": "sms", "state": "failed", "error_code": "text_blocked"}] if "push" in way else []
    assert rows == [*passed_over, {"channel": way[-1], "state": "accepted", "error_code": None}]
    assert message.rows("SELECT count(*) AS n FROM attempt") == [{"n": 2}]


def test_where_all_other_ways_are_of_the_channel_nobody_is_sent_blocked_words_again(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[{"phones": ("+6281250000003", "+6281250000004")}])
    message.release()
    message.send(carriers)
    [attempt] = message.attempts()
    message.hear(attempt, "undelivered", provider_id=attempt["provider_id"], code="30007")
    message.apply()
    assert go_on_after_receipts(message.sessions) == 0
    assert message.step_time_passes() == 0
    assert called(message) == ["undelivered"]
