from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.rules import Answer, Channel
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from alerts.missions.models import Mission
from tests.factories.checkins import Person, link_of, make_citizen, make_member
from tests.factories.incidents import HATAY, OPENER, SYRIA, make_incident

SignIn = Callable[..., dict[str, str]]
URL = "/api/v1/cases"
_keys = count(1)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"case-{next(_keys)}"}


def contact(after: timedelta = timedelta()) -> dict[str, str]:
    return {"who": "meja konsuler", "when": (datetime.now(UTC) + after).isoformat(), "how": "telepon"}


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident


@pytest.fixture
def person(session: Session, keyring: Keyring, incident: Incident) -> Person:
    person = make_citizen(session, keyring)
    session.commit()
    return person


@pytest.fixture
def says(session: Session, keyring: Keyring, incident: Incident, person: Person) -> Callable[..., None]:
    def say(answer: Answer, channel: Channel = Channel.SMS) -> None:
        new = NewCheckin(incident.id, person.id, answer, channel)
        record_checkin(session, actor=OPENER, keyring=keyring, new=new)
        session.commit()

    return say


def cases(session: Session) -> list[HelpCase]:
    session.expire_all()
    return list(session.query(HelpCase).order_by(HelpCase.id))


def kinds(session: Session) -> list[str]:
    return list(session.execute(text("SELECT kind FROM help_case_entry ORDER BY id")).scalars())


def test_a_call_for_help_has_a_case_with_an_owner_at_once(session: Session, says: Callable[..., None], person: Person) -> None:
    says(Answer.NEED_HELP)
    (case,) = cases(session)
    assert (case.citizen_id, case.state, case.owner_mission, case.is_owner_assumed) == (person.id, "open", "kbri-ankara", False)
    raised = session.execute(text("SELECT payload FROM outbox_event WHERE name = 'case.raised'")).scalars().all()
    assert [(event["case_id"], event["mission_code"]) for event in raised] == [(str(case.id), "kbri-ankara")]


def test_one_case_per_person_and_incident_however_often_they_call(session: Session, says: Callable[..., None]) -> None:
    for _ in range(3):
        says(Answer.NEED_HELP)
    says(Answer.OTHER)
    assert len(cases(session)) == 1
    assert kinds(session) == ["raised", "claim", "claim", "claim"]


@pytest.mark.parametrize(
    "channel", [Channel.SMS, Channel.WHATSAPP, Channel.LINK, Channel.VOICE, Channel.APP, Channel.OPEN_LINK, Channel.STAFF]
)
def test_a_claim_of_safe_stands_beside_the_call(session: Session, says: Callable[..., None], channel: Channel) -> None:
    says(Answer.NEED_HELP)
    says(Answer.SAFE, channel)
    (case,) = cases(session)
    assert case.state == "open"
    assert case.says_safe_at is not None
    says(Answer.NEED_HELP)
    assert cases(session)[0].says_safe_at is None, "calling again is the newest word"


def test_a_failed_mission_is_covered(session: Session, says: Callable[..., None]) -> None:
    ankara = session.get(Mission, "kbri-ankara")
    assert ankara is not None
    ankara.state, ankara.covered_by = "suspended", "kbri-athens"  # type: ignore[assignment]
    session.commit()
    says(Answer.NEED_HELP)
    assert cases(session)[0].owner_mission == "kbri-athens"


def test_somebody_registered_elsewhere_is_the_incidents_own(session: Session, keyring: Keyring) -> None:
    incident = make_incident(session, areas=[HATAY])
    traveller = make_citizen(session, keyring, country_iso2="MY", province_code=None)
    new = NewCheckin(incident.id, traveller.id, Answer.NEED_HELP, Channel.APP)
    record_checkin(session, actor=OPENER, keyring=keyring, new=new)
    (case,) = cases(session)
    assert (case.owner_mission, case.is_owner_assumed) == ("kbri-ankara", True)


def test_two_calls_at_once_raise_one_case(committed_client: TestClient, sessions: Sessions, committed_settings: Any) -> None:
    keyring = committed_settings.keyring
    with sessions.begin() as session:
        person = make_citizen(session, keyring)
        incident = make_incident(session)
        members = [make_member(session, incident, person) for _ in range(4)]
        links = [link_of(keyring, member) for member in members]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda link: committed_client.post(link, data={"answer": "need_help"}).status_code, links))
    assert answers == [200] * 4
    with sessions() as session:
        assert len(cases(session)) == 1
        assert kinds(session) == ["raised", "claim", "claim", "claim"]


def test_each_mission_sees_its_own_cases_only(
    client: TestClient, session: Session, says: Callable[..., None], sign_in: SignIn, incident: Incident
) -> None:
    says(Answer.NEED_HELP)
    (case,) = cases(session)
    own, other, ministry = sign_in("mission_staff", "kbri-ankara"), sign_in("mission_staff", "kbri-damascus"), sign_in("duty_officer")
    for who in (own, ministry):
        assert [each["id"] for each in client.get(URL, headers=who).json()["items"]] == [str(case.id)]
        assert client.get(f"{URL}/{case.id}", headers=who).status_code == 200
    assert client.get(URL, headers=other).json()["items"] == []
    assert client.get(f"{URL}/{case.id}", headers=other).status_code == 404
    for act, body in (("move", {"to": "acknowledged"}), ("notes", {"note": "x"})):
        assert client.post(f"{URL}/{case.id}/{act}", json=body, headers=other | key()).status_code == 404
    assert client.get(URL, headers=sign_in("minister")).status_code == 403
    assert client.post(f"{URL}/{case.id}/assign", json={"mission_code": "kbri-damascus"}, headers=own | key()).status_code == 403
    moved = client.post(f"{URL}/{case.id}/assign", json={"mission_code": "kbri-damascus"}, headers=ministry | key())
    assert moved.json()["owner_mission"] == "kbri-damascus"
    assert client.get(f"{URL}/{case.id}", headers=other).status_code == 200
    assert client.get(f"{URL}/{case.id}", headers=own).status_code == 404


def test_whoever_waited_longest_comes_first(
    client: TestClient, session: Session, keyring: Keyring, incident: Incident, sign_in: SignIn
) -> None:
    for _ in range(3):
        person = make_citizen(session, keyring)
        new = NewCheckin(incident.id, person.id, Answer.NEED_HELP, Channel.SMS)
        record_checkin(session, actor=OPENER, keyring=keyring, new=new)
    session.commit()
    duty = sign_in("duty_officer")
    first = client.get(URL, params={"limit": 2}, headers=duty).json()
    rest = client.get(URL, params={"limit": 2, "cursor": first["next_cursor"]}, headers=duty).json()
    assert [each["id"] for each in (*first["items"], *rest["items"])] == [str(case.id) for case in cases(session)]
    assert rest["next_cursor"] is None


def test_only_contact_closes_a_case(client: TestClient, session: Session, says: Callable[..., None], sign_in: SignIn) -> None:
    says(Answer.NEED_HELP)
    (case,) = cases(session)
    staff, url = sign_in("mission_staff", "kbri-ankara"), f"{URL}/{case.id}/move"

    def move(**body: Any) -> Response:
        return client.post(url, json=body, headers=staff | key())

    assert move(to="resolved").json()["field"] == "contact"
    assert move(to="resolved", contact=contact(timedelta(hours=1))).status_code == 422
    assert move(to="resolved", contact=contact(-timedelta(hours=1))).json()["code"] == "contact_before_call"
    assert move(to="referred", contact=contact()).json()["field"] == "note"
    assert move(to="acknowledged", note="menelepon balik").json()["state"] == "acknowledged"
    assert move(to="acknowledged").status_code == 409
    done = move(to="resolved", contact=contact())
    assert (done.status_code, done.json()["state"]) == (200, "resolved")
    assert done.json()["numbers"] == [], "what is kept for replay holds nothing personal"
    assert move(to="being_helped").status_code == 409
    standing = session.execute(text("SELECT answer, rung, contact_how FROM checkin ORDER BY id DESC LIMIT 1")).one()
    assert tuple(standing) == ("safe", "contact_made", "telepon")
    says(Answer.NEED_HELP)
    assert [each.state for each in cases(session)] == ["resolved", "open"], "a new call is a new case"


def test_the_history_says_who_and_when_and_keeps_notes_sealed(
    client: TestClient, session: Session, says: Callable[..., None], sign_in: SignIn, person: Person
) -> None:
    says(Answer.NEED_HELP)
    (case,) = cases(session)
    staff = sign_in("mission_staff", "kbri-ankara")
    client.post(f"{URL}/{case.id}/notes", json={"note": "di atap sekolah"}, headers=staff | key())
    detail = client.get(f"{URL}/{case.id}", headers=staff).json()
    assert [(line["kind"], line["note"]) for line in detail["history"]] == [("raised", None), ("note", "di atap sekolah")]
    assert detail["acting_by"].startswith("staff:")
    assert detail["numbers"] == [person.e164]
    stored = session.execute(text("SELECT note_enc FROM help_case_entry WHERE note_enc IS NOT NULL")).scalar_one()
    assert b"atap" not in bytes(stored)
    assert session.execute(text("SELECT count(*) FROM action_log WHERE action LIKE 'case.%'")).scalar_one() == 2


def test_staff_who_record_contact_close_the_case_too(
    client: TestClient, session: Session, says: Callable[..., None], sign_in: SignIn, incident: Incident, person: Person
) -> None:
    says(Answer.NEED_HELP)
    duty = sign_in("duty_officer")
    body = {"incident_id": str(incident.id), "citizen_id": str(person.id), "answer": "safe"}
    assert client.post("/api/v1/checkins", json=body, headers=duty | key()).status_code == 201
    assert cases(session)[0].state == "open"
    earlier = body | {"contact": contact(-timedelta(hours=2))}
    assert client.post("/api/v1/checkins", json=earlier, headers=duty | key()).status_code == 201
    assert cases(session)[0].state == "open", "that contact was made before the call"
    assert client.post("/api/v1/checkins", json=body | {"contact": contact()}, headers=duty | key()).status_code == 201
    assert cases(session)[0].state == "resolved"


def test_what_is_told_is_what_is_true(
    client: TestClient, session: Session, keyring: Keyring, incident: Incident, person: Person, sign_in: SignIn
) -> None:
    link = link_of(keyring, make_member(session, incident, person))
    session.commit()
    asked = client.post(link, data={"answer": "need_help"}).text
    assert "KBRI Ankara" in asked
    assert "WIB" in asked
    assert "bantuan untuk Anda" not in asked
    (case,) = cases(session)
    staff = sign_in("mission_staff", "kbri-ankara")
    client.post(f"{URL}/{case.id}/move", json={"to": "being_helped"}, headers=staff | key())
    again = client.post(link, data={"answer": "need_help"}).text
    assert "bantuan untuk Anda" in again
    beside = client.post(link, data={"answer": "safe"}).text
    assert "tetap terbuka" in beside
    assert "KBRI Ankara" not in client.get(link).text, "opening a link tells nothing"
