"""By which ways a list is frozen: those of the senders that are configured, each address once, nearest to the danger first."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import draft_broadcast, submit_broadcast
from alerts.broadcasts.models import Audience, Broadcast
from alerts.broadcasts.schemas import BroadcastDraft
from alerts.channels.country_rules import Known
from alerts.channels.rule_book import Outlet, RuleBook, remember_book
from alerts.channels.rule_book_outlets import SenderSets
from alerts.citizens.rules import DEVICE_LIVE_DAYS
from alerts.country_rules.actions import change_rule, claim_rule, load_packaged_rules
from alerts.incidents.rules import Status
from alerts.kit.crypto import Keyring
from alerts.kit.errors import InvalidError
from tests.broadcasts.test_routes import Desk
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor

TWILIO = Outlet(name="twilio", channel="sms", shown_as="KEMLU RI")
SECOND = Outlet(name="lintas", channel="sms", shown_as="KEMLU RI")
FCM = Outlet(name="fcm", channel="push")
EMIRATES, IRAN, HOME = "+971501234567", "+989121234567", "+6281234567890"
NOW = datetime(2023, 2, 6, tzinfo=UTC)
PLAIN = {"id": "Tetap di dalam.", "en": "Stay inside."}
LINKED = {"id": "Lihat kemlu.go.id", "en": "See kemlu.go.id"}


def submit(session: Session, incident_id: uuid.UUID, configured: SenderSets, *, texts: dict[str, str] = PLAIN, **more: Any) -> Broadcast:
    author = make_actor(session, "duty_officer")
    command = BroadcastDraft(texts=texts)
    broadcast = draft_broadcast(session, actor=author, incident_id=incident_id, command=command)
    return submit_broadcast(session, actor=author, broadcast_id=broadcast.id, configured=configured, **more)


def members(session: Session, broadcast: Broadcast) -> dict[str, tuple[str, ...]]:
    """Each member's ways in order, by their external id; who has none, with the reason."""
    rows = session.execute(text(MEMBERS), {"audience": broadcast.audience_id})
    return {row.external_id: tuple(filter(None, (row.first, *row.later))) for row in rows}


MEMBERS = """
SELECT c.external_id, CASE m.channel WHEN 'none' THEN m.unreachable ELSE concat_ws(':', m.channel, m.number_country) END AS first,
    ARRAY(SELECT concat_ws(':', way ->> 0, way ->> 2) FROM jsonb_array_elements(m.further_ways) AS way) AS later
FROM audience_member m JOIN citizen c ON c.id = m.citizen_id WHERE m.audience_id = :audience ORDER BY m.id
"""


def counts(session: Session, broadcast: Broadcast) -> tuple[int, int, int]:
    audience = session.get_one(Audience, broadcast.audience_id, populate_existing=True)
    return audience.count, audience.sharing_address, audience.sharing_ways


@pytest.fixture
def person(session: Session, keyring: Keyring) -> Callable[..., Any]:
    def make(name: str, *phones: str, **fields: Any) -> Any:
        return make_citizen(session, keyring, external_id=name, phones=phones, **fields)

    return make


# -- what a country's network would block ------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [20_000, 0])
@pytest.mark.parametrize("ways", [{"device": "token-1"}, {"before": HOME}])
def test_a_link_is_refused_for_a_number_that_comes_later(
    session: Session, incident_id: uuid.UUID, person: Any, ways: dict[str, str], most: int
) -> None:
    before = [ways.pop("before")] if "before" in ways else []
    person("p", *before, EMIRATES, **ways)
    with pytest.raises(InvalidError, match="United Arab Emirates") as refused:
        submit(session, incident_id, senders(), texts=LINKED, freeze_at_once_max=most)
    assert refused.value.code == "text_url_barred"


def test_the_preview_tells_of_a_number_that_comes_later(session: Session, incident_id: uuid.UUID, person: Any, officer: Desk) -> None:
    person("p", EMIRATES, device="token-1")
    session.commit()
    preview = officer.get(f"/api/v1/incidents/{incident_id}/audience").json()
    assert [(each["number_country"], each["people"]) for each in preview["countries"]] == [("AE", 1)]
    assert preview["by_channel"] == {"push": 1}


@pytest.fixture
def strict_second(session: Session) -> Any:
    """The second provider lets no links through to Hong Kong; Twilio does."""
    load_packaged_rules(session)
    rule = claim_rule(session, ("lintas", "sms", "HK"))
    change_rule(
        session, actor=make_actor(session, "administrator"), rule=rule, values={"outbound": Known.YES, "urls": Known.NO, "source": "surat"}
    )
    yield
    remember_book(RuleBook.packaged())


@pytest.mark.usefixtures("strict_second")
def test_a_text_obeys_the_rules_of_those_who_may_carry_it_and_of_nobody_else(session: Session, incident_id: uuid.UUID, person: Any) -> None:
    person("p", "+85251234567")
    submit(session, incident_id, SenderSets((TWILIO,)), texts=LINKED)
    with pytest.raises(InvalidError, match="link"):
        submit(session, incident_id, SenderSets((TWILIO, SECOND)), texts=LINKED)
    person("q", EMIRATES)
    session.execute(text("UPDATE phone SET retired_at = now() WHERE number_country = 'HK'"))
    submit(session, incident_id, SenderSets((SECOND,)), texts=LINKED)


# -- whom no sender reaches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outlets", "ways"),
    [
        ((TWILIO,), ("no_provider",)),
        ((TWILIO, SECOND), ("sms:IR",)),
        ((TWILIO, Outlet(name="lintas", channel="sms", countries=frozenset({"ID", "IR"}))), ("sms:IR",)),
        ((TWILIO, Outlet(name="lintas", channel="sms", countries=frozenset({"ID", "SY"}))), ("no_provider",)),
        ((Outlet(name="lintas", channel="sms", countries=frozenset({"ID"})),), ("no_provider",)),
    ],
)
def test_a_second_provider_opens_the_countries_that_it_serves(
    session: Session, incident_id: uuid.UUID, person: Any, outlets: tuple[Outlet, ...], ways: tuple[str, ...]
) -> None:
    person("p", IRAN)
    assert members(session, submit(session, incident_id, SenderSets(outlets))) == {"p": ways}


def test_an_exercise_goes_by_the_senders_of_exercises(session: Session, person: Any) -> None:
    drill = make_incident(session, status=Status.EXERCISE)
    person("p", HOME, device="token-1", is_tester=True, tester_consented_at=session.execute(text("SELECT now()")).scalar_one())
    texts = {language: f"LATIHAN: {body}" for language, body in PLAIN.items()}
    only_texts = submit(session, drill.id, SenderSets((TWILIO, FCM), (TWILIO,)), texts=texts)
    assert members(session, only_texts) == {"p": ("sms:ID",)}


def test_a_sender_that_a_network_is_known_to_block_does_not_reach_its_numbers(
    session: Session, incident_id: uuid.UUID, person: Any
) -> None:
    person("p", EMIRATES)
    person("q", EMIRATES.replace("123", "124"), device="token-1")
    person("r", HOME)
    by_number = SenderSets((Outlet(name="twilio", channel="sms", shown_as="+15005550006"), FCM))
    found = members(session, submit(session, incident_id, by_number, texts=LINKED))
    assert found == {"p": ("no_provider",), "q": ("push",), "r": ("sms:ID",)}, "the others do not wait for them"
    assert members(session, submit(session, incident_id, SenderSets((TWILIO, FCM))))["p"] == ("sms:AE",)


def test_numbers_that_a_channel_does_not_reach_are_told_with_the_way_instead(
    session: Session, incident_id: uuid.UUID, person: Any, officer: Desk
) -> None:
    person("p", IRAN, device="token-1")
    person("q", IRAN.replace("123", "124"), HOME)
    person("r", IRAN.replace("123", "125"))
    session.commit()
    preview = officer.get(f"/api/v1/incidents/{incident_id}/audience").json()
    assert preview["barred_numbers"] == [
        {"number_country": "IR", "channel": "sms", "people": 2, "reason": "no_provider", "reached_by": {"push": 1, "sms": 1}}
    ]
    assert [(each["number_country"], each["people"]) for each in preview["unreached"]] == [("IR", 1)]
    assert {each["number_country"]: each["people"] for each in preview["countries"]} == {"IR": 3, "ID": 1}


def test_the_first_way_that_can_be_used(session: Session, incident_id: uuid.UUID, person: Any) -> None:
    person("unusable-then-usable", "12345", "+60123456789")
    person("unusable", "12345")
    person("opted-out", HOME, device="token-1", opted_out_at=NOW)
    person("stale-app", "+6281200000051", device="token-2")
    session.execute(text("UPDATE device SET last_seen_at = now() - make_interval(days => :days)"), {"days": DEVICE_LIVE_DAYS + 1})
    person("fresh-app", "+6281200000052", device="token-3")
    assert members(session, submit(session, incident_id, senders())) == {
        "unusable-then-usable": ("sms:MY",),
        "unusable": ("no_address",),
        "opted-out": ("opted_out",),
        "stale-app": ("sms:ID",),
        "fresh-app": ("push", "sms:ID"),
    }


# -- one address, one person --------------------------------------------------------------------------------------------------


def test_a_number_is_texted_once_in_a_broadcast(session: Session, incident_id: uuid.UUID, person: Any) -> None:
    person("app-and-x", HOME, device="token-1")
    person("x", HOME)
    person("y-and-z", "+6281200000011", "+6281200000012")
    person("z", "+6281200000012")
    broadcast = submit(session, incident_id, senders())
    assert members(session, broadcast) == {"app-and-x": ("push",), "x": ("sms:ID",), "y-and-z": ("sms:ID",), "z": ("sms:ID",)}
    assert counts(session, broadcast) == (4, 0, 2)
    assert tuple(session.execute(text(NUMBERS)).one()) == (3, 3)


NUMBERS = """
SELECT count(*), count(DISTINCT e164_index) FROM phone JOIN (
    SELECT address_id AS id FROM audience_member
    UNION ALL SELECT CAST(way ->> 1 AS uuid) FROM audience_member, jsonb_array_elements(further_ways) AS way) used USING (id)
"""


def test_who_shares_the_first_address_goes_by_their_own_other_one(session: Session, incident_id: uuid.UUID, person: Any) -> None:
    person("family", HOME)
    person("child", HOME)
    person("student", HOME, "+905321234567")
    broadcast = submit(session, incident_id, senders())
    assert members(session, broadcast) == {"family": ("sms:ID",), "student": ("sms:TR",)}
    assert counts(session, broadcast) == (2, 1, 1), "only who has no way of their own counts as sharing"


def test_the_preview_counts_as_the_list_will_be(session: Session, incident_id: uuid.UUID, person: Any, officer: Desk) -> None:
    person("family", HOME)
    person("child", HOME)
    person("student", HOME, "+905321234567")
    session.commit()
    preview = officer.get(f"/api/v1/incidents/{incident_id}/audience").json()
    assert (preview["people"], preview["by_channel"]) == (3, {"sms": 2})
    assert (preview["sharing_address"], preview["sharing_ways"]) == (1, 1)
    assert {each["number_country"]: each["people"] for each in preview["countries"]} == {"ID": 1, "TR": 1}


# -- nearest to the danger first ------------------------------------------------------------------------------------------------


def order(session: Session, incident_id: uuid.UUID) -> list[str]:
    return list(members(session, submit(session, incident_id, senders())))


def test_in_a_province_its_town_is_where_the_danger_is_and_where_its_people_are(session: Session, person: Any) -> None:
    incident = make_incident(session, areas=[{"kind": "province", "code": "TR-01"}, {"kind": "circle", "geometry": AROUND_ADANA}])
    person("far", "+6281200000021", lat=38.6, lon=35.3)
    person("of-the-next", "+6281200000022", province_code="TR-33")
    person("of-the-province", "+6281200000023", province_code="TR-01")
    person("frail", "+6281200000024", province_code="TR-33", is_vulnerable=True)
    assert order(session, incident.id) == ["of-the-province", "frail", "of-the-next", "far"]


AROUND_ADANA = {"lat": 37.0, "lon": 35.32, "radius_km": 300}


def test_in_a_province_alone_the_nearest_to_its_town_come_first(session: Session, person: Any) -> None:
    incident = make_incident(session, areas=[{"kind": "province", "code": "TR-01"}])
    person("outskirts", "+6281200000031", province_code="TR-01", lat=37.6, lon=35.8)
    person("somewhere", "+6281200000032", province_code="TR-01")
    assert order(session, incident.id) == ["somewhere", "outskirts"]


def test_in_a_whole_country_those_who_need_more_time_come_first(session: Session, incident_id: uuid.UUID, person: Any) -> None:
    person("quick", "+6281200000041", province_code="TR-01", lat=37.0, lon=35.3)
    person("frail", "+6281200000042", is_vulnerable=True)
    assert order(session, incident_id) == ["frail", "quick"]
