from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.inbox.actions import understand_message
from alerts.inbox.models import InboundMessage
from alerts.inbox.queries import TrayCounts, count_tray
from alerts.incidents.actions import close_incident
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.factories.checkins import Person, make_citizen, make_member
from tests.factories.incidents import HATAY, OPENER, SYRIA, make_incident

TextUs = Callable[..., Response]
Understand = Callable[[], list[InboundMessage]]
SignIn = Callable[..., dict[str, str]]
_keys = count(1)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"inbox-{next(_keys)}"}


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident


@pytest.fixture
def person(session: Session, keyring: Keyring, incident: Incident) -> Person:
    person = make_citizen(session, keyring)
    make_member(session, incident, person)
    session.commit()
    return person


def checkins(session: Session) -> list[tuple[Any, ...]]:
    rows = session.execute(text("SELECT answer, channel, rung, citizen_id, incident_id FROM checkin ORDER BY id"))
    return [tuple(row) for row in rows]


ANSWERS = [
    ("1", "safe", "safe"),
    ("aman", "safe", "safe"),
    ("2", "need_help", "need_help"),
    ("2 kaki patah", "urgent_unread", "other"),
    ("selamat pagi", "unclear", "other"),
    ("aman tapi anak hilang", "unclear", "other"),
]


def test_an_answer_finds_its_person_and_incident(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident, person: Person
) -> None:
    for body, _, _ in ANSWERS:
        text_us(person.e164, body)
    rows = understand()
    assert [row.understood for row in rows] == [understood for _, understood, _ in ANSWERS]
    assert {(row.state, row.citizen_id, row.incident_id) for row in rows} == {("matched", person.id, incident.id)}
    assert checkins(session) == [(answer, "sms", "reported", person.id, incident.id) for _, _, answer in ANSWERS]
    published = session.execute(text("SELECT payload FROM outbox_event WHERE name = 'checkin.recorded'")).scalars().all()
    assert len(published) == len(ANSWERS)
    assert all(payload["member_id"] is not None for payload in published)


def test_a_second_ring_reads_nothing_again(
    session: Session, text_us: TextUs, understand: Understand, person: Person, keyring: Keyring
) -> None:
    text_us(person.e164, "1")
    (row,) = understand()
    for _ in range(3):
        assert understand_message(session, keyring=keyring, message_id=row.id) is None
    assert len(checkins(session)) == 1


def test_safe_by_sms_does_not_erase_a_call_for_help(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident, person: Person
) -> None:
    from alerts.checkins.queries import safe_counts

    text_us(person.e164, "2")
    text_us(person.e164, "1")
    understand()
    counts = safe_counts(session, incident.id)
    assert (counts.need_help, counts.need_help_says_safe, counts.safe) == (1, 1, 0)


def test_the_newest_open_incident_is_meant(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident, person: Person
) -> None:
    newer = make_incident(session)
    make_member(session, newer, person)
    session.commit()
    text_us(person.e164, "1")
    assert understand()[0].incident_id == newer.id
    close_incident(session, actor=OPENER, incident_id=newer.id, reason="selesai")
    session.commit()
    text_us(person.e164, "1")
    assert understand()[1].incident_id == incident.id


def test_nobody_we_know_goes_to_the_tray(session: Session, text_us: TextUs, understand: Understand, person: Person) -> None:
    for sender, body in [("+60999999999", "1"), ("INFO", "minta tolong"), ("+60999999998", "STOP")]:
        text_us(sender, body)
    rows = understand()
    assert [(row.state, row.understood, row.citizen_id) for row in rows] == [
        ("unmatched", "safe", None),
        ("unmatched", "urgent_unread", None),
        ("unmatched", "opt_out", None),
    ]
    assert checkins(session) == []
    assert count_tray(session, OPENER) == TrayCounts(waiting=2, calls=1, urgent=1), "an opt-out of a stranger leaves nothing to do"


def test_somebody_whom_no_open_incident_asked_is_not_lost(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident, person: Person
) -> None:
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    session.commit()
    text_us(person.e164, "2")
    (row,) = understand()
    assert (row.state, row.citizen_id, row.incident_id, row.flags) == ("unmatched", person.id, None, ["no_open_incident"])
    assert count_tray(session, OPENER) == TrayCounts(waiting=1, calls=1, urgent=0)


def test_a_shared_number_speaks_for_the_one_whom_we_texted(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident, person: Person, keyring: Keyring
) -> None:
    twin = make_citizen(session, keyring, e164=person.e164)
    make_member(session, incident, twin, channel=Channel.NONE, phone_id=None, unreachable="no_address")
    session.commit()
    text_us(person.e164, "1")
    (row,) = understand()
    assert (row.state, row.citizen_id, row.flags) == ("matched", person.id, ["several_people"])
    third = make_citizen(session, keyring, e164=person.e164)
    make_member(session, incident, third)
    session.commit()
    text_us(person.e164, "2")
    row = understand()[1]
    assert (row.state, row.citizen_id) == ("unmatched", None)
    assert "several_people" in row.flags
    assert len(checkins(session)) == 1


OPT_OUTS: list[tuple[str, dict[str, str]]] = [("stop.", {}), ("BERHENTI", {}), ("cukup", {"OptOutType": "STOP"})]


def test_an_opt_out_is_kept_and_is_no_answer(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident, keyring: Keyring
) -> None:
    for body, fields in OPT_OUTS:
        person = make_citizen(session, keyring)
        make_member(session, incident, person)
        session.commit()
        text_us(person.e164, body, **fields)
        row = understand()[-1]
        assert (row.state, row.understood, row.citizen_id) == ("matched", "opt_out", person.id)
        assert session.execute(text("SELECT opted_out_at FROM citizen WHERE id = :id"), {"id": person.id}).scalar_one() is not None
    assert checkins(session) == []


ODD: list[tuple[str, dict[str, str], str]] = [
    ("", {}, "empty"),
    ("x" * 1530, {}, "long"),
    ("1", {"NumSegments": "10"}, "long"),
    ("1\u202e", {}, "hidden_characters"),
    ("1", {"NumMedia": "1"}, "has_media"),
]


def test_odd_messages_are_flagged_and_left_to_a_person(text_us: TextUs, understand: Understand, person: Person) -> None:
    for body, fields, _ in ODD:
        assert text_us(person.e164, body, **fields).status_code == 200
    rows = understand()
    assert [row.flags for row in rows] == [[flag] for _, _, flag in ODD]
    assert {row.understood for row in rows} == {"unclear"}


def test_the_tray_shows_calls_for_help_first_and_each_mission_its_own(
    client: TestClient, session: Session, text_us: TextUs, understand: Understand, sign_in: SignIn, person: Person
) -> None:
    for sender, body in [("+60999999999", "halo"), (person.e164, "selamat \u202epagi"), (person.e164, "tolong kami"), (person.e164, "1")]:
        text_us(sender, body)
    understand()
    duty = sign_in("duty_officer")
    tray = client.get("/api/v1/inbox", headers=duty).json()
    assert [row["text"] for row in tray] == ["tolong kami", "halo", "selamat pagi"]
    assert tray[0]["sender"] == person.e164
    ankara = client.get("/api/v1/inbox", headers=sign_in("mission_staff", "kbri-ankara")).json()
    assert [row["text"] for row in ankara] == ["tolong kami", "selamat pagi"]
    assert client.get("/api/v1/inbox", headers=sign_in("mission_staff", "kbri-damascus")).json() == []
    assert client.get("/api/v1/inbox", headers=sign_in("minister")).status_code == 403


def test_a_person_says_what_a_message_means(
    client: TestClient, session: Session, text_us: TextUs, understand: Understand, sign_in: SignIn, incident: Incident, person: Person
) -> None:
    text_us(person.e164, "tolong kami di atap")
    text_us("+60999999999", "2")
    mine, stranger = understand()
    duty = sign_in("duty_officer")
    url = f"/api/v1/inbox/{mine.id}/handle"
    handled = client.post(url, json={"answer": "need_help"}, headers=duty | key())
    assert (handled.status_code, handled.json()["state"], handled.json()["text"]) == (200, "handled", None)
    assert [row[:3] for row in checkins(session)] == [("other", "sms", "reported"), ("need_help", "sms", "reported")]
    assert client.post(url, json={"answer": "safe"}, headers=duty | key()).status_code == 409
    url = f"/api/v1/inbox/{stranger.id}/handle"
    assert client.post(url, json={"answer": "need_help"}, headers=duty | key()).status_code == 422
    assert client.post(url, json={"answer": "need_help"}, headers=sign_in("mission_staff", "kbri-ankara") | key()).status_code == 404
    whose = {"answer": "need_help", "incident_id": str(incident.id), "citizen_external_id": person.external_id}
    assert client.post(url, json=whose, headers=duty | key()).status_code == 200
    assert len(checkins(session)) == 3
    assert client.get("/api/v1/inbox", headers=duty).json() == []
    assert session.execute(text("SELECT count(*) FROM action_log WHERE action = 'inbound.handled'")).scalar_one() == 2


def test_whatsapp_is_read_by_the_same_rules(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident, person: Person
) -> None:
    for body in ("1", "TOLONG", "TOLONG 2", "", "STOP"):
        text_us(f"whatsapp:{person.e164}", body)
    rows = understand()
    assert {(row.channel, row.citizen_id) for row in rows} == {("whatsapp", person.id)}
    assert [row.understood for row in rows] == ["safe", "need_help", "urgent_unread", "unclear", "opt_out"]
    assert [row[:3] for row in checkins(session)][:2] == [("safe", "whatsapp", "reported"), ("need_help", "whatsapp", "reported")]
    assert session.execute(text("SELECT opted_out_at FROM citizen WHERE id = :id"), {"id": person.id}).scalar_one() is not None


def test_lapor_diri_is_somebody_who_wants_to_register(text_us: TextUs, understand: Understand) -> None:
    text_us("+60999999999", "LAPOR  DIRI Budi Ankara")
    (row,) = understand()
    assert (row.state, row.understood, row.flags) == ("unmatched", "unclear", ["wants_to_register"])


def test_a_call_by_somebody_unknown_is_a_case_at_once_and_no_safe_erases_it(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident
) -> None:
    from alerts.checkins.cases.models import HelpCase

    for body in ("2", "tolong", "1"):
        text_us("+60999999999", body)
    first, second, third = understand()
    case = session.query(HelpCase).one()
    assert (first.case_id, second.case_id, third.case_id) == (case.id, case.id, None)
    assert (case.state, case.owner_mission, case.citizen_id, case.incident_id) == ("open", None, None, None)
    sealed = session.execute(text("SELECT sender_enc FROM help_case")).scalar_one()
    assert b"999999999" not in bytes(sealed)


def test_a_known_person_outside_any_incident_calls_the_mission_of_the_place(
    session: Session, text_us: TextUs, understand: Understand, incident: Incident, person: Person
) -> None:
    from alerts.checkins.cases.models import HelpCase

    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    session.commit()
    text_us(person.e164, "2")
    (row,) = understand()
    case = session.query(HelpCase).one()
    assert (row.case_id, case.citizen_id, case.owner_mission) == (case.id, person.id, "kbri-ankara")


def test_finding_out_who_called_gives_them_their_case(
    client: TestClient, session: Session, text_us: TextUs, understand: Understand, sign_in: SignIn, incident: Incident, person: Person
) -> None:
    from alerts.checkins.cases.models import HelpCase

    text_us("+60999999999", "2")
    (row,) = understand()
    whose = {"answer": "need_help", "incident_id": str(incident.id), "citizen_external_id": person.external_id}
    assert client.post(f"/api/v1/inbox/{row.id}/handle", json=whose, headers=sign_in("duty_officer") | key()).status_code == 200
    session.expire_all()
    case = session.query(HelpCase).one()
    assert (case.citizen_id, case.incident_id, case.owner_mission) == (person.id, incident.id, "kbri-ankara")
    assert session.execute(text("SELECT count(*) FROM help_case_entry")).scalar_one() == 3


def test_a_message_is_given_to_a_mission_by_the_ministry_only(
    client: TestClient, session: Session, text_us: TextUs, understand: Understand, sign_in: SignIn, incident: Incident
) -> None:
    text_us("+60999999999", "halo")
    (row,) = understand()
    ankara, url = sign_in("mission_staff", "kbri-ankara"), f"/api/v1/inbox/{row.id}/assign"
    assert client.post(url, json={"mission_code": "kbri-ankara"}, headers=ankara | key()).status_code == 404, "not its own yet"
    duty = sign_in("duty_officer")
    assert client.post(url, json={"mission_code": "kbri-nowhere"}, headers=duty | key()).status_code == 422
    assert client.post(url, json={"mission_code": "kbri-ankara"}, headers=duty | key()).json()["text"] is None
    assert [each["text"] for each in client.get("/api/v1/inbox", headers=ankara).json()] == ["halo"]
    assert client.post(url, json={"mission_code": None}, headers=ankara | key()).status_code == 403
