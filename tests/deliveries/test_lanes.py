"""What shares a pace, at which rate, and that messages to staff take their part of it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from alerts.channels.ports import SmsMessage
from alerts.channels.rule_book import Outlet, RuleBook
from alerts.deliveries.buckets import Lane
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.lanes import lane_of
from alerts.incidents.rules import Status
from alerts.settings import Pace, Settings

WAYS = {
    channel: Outlet(name=name, channel=channel)
    for name, channel in {"twilio": "sms", "whatsapp": "whatsapp", "voice": "voice", "fcm": "push", "email": "email"}.items()
}


def lane(pace: Pace, channel: str, *, is_exercise: bool = False) -> Lane:
    return lane_of(pace, RuleBook.packaged(), WAYS[channel], "TR", is_exercise=is_exercise)


def test_all_ways_of_one_account_share_its_pace_and_an_exercise_has_its_own() -> None:
    pace = Pace()
    assert {lane(pace, channel).account for channel in ("sms", "whatsapp", "voice")} == {"twilio"}
    assert len({lane(pace, channel).sender for channel in ("sms", "whatsapp", "voice")}) == 3
    assert (lane(pace, "sms", is_exercise=True).account, lane(pace, "push").account) == ("exercise:twilio", "fcm")


def test_a_slow_number_slows_neither_push_nor_mail() -> None:
    pace = Pace(account_per_second=2000, sender_per_second=1, country_per_second=1)
    assert lane(pace, "sms").rates == lane(pace, "voice").rates
    assert (lane(pace, "sms").rates.account, lane(pace, "sms").rates.sender, lane(pace, "sms").rates.country) == (2000, 1, 1)
    for channel in ("push", "email"):
        rates = lane(pace, channel).rates
        assert (rates.account, rates.sender, rates.country) == (0, 0, 0)


def test_a_sender_may_have_a_rate_of_its_own() -> None:
    pace = Pace(sender_per_second=5, sender_rates="twilio=1, email=10 ,exercise:twilio=3", account_rates="twilio=2000")
    told = {channel: lane(pace, channel).rates.sender for channel in WAYS}
    assert told == {"sms": 1, "whatsapp": 5, "voice": 5, "push": 0, "email": 10}
    assert lane(pace, "sms", is_exercise=True).rates.sender == 3
    assert (lane(pace, "whatsapp").rates.account, lane(pace, "push").rates.account) == (2000, 0)


@pytest.mark.parametrize("pairs", ["twilio", "twilio=fast", "=1", "twilio=-1", "twilio=nan", "twilio=1;fcm=2"])
def test_a_rate_that_cannot_be_read_is_refused_and_not_unlimited(pairs: str) -> None:
    with pytest.raises(ValidationError, match="name=number"):
        Pace(sender_rates=pairs)


@pytest.fixture
def more_settings() -> dict[str, str]:
    return {"SIAGA_PACE_SENDER_RATES": "twilio=0.5"}


@pytest.mark.deliveries
def test_a_message_to_staff_goes_ahead_and_the_queue_waits_for_it(carriers: Carriers, sending_settings: Settings) -> None:
    """Three at once by a sender that has a token every two seconds: all leave, and nobody else has a turn for a while."""
    for number in range(3):
        page = SmsMessage(attempt_id=f"page-{number}", to_e164="+6281250000001", text="Siaga.", status_callback="", validity_seconds=60)
        assert carriers.send(Status.ACTUAL, "twilio", page).state == "accepted"
    grant = carriers.pacer.take(lane_of(sending_settings.pace, RuleBook.packaged(), WAYS["sms"], "TR", is_exercise=False), 1)
    assert grant.count == 0
    assert grant.wait_seconds > 3
