"""Exercise and Actual never meet. Every way across is tried here, and each is refused with its reason."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from twilio.request_validator import RequestValidator

from alerts.app import create_app
from alerts.broadcasts.actions import approve_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.rules import Channel
from alerts.broadcasts.schemas import Approval, BroadcastDraft
from alerts.channels.marks import is_marked
from alerts.citizens.addresses import register_browser, set_email
from alerts.citizens.rules import parse_browser
from alerts.deliveries.actions import release_all
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.messages import Messages, Row
from alerts.deliveries.queries import invariants
from alerts.deliveries.sending import send_batch
from alerts.inbox.actions import understand_message
from alerts.incidents.rules import Status
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin, rows_of
from alerts.kit.ids import callback_token, member_token
from alerts.settings import Settings
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.staff import make_actor, make_staff, session_headers
from tests.notices.test_carriers import DRILL, LIVE, Carrier, running_carrier
from tests.support.servers import Servers

TESTER, OTHER = "+60123450001", "+60123450002"
LIVE_TOKEN, DRILL_TOKEN = "t" + LIVE, "t" + DRILL
HERE = "http://127.0.0.1:9"
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SIDS = '{"id": {"plain": "HX00000000000000000000000000000001"}, "en": {"plain": "HX00000000000000000000000000000002"}}'


@dataclass
class Worlds:
    """An alert and an exercise at once, in one country, to one register with one tester in it; both were sent."""

    settings: Settings
    sessions: Sessions
    carriers: Carriers
    client: TestClient
    headers: dict[str, str]
    incidents: dict[Status, UUID]
    broadcasts: dict[Status, UUID]

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with begin(self.sessions) as session:
            return rows_of(session.execute(text(query), values))

    def member(self, status: Status) -> int:
        [found] = self.rows(
            "SELECT m.id FROM audience_member m JOIN citizen c ON c.id = m.citizen_id WHERE broadcast_id = :b AND c.is_tester",
            b=self.broadcasts[status],
        )
        return int(found["id"])

    def hook(self, path: str, token: str, **form: str) -> Response:
        url = self.settings.public_url + path
        return self.client.post(path, data=form, headers={"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form)})

    def text_in(self, sender: str, body: str, token: str) -> dict[str, Any]:
        """Somebody writes to the number of an account, and a worker reads it."""
        sid = f"SM{uuid4().hex}"
        assert self.hook("/hooks/twilio/inbound", token, MessageSid=sid, From=sender, To="+15005550006", Body=body).status_code == 200
        [row] = self.rows("SELECT id FROM inbound_message WHERE provider_id = :sid", sid=sid)
        with begin(self.sessions) as session:
            understand_message(session, keyring=self.settings.keyring, message_id=row["id"])
        [found] = self.rows("SELECT * FROM inbound_message WHERE id = :id", id=row["id"])
        return found


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Carrier]:
    with running_carrier(tmp_path, LIVE) as carrier:
        yield carrier


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Carrier]:
    with running_carrier(tmp_path, DRILL) as carrier:
        yield carrier


@pytest.fixture
def settings(make_settings: Callable[..., Settings], servers: Servers, database_url: str, live: Carrier, drill: Carrier) -> Settings:
    return make_settings(
        database_url,
        SIAGA_PUBLIC_URL=HERE,
        SIAGA_REDIS_PREFIX=f"{servers.redis_prefix}{uuid4().hex}:",
        SIAGA_TWILIO_ACCOUNT_SID=LIVE,
        SIAGA_TWILIO_AUTH_TOKEN=LIVE_TOKEN,
        SIAGA_TWILIO_FROM="+15005550006",
        SIAGA_TWILIO_BASE_URL=live.url,
        SIAGA_FCM_PROJECT="live",
        SIAGA_FCM_STATIC_TOKEN="push-" + LIVE,
        SIAGA_FCM_BASE_URL=live.url,
        SIAGA_EXERCISE_TWILIO_ACCOUNT_SID=DRILL,
        SIAGA_EXERCISE_TWILIO_AUTH_TOKEN=DRILL_TOKEN,
        SIAGA_EXERCISE_TWILIO_FROM="+15005550009",
        SIAGA_EXERCISE_TWILIO_BASE_URL=drill.url,
        SIAGA_EXERCISE_FCM_PROJECT="drill",
        SIAGA_EXERCISE_FCM_STATIC_TOKEN="push-" + DRILL,
        SIAGA_EXERCISE_FCM_BASE_URL=drill.url,
        SIAGA_EXERCISE_WHATSAPP_FROM="+15005550012",
        SIAGA_EXERCISE_WHATSAPP_CONTENT_SIDS=SIDS,
    )


@pytest.fixture
def worlds(settings: Settings, sessions: Sessions) -> Iterator[Worlds]:
    carriers, incidents, broadcasts = Carriers(settings), {}, {}
    with begin(sessions) as session:
        make_citizen(session, settings.keyring, phones=(TESTER,), is_tester=True)
        make_citizen(session, settings.keyring, phones=(OTHER,))
        author, approver = make_actor(session, "duty_officer"), make_actor(session, "approver")
        staff = make_staff(session, "duty_officer")
        headers = session_headers(session, staff, settings, HERE)
        for status in Status:
            incidents[status] = make_incident(session, status=status).id
            command = BroadcastDraft(texts={"id": "Gempa kuat.", "en": "Strong earthquake."}, channels=["sms"])
            broadcast = draft_broadcast(session, actor=author, incident_id=incidents[status], command=command)
            submit_broadcast(session, actor=author, broadcast_id=broadcast.id, configured=settings.channels)
            approve_broadcast(
                session, actor=approver, broadcast_id=broadcast.id, command=Approval(content_hash=broadcast.content_hash or "")
            )
            broadcasts[status] = broadcast.id
    with TestClient(create_app(settings, sessions), base_url=HERE) as client:
        made = Worlds(settings, sessions, carriers, client, headers, incidents, broadcasts)
        for broadcast_id in broadcasts.values():
            release_all(settings, sessions, broadcast_id)
        for row in made.rows("SELECT id FROM delivery_batch ORDER BY id"):
            assert send_batch(settings, sessions, carriers, batch_id=row["id"], owner="test")
        yield made
    carriers.close()
    with begin(sessions) as session:
        assert invariants(session) == []


# -- what happens by itself ---------------------------------------------------------------------------------------------


def test_an_exercise_reaches_testers_alone_by_its_own_senders(worlds: Worlds, live: Carrier, drill: Carrier) -> None:
    counts = {row["status"]: row["n"] for row in worlds.rows(
        "SELECT b.status, count(*) AS n FROM audience_member m JOIN broadcast b ON b.id = m.broadcast_id GROUP BY 1")}  # fmt: skip
    assert counts == {"Actual": 2, "Exercise": 1}
    assert (len(live.taken()), len(drill.taken())) == (2, 1)
    assert {row["sender"] for row in worlds.rows("SELECT sender FROM send_window")} == {"twilio", "exercise:twilio"}
    preview = worlds.client.get(f"/api/v1/incidents/{worlds.incidents[Status.EXERCISE]}/audience", headers=worlds.headers).json()
    assert preview["people"] == 1


def test_everything_that_a_tester_reads_or_hears_begins_with_latihan(worlds: Worlds) -> None:
    keyring = worlds.settings.keyring
    with begin(worlds.sessions) as session:
        [citizen] = session.execute(text("SELECT id FROM citizen WHERE is_tester")).scalars()
        set_email(session, keyring, citizen_id=citizen, written="penguji@example.org", actor=SYSTEM)
        browser = parse_browser("https://updates.push.services.mozilla.com/wpush/v2/x", P256DH, "BTBZMqHH6r4Tts7J_aSIgg")
        register_browser(session, keyring, citizen_id=citizen, browser=browser, actor=SYSTEM)
    for is_quiet in (False, True):
        with begin(worlds.sessions) as session:
            session.execute(text("UPDATE incident SET is_quiet = :quiet WHERE status = 'Exercise'"), {"quiet": is_quiet})
            messages = Messages.load(session, worlds.settings, worlds.broadcasts[Status.EXERCISE])
        for language in ("id", "en", "fr"):
            for channel, (address, sealed) in _addresses(keyring).items():
                row = Row(65, 1, 1, citizen, address, language, "MY", 1, sealed)
                message = messages.try_write(row, channel, f"exercise:{channel}")
                assert message is not None, channel
                assert is_marked(message), channel
                assert "/exercise/i/" in repr(messages.link(row))


def _addresses(keyring: Keyring) -> dict[Channel, tuple[UUID, list[bytes]]]:
    """An address of each channel as it lies in its table."""
    fields = {
        Channel.SMS: ("phone", {"e164_enc": TESTER}),
        Channel.WHATSAPP: ("phone", {"e164_enc": TESTER}),
        Channel.VOICE: ("phone", {"e164_enc": TESTER}),
        Channel.PUSH: ("device", {"token_enc": "token"}),
        Channel.EMAIL: ("email_address", {"address_enc": "penguji@example.org"}),
        Channel.WEB_PUSH: (
            "web_push_subscription",
            {"endpoint_enc": "https://updates.push.services.mozilla.com/x", "p256dh_enc": P256DH, "auth_enc": "BTBZMqHH6r4Tts7J_aSIgg"},
        ),
    }
    made = {}
    for channel, (table, values) in fields.items():
        row = uuid4()
        made[channel] = (row, [keyring.encrypt(value, table=table, column=column, row=row) for column, value in values.items()])
    return made


# -- settings -------------------------------------------------------------------------------------------------------------

SECRET = "a-live-secret-of-ours"
HIDDEN = {
    "as it is": SECRET,
    "in an address": f"http://user:{SECRET}@127.0.0.1:9",
    "with percent signs": quote(f"Bearer {SECRET}", safe="").replace("-", "%2D"),
    "in base64": base64.b64encode(f"AC123:{SECRET}".encode()).decode(),
}
LIVE_SECRETS = {
    "SIAGA_TWILIO_AUTH_TOKEN": {},
    "SIAGA_TWILIO_AUTH_TOKEN_PREVIOUS": {},
    "SIAGA_FCM_STATIC_TOKEN": {},
    "SIAGA_EMAIL_PASSWORD": {"SIAGA_EMAIL_HOST": "127.0.0.1", "SIAGA_EMAIL_FROM": "siaga@example.org"},
    "SIAGA_SMS2_SECRET": {},
    "SIAGA_SMS2_RECEIPT_SECRET": {},
}
PLACES = (
    "SIAGA_EXERCISE_TWILIO_AUTH_TOKEN",
    "SIAGA_EXERCISE_TWILIO_BASE_URL",
    "SIAGA_EXERCISE_FCM_STATIC_TOKEN",
    "SIAGA_EXERCISE_EMAIL_PASSWORD",
    "SIAGA_EXERCISE_SMS2_SECRET",
    "SIAGA_EXERCISE_SMS2_RECEIPT_SECRET",
    "SIAGA_EXERCISE_SMS2_USER",
)


@pytest.mark.parametrize("form", HIDDEN.values(), ids=HIDDEN.keys())
@pytest.mark.parametrize("place", PLACES)
def test_no_live_secret_in_any_form_is_an_exercises(place: str, form: str) -> None:
    for name, more in LIVE_SECRETS.items():
        with pytest.raises(SystemExit, match=r"exercise.* (is the live one|holds a live secret)"):
            Settings.from_environment({"SIAGA_MODE": "test", name: SECRET, place: form, **more})


def test_no_live_number_or_account_is_an_exercises() -> None:
    live = {"SIAGA_MODE": "test", "SIAGA_TWILIO_ACCOUNT_SID": LIVE, "SIAGA_TWILIO_MESSAGING_SERVICE_SID": "MGlive"}
    for name, value in {"SIAGA_EXERCISE_TWILIO_FROM": "MGlive", "SIAGA_EXERCISE_SMS2_USER": LIVE}.items():
        with pytest.raises(SystemExit, match="is the live one"):
            Settings.from_environment(live | {name: value})


# -- the tables -----------------------------------------------------------------------------------------------------------

A, E = (f"(SELECT id FROM incident WHERE status = '{status}')" for status in ("Actual", "Exercise"))
BA, BE = (f"(SELECT id FROM broadcast WHERE status = '{status}')" for status in ("Actual", "Exercise"))
MEMBER = """INSERT INTO audience_member (audience_id, broadcast_id, citizen_id, phone_id, address_id, channel, language, reason)
    SELECT a.id, {broadcast}, c.id, p.id, p.id, 'sms', 'id', 'x' FROM audience a, citizen c JOIN phone p ON p.citizen_id = c.id
    WHERE a.broadcast_id = {list} AND NOT c.is_tester"""
WINDOW = """INSERT INTO send_window (batch_id, generation, sender, deliveries, numbers, lease_until)
    SELECT b.id, 1, '{sender}', ARRAY(SELECT id FROM delivery WHERE broadcast_id = {of} LIMIT 1), '{{2}}', now() FROM delivery_batch b
    WHERE b.broadcast_id = {batch}"""
CROSSINGS = {
    "the status of an incident": ("UPDATE incident SET status = 'Exercise' WHERE status = 'Actual'", "never changes"),
    "the status of a message": ("UPDATE broadcast SET status = 'Exercise' WHERE status = 'Actual'", "never changes"),
    "a message to the other incident": (f"UPDATE broadcast SET incident_id = {E}, status = 'Exercise' WHERE id = {BA}", "never changes"),
    "a correction of an alert by an exercise": (f'UPDATE broadcast SET "references" = ARRAY[{BA}] WHERE id = {BE}', "refers only to"),
    "a correction of an exercise by an alert": (f'UPDATE broadcast SET "references" = ARRAY[{BE}] WHERE id = {BA}', "refers only to"),
    "areas of the other incident": (
        f"UPDATE broadcast SET area_ids = ARRAY(SELECT id FROM incident_area WHERE incident_id = {E}) WHERE id = {BA}",
        "areas and lists of its own",
    ),
    "the list of the other message": (
        f"UPDATE broadcast SET audience_id = (SELECT id FROM audience WHERE broadcast_id = {BA}) WHERE id = {BE}",
        "a list of its own",
    ),
    "somebody who is no tester": (MEMBER.format(broadcast=BE, list=BE), "testers alone"),
    "a member on the other's list": (MEMBER.format(broadcast=BA, list=BE), "the message of the list"),
    "an exercise's text without its word": (f"UPDATE broadcast_text SET body = 'Gempa' WHERE broadcast_id = {BE}", "LATIHAN"),
    "an alert's text with it": (f"UPDATE broadcast_text SET body = 'LATIHAN: Gempa' WHERE broadcast_id = {BA}", "LATIHAN"),
    "a batch to the other's list": (
        f"UPDATE delivery_batch SET audience_id = (SELECT id FROM audience WHERE broadcast_id = {BA}) WHERE broadcast_id = {BE}",
        "a list of that message",
    ),
    "a delivery in the other's batch": (
        f"""INSERT INTO delivery (id, member_id, broadcast_id, batch_id, step, channel)
        SELECT m.id * 64 + 5, m.id, {BE}, b.id, 5, 'sms' FROM audience_member m, delivery_batch b
        WHERE m.broadcast_id = {BE} AND b.broadcast_id = {BA} LIMIT 1""",
        "the message of its batch",
    ),
    "a delivery moved to the other message": (
        f"UPDATE delivery SET broadcast_id = {BE} WHERE broadcast_id = {BA}",
        "append-only|not change",
    ),
    "an alert by an exercise's sender": (WINDOW.format(sender="exercise:twilio", of=BA, batch=BA), "is not sent by"),
    "an exercise by a live sender": (WINDOW.format(sender="twilio", of=BE, batch=BE), "is not sent by"),
    "an alert's people in an exercise's window": (WINDOW.format(sender="exercise:twilio", of=BA, batch=BE), "members of its own lists"),
    "a window's sender afterwards": ("UPDATE send_window SET sender = 'twilio'", "append-only|not change"),
    "an answer to the other incident": (
        f"""INSERT INTO checkin (incident_id, citizen_id, answer, channel, rung, recorded_by, member_id)
        SELECT {A}, citizen_id, 'safe', 'sms', 'reported', 'x', id FROM audience_member WHERE broadcast_id = {BE}""",
        "the incident whose message",
    ),
    "a case of the other status": (
        f"INSERT INTO help_case (incident_id, status, citizen_id) SELECT {E}, 'Actual', id FROM citizen WHERE is_tester",
        "status is that of the incident",
    ),
    "a report of the other status": (
        f"""INSERT INTO report (incident_id, status, source, version, state, as_of, filed, filed_by)
        SELECT {E}, 'Actual', 'ministry', 1, 'accepted', now(), '{{}}', 'x'""",
        "fk_report_incident_id_status",
    ),
    "a page of the other status": (
        f"""INSERT INTO paging (kind, subject_kind, subject_id, incident_id, status, role, texts, path)
        VALUES ('approval', 'broadcast', 'x', {E}, 'Actual', 'approver', '{{}}', '/')""",
        "status is that of the incident",
    ),
    "a message that came in": (
        f"""INSERT INTO inbound_message (provider_id, from_enc, from_index, body_enc, segments, media, carrier_opted_out, incident_id,
            status) VALUES ('x', '', '', '', 1, 0, false, {E}, 'Actual')""",
        "status is that of the incident",
    ),
}


@pytest.mark.parametrize(("statement", "reason"), CROSSINGS.values(), ids=CROSSINGS.keys())
def test_the_tables_refuse_rows_of_another_status(worlds: Worlds, statement: str, reason: str) -> None:
    with pytest.raises(IntegrityError, match=reason), begin(worlds.sessions) as session:
        session.execute(text(statement))


def test_consent_has_a_time(worlds: Worlds) -> None:
    [tester] = worlds.rows("SELECT id, tester_consented_at FROM citizen WHERE is_tester")
    assert tester["tester_consented_at"] is not None
    path = f"/api/v1/citizens/{tester['id']}/tester"
    keeper = worlds.headers
    ahead = worlds.client.post(path, json={"consented_at": "2999-01-01T00:00:00Z"}, headers=keeper | {"Idempotency-Key": "k1"})
    assert (ahead.status_code, ahead.json()["code"]) == (422, "in_the_future")
    again = worlds.client.post(path, json={"consented_at": "2026-01-02T00:00:00Z"}, headers=keeper | {"Idempotency-Key": "k2"})
    assert (again.status_code, again.json()["tester_consented_at"]) == (201, "2026-01-02T00:00:00Z")
    gone = worlds.client.post(f"{path}/withdraw", headers=keeper | {"Idempotency-Key": "k3"})
    assert (gone.status_code, gone.json()["is_tester"]) == (200, False)


# -- senders --------------------------------------------------------------------------------------------------------------


def test_a_sender_is_not_there_for_the_other_status(worlds: Worlds, live: Carrier, drill: Carrier) -> None:
    before = (len(live.taken()), len(drill.taken()))
    with begin(worlds.sessions) as session:
        texts = {status: Messages.load(session, worlds.settings, worlds.broadcasts[status]) for status in Status}
    address, sealed = _addresses(worlds.settings.keyring)[Channel.SMS]
    row = Row(65, 1, 1, uuid4(), address, "id", "MY", 1, sealed)
    alert, drilled = texts[Status.ACTUAL].sms(row, "twilio"), texts[Status.EXERCISE].sms(row, "exercise:twilio")
    assert worlds.carriers.send(Status.ACTUAL, "exercise:twilio", alert).code == "no_sender_configured"
    assert worlds.carriers.send(Status.EXERCISE, "twilio", drilled).code == "no_sender_configured"
    assert worlds.carriers.send(Status.EXERCISE, "exercise:twilio", alert).code == "unmarked_exercise"
    assert (len(live.taken()), len(drill.taken())) == before


# -- what comes back ------------------------------------------------------------------------------------------------------


def test_neither_account_has_a_say_in_the_others_receipts(worlds: Worlds) -> None:
    for status, own, other in ((Status.ACTUAL, LIVE_TOKEN, DRILL_TOKEN), (Status.EXERCISE, DRILL_TOKEN, LIVE_TOKEN)):
        path = "/hooks/twilio/status/" + callback_token(worlds.settings.keyring.callback, f"{worlds.member(status) * 64 + 1}-1")
        refused = worlds.hook(path, other, MessageSid="SM1", MessageStatus="delivered")
        assert (refused.status_code, refused.json()["code"]) == (404, "attempt_not_found")
        assert worlds.rows("SELECT count(*) AS n FROM receipt WHERE delivery_id = :d", d=worlds.member(status) * 64 + 1)[0]["n"] == 0
        assert worlds.hook(path, own, MessageSid="SM1", MessageStatus="delivered").status_code == 204


def test_an_answer_belongs_to_the_number_it_was_written_to(worlds: Worlds) -> None:
    for token, status in ((DRILL_TOKEN, Status.EXERCISE), (LIVE_TOKEN, Status.ACTUAL)):
        row = worlds.text_in(TESTER, "1", token)
        assert (row["status"], row["incident_id"]) == (status.value, worlds.incidents[status])
    assert {row["incident_id"] for row in worlds.rows("SELECT incident_id FROM checkin")} == set(worlds.incidents.values())


def test_who_is_no_tester_answers_no_exercise(worlds: Worlds) -> None:
    row = worlds.text_in(OTHER, "1", DRILL_TOKEN)
    assert (row["state"], row["status"], row["incident_id"]) == ("unmatched", "Exercise", None)
    assert worlds.rows("SELECT 1 FROM checkin") == []
    body = {"incident_id": str(worlds.incidents[Status.ACTUAL]), "citizen_external_id": "UJI-x", "answer": "safe"}
    refused = worlds.client.post(f"/api/v1/inbox/{row['id']}/handle", json=body, headers=worlds.headers | {"Idempotency-Key": "k"})
    assert (refused.status_code, refused.json()["code"]) == (409, "other_status")


def test_stop_to_the_number_of_exercises_stops_exercises_alone(worlds: Worlds) -> None:
    worlds.text_in(TESTER, "BERHENTI", DRILL_TOKEN)
    assert worlds.rows("SELECT 1 FROM citizen WHERE opted_out_at IS NOT NULL OR is_tester") == []


def test_a_call_for_help_to_either_number_keeps_its_status(worlds: Worlds) -> None:
    worlds.text_in("+60123459999", "TOLONG", DRILL_TOKEN)
    assert [row["status"] for row in worlds.rows("SELECT status FROM help_case")] == ["Exercise"]
    worlds.text_in("+60123459999", "TOLONG", LIVE_TOKEN)
    assert [row["status"] for row in worlds.rows("SELECT status FROM help_case")] == ["Actual"]  # meant, as soon as it may be


# -- links, pages, HTTP ---------------------------------------------------------------------------------------------------


def test_a_link_opens_under_its_own_address_alone(worlds: Worlds) -> None:
    for status, own, other in ((Status.ACTUAL, "", "/exercise"), (Status.EXERCISE, "/exercise", "")):
        token = member_token(worlds.settings.keyring.link, number=worlds.member(status), generation=1)
        assert worlds.client.get(f"{own}/i/{token}").status_code == 200
        for answer in (worlds.client.get(f"{other}/i/{token}"), worlds.client.post(f"{other}/i/{token}", data={"answer": "safe"})):
            assert answer.status_code == 404
    assert worlds.rows("SELECT 1 FROM checkin") == []


def test_pages_lie_under_their_own_address_alone(worlds: Worlds) -> None:
    headers = worlds.headers | {"Accept": "text/html"}
    for status, own, other in ((Status.ACTUAL, "", "/exercise"), (Status.EXERCISE, "/exercise", "")):
        incident, broadcast = worlds.incidents[status], worlds.broadcasts[status]
        for path in (f"/incidents/{incident}", f"/broadcasts/{broadcast}"):
            here = worlds.client.get(own + path, headers=headers, follow_redirects=False)
            assert here.status_code == 200, path
            assert ('class="exercise"' in here.text) is (status is Status.EXERCISE)
            there = worlds.client.get(other + path, headers=headers, follow_redirects=False)
            assert (there.status_code, there.headers["location"]) == (303, own + path)
        listed = worlds.client.get(f"{other}/incidents", headers=headers).text
        assert str(incident) not in listed


def test_ids_of_the_other_world_are_refused(worlds: Worlds) -> None:
    exercise, actual = worlds.incidents[Status.EXERCISE], worlds.incidents[Status.ACTUAL]
    [area] = worlds.rows("SELECT id FROM incident_area WHERE incident_id = :i", i=actual)
    texts = {"id": "Gempa", "en": "Quake"}

    def post(path: str, **body: Any) -> Response:
        return worlds.client.post(f"/api/v1/{path}", json=body, headers=worlds.headers | {"Idempotency-Key": uuid4().hex})

    foreign = post(f"incidents/{exercise}/broadcasts", texts=texts, area_ids=[str(area["id"])])
    assert foreign.status_code == 422
    assert post(f"incidents/{exercise}/broadcasts", texts=texts, list_ids=[str(uuid4())]).status_code == 422
    assert worlds.client.get(f"/api/v1/incidents/{exercise}/audience?area_id={area['id']}", headers=worlds.headers).status_code == 422
    marked = post(f"incidents/{actual}/broadcasts", texts={"id": "LATIHAN: Gempa", "en": "Quake"})
    assert (marked.status_code, marked.json()["code"]) == (422, "exercise_word")
    corrected = post(f"broadcasts/{worlds.broadcasts[Status.EXERCISE]}/correct", msg_type="Update", texts=texts)
    assert corrected.status_code in {200, 201}
    assert corrected.json()["status"] == "Exercise"
    assert all(body.startswith("LATIHAN: ") for body in corrected.json()["texts"].values())
    changed = worlds.client.patch(f"/api/v1/incidents/{actual}", json={"status": "Exercise"}, headers=worlds.headers | {"If-Match": "*"})
    assert changed.status_code == 422
