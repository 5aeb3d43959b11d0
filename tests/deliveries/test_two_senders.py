"""Two providers of texts behind one port: both take their share, a failing one loses it, and nobody is texted by both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts.broadcasts.rules import Channel
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.facts import export_facts
from alerts.incidents.rules import Status
from alerts.kit.db import begin
from alerts.sandbox.judge import Count, judge, read_facts, read_journal
from alerts.sandbox.second import DESCRIPTION, PATH
from tests.deliveries.conftest import SECOND_KEY, Carrier, Fanout
from tests.support.stages import wait_until

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
PEOPLE = [f"+62812{50_000_000 + number}" for number in range(60)]


@pytest.fixture
def more_settings(carrier: Carrier, request: pytest.FixtureRequest) -> dict[str, str]:
    """The second provider is the same sandbox, spoken to in its other dialect. A parameter names what is changed."""
    return {
        "SIAGA_SMS2_URL": f"{carrier.url}{PATH}",
        "SIAGA_SMS2_DESCRIPTION": json.dumps(dict(DESCRIPTION)),
        "SIAGA_SMS2_FROM": "SIAGA",
        "SIAGA_SMS2_SECRET": SECOND_KEY,
        "SIAGA_SMS2_RECEIPT_SECRET": "second-receipts",
        "SIAGA_DELIVERY_WINDOW_SIZE": "5",
        "SIAGA_DELIVERY_RETRY_SECONDS": "0.05",
        **getattr(request, "param", {}),
    }


def verdict(message: Fanout, carrier: Carrier, folder: Path) -> Count:
    with begin(message.sessions) as session:
        (folder / "facts.json").write_text(json.dumps(export_facts(session)))
    return judge(read_journal(carrier.log_path), read_facts(folder / "facts.json")).total


def senders(message: Fanout) -> dict[str, int]:
    rows = message.rows("SELECT sender, count(*) AS n FROM attempt WHERE state = 'accepted' GROUP BY 1")
    return {row["sender"]: row["n"] for row in rows}


def until_all_are_accepted(message: Fanout, carriers: Carriers) -> None:
    """Batches come back when their time has come, as a worker would be asked for them."""

    def is_done() -> bool:
        message.run("UPDATE delivery_batch SET due_at = clock_timestamp() WHERE state = 'waiting'")
        message.run("UPDATE delivery SET next_attempt_at = clock_timestamp() WHERE next_attempt_at IS NOT NULL")
        message.send(carriers)
        return message.states() == {"accepted": len(PEOPLE)}

    wait_until(is_done)


def test_both_take_their_share_and_nobody_is_texted_by_both(fanout: Make, carriers: Carriers, carrier: Carrier, tmp_path: Path) -> None:
    message = fanout(*PEOPLE)
    message.release()
    until_all_are_accepted(message, carriers)
    assert set(senders(message)) == {"twilio", "lintas"}
    count = verdict(message, carrier, tmp_path)
    assert (count.handed_over, count.missed, count.sent_twice) == (len(PEOPLE), 0, 0)


@pytest.mark.parametrize("more_settings", [{"SIAGA_TWILIO_BASE_URL": "http://127.0.0.1:1"}], ids=["out-of-reach"], indirect=True)
def test_what_one_surely_did_not_send_the_other_sends(fanout: Make, carriers: Carriers, carrier: Carrier, tmp_path: Path) -> None:
    message = fanout(*PEOPLE)
    message.release()
    until_all_are_accepted(message, carriers)
    assert set(senders(message)) == {"lintas"}
    assert message.rows("SELECT count(*) > 0 AS tried FROM attempt WHERE sender = 'twilio' AND state = 'failed'") == [{"tried": True}]
    count = verdict(message, carrier, tmp_path)
    assert (count.handed_over, count.missed, count.sent_twice) == (len(PEOPLE), 0, 0)


@pytest.mark.parametrize("carrier", [{"rules": [{"channel": "sms", "fault": "refuse", "code": "20003"}]}], ids=["refused"], indirect=True)
def test_what_one_refuses_for_our_account_the_other_sends(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*PEOPLE)
    message.release()
    until_all_are_accepted(message, carriers)
    assert set(senders(message)) == {"lintas"}
    [asked] = message.rows("SELECT count(*) AS n FROM attempt WHERE sender = 'twilio'")
    assert 0 < asked["n"] <= 3 * 5, "what was under way when it was found out; then the sender is passed over"
    assert carriers.choose(Status.ACTUAL, Channel.SMS, "ID", closed={"lintas", "twilio"}) in {"lintas", "twilio"}
    assert carriers.choose(Status.ACTUAL, Channel.SMS, "ID", closed={"lintas"}) == "twilio"


def test_what_one_may_have_sent_the_other_never_sends(fanout: Make, carriers: Carriers, carrier: Carrier, tmp_path: Path) -> None:
    message = fanout(*[f"+62812{50 + number}9990500" for number in range(10)], *[f"+62812{70 + number}9990503" for number in range(10)])
    message.release()
    for _ in range(5):
        message.run("UPDATE delivery_batch SET state = 'waiting', due_at = clock_timestamp()")
        message.send(carriers)
    by_delivery = message.rows("SELECT delivery_id FROM attempt GROUP BY 1 HAVING count(DISTINCT sender) > 1 OR count(*) > 1")
    assert by_delivery == []
    assert verdict(message, carrier, tmp_path).sent_twice == 0
