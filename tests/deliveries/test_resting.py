"""A sender whose provider refuses our account: closed for everybody, tried by one message of somebody who has one to send."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from alerts.app import create_app
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.findings import stop_all
from alerts.deliveries.lookups import look_up
from alerts.deliveries.resending import resend_unknown
from alerts.deliveries.resting import Leave, Rests, ask_leave, open_if_at_work
from alerts.deliveries.rules import Outcome, State
from alerts.deliveries.sending import send_batch
from alerts.health import examine
from alerts.kit.db import begin
from alerts.settings import Settings
from tests.deliveries.conftest import Fanout, alarms, due_again, numbers, resting
from workers.wiring import watch

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
REFUSED_UNTIL_ONE_WAS_TAKEN = {"rules": [{"channel": "sms", "fault": "refuse", "code": "20003", "until_accepted": 1}]}
COUNTRIES = ("+62812500000", "+601234567", "+9053212345", "+852912345")


@pytest.fixture
def more_settings() -> dict[str, str]:
    return {"SIAGA_DELIVERY_WINDOW_SIZE": "2", "SIAGA_DELIVERY_BATCH_SIZE": "100"}


def refused_requests(message: Fanout) -> int:
    [row] = message.rows("SELECT count(*) AS n FROM attempt WHERE error_code = '20003'")
    return int(row["n"])


@pytest.mark.parametrize("carrier", [REFUSED_UNTIL_ONE_WAS_TAKEN], indirect=True)
def test_a_refused_account_closes_the_sender_for_every_batch_and_heals_by_one_message(fanout: Make, carriers: Carriers) -> None:
    people = [f"{start}{number:02}" for start in COUNTRIES for number in range(10, 20)]
    message = fanout(*people)
    message.release()
    assert len(message.batches()) == len(COUNTRIES)
    message.send(carriers)
    assert refused_requests(message) <= 3 * 2, "three windows of the one batch that found out; the others asked nobody"
    assert alarms(message) == [{"kind": "stop_all", "sender": "twilio", "count": 1}]
    assert 50 < resting(message)["twilio"] <= 60

    before = refused_requests(message)
    due_again(message)
    message.send(carriers)
    assert refused_requests(message) == before + 1, "its time is over: one message tries, and is refused"
    assert 50 < resting(message)["twilio"] <= 60
    assert len(alarms(message)) == 1

    other = fanout("device:token-of-an-app")  # the carrier has taken one message: from now on it takes texts too
    other.release()
    other.send(carriers)
    due_again(message)
    message.send(carriers)
    assert resting(message) == {}
    due_again(message)
    message.send(carriers)
    assert set(message.states()) == {"accepted"}


def test_two_batches_do_not_try_a_closed_sender_at_once(fanout: Make) -> None:
    message = fanout(*numbers(1))
    message.run("INSERT INTO sender_rest (sender, code, until, told_at) VALUES ('twilio', '20003', clock_timestamp(), now())")
    one, two = (Rests(message.sessions, resting(message)) for _ in range(2))
    assert one.wait_for("twilio") == 0.0
    assert 0 < two.wait_for("twilio") <= 5
    assert (one.is_probing(), one.wait_for("lintas"), two.closed) == (True, 0.0, frozenset({"twilio", "whatsapp", "voice"}))
    one.hear("twilio", [Outcome(State.QUEUED, code="no_connection:X")], rest_seconds=60)
    with begin(message.sessions) as session:
        one.settle(session)
    assert "twilio" in resting(message), "what never left says nothing of the account"


def leave_of(message: Fanout, sender: str) -> Leave:
    with begin(message.sessions) as session:
        return ask_leave(session, sender)


@pytest.mark.parametrize(("refused", "prefix"), [("twilio", ""), ("voice", ""), ("exercise:whatsapp", "exercise:")])
def test_a_refused_account_closes_all_its_senders_and_one_try_opens_them(fanout: Make, refused: str, prefix: str) -> None:
    message = fanout(*numbers(1))
    ours, others = [f"{prefix}{name}" for name in ("twilio", "whatsapp", "voice")], ["fcm", "lintas", "" if prefix else "exercise:twilio"]
    with begin(message.sessions) as session:
        stop_all(session, refused, code="20003", rest_seconds=60)
    with begin(message.sessions) as session:
        stop_all(session, ours[1], code="20003", rest_seconds=60)
    assert [leave_of(message, name) for name in ours] == [Leave.NONE] * 3
    assert {leave_of(message, name) for name in filter(None, others)} == {Leave.ALL}
    assert [(each["sender"], each["count"]) for each in alarms(message)] == [(ours[0], 1)], "one account is told of once"
    assert Rests(message.sessions, resting(message)).closed == set(ours)
    message.run("UPDATE sender_rest SET until = clock_timestamp()")
    assert [leave_of(message, name) for name in ours] == [Leave.ONE, Leave.NONE, Leave.NONE]
    with begin(message.sessions) as session:
        open_if_at_work(session, ours[2], [Outcome(State.ACCEPTED, provider_id="CA1")])
    assert {leave_of(message, name) for name in ours} == {Leave.ALL}


def test_a_row_that_was_a_senders_alone_closes_its_account_and_is_opened(fanout: Make) -> None:
    message = fanout(*numbers(1))
    message.run("INSERT INTO sender_rest (sender, code, until, told_at) VALUES ('voice', '20003', clock_timestamp(), now())")
    rests = Rests(message.sessions, resting(message))
    assert rests.wait_for("twilio") == 0.0
    rests.hear("twilio", [Outcome(State.ACCEPTED, provider_id="SM1")], rest_seconds=60)
    with begin(message.sessions) as session:
        rests.settle(session)
    assert resting(message) == {}


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"SIAGA_PACE_SENDER_RATES": "twilio=1,voice=1,exercise:twilio=2", "SIAGA_PACE_ACCOUNT_RATES": "twilio=9,fcm=5"}, []),
        ({"SIAGA_PACE_SENDER_RATES": "twillio=1"}, ["SIAGA_PACE_SENDER_RATES has a rate for twillio"]),
        ({"SIAGA_PACE_ACCOUNT_RATES": "voice=1"}, ["SIAGA_PACE_ACCOUNT_RATES has a rate for voice"]),
        ({"SIAGA_PACE_SENDER_RATES": "exercise:whatsap=1"}, ["SIAGA_PACE_SENDER_RATES has a rate for exercise:whatsap"]),
    ],
)
def test_a_rate_under_a_misspelt_name_is_told(
    fanout: Make, make_settings: Callable[..., Settings], database_url: str, given: dict[str, str], faults: list[str]
) -> None:
    message, settings = fanout(*numbers(1)), make_settings(database_url, **given)
    said = [fault for fault in examine(settings, message.sessions, watch(settings)).faults if "has a rate for" in fault]
    assert [fault.split(",")[0] for fault in said] == faults
    with capture_logs() as logs:
        create_app(settings, message.sessions)
    assert [each["log_level"] for each in logs if each["event"] == "settings.unknown_rate"] == ["error"] * len(faults)


def closed(message: Fanout, *, until: str) -> None:
    message.run(f"INSERT INTO sender_rest (sender, code, until, told_at) VALUES ('twilio', '20003', {until}, now())")


def test_a_message_that_is_over_leaves_the_try_to_one_that_is_not(fanout: Make, carriers: Carriers) -> None:
    over, live = fanout("+6281250000001"), fanout()
    over.release()
    live.release()
    over.run("UPDATE broadcast SET approved_at = approved_at - interval '1 day' WHERE id = :id", id=over.broadcast_id)
    closed(over, until="clock_timestamp()")
    live.send(carriers)
    assert (live.states(), resting(live)) == ({"expired": 1, "accepted": 1}, {})


def test_a_try_that_cannot_leave_is_the_others_at_once(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281250000001", "+60123456710")
    message.release()
    message.run("UPDATE citizen SET opted_out_at = now() WHERE id IN (SELECT citizen_id FROM audience_member WHERE number_country = 'ID')")
    closed(message, until="clock_timestamp()")
    for batch in message.rows("SELECT id FROM delivery_batch ORDER BY number_country"):
        assert send_batch(message.settings, message.sessions, carriers, batch_id=batch["id"], owner="test")
    assert (message.states(), resting(message)) == ({"opted_out": 1, "accepted": 1}, {})


@pytest.mark.parametrize("carrier", [{"rules": [{"fault": "error_not_sent", "first": 1}]}], indirect=True)
def test_a_second_sending_tries_a_closed_sender_whose_rest_is_over_and_opens_it(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(3), resend_unknown="once")
    message.release()
    message.send(carriers)
    message.grow_old()
    look_up(message.settings, message.sessions, carriers)
    closed(message, until="clock_timestamp() + interval '1 minute'")
    assert resend_unknown(message.settings, message.sessions, carriers) == 0
    message.run("UPDATE sender_rest SET until = clock_timestamp() - interval '1 day'")
    assert resend_unknown(message.settings, message.sessions, carriers) == 3
    assert resting(message) == {}
    windows = message.rows("SELECT cardinality(deliveries) AS n FROM send_window WHERE resend_of IS NOT NULL ORDER BY id")
    assert [row["n"] for row in windows] == [1, 2], "one tried, the others followed"


@pytest.mark.parametrize("seconds", [0, 59, 61])
def test_a_sender_that_nothing_waits_for_is_no_standing_fault(fanout: Make, seconds: int) -> None:
    message = fanout(*numbers(1))
    closed(message, until=f"clock_timestamp() - interval '{seconds} seconds'")
    diagnosis = examine(message.settings, message.sessions, watch(message.settings))
    told = [any("refuse" in line for line in lines) for lines in (diagnosis.faults, diagnosis.warnings)]
    assert told == [seconds < 60, seconds > 60]
