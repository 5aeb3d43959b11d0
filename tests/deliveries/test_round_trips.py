"""A message to our own end by every live sender, through the whole chain and back; and that it can reach nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from alerts.app import create_app
from alerts.citizens.queries import register_counts
from alerts.deliveries.actions import release_all
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.evidence import apply_receipts
from alerts.deliveries.queries import invariants
from alerts.deliveries.receipts import Receipt, keep_receipts
from alerts.deliveries.round_trips.actions import begin_trips, follow_trips
from alerts.deliveries.round_trips.queries import list_ages
from alerts.deliveries.sending import send_batch
from alerts.deliveries.vitals import measure
from alerts.health import examine
from alerts.inbox.actions import Inbound, receive_message, understand_message
from alerts.incidents.queries import list_area_specs, list_incidents, list_open_incidents
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin, rows_of
from alerts.kit.http import Paging
from alerts.sandbox.second import DESCRIPTION
from alerts.settings import Settings
from tests.factories.citizens import make_citizen
from tests.factories.incidents import OPENER, make_incident
from workers.wiring import watch

OURS, HOUR = "+60123456780", 3600


@pytest.fixture
def more_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    if hasattr(request, "param"):
        return dict(request.param)
    return {
        "SIAGA_SYNTHETIC_SMS": OURS,
        "SIAGA_SYNTHETIC_PUSH": "our-own-device-token",
        "SIAGA_SYNTHETIC_REPLIES": "sms",
    }


@dataclass
class Chain:
    """What a relay, a worker and a web process do with a round trip, one after the other."""

    settings: Settings
    sessions: Sessions
    keyring: Keyring
    carriers: Carriers

    def begin(self) -> int:
        with begin(self.sessions) as session:
            return begin_trips(session, self.settings)

    def go(self) -> None:
        """From the outbox to the carrier."""
        for row in self.rows("SELECT payload ->> 'broadcast_id' AS id FROM outbox_event WHERE name = 'broadcast.approved'"):
            release_all(self.settings, self.sessions, UUID(row["id"]))
        for row in self.rows("SELECT id FROM delivery_batch WHERE state = 'waiting'"):
            assert send_batch(self.settings, self.sessions, self.carriers, batch_id=row["id"], owner="test")

    def receipts(self) -> None:
        sent = self.rows("SELECT delivery_id, number, provider_id FROM attempt WHERE sender = 'twilio'")
        assert all(
            keep_receipts(
                self.sessions, [Receipt(a["delivery_id"], a["number"], "twilio", "delivered", a["provider_id"], None) for a in sent]
            )
        )
        with begin(self.sessions) as session:
            apply_receipts(session)

    def reply(self, words: str = "1", *, number: str = OURS, name: str = "SMin1") -> None:
        with begin(self.sessions) as session:
            receive_message(session, keyring=self.keyring, inbound=Inbound(name, number, words))
            message_id = session.execute(text("SELECT id FROM inbound_message WHERE provider_id = :name"), {"name": name}).scalar_one()
            understand_message(session, keyring=self.keyring, message_id=message_id)

    def follow(self) -> int:
        with begin(self.sessions) as session:
            return follow_trips(session, self.settings)

    def ago(self, seconds: float) -> None:
        """Everything so far was so much earlier."""
        with begin(self.sessions) as session:
            moved = "began_at = began_at - make_interval(secs => :s), returned_at = returned_at - make_interval(secs => :s)"
            session.execute(text(f"UPDATE round_trip SET {moved}"), {"s": seconds})
            session.execute(text("UPDATE probe SET since = since - make_interval(secs => :s)"), {"s": seconds})

    def rows(self, query: str, **values: object) -> list[dict[str, object]]:
        with begin(self.sessions) as session:
            return rows_of(session.execute(text(query), values))

    def count(self, query: str) -> int:
        return int(str(self.rows(f"SELECT count(*) AS n {query}")[0]["n"]))

    def client(self) -> TestClient:
        return TestClient(create_app(self.settings, self.sessions), base_url="http://testserver")


@pytest.fixture
def chain(sending_settings: Settings, sessions: Sessions, carriers: Carriers) -> Iterator[Chain]:
    made = Chain(sending_settings, sessions, sending_settings.keyring, carriers)
    yield made
    with begin(sessions) as session:
        assert invariants(session) == []


def test_there_and_back_by_every_sender(chain: Chain) -> None:
    assert chain.begin() == 2
    assert chain.begin() == 0  # the next one is due in an hour
    chain.go()
    assert {(row["sender"], row["n"]) for row in chain.rows("SELECT sender, count(*) AS n FROM attempt GROUP BY 1")} == {
        ("twilio", 1),
        ("fcm", 1),
    }
    assert chain.follow() == 1  # a push is over when the push service has it: it gives no receipts
    chain.receipts()
    assert chain.follow() == 0  # the phone answers by itself: until then the text is not back
    chain.reply()
    assert chain.follow() == 1
    with begin(chain.sessions) as session:
        ages = {age.sender: age for age in list_ages(session)}
    assert set(ages) == {"twilio", "fcm"}
    assert all(age.took_seconds is not None and age.took_seconds >= 0 and age.seconds < 60 for age in ages.values())
    chain.ago(HOUR)
    assert chain.begin() == 2


def test_a_trip_is_in_no_count_and_its_answer_is_nobodys(chain: Chain) -> None:
    with begin(chain.sessions) as session:
        incident_id = make_incident(session).id
    chain.begin()
    chain.go()
    chain.reply("TOLONG")
    assert chain.count("FROM checkin") == chain.count("FROM help_case") == 0
    [message] = chain.rows("SELECT state, citizen_id, incident_id FROM inbound_message")
    assert message == {"state": "handled", "citizen_id": None, "incident_id": None}
    with begin(chain.sessions) as session:
        assert register_counts(session, list_area_specs(session, incident_id)).total == 0


def test_nobody_sees_the_incident_behind_it(chain: Chain) -> None:
    chain.begin()
    [hidden] = chain.rows("SELECT id, state FROM incident WHERE is_synthetic")
    assert hidden["state"] == "closed"
    with begin(chain.sessions) as session:
        assert list_incidents(session, OPENER, Paging(None, 50)) == []
        assert list_open_incidents(session) == []


def test_silence_is_an_alarm_after_two_periods_and_once_a_period(chain: Chain) -> None:
    chain.begin()
    chain.ago(HOUR * 1.9)
    chain.follow()
    assert chain.count("FROM outbox_event WHERE name = 'delivery.alarm'") == 0
    chain.ago(HOUR * 0.2)
    chain.follow()
    chain.follow()
    alarms = chain.rows("SELECT payload FROM outbox_event WHERE name = 'delivery.alarm' ORDER BY id")
    assert [(row["payload"]["kind"], row["payload"]["sender"]) for row in alarms] == [
        ("round_trip_late", "fcm"),
        ("round_trip_late", "twilio"),
    ]  # type: ignore[index]
    faults = examine(chain.settings, chain.sessions, watch(chain.settings)).faults
    assert any(fault.startswith("no test message by twilio has come back") for fault in faults)


def test_another_address_and_a_sender_that_is_no_more(chain: Chain) -> None:
    chain.begin()
    other = chain.settings.model_copy(
        update={"synthetic": chain.settings.synthetic.model_copy(update={"sms": "+60123456781", "period_seconds": 0.001})}
    )
    other = other.model_copy(update={"fcm": other.fcm.model_copy(update={"project": ""})})
    with begin(chain.sessions) as session:
        assert begin_trips(session, other) == 1
        assert [age.sender for age in list_ages(session)] == ["twilio"]
    assert chain.count("FROM phone WHERE retired_at IS NULL") == 1
    assert chain.count("FROM citizen") == 2


CROSSINGS = {
    "a citizen on a synthetic list": """
        INSERT INTO audience_member (audience_id, broadcast_id, citizen_id, phone_id, address_id, channel, language, reason)
        SELECT a.id, a.broadcast_id, c.id, p.id, p.id, 'sms', 'id', 'x' FROM audience a JOIN broadcast b ON b.id = a.broadcast_id,
            citizen c JOIN phone p ON p.citizen_id = c.id WHERE b.only_sender = 'twilio' AND c.class = 'resident'""",
    "a citizen's number for a made-up one": """
        INSERT INTO audience_member (audience_id, broadcast_id, citizen_id, phone_id, address_id, channel, language, reason)
        SELECT a.id, a.broadcast_id, c.id, p.id, p.id, 'sms', 'id', 'x'
        FROM audience a, citizen c, phone p JOIN citizen o ON o.id = p.citizen_id WHERE c.class = 'synthetic' AND o.class = 'resident'
        AND c.id NOT IN (SELECT citizen_id FROM audience_member WHERE audience_id = a.id)""",
    "an approval by nobody made of a draft": "UPDATE broadcast SET purpose = 'alert'",
    "a message by nobody on an incident": """
        INSERT INTO broadcast (incident_id, status, msg_type, purpose, only_sender, state, texts, channels, validity_seconds,
            resend_unknown, content_hash, approved_via)
        SELECT id, status, 'Alert', 'synthetic', 'twilio', 'approved', '{}', '{sms}', 60, 'never', 'x', 'machine'
        FROM incident WHERE NOT is_synthetic""",
    "an alert approved by nobody": """
        INSERT INTO broadcast (incident_id, status, msg_type, state, texts, channels, validity_seconds, resend_unknown, content_hash,
            approved_via)
        SELECT id, status, 'Alert', 'approved', '{}', '{sms}', 60, 'never', 'x', 'machine' FROM incident WHERE NOT is_synthetic""",
    "a citizen made synthetic": "UPDATE citizen SET class = 'synthetic', country_iso2 = 'ZZ', external_id = NULL WHERE class = 'resident'",
    "a synthetic one made a citizen": "UPDATE citizen SET class = 'resident', country_iso2 = 'TR' WHERE class = 'synthetic'",
    "an incident made synthetic": "UPDATE incident SET is_synthetic = true, state = 'closed' WHERE NOT is_synthetic",
    "the hidden incident opened": "UPDATE incident SET state = 'open' WHERE is_synthetic",
    "another sender than the one that is tried": "UPDATE broadcast SET only_sender = 'other'",
    "a check-in of a made-up citizen": """
        INSERT INTO checkin (incident_id, citizen_id, answer, channel, rung, recorded_by)
        SELECT i.id, c.id, 'safe', 'sms', 'reported', 'x' FROM incident i, citizen c
        WHERE NOT i.is_synthetic AND c.class = 'synthetic' LIMIT 1""",
    "a case of a made-up citizen": """
        INSERT INTO help_case (status, citizen_id) SELECT 'Actual', id FROM citizen WHERE class = 'synthetic' LIMIT 1""",
    "a window by another sender": """
        INSERT INTO send_window (batch_id, generation, sender, deliveries, numbers, lease_until)
        SELECT d.batch_id, 1, 'fcm', ARRAY[d.id], ARRAY[1::smallint], now() FROM delivery d WHERE d.channel = 'sms'""",
}


@pytest.mark.parametrize("statement", CROSSINGS.values(), ids=CROSSINGS.keys())
def test_the_tables_let_nobody_across(chain: Chain, statement: str) -> None:
    with begin(chain.sessions) as session:
        make_incident(session)
        make_citizen(session, chain.keyring)
    chain.begin()
    chain.go()
    with pytest.raises(IntegrityError), begin(chain.sessions) as session:
        session.execute(text(statement))


SECOND = {
    "SIAGA_SMS2_URL": "http://127.0.0.1:9/x",
    "SIAGA_SMS2_DESCRIPTION": json.dumps(dict(DESCRIPTION)),
    "SIAGA_SMS2_SECRET": "x",
    "SIAGA_SMS2_RECEIPT_SECRET": "x",
    "SIAGA_VOICE_FROM": "+15005550008",
}


@pytest.mark.parametrize("more_settings", [SECOND | {"SIAGA_SYNTHETIC_SMS": OURS}], ids=["two-senders"], indirect=True)
def test_a_sender_that_is_not_tried_is_told_of(chain: Chain) -> None:
    """The second provider does not serve the country of our number, and for calls and pushes there is none at all."""
    assert chain.begin() == 1
    diagnosis = examine(chain.settings, chain.sessions, watch(chain.settings))
    assert [(line.split()[0], line.split()[11]) for line in diagnosis.warnings] == [
        ("fcm", "SIAGA_SYNTHETIC_PUSH"),
        ("voice", "SIAGA_SYNTHETIC_VOICE"),
        ("lintas", "SIAGA_SYNTHETIC_SMS2"),
    ]
    assert diagnosis.is_healthy, diagnosis
    with chain.client() as client:
        shown = client.get("/metrics").text
    assert 'siaga_sender_untried{sender="lintas"} 1.0' in shown
    assert 'siaga_sender_untried{sender="twilio"} 0.0' in shown


TWO_TO_ONE = SECOND | {"SIAGA_SYNTHETIC_SMS": "+628123456780", "SIAGA_SYNTHETIC_REPLIES": "sms"}


@pytest.mark.parametrize("more_settings", [TWO_TO_ONE], ids=["one-number"], indirect=True)
def test_an_answer_is_of_the_trip_that_waits_for_one(chain: Chain) -> None:
    """Both providers of texts are tried to one number; only to one of them it can answer."""
    assert chain.begin() == 2
    assert {(row["sender"], row["expects"]) for row in chain.rows("SELECT sender, expects FROM round_trip")} == {
        ("twilio", "answered"),
        ("lintas", "delivered"),
    }
    with begin(chain.sessions) as session:
        session.execute(text("UPDATE round_trip SET began_at = began_at - interval '1 second' WHERE sender = 'lintas'"))
    chain.reply(number="+628123456780")
    assert chain.rows("SELECT sender FROM round_trip WHERE answered_at IS NOT NULL") == [{"sender": "twilio"}]


def test_what_is_measured_is_shown(chain: Chain) -> None:
    chain.begin()
    chain.go()
    chain.follow()
    with begin(chain.sessions) as session:
        assert measure(session, watch(chain.settings)) == 0
    with chain.client() as client:
        shown = client.get("/metrics").text
    for line in (
        'siaga_round_trip_age_seconds{sender="fcm"}',
        'siaga_promise_broken{promise="I1 every released member has its first delivery"} 0.0',
        "siaga_outbox_p99_seconds",
        "siaga_receipts_waiting 0.0",
        "siaga_workers_without_valkey 0.0",
        "siaga_unknown_attempts 0.0",
    ):
        assert line in shown, line


def test_a_broken_promise_calls_somebody_once(chain: Chain) -> None:
    chain.begin()
    chain.go()
    with begin(chain.sessions) as session:
        session.execute(text("UPDATE delivery_batch SET state = 'done'"))
        session.execute(text("UPDATE delivery SET state = 'queued'"))
        assert measure(session, watch(chain.settings)) >= 1
        measure(session, watch(chain.settings))
    alarms = chain.rows("SELECT payload FROM outbox_event WHERE name = 'delivery.alarm'")
    assert len(alarms) == len({row["payload"]["sender"] for row in alarms})  # type: ignore[index]
    with begin(chain.sessions) as session:
        session.execute(text("UPDATE delivery SET state = 'accepted'"))
