"""Exercise and Actual never meet. Every way across is tried here, and each is refused with its reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from httpx import Response
from sqlalchemy import text

from alerts.broadcasts.rules import Channel
from alerts.channels.marks import is_marked
from alerts.channels.rule_book_outlets import SenderSets
from alerts.citizens.addresses import register_browser, set_email
from alerts.citizens.rules import parse_browser
from alerts.deliveries.messages import Messages, Row
from alerts.deliveries.promises import keep_promise, list_due
from alerts.incidents.rules import Status
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring
from alerts.kit.db import begin
from alerts.kit.ids import callback_token, member_token
from tests.flows.conftest import DRILL_TOKEN, LIVE_TOKEN, OTHER, P256DH, TESTER, Worlds
from tests.notices.test_carriers import Carrier

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
                row = Row(65, 1, 1, citizen, address, language, "MY", 1, False, sealed)
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
    row = Row(65, 1, 1, uuid4(), address, "id", "MY", 1, False, sealed)
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


def test_each_tray_and_call_list_is_of_its_own_world_alone(worlds: Worlds) -> None:
    words = {Status.ACTUAL: "tolong kami sungguh", Status.EXERCISE: "tolong kami pura-pura"}
    tokens = {Status.ACTUAL: LIVE_TOKEN, Status.EXERCISE: DRILL_TOKEN}
    rows = {status: worlds.text_in(TESTER, words[status], tokens[status]) for status in Status}
    for status in Status:
        worlds.text_in("+60123459999", f"halo {status.value}", tokens[status])
    headers = worlds.headers | {"Accept": "text/html"}

    def get(path: str) -> Response:
        return worlds.client.get(path, headers=headers, follow_redirects=False)

    for status, own, other in ((Status.ACTUAL, "", "/exercise"), (Status.EXERCISE, "/exercise", "")):
        page, foreign = get(f"{own}/inbox"), get(f"{other}/inbox").text
        assert ('class="exercise"' in page.text) is (status is Status.EXERCISE)
        for word in (words[status], str(worlds.incidents[status])):
            assert (word in page.text, word in foreign) == (True, False)
        assert '<span class="big">2</span>' in page.text
        assert f'href="{own}/inbox"' in get(f"{own}/duty").text
        listed = worlds.client.get(f"/api/v1/inbox?status={status.value}", headers=worlds.headers).json()
        assert [(row["text"], row["status"]) for row in listed] == [(w, status.value) for w in (words[status], f"halo {status.value}")]
        form = {"form_key": "f" * 32 + "h1", "answer": "safe"}
        crossed = worlds.client.post(f"{other}/inbox/{rows[status]['id']}/handle", data=form, headers=headers, follow_redirects=False)
        assert (crossed.status_code, crossed.headers["location"]) == (303, "/")
        row, incident = f"calls/{worlds.member(status)}/open", worlds.incidents
        assert get(f"{other}/incidents/{incident[status]}/calls").headers["location"] == f"{own}/incidents/{incident[status]}/calls"
        elsewhere = next(other for other in Status if other is not status)
        crossed = worlds.client.post(f"{other}/incidents/{incident[elsewhere]}/{row}", headers=headers, follow_redirects=False)
        assert crossed.status_code == 404
        called = worlds.client.get(f"/api/v1/incidents/{incident[status]}/call-list", headers=worlds.headers).json()
        assert {each["broadcast_id"] for each in called["items"]} <= {str(worlds.broadcasts[status])}
        assert get(f"{other}/broadcasts/{worlds.broadcasts[status]}/exports").headers["location"].startswith(f"{own}/broadcasts/")
    assert worlds.rows("SELECT 1 FROM inbound_message WHERE state = 'handled'") == []
    assert worlds.rows("SELECT citizen_id FROM call_row WHERE claimed_by IS NOT NULL") == []
    pages = worlds.rows("SELECT DISTINCT status FROM inbound_message m JOIN call_row r USING (incident_id)")
    assert len(pages) == 2, "each keeps its own on its own list"


def test_what_follows_a_message_stays_in_its_world(worlds: Worlds) -> None:
    def post(path: str, **body: Any) -> Response:
        return worlds.client.post(f"/api/v1/{path}", json=body, headers=worlds.headers | {"Idempotency-Key": uuid4().hex})

    with begin(worlds.sessions) as session:
        session.execute(
            text("""UPDATE broadcast SET next_message_at = clock_timestamp(), next_message_offset = 420,
            still_valid_texts = jsonb_build_object('id', word || 'Tidak ada perubahan.', 'en', word || 'Nothing new.')
            FROM (VALUES ('Actual', ''), ('Exercise', 'LATIHAN: ')) AS w(world, word) WHERE status = world""")
        )
        senders = SenderSets.of(worlds.settings)
        assert sum(keep_promise(session, each, configured=senders) for each in list_due(session)) == 2
    for status in Status:
        texts = {"id": "Apa kabar?", "en": "How are you?"}
        asked = post(f"broadcasts/{worlds.broadcasts[status]}/follow-up", texts=texts)
        assert (asked.status_code, asked.json()["status"]) == (201, status.value), asked.text
    said = worlds.rows("""SELECT b.purpose, b.status, t.body, t.body LIKE 'LATIHAN%' AS is_marked, c.is_tester
        FROM broadcast b JOIN broadcast_text t ON t.broadcast_id = b.id JOIN audience_member m ON m.broadcast_id = b.id
        JOIN citizen c ON c.id = m.citizen_id WHERE b.purpose IN ('still_valid', 'follow_up')""")
    assert {(row["purpose"], row["status"]) for row in said} == {(p, s.value) for p in ("still_valid", "follow_up") for s in Status}
    assert all(row["is_marked"] is (row["status"] == "Exercise") for row in said)
    assert all(row["is_tester"] for row in said if row["status"] == "Exercise")


def test_no_account_answers_a_call_of_the_other(worlds: Worlds) -> None:
    for status, own, other in ((Status.ACTUAL, LIVE_TOKEN, DRILL_TOKEN), (Status.EXERCISE, DRILL_TOKEN, LIVE_TOKEN)):
        path = "/hooks/twilio/voice/" + callback_token(worlds.settings.keyring.callback, f"{worlds.member(status) * 64 + 1}-1")
        assert worlds.hook(path, other, CallSid="CA1", Digits="1").status_code == 404
        assert worlds.rows("SELECT 1 FROM checkin WHERE incident_id = :i", i=worlds.incidents[status]) == []
        assert worlds.hook(path, own, CallSid="CA1", Digits="1").status_code == 200
        assert len(worlds.rows("SELECT 1 FROM checkin WHERE incident_id = :i", i=worlds.incidents[status])) == 1


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
