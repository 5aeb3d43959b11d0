"""The preview: whom a message does not reach, by what, why, what is offered instead; and the forecast beside it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from alerts.broadcasts.audience import Counted
from alerts.broadcasts.forecast import Rates
from alerts.broadcasts.forecasting import Roads, loads_of
from alerts.broadcasts.preview import Asked, Ground, list_unreached, present_audience
from alerts.channels.country_rules import CountryRule, Known
from alerts.channels.rule_book import Outlet, RuleBook
from alerts.channels.rule_book_outlets import WayRates, configured_outlets
from alerts.kit.crypto import Keyring
from alerts.settings import Settings
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident

SignIn = Callable[..., dict[str, str]]
TWILIO = Outlet(name="twilio", channel="sms", shown_as="+15005550006")
SECOND = Outlet(name="second", channel="sms", shown_as="KEMLU", share=0.1)
WHATSAPP = Outlet(name="whatsapp", channel="whatsapp", shown_as="+15005550007")
VOICE = Outlet(name="voice", channel="voice", shown_as="+15005550008")
FCM = Outlet(name="fcm", channel="push")
ALWAYS = ["community_nodes", "call_list", "forwardable_text"]


def ground(*outlets: Outlet, **rates: float) -> Ground:
    return Ground(RuleBook.packaged(), outlets, Rates(**rates), "ID")


def row(channel: str, people: int, country: str | None = None, **more: Any) -> dict[str, Any]:
    kept = {"unreachable": None, "language": "id", "class": "resident", "is_shared": False}
    return {"channel": channel, "people": people, "number_country": country} | kept | more


def unreached(where: Ground, *rows: dict[str, Any], channels: str = "push sms") -> list[tuple[Any, ...]]:
    views = list_unreached(where, rows, frozenset(channels.split()))
    return [(v.number_country, v.channel, v.people, v.reason, [str(offer) for offer in v.offered_instead]) for v in views]


def test_no_provider_reaches_these_people_and_what_can_be_done() -> None:
    iran = row("none", 40, "IR", unreachable="no_provider")
    assert unreached(ground(TWILIO, FCM), iran, row("sms", 7, "TR")) == [
        ("IR", "sms", 40, "no_provider", ["push", "another_provider", *ALWAYS])
    ]
    assert unreached(ground(TWILIO, VOICE), iran)[0][4] == ["voice", "another_provider", *ALWAYS]
    by_number = unreached(ground(TWILIO, WHATSAPP, VOICE), iran, channels="sms whatsapp")
    assert [(channel, reason) for _, channel, _, reason, _ in by_number] == [("sms", "no_provider"), ("whatsapp", "no_provider")]
    assert {tuple(offers) for *_, offers in by_number} == {("voice", "another_provider", *ALWAYS)}


def test_home_numbers_can_be_reached_by_the_home_operators() -> None:
    rule = CountryRule(provider="twilio", channel="sms", number_country="ID", outbound=Known.REGISTERED_ONLY)
    where = Ground(RuleBook.of([rule], "test"), (TWILIO,), Rates(), "ID")
    [found] = unreached(where, row("none", 3, "ID", unreachable="no_provider"))
    assert found == ("ID", "sms", 3, "sender_unregistered", ["another_provider", "roaming_broadcast", *ALWAYS])


def test_those_without_an_address_and_those_who_opted_out() -> None:
    rows = [
        row("none", 5, unreachable="no_address"),
        row("none", 2, "TR", unreachable="opted_out"),
        row("none", 1, unreachable="opted_out"),
    ]
    assert unreached(ground(TWILIO), *rows) == [
        (None, None, 5, "no_address", ["roaming_broadcast", "community_nodes", "forwardable_text"]),
        (None, None, 3, "opted_out", []),
    ]


def test_loads_name_the_sender_the_segments_and_the_rate() -> None:
    rule = CountryRule(provider="second", channel="sms", number_country="SY", two_way=Known.YES, rate_per_second=2.5)
    book = RuleBook.of([*RuleBook.packaged().rules.values(), rule], "test")
    rows = [
        row("sms", 3, "SY", language="en"),
        row("sms", 4, "SY", language="de"),
        row("sms", 2, "TR"),
        row("push", 9, "TR"),
        row("none", 8),
    ]
    segments = {("en", "reply"): 3, ("id", "plain"): 2}
    loads = loads_of(Roads(book, [TWILIO, SECOND, FCM], Rates()), rows, segments)
    told = {(load.sender, load.number_country, load.people, load.segments, load.country_per_second) for load in loads}
    assert told == {("second", "SY", 7, 3, 2.5), ("twilio", "TR", 2, 2, None), ("fcm", "", 9, 1, None)}


def test_two_providers_share_the_people_by_their_shares() -> None:
    old, new = replace(TWILIO, share=0.9), SECOND
    loads = loads_of(Roads(RuleBook.packaged(), [old, new], Rates()), [row("sms", 1000, "TR", handed_over=100)], {})
    assert {load.sender: (load.people, load.handed_over) for load in loads} == {"twilio": (900, 90), "second": (100, 10)}


def test_a_pace_that_nobody_told_us_is_said_and_what_is_usual_beside_it() -> None:
    """500,000 people by one plain number: our own machines take minutes, the network takes days."""
    asked = Asked(frozenset({"sms"}), {}, {}, 3600)
    counted = Counted([row("sms", 500_000, "TR")])
    found = present_audience(ground(TWILIO), counted, asked).forecast
    assert (found.rate_not_known, found.usual_per_second, found.usual_seconds_100) == (["twilio"], 1, 500_000)
    assert (found.seconds_100, found.is_late) == (500, True)
    told = present_audience(replace(ground(TWILIO), by_name={"twilio": WayRates(0, 10, 0)}), counted, asked).forecast
    assert (told.rate_not_known, told.usual_seconds_100, told.seconds_100) == ([], None, 50_000)
    push = present_audience(ground(FCM), Counted([row("push", 500_000)]), asked).forecast
    assert (push.rate_not_known, push.is_late) == ([], False)


def test_the_whole_preview_adds_up() -> None:
    rows = [row("sms", 600, "TR"), row("push", 300), row("none", 100, "SY", unreachable="no_provider"), row("sms", 4, "TR", is_shared=True)]
    texts = {"id": "Gempa. Lihat kemlu.go.id", "en": "Earthquake. See kemlu.go.id"}
    asked = Asked(frozenset({"push", "sms"}), texts, {("id", "plain"): 2}, 60)
    texted = [{"number_country": "TR", "people": 650}, {"number_country": "MY", "people": 2}]
    barred = [
        {"channel": "sms", "number_country": "SY", "reached_by": "none", "people": 100},
        {"channel": "sms", "number_country": "SY", "reached_by": "push", "people": 7},
    ]
    view = present_audience(ground(TWILIO, FCM, account_per_second=10), Counted(rows, texted, barred, 5), asked)
    assert (view.people, view.by_channel, view.sharing_address) == (1004, {"sms": 600, "push": 300, "none": 100}, 4)
    told = [(each.number_country, each.people, each.is_served) for each in view.countries]
    assert told == [("TR", 650, True), ("SY", 107, False), ("MY", 2, True)], "by the first way or a later one"
    assert view.sharing_ways == 5
    barred_numbers = [(each.channel, each.number_country, each.people, each.reached_by) for each in view.barred_numbers]
    assert barred_numbers == [("sms", "SY", 7, {"push": 7})]
    assert [warning.is_blocking for warning in view.countries[0].warnings] == [True], "a program must not take the word false for yes"
    assert [(each.number_country, each.people) for each in view.unreached] == [("SY", 100)]
    forecast = view.forecast
    assert (forecast.people, forecast.segments, forecast.seconds_100, forecast.is_late) == (900, 1200, 120, True)
    assert forecast.bottleneck is not None
    assert (forecast.bottleneck.limit, forecast.bottleneck.sender, forecast.bottleneck.per_second) == ("account", "twilio", 10)
    assert (forecast.cost.is_known, forecast.cost.unpriced_segments) == (False, 1200)


def test_outlets_are_those_of_the_settings(make_settings: Callable[..., Settings]) -> None:
    live = make_settings("", SIAGA_TWILIO_FROM="+15005550006", SIAGA_VOICE_FROM="+15005550008")
    assert {(each.name, each.channel, each.shown_as) for each in configured_outlets(live)} == {
        ("twilio", "sms", "+15005550006"),
        ("fcm", "push", ""),
        ("voice", "voice", "+15005550008"),
    }
    assert {each.channel for each in configured_outlets(live)} == live.channels
    assert configured_outlets(live, is_exercise=True) == ()


@pytest.fixture
def incident_id(session: Session, keyring: Keyring) -> uuid.UUID:
    incident = make_incident(session)
    make_citizen(session, keyring, device="token-1")
    make_citizen(session, keyring, phones=("+905321234567",))
    make_citizen(session, keyring, phones=("+963944123456",))
    make_citizen(session, keyring, phones=("12345",))
    session.commit()
    return incident.id


def test_over_http(session: Session, client: TestClient, sign_in: SignIn, incident_id: uuid.UUID) -> None:
    preview = client.get(f"/api/v1/incidents/{incident_id}/audience", headers=sign_in("duty_officer")).json()
    syria, nowhere = sorted(preview["unreached"], key=lambda each: each["number_country"] is None)
    assert (syria["number_country"], syria["channel"], syria["people"], syria["reason"]) == ("SY", "sms", 1, "no_provider")
    assert syria["offered_instead"] == ["push", "another_provider", *ALWAYS]
    assert (nowhere["channel"], nowhere["reason"]) == (None, "no_address")
    forecast = preview["forecast"]
    assert (forecast["people"], forecast["segments"], forecast["handed_over"], forecast["is_late"]) == (2, 1, 0, False)
    assert forecast["cost"] == {"is_known": False, "amounts": [], "unpriced_segments": 1}
    assert forecast["validity_seconds"] > 0


def test_reach_tells_what_is_still_to_come(session: Session, client: TestClient, sign_in: SignIn, incident_id: uuid.UUID) -> None:
    officer = sign_in("duty_officer")

    def post(path: str, body: Any = None) -> Any:
        return client.post(path, json=body, headers=officer | {"Idempotency-Key": uuid.uuid4().hex}).json()

    made = post(f"/api/v1/incidents/{incident_id}/broadcasts", {"texts": {"id": "Gempa kuat " * 20, "en": "Strong earthquake"}})
    post(f"/api/v1/broadcasts/{made['id']}/submit")
    reach = client.get(f"/api/v1/broadcasts/{made['id']}/reach", headers=officer).json()["forecast"]
    assert (reach["people"], reach["handed_over"], reach["segments"], reach["measured_per_second"]) == (2, 0, 2, None)
    assert reach["validity_seconds"] == made["validity_seconds"]
    assert reach["seconds_100"] >= 1
