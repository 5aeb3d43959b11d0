"""What the senders of exercises are told of a person or an address says nothing of alerts, which go there as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.deliveries.carriers import Carriers
from alerts.deliveries.evidence import apply_all_receipts
from alerts.deliveries.resending import resend_unknown
from alerts.incidents.rules import Status
from tests.deliveries.conftest import Carrier, Fanout, alarms
from tests.notices.test_carriers import DRILL, running_carrier
from tests.notices.test_carriers import Carrier as DrillCarrier

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
GONE = [{"device": f"token{number:03}9990404", "phones": (), "is_tester": True} for number in range(3)]
BLOCKED, TAKEN = {"phones": ("+6281299991610",), "is_tester": True}, {"phones": ("+6281250000001",), "is_tester": True}
LOST = {"suffix": "7700001", "fault": "error_not_sent", "first": 1}
LOST_THEN_GONE = {"rules": [LOST, {"suffix": "7700001", "fault": "refuse", "code": "UNREGISTERED"}]}


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[DrillCarrier]:
    with running_carrier(tmp_path, DRILL) as carrier:
        yield carrier


@pytest.fixture
def more_settings(carrier: Carrier, drill: DrillCarrier) -> dict[str, str]:
    return {
        "SIAGA_EXERCISE_FCM_PROJECT": "drill",
        "SIAGA_EXERCISE_FCM_STATIC_TOKEN": "drill-token",
        "SIAGA_EXERCISE_FCM_BASE_URL": carrier.url,
        "SIAGA_EXERCISE_TWILIO_ACCOUNT_SID": DRILL,
        "SIAGA_EXERCISE_TWILIO_AUTH_TOKEN": "t" + DRILL,
        "SIAGA_EXERCISE_TWILIO_FROM": "+15005550009",
        "SIAGA_EXERCISE_TWILIO_BASE_URL": drill.url,
    }


def sent(message: Fanout, carriers: Carriers) -> Fanout:
    message.release()
    message.send(carriers)
    return message


def count(message: Fanout, query: str) -> int:
    [row] = message.rows(f"SELECT count(*) AS n FROM {query}")
    return int(row["n"])


@pytest.mark.parametrize("people", [GONE[:1], GONE], ids=["one", "many"])
def test_a_testers_device_stays_whatever_an_exercise_is_told_of_it(fanout: Make, carriers: Carriers, people: list[dict[str, Any]]) -> None:
    message = sent(fanout(people=people, status=Status.EXERCISE), carriers)
    assert message.states() == {"failed": len(people)}
    assert (count(message, "device WHERE retired_at IS NOT NULL"), alarms(message)) == (0, [])


@pytest.mark.parametrize("carrier", [LOST_THEN_GONE], indirect=True)
def test_nor_does_a_second_sending_of_an_exercise_retire_it(fanout: Make, carriers: Carriers) -> None:
    person = {"device": "token7700001", "phones": (), "is_tester": True}
    message = sent(fanout(people=[person], status=Status.EXERCISE, resend_unknown="once"), carriers)
    message.grow_old()
    resend_unknown(message.settings, message.sessions, carriers)
    assert [row["state"] for row in message.attempts()] == ["unknown", "failed"]
    assert (count(message, "device WHERE retired_at IS NOT NULL"), alarms(message)) == (0, [])


def test_who_blocked_the_number_of_exercises_has_blocked_no_alerts(fanout: Make, carriers: Carriers) -> None:
    message = sent(fanout(people=[BLOCKED], status=Status.EXERCISE), carriers)
    assert count(message, "citizen WHERE opted_out_at IS NOT NULL") == 0
    assert count(message, "citizen WHERE is_tester") == 0, "as when they write STOP there"


def test_nor_when_a_receipt_tells_of_it(fanout: Make, carriers: Carriers) -> None:
    message = sent(fanout(people=[TAKEN], status=Status.EXERCISE), carriers)
    [attempt] = message.attempts()
    message.hear(attempt, "undelivered", code="21610", provider_id=attempt["provider_id"])
    apply_all_receipts(message.settings, message.sessions, carriers)
    assert (count(message, "citizen WHERE opted_out_at IS NOT NULL"), count(message, "citizen WHERE is_tester")) == (0, 0)
