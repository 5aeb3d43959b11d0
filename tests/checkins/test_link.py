from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember
from alerts.incidents.actions import close_incident
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from tests.factories.checkins import Person, link_of, make_citizen, make_member
from tests.factories.incidents import OPENER, make_incident


@pytest.fixture
def person(session: Session, keyring: Keyring) -> Person:
    return make_citizen(session, keyring)


@pytest.fixture
def member(session: Session, person: Person) -> AudienceMember:
    member = make_member(session, make_incident(session), person)
    session.commit()
    return member


@pytest.fixture
def link(keyring: Keyring, member: AudienceMember) -> str:
    return link_of(keyring, member)


def answers(session: Session) -> list[tuple[str, str, str]]:
    rows = session.execute(text("SELECT answer, channel, rung FROM checkin ORDER BY id"))
    return [(row.answer, row.channel, row.rung) for row in rows]


def test_opening_the_link_changes_nothing_and_shows_nobody(client: TestClient, session: Session, link: str, person: Person) -> None:
    for _ in range(3):
        page = client.get(link)
        assert page.status_code == 200
    assert answers(session) == []
    assert session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'checkin.recorded'")).scalar_one() == 0
    for personal in ("Warga Uji", person.e164, person.e164[1:], str(person.id), person.external_id, "Gempa uji"):
        assert personal not in page.text


def test_the_page_is_small_and_needs_no_script_and_no_second_request(client: TestClient, link: str) -> None:
    page = client.get(link)
    assert len(page.content) < 10_000
    assert "<script" not in page.text
    assert not re.search(r"(?:src|href)=\"(?!\?lang=)", page.text)
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe-inline" not in page.headers["content-security-policy"]


def test_the_page_speaks_the_citizens_language_or_the_one_asked_for(client: TestClient, session: Session, keyring: Keyring) -> None:
    english = make_member(session, make_incident(session), make_citizen(session, keyring), language="en")
    session.commit()
    link = link_of(keyring, english)
    assert '<html lang="en">' in client.get(link, headers={"Accept-Language": "id"}).text
    asked = client.get(f"{link}?lang=id").text
    assert '<html lang="id">' in asked
    assert "Saya selamat" in asked
    assert '<html lang="en">' in client.get("/i/nobody", headers={"Accept-Language": "en-GB"}).text
    assert '<html lang="id">' in client.get("/i/nobody").text


def test_an_exercise_never_looks_real(client: TestClient, session: Session, keyring: Keyring, link: str) -> None:
    exercise = make_member(session, make_incident(session, status="Exercise"), make_citizen(session, keyring))
    session.commit()
    practice = link_of(keyring, exercise, is_exercise=True)
    for wrong in (link_of(keyring, exercise), f"/exercise{link}"):
        assert client.get(wrong).status_code == client.post(wrong, data={"answer": "safe"}).status_code == 404
    assert answers(session) == []
    for page in (client.get(practice), client.post(practice, data={"answer": "safe"})):
        assert "<title>LATIHAN" in page.text
        assert '<body class="exercise">' in page.text
    for page in (client.get(link), client.post(link, data={"answer": "safe"})):
        assert "LATIHAN" not in page.text
        assert 'class="exercise"' not in page.text


def test_one_tap_is_an_answer_on_the_first_rung(client: TestClient, session: Session, link: str, member: AudienceMember) -> None:
    page = client.post(link, data={"answer": "safe"})
    assert page.status_code == 200
    assert 'role="status"' in page.text
    assert answers(session) == [("safe", "link", "reported")]
    event = session.execute(text("SELECT payload FROM outbox_event WHERE name = 'checkin.recorded'")).scalar_one()
    assert (event["answer"], event["member_id"], event["citizen_id"]) == ("safe", member.id, str(member.citizen_id))
    log = session.execute(text("SELECT count(*) FROM action_log WHERE action LIKE 'checkin%'")).scalar_one()
    assert log == 0, "the row is the record of what citizens say"


def test_the_same_answer_again_is_harmless(client: TestClient, session: Session, link: str) -> None:
    first = client.post(link, data={"answer": "need_help", "note": "lantai 3"})
    for note in ("lantai 3", "", " lantai 3\u200b"):
        assert client.post(link, data={"answer": "need_help", "note": note}).text == first.text
    assert len(answers(session)) == 1
    client.post(link, data={"answer": "need_help", "note": "lantai 4"})
    client.post(link, data={"answer": "safe"})
    client.post(link, data={"answer": "need_help"})
    assert [answer for answer, _, _ in answers(session)] == ["need_help", "need_help", "safe", "need_help"]


def test_an_app_answers_by_the_same_link(client: TestClient, session: Session, link: str) -> None:
    assert client.post(link, data={"answer": "safe", "channel": "app"}).status_code == 200
    assert answers(session) == [("safe", "app", "reported")]
    assert client.post(link, data={"answer": "safe", "channel": "staff"}).status_code == 422


def test_a_note_is_kept_enciphered_and_cleaned(client: TestClient, session: Session, link: str, keyring: Keyring) -> None:
    hostile = "<script>alert(1)</script>\u202e\x07 di sekolah"
    page = client.post(link, data={"answer": "need_help", "note": hostile})
    row = session.execute(text("SELECT id, note_enc FROM checkin")).one()
    assert b"sekolah" not in row.note_enc
    assert keyring.decrypt(row.note_enc, table="checkin", column="note_enc", row=row.id) == "<script>alert(1)</script> di sekolah"
    assert "<script" not in page.text
    assert "sekolah" not in page.text


def test_forged_and_revoked_links_are_not_found(client: TestClient, session: Session, link: str, member: AudienceMember) -> None:
    number, _, mac = link.removeprefix("/i/").partition(".")
    last = "1" if mac[-1] != "1" else "2"
    for token in (f"{number}.{mac[:-1]}{last}", f"{number}1.{mac}", number, "x", "a" * 5000, f"{number}.{mac}.", "é.é"):
        for answer in (client.get(f"/i/{token}"), client.post(f"/i/{token}", data={"answer": "safe"})):
            assert answer.status_code == 404, token
            assert "<button" not in answer.text
    session.execute(text("UPDATE audience_member SET link_generation = 2 WHERE id = :id"), {"id": member.id})
    session.commit()
    assert client.get(link).status_code == 404
    assert answers(session) == []


def test_what_is_no_answer_is_refused(client: TestClient, session: Session, link: str) -> None:
    safe = {"answer": "safe"}
    for form in ({}, {"answer": "fine"}, safe | {"more": "x"}, safe | {"note": "a\x00"}, safe | {"note": "x" * 20_000}):
        assert client.post(link, data=form).status_code == 422, form
    assert answers(session) == []


def test_an_answer_counts_after_the_incident_is_closed(client: TestClient, session: Session, link: str) -> None:
    incident_id = session.execute(text("SELECT id FROM incident")).scalar_one()
    close_incident(session, actor=OPENER, incident_id=incident_id, reason="selesai")
    session.commit()
    assert client.post(link, data={"answer": "need_help"}).status_code == 200
    assert answers(session) == [("need_help", "link", "reported")]


def test_twenty_taps_at_once_are_one_answer(committed_client: TestClient, sessions: Sessions, keyring: Keyring) -> None:
    with sessions.begin() as session:
        member = make_member(session, make_incident(session), make_citizen(session, keyring))
        link = link_of(keyring, member)
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: committed_client.post(link, data={"answer": "safe"}), range(20)))
    assert {page.status_code for page in pages} == {200}
    with sessions() as session:
        assert answers(session) == [("safe", "link", "reported")]


def test_what_was_said_stays_as_it_was_said(client: TestClient, session: Session, link: str) -> None:
    client.post(link, data={"answer": "need_help"})
    with pytest.raises(Exception, match="append-only"):
        session.execute(text("UPDATE checkin SET answer = 'safe'"))
