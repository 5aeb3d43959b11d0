"""The forecast while a message is sent, and those of whom no receipt can come."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.preview_schemas import ForecastView
from alerts.channels.country_rules import Known
from alerts.channels.rule_book import RuleBook, remember_book
from alerts.country_rules.actions import change_rule, claim_rule
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.forecasting import forecast_of
from alerts.kit.db import begin
from tests.deliveries.conftest import Fanout
from tests.factories.staff import make_actor

pytestmark = pytest.mark.deliveries
PEOPLE = ("+905321234501", "+905321234502", "+6281234567801", "device:token-1")


@pytest.fixture(autouse=True)
def _book_of_the_package() -> Iterator[None]:
    yield
    remember_book(RuleBook.packaged())


def forecast(message: Fanout) -> ForecastView:
    with begin(message.sessions) as session:
        return forecast_of(session, message.settings, session.get_one(Broadcast, message.broadcast_id))


def set_rule(message: Fanout, **values: object) -> None:
    with begin(message.sessions) as session:
        rule = claim_rule(session, ("twilio", "sms", "TR"))
        change_rule(session, actor=make_actor(session, "administrator"), rule=rule, values={"source": "uji", **values})


def test_before_while_and_after_sending(fanout: Callable[..., Fanout], carriers: Carriers) -> None:
    message = fanout(*PEOPLE)
    set_rule(message, rate_per_second=0.1)
    before = forecast(message)
    assert (before.people, before.handed_over, before.segments, before.measured_per_second) == (4, 0, 3, None)
    assert (before.seconds_100, before.bottleneck and before.bottleneck.number_country) == (20, "TR")
    message.release()
    assert forecast(message).model_dump(exclude={"validity_seconds"}) == before.model_dump(exclude={"validity_seconds"})
    message.run("UPDATE broadcast SET released_at = released_at - interval '40 seconds'")
    assert forecast(message).measured_per_second == 0
    set_rule(message, rate_per_second=None)  # the sender keeps to the rule too, and nobody waits twenty seconds here
    message.send(carriers)
    after = forecast(message)
    assert (after.people, after.handed_over, after.seconds_100, after.bottleneck) == (4, 4, 0, None)
    assert after.measured_per_second == pytest.approx(4 / 40, rel=0.2)
    assert 0 < (after.validity_seconds or 0) <= (before.validity_seconds or 0)


def test_who_failed_is_not_waited_for(fanout: Callable[..., Fanout]) -> None:
    message = fanout(*PEOPLE)
    message.release()
    message.run("UPDATE delivery SET state = 'failed' WHERE channel = 'push'")
    assert (forecast(message).people, forecast(message).handed_over) == (3, 0)
    message.run("UPDATE delivery SET state = 'queued' WHERE channel = 'push'")


def test_where_the_rule_says_so_no_receipt_is_possible(fanout: Callable[..., Fanout], carriers: Carriers) -> None:
    message = fanout(*PEOPLE)
    message.release()
    message.send(carriers)
    message.run("UPDATE delivery SET delivered_at = NULL")
    assert message.reach().no_receipt_possible == 1
    set_rule(message, receipts=Known.NO)
    assert message.reach().no_receipt_possible == 3
