"""Look-ups where the carrier's list does not show whose message is whose: the same text without a link, to one number, by two messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from alerts.channels.ports import FoundMessage, Message
from alerts.deliveries.actions import sweep
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.lookups import UNCLEAR, look_up
from alerts.deliveries.messages import Messages
from alerts.deliveries.resending import resend_unknown
from alerts.deliveries.sending import send_batch
from alerts.incidents.rules import Status
from alerts.kit.db import begin
from tests.deliveries.conftest import Carrier, Fanout, alarms
from tests.support.machine import SILENT, FakeCarrier

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
LINKLESS, LINKED = "+905321112233", "+966512345678"
TAKEN_SILENTLY = {"rules": [{"fault": "error_but_sent", "first": 2}]}
FIRST_TAKEN_SILENTLY = {"rules": [{"fault": "error_but_sent", "first": 1}, {"fault": "error_not_sent", "first": 2}]}
every_time = pytest.mark.parametrize("carrier", [TAKEN_SILENTLY], indirect=True, ids=["both taken"])
SAME_WORDS = """UPDATE broadcast_text t SET body = f.body FROM broadcast_text f
    WHERE f.broadcast_id = :first AND t.broadcast_id = :second AND f.language = t.language AND f.variant = t.variant"""
first_only = pytest.mark.parametrize("carrier", [FIRST_TAKEN_SILENTLY], indirect=True, ids=["one taken"])


@pytest.fixture
def more_settings() -> dict[str, str]:
    """Looked up, and sent again, as soon as somebody asks."""
    return {"SIAGA_DELIVERY_LOOKUP_AFTER_SECONDS": "0.001", "SIAGA_DELIVERY_RESEND_AFTER_SECONDS": "0.001"}


@pytest.fixture
def twice(fanout: Make, carriers: Carriers) -> Callable[..., Fanout]:
    """Two messages with the same words to one number; nobody knows what became of either. `has_codes`: each with its own."""

    def make(number: str, *, has_codes: bool = False, **draft: Any) -> Fanout:
        first, second = fanout(number, **draft), fanout(**draft)
        if not has_codes:
            _say_the_same(first, second)
        for message in (first, second):
            message.release()
        second.send(carriers)
        assert second.states() == {"unknown": 2}
        return second

    return make


def _say_the_same(first: Fanout, second: Fanout) -> None:
    """To the letter: what calls are, and what messages of before they had a code."""
    second.run(SAME_WORDS, first=first.broadcast_id, second=second.broadcast_id)


def _look(message: Fanout, carriers: Carriers) -> int:
    """However often and soon somebody asks: what is looked up again waits for a part of its age."""
    message.run("UPDATE attempt SET look_up_tried_at = NULL")
    return look_up(message.settings, message.sessions, carriers)


def _providers(message: Fanout) -> Mapping[int, str | None]:
    return {row["delivery_id"]: row["provider_id"] for row in message.attempts()}


@every_time
def test_as_many_messages_as_attempts_give_each_its_own(twice: Make, carriers: Carriers) -> None:
    message = twice(LINKLESS)
    assert _look(message, carriers) == 2
    found = _providers(message)
    assert None not in found.values()
    assert len(set(found.values())) == 2, "one message is nobody else's too"
    assert "unknown" not in message.states()


@first_only
def test_one_message_for_two_attempts_is_nobodys_evidence_and_nothing_is_repeated(twice: Make, carriers: Carriers) -> None:
    message = twice(LINKLESS, resend_unknown="once")
    assert _look(message, carriers) == 0
    assert message.states() == {"unknown": 2}
    assert {row["error_code"] for row in message.rows("SELECT error_code FROM attempt")} == {UNCLEAR}
    assert resend_unknown(message.settings, message.sessions, carriers) == 0, "one of them has it"


@first_only
def test_a_callback_settles_what_a_look_up_could_not(twice: Make, carriers: Carriers, carrier: Carrier) -> None:
    message = twice(LINKLESS, resend_unknown="once")
    [line] = [line for line in map(json.loads, carrier.log_path.read_text().splitlines()) if line["kind"] == "accepted"]
    delivery, number = map(int, line["attempt"].split("-"))
    message.hear({"delivery_id": delivery, "number": number}, "delivered", provider_id=line["id"])
    assert _look(message, carriers) == 0, "the callback is not applied yet, and still says whose the message is"
    message.apply()
    assert message.states() == {"delivered": 1, "unknown": 1}
    assert _look(message, carriers) == 0
    assert resend_unknown(message.settings, message.sessions, carriers) == 1, "nothing is listed that might be the other's"


@first_only
def test_a_code_tells_whose_message_it_is(twice: Make, carriers: Carriers) -> None:
    """Also where a country lets no link through."""
    message = twice(LINKLESS, has_codes=True)
    assert _look(message, carriers) == 1
    assert message.states()["unknown"] == 1


@first_only
def test_a_link_tells_whose_message_it_is(twice: Make, carriers: Carriers) -> None:
    message = twice(LINKED)
    assert _look(message, carriers) == 1
    assert message.states()["unknown"] == 1
    assert _look(message, carriers) == 0
    [error] = {row["error_code"] for row in message.rows("SELECT error_code FROM attempt WHERE state = 'unknown'")}
    assert error != UNCLEAR


@first_only
def test_what_lies_in_an_open_window_may_be_whose_message_it_is(fanout: Make, carriers: Carriers) -> None:
    first, message = fanout(LINKLESS), fanout()
    _say_the_same(first, message)
    for each in (first, message):
        each.release()
    message.intend(1)
    send_batch(message.settings, message.sessions, carriers, batch_id=message.batches()[1], owner="test")
    assert message.rows("SELECT state FROM attempt") == [{"state": "unknown"}]
    assert _look(message, carriers) == 0
    message.run("UPDATE send_window SET lease_until = clock_timestamp()")
    with begin(message.sessions) as session:
        sweep(session)
    assert _look(message, carriers) == 0, "both are unknown now, and one of them has it"


@first_only
def test_an_attempt_of_another_hour_is_no_rival(twice: Make, carriers: Carriers) -> None:
    message = twice(LINKLESS)
    first, second = message.attempts()
    message.run(
        "UPDATE attempt SET intent_at = intent_at - interval '1 hour' WHERE delivery_id = :delivery", delivery=second["delivery_id"]
    )
    assert _look(message, carriers) == 1
    assert [row["delivery_id"] for row in message.attempts() if row["provider_id"]] == [first["delivery_id"]]


def test_what_has_long_been_unknown_is_asked_for_more_seldom(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281219990503")
    message.release()
    message.send(carriers)
    _look(message, carriers)
    tried = "UPDATE attempt SET intent_at = now() - interval '1 hour', look_up_tried_at = now() - make_interval(mins => :minutes)"
    for minutes, is_asked in ((14, False), (16, True)):
        message.run(tried, minutes=minutes)
        look_up(message.settings, message.sessions, carriers)
        [row] = message.rows("SELECT look_up_tried_at > now() - interval '1 minute' AS is_asked FROM attempt")
        assert row["is_asked"] is is_asked


def test_repetitions_go_on_over_many_windows_and_stop_where_nothing_is_taken(fanout: Make, carriers: Carriers) -> None:
    people = [f"+62812{number}9990503" for number in range(10, 15)]
    message = fanout(*people, resend_unknown="once")
    message.release()
    message.send(carriers)
    assert message.states() == {"unknown": 5}
    assert _look(message, carriers) == 0
    small = message.settings.model_copy(update={"delivery": message.settings.delivery.model_copy(update={"window_size": 2})})
    assert resend_unknown(small, message.sessions, carriers) == 5
    assert message.states() == {"accepted": 5}
    assert message.rows("SELECT cardinality(deliveries) AS n FROM send_window WHERE resend_of IS NOT NULL ORDER BY id") == [
        {"n": 2},
        {"n": 2},
        {"n": 1},
    ]


class Foreign(FakeCarrier):
    """Lists what it has taken with a word of its own."""

    def find(self, status: Status, name: str, message: Message, *, created_after: datetime) -> Sequence[FoundMessage]:
        return [replace(each, raw_status="teleported") for each in super().find(status, name, message, created_after=created_after)]


def test_what_is_listed_was_taken_whatever_the_word_beside_it_means(fanout: Make) -> None:
    message, carrier = fanout(LINKLESS), Foreign(draw=lambda: SILENT)
    message.release()
    claim, window = message.intend(1)
    with begin(message.sessions) as session:
        writer = Messages.load(session, message.settings, claim.broadcast_id)
    written = writer.try_write(window.rows[0], claim.channel, window.sender)
    assert written is not None
    carrier.send(written, by=window.sender)
    message.run("UPDATE send_window SET lease_until = clock_timestamp()")
    with begin(message.sessions) as session:
        sweep(session)
    assert message.states() == {"unknown": 1}
    assert look_up(message.settings, message.sessions, carrier) == 1  # type: ignore[arg-type]  # a fake at the port
    assert message.states() == {"accepted": 1}
    assert [alarm["kind"] for alarm in alarms(message)] == ["unread_answer"]
