from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.checkins.cases.models import HelpCase
from alerts.deliveries.evidence import mark_answered
from alerts.inbox.models import InboundMessage
from alerts.inbox.open_link.actions import path_of
from alerts.inbox.open_link.rules import ADDRESS_LIMIT
from alerts.inbox.queries import present_message
from alerts.incidents.actions import close_incident
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.live.reach.queries import load_rows
from tests.factories.checkins import Person, link_of, make_citizen, make_member
from tests.factories.deliveries import make_delivery
from tests.factories.incidents import HATAY, OPENER, make_incident

SignIn = Callable[..., dict[str, str]]
STRANGER = "+905551112233"


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY])
    session.commit()
    return incident


@pytest.fixture
def person(session: Session, keyring: Keyring, incident: Incident) -> Person:
    person = make_citizen(session, keyring)
    session.commit()
    return person


@pytest.fixture
def link(keyring: Keyring, incident: Incident) -> str:
    return path_of(keyring, incident)


def rows(session: Session) -> list[InboundMessage]:
    session.expire_all()
    return list(session.query(InboundMessage).order_by(InboundMessage.id))


def hear(session: Session) -> None:
    """What deliveries do with the newest answer."""
    newest = "SELECT payload FROM outbox_event WHERE name = 'checkin.recorded' ORDER BY id DESC LIMIT 1"
    mark_answered(session, [session.execute(text(newest)).scalar_one()])


def checkins(session: Session) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.execute(text("SELECT citizen_id, answer, channel, rung FROM checkin ORDER BY id"))]


def test_the_form_needs_no_script_loads_nothing_and_shows_nobody(client: TestClient, session: Session, link: str, person: Person) -> None:
    page = client.get(link)
    assert page.status_code == 200
    assert "<script" not in page.text
    assert len(page.content) < 10_000
    assert not re.search(r"(?:src|href)=\"(?!\?lang=)", page.text)
    assert page.headers["cache-control"] == "no-store"
    assert '<html lang="id">' in page.text
    assert '<html lang="en">' in client.get(f"{link}?lang=en").text
    assert "Gempa uji" not in page.text
    assert rows(session) == []


def test_somebody_whom_the_register_knows_once_is_a_claim_on_the_first_rung(
    client: TestClient, session: Session, link: str, person: Person, keyring: Keyring
) -> None:
    typed = {"answer": "safe", "phone": person.e164, "name": "Siapa Saja", "place": "Antakya", "note": "bertiga"}
    page = client.post(link, data=typed)
    assert page.status_code == 200
    assert checkins(session) == [(person.id, "safe", "open_link", "reported")]
    for personal in (person.e164, "Siapa Saja", "Warga", "Antakya", "bertiga"):
        assert personal not in page.text
    (row,) = rows(session)
    assert (row.channel, row.state, row.citizen_id) == ("open_link", "matched", person.id)
    view = present_message(row, keyring)
    assert (view.name, view.place, view.text, view.sender) == ("Siapa Saja", "Antakya", "bertiga", person.e164)
    sealed = session.execute(text("SELECT name_enc, place_enc, body_enc, from_enc FROM inbound_message")).one()
    assert not any(word in bytes(field) for field in sealed for word in (b"Siapa", b"Antakya", b"bertiga", b"6012"))


def test_whoever_types_somebody_elses_number_does_not_silence_them(
    client: TestClient, session: Session, keyring: Keyring, incident: Incident, person: Person, link: str, sign_in: SignIn
) -> None:
    member = make_member(session, incident, person)
    make_delivery(session, member, "failed")
    session.commit()
    assert client.post(link, data={"answer": "safe", "phone": person.e164}).status_code == 200
    hear(session)
    session.commit()
    duty = sign_in("duty_officer")

    def stands() -> tuple[list[str], int, int]:
        calls = client.get(f"/api/v1/incidents/{incident.id}/call-list", headers=duty).json()
        rows = load_rows(session, session.get_one(Broadcast, member.broadcast_id))
        return [row["gap"] for row in calls["items"]], rows.claimed, sum(tally.people for tally in rows.people if tally.is_answered)

    assert stands() == (["failed"], 1, 0), "a claim of anybody: said, shown, and nothing stops for it"
    assert client.post(link_of(keyring, member), data={"answer": "safe"}).status_code == 200
    hear(session)
    session.commit()
    assert stands() == ([], 0, 1), "by the link that only they have"


def test_the_answer_does_not_tell_whether_a_number_is_registered(client: TestClient, link: str, person: Person) -> None:
    keys = re.compile(r"[0-9a-f]{32}|[0-9]{2}\.[0-9]{2}")
    for answer in ("safe", "need_help"):
        known, unknown = (client.post(link, data={"answer": answer, "phone": phone}).text for phone in (person.e164, STRANGER))
        assert keys.sub("", known) == keys.sub("", unknown)


def test_a_stranger_goes_to_the_tray_and_a_call_for_help_has_a_case(
    client: TestClient, session: Session, link: str, incident: Incident, sign_in: SignIn
) -> None:
    client.post(link, data={"answer": "safe", "phone": STRANGER, "place": "Iskenderun"})
    page = client.post(link, data={"answer": "need_help", "phone": "0555 111 2233"})
    assert "pusat krisis di Jakarta" in page.text
    safe, call = rows(session)
    assert (safe.state, safe.incident_id, safe.case_id) == ("unmatched", incident.id, None)
    case = session.query(HelpCase).one()
    assert call.case_id == case.id
    assert call.from_index == safe.from_index, "a national number of the country is the same one"
    assert (case.owner_mission, case.is_owner_assumed, case.incident_id) == ("kbri-ankara", True, incident.id)
    assert checkins(session) == []
    tray = client.get("/api/v1/inbox", headers=sign_in("duty_officer")).json()
    assert [(each["understood"], each["channel"], each["place"]) for each in tray] == [
        ("need_help", "open_link", None),
        ("safe", "open_link", "Iskenderun"),
    ]


def test_a_shared_number_is_nobodys_claim(client: TestClient, session: Session, link: str, person: Person, keyring: Keyring) -> None:
    make_citizen(session, keyring, e164=person.e164)
    session.commit()
    client.post(link, data={"answer": "safe", "phone": person.e164})
    (row,) = rows(session)
    assert (row.state, row.flags, row.citizen_id) == ("unmatched", ["several_people"], None)


def test_nobody_who_asks_for_help_is_refused_for_the_form_of_a_number(client: TestClient, session: Session, link: str) -> None:
    assert client.post(link, data={"answer": "need_help", "phone": "tanya Pak RT"}).status_code == 200
    (row,) = rows(session)
    assert (row.state, row.flags) == ("unmatched", ["bad_number"])
    assert session.query(HelpCase).one().incident_id is not None


@pytest.mark.parametrize("form", [{"answer": "safe"}, {"phone": STRANGER}, {"phone": STRANGER, "answer": "x", "place": "Antakya <b>"}])
def test_what_is_missing_is_asked_for_again(client: TestClient, session: Session, link: str, form: dict[str, str]) -> None:
    page = client.post(link, data=form)
    assert page.status_code == 422
    assert "nomor telepon" in page.text
    assert form.get("place", "").replace("<b>", "&lt;b&gt;") in page.text
    assert rows(session) == []


def test_a_form_sent_twice_is_one_claim(client: TestClient, session: Session, link: str, person: Person) -> None:
    found = re.search(r'name="form_key" value="([0-9a-f]{32})"', client.get(link).text)
    assert found
    form = {"answer": "need_help", "phone": person.e164, "form_key": found.group(1)}
    for _ in range(3):
        assert client.post(link, data=form).status_code == 200
    assert len(rows(session)) == len(checkins(session)) == 1
    assert session.execute(text("SELECT count(*) FROM help_case_entry")).scalar_one() == 1


def test_a_program_that_fills_in_everything_is_kept_last_and_raises_nothing(
    client: TestClient, session: Session, link: str, person: Person, sign_in: SignIn
) -> None:
    form = {"answer": "need_help", "phone": person.e164, "website": "https://spam.example"}
    assert client.post(link, data=form).status_code == 200
    client.post(link, data={"answer": "safe", "phone": STRANGER})
    assert rows(session)[0].flags == ["perhaps_a_program"]
    assert checkins(session) == []
    assert session.query(HelpCase).count() == 0
    tray = client.get("/api/v1/inbox", headers=sign_in("duty_officer")).json()
    assert [each["understood"] for each in tray] == ["safe", "need_help"]


def test_hostile_text_is_cleaned_flagged_and_cut(client: TestClient, session: Session, link: str, keyring: Keyring) -> None:
    form = {"answer": "safe", "phone": STRANGER, "note": "\u202ea\u200b<script>" + "x" * 2000, "name": "n" * 900}
    assert client.post(link, data=form).status_code == 200
    (row,) = rows(session)
    view = present_message(row, keyring)
    assert view.text is not None
    assert view.text.startswith("a<script>")
    assert len(view.text) <= 500
    assert view.name == "n" * 200
    assert client.post(link, data={"answer": "safe", "phone": STRANGER, "note": "x" * 20_000}).status_code == 422
    assert client.post(link, data={"answer": "safe", "phone": STRANGER, "admin": "1"}).status_code == 422
    assert client.post(link, data={"answer": "safe", "phone": "1" + "\x00"}).status_code == 422


def test_one_address_may_not_flood_and_cannot_forge_another(client: TestClient, session: Session, link: str) -> None:
    for number in range(ADDRESS_LIMIT.failures):
        forged = {"X-Forwarded-For": f"203.0.113.{number}"}
        assert client.post(link, data={"answer": "safe", "phone": STRANGER}, headers=forged).status_code == 200
    refused = client.post(link, data={"answer": "safe", "phone": STRANGER, "place": "Antakya"}, headers={"X-Forwarded-For": "198.51.100.1"})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert 'value="Antakya"' in refused.text
    assert len(rows(session)) == ADDRESS_LIMIT.failures
    assert b"testclient" not in bytes(rows(session)[0].address_index or b"")


def test_foreign_closed_and_quiet_links_are_the_same_nothing(client: TestClient, session: Session, link: str, incident: Incident) -> None:
    gone = client.get("/c/2345678abc")
    assert gone.status_code == 404
    incident.is_quiet = True
    session.commit()
    for answer in (client.get(link), client.post(link, data={"answer": "safe", "phone": STRANGER})):
        assert (answer.status_code, answer.text) == (404, gone.text)
    incident.is_quiet = False
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    session.commit()
    assert client.get(link).status_code == 404
    assert rows(session) == []


def test_an_exercise_has_a_link_of_its_own(client: TestClient, session: Session, keyring: Keyring, link: str) -> None:
    exercise = make_incident(session, areas=[HATAY], status="Exercise")
    session.commit()
    practice = path_of(keyring, exercise)
    assert practice.startswith("/exercise/c/")
    page = client.get(practice)
    assert "<title>LATIHAN" in page.text
    assert '<body class="exercise">' in page.text
    assert client.get(practice.removeprefix("/exercise")).status_code == 404
    assert client.get(f"/exercise{link}").status_code == 404
    assert client.post(practice, data={"answer": "need_help", "phone": STRANGER}).status_code == 200
    assert session.query(HelpCase).one().status == "Exercise"


def test_the_text_to_pass_on_has_the_link_in_both_languages(
    client: TestClient, session: Session, keyring: Keyring, incident: Incident, person: Person, sign_in: SignIn, link: str
) -> None:
    member = make_member(session, incident, person)
    session.commit()
    url, duty = f"/api/v1/broadcasts/{member.broadcast_id}/forwardable", sign_in("duty_officer")
    given = client.get(url, headers=duty).json()
    assert given["link"].endswith(link)
    assert set(given["texts"]) == {"id", "en"}
    assert all(given["link"] in words for words in given["texts"].values())
    assert given["texts"]["id"].startswith("uji")
    incident.is_quiet = True
    session.commit()
    assert client.get(url, headers=duty).json()["code"] == "incident_quiet"
    incident.is_quiet = False
    broadcast = session.get(Broadcast, member.broadcast_id)
    assert broadcast is not None
    approved_at = broadcast.approved_at
    assert approved_at is not None
    broadcast.approved_at = approved_at - timedelta(hours=1)
    session.commit()
    assert client.get(url, headers=duty).json()["code"] == "message_expired"
    broadcast.approved_at = approved_at
    broadcast.state = "cancelled"  # type: ignore[assignment]
    session.commit()
    assert client.get(url, headers=duty).status_code == 409
    assert client.get(url, headers=sign_in("mission_staff", "kbri-damascus")).status_code == 404
