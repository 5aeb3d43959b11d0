from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.queries import SafeCounts, safe_counts, standings_at
from alerts.checkins.rules import Answer, Channel, Contact, Said, Standing, standing
from alerts.incidents.actions import close_incident
from alerts.incidents.models import Incident
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring
from tests.factories.checkins import Person, make_citizen
from tests.factories.incidents import HATAY, OPENER, SYRIA, make_incident

SignIn = Callable[..., dict[str, str]]
URL = "/api/v1/checkins"
CONTACT = {"who": "piket KBRI", "when": "2026-01-01T10:00:00+03:00", "how": "telepon"}
_keys = count(1)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"checkins-{next(_keys)}"}


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident


@pytest.fixture
def person(session: Session, keyring: Keyring) -> Person:
    person = make_citizen(session, keyring)
    session.commit()
    return person


def post(client: TestClient, headers: dict[str, str], incident: Incident, person: Person, **fields: Any) -> Response:
    body = {"incident_id": str(incident.id), "citizen_external_id": person.external_id, "answer": "safe"}
    return client.post(URL, json=body | fields, headers=headers | key())


def test_staff_contact_needs_who_when_and_how(client: TestClient, sign_in: SignIn, incident: Incident, person: Person) -> None:
    duty = sign_in("duty_officer")
    bare = post(client, duty, incident, person).json()
    assert (bare["channel"], bare["rung"]) == ("staff", "reported")
    made = post(client, duty, incident, person, contact=CONTACT).json()
    assert (made["rung"], made["contacted_by"], made["contact_how"]) == ("contact_made", "piket KBRI", "telepon")
    for contact in (CONTACT | {"how": ""}, {"who": "x y", "how": "telepon"}, CONTACT | {"when": "2999-01-01T00:00:00Z"}):
        assert post(client, duty, incident, person, contact=contact).status_code == 422


def test_a_machine_client_reports_and_makes_no_contact(client: TestClient, sign_in: SignIn, incident: Incident, person: Person) -> None:
    token = sign_in("duty_officer", via="token")
    view = post(client, token, incident, person, channel="app").json()
    assert (view["channel"], view["rung"]) == ("app", "reported")
    assert post(client, token, incident, person, channel="app", contact=CONTACT).status_code == 422
    assert post(client, token, incident, person, channel="staff", contact=CONTACT).json()["rung"] == "contact_made"


def test_a_note_is_read_by_id_and_not_kept_in_the_stored_answer(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident, person: Person
) -> None:
    duty = sign_in("duty_officer")
    view = post(client, duty, incident, person, answer="need_help", note="di atap sekolah").json()
    assert view["note"] is None
    assert client.get(f"{URL}/{view['id']}", headers=duty).json()["note"] == "di atap sekolah"
    stored = session.execute(text("SELECT string_agg(convert_from(body, 'UTF8'), '') FROM idempotency_key")).scalar_one()
    assert "sekolah" not in stored


def test_a_mission_sees_and_records_its_own_people_only(
    client: TestClient, session: Session, sign_in: SignIn, keyring: Keyring, incident: Incident, person: Person
) -> None:
    theirs = make_citizen(session, keyring, country_iso2="SY", province_code=None)
    session.commit()
    duty, ankara = sign_in("duty_officer"), sign_in("mission_staff", "kbri-ankara")
    ids = {name: post(client, duty, incident, who).json()["id"] for name, who in (("ours", person), ("theirs", theirs))}
    assert [row["id"] for row in client.get(URL, headers=ankara).json()["items"]] == [ids["ours"]]
    assert client.get(f"{URL}/{ids['ours']}", headers=ankara).status_code == 200
    assert client.get(f"{URL}/{ids['theirs']}", headers=ankara).status_code == 404
    assert post(client, ankara, incident, person).status_code == 201
    assert post(client, ankara, incident, theirs).status_code == 404
    assert len(client.get(f"{URL}?incident_id={incident.id}", headers=duty).json()["items"]) == 3
    for role in ("minister", "approver", "administrator"):
        assert client.get(URL, headers=sign_in(role)).status_code == 403


def test_refusals(client: TestClient, session: Session, sign_in: SignIn, incident: Incident, person: Person) -> None:
    duty = sign_in("duty_officer")
    assert post(client, duty, incident, person, answer="fine").status_code == 422
    assert post(client, duty, incident, person, citizen_id=str(person.id)).status_code == 422
    assert post(client, duty, incident, person, citizen_external_id="T-none").status_code == 404
    assert post(client, duty, incident, person, incident_id=str(uuid4())).status_code == 404
    assert post(client, sign_in("mission_staff", "kbri-tokyo"), incident, person).status_code == 404
    body = {"incident_id": str(incident.id), "citizen_id": str(person.id), "answer": "safe"}
    assert client.post(URL, json=body, headers=duty).status_code == 400
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    session.commit()
    assert post(client, duty, incident, person).status_code == 409
    assert session.execute(text("SELECT count(*) FROM checkin")).scalar_one() == 0


def test_recording_is_logged_once_for_one_key(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident, person: Person
) -> None:
    duty = sign_in("duty_officer") | key()
    body = {"incident_id": str(incident.id), "citizen_id": str(person.id), "answer": "safe"}
    answers = [client.post(URL, json=body, headers=duty) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert session.execute(text("SELECT count(*) FROM action_log WHERE action = 'checkin.recorded'")).scalar_one() == 1
    assert session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'checkin.recorded'")).scalar_one() == 1


STORIES = [
    [("safe", False)],
    [("need_help", False), ("safe", False)],
    [("need_help", False), ("safe", True)],
    [("safe", True), ("need_help", False)],
    [("other", False)],
    [("other", False), ("safe", False), ("other", False)],
    [("need_help", False), ("safe", True), ("need_help", False), ("safe", False)],
]


def test_counts_and_lists_follow_the_rule_and_the_minute(session: Session, keyring: Keyring, incident: Incident) -> None:
    contact = Contact("piket", datetime(2026, 1, 1, tzinfo=UTC), "telepon")
    expected: list[Standing | None] = []
    for story in STORIES:
        person, said = make_citizen(session, keyring), []
        for answer, is_contact in story:
            channel = Channel.STAFF if is_contact else Channel.SMS
            new = NewCheckin(incident.id, person.id, Answer(answer), channel, contact=contact if is_contact else None)
            row = record_checkin(session, actor=SYSTEM, keyring=keyring, new=new)
            said.append(Said(row.answer, row.rung, row.received_at))
        expected.append(standing(said))
        stands = {row.citizen_id: row.standing for row in session.execute(select(standings_at(incident.id)))}
        assert stands[person.id] == standing(said), story
    by_rule = [expected.count(each) for each in (Standing.SAFE, Standing.NEED_HELP, Standing.OTHER)]
    assert by_rule == [3, 3, 1]
    counts = safe_counts(session, incident.id)
    assert counts == SafeCounts(answered=7, safe=3, safe_contact_made=1, need_help=3, need_help_says_safe=2, other=1)
    first = session.execute(text("SELECT min(received_at) FROM checkin")).scalar_one()
    assert safe_counts(session, incident.id, first) == SafeCounts(1, 1, 0, 0, 0, 0)
    assert safe_counts(session, incident.id, first - timedelta(seconds=1)).answered == 0
