"""Pages of calls for help and of the tray, as a browser without script uses them."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.rules import Answer, Channel
from alerts.inbox.actions import Inbound, receive_message, understand_message
from alerts.inbox.models import InboundMessage
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.console.conftest import Browser
from tests.factories.checkins import Person, make_citizen, make_member
from tests.factories.deliveries import make_delivery
from tests.factories.incidents import HATAY, OPENER, make_incident

ANKARA = {"mission_code": "kbri-ankara"}


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY])
    session.commit()
    return incident


@pytest.fixture
def person(session: Session, keyring: Keyring) -> Person:
    return make_citizen(session, keyring)


def call(session: Session, keyring: Keyring, incident: Incident, person: Person, answer: Answer = Answer.NEED_HELP) -> HelpCase:
    record_checkin(session, actor=OPENER, keyring=keyring, new=NewCheckin(incident.id, person.id, answer, Channel.SMS))
    session.commit()
    return session.query(HelpCase).order_by(HelpCase.id.desc()).first()  # type: ignore[return-value]


def write(session: Session, keyring: Keyring, sender: str, body: str) -> InboundMessage:
    receive_message(session, keyring=keyring, inbound=Inbound(f"SM{sender}{body}", sender, body))
    row = session.query(InboundMessage).order_by(InboundMessage.id.desc()).first()
    assert row is not None
    understand_message(session, keyring=keyring, message_id=row.id)
    session.commit()
    return row


def key_of(page: str, ending: str) -> str:
    found = re.search(rf'name="form_key" value="([0-9a-f]{{32}}{ending})"', page)
    assert found, ending
    return found.group(1)


def test_a_mission_deals_with_its_case_by_forms_alone(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident, person: Person
) -> None:
    case = call(session, keyring, incident, person)
    staff, path = browse("mission_staff", **ANKARA), f"/cases/{case.id}"
    listed = staff.get("/cases").text
    assert "belum dibaca siapa pun" in listed
    assert f'href="{path}"' in listed
    page = staff.get(path).text
    assert f'href="tel:{person.e164}"' in page
    assert "Pesan Anda sudah kami terima" in page
    form = {"form_key": key_of(page, "acknowledged"), "to": "acknowledged"}
    for _ in range(2):
        assert staff.post(f"{path}/move", **form).headers["location"] == path
    refused = staff.post(f"{path}/move", form_key=key_of(page, "resolved"), to="resolved", who="meja konsuler", came_from=path)
    assert refused.status_code == 422
    assert 'value="meja konsuler"' in refused.text, "what was typed is still there"
    done = staff.post(f"{path}/move", form_key=key_of(staff.get(path).text, "resolved"), to="resolved", who="meja konsuler", how="telepon")
    assert done.status_code == 303
    assert "selesai: sudah dihubungi" in staff.get(path).text
    assert person.e164[1:] not in done.headers["location"]
    assert path not in staff.get("/cases").text
    assert path in staff.get("/cases?closed=true").text


def test_another_missions_case_does_not_exist(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident, person: Person
) -> None:
    path = f"/cases/{call(session, keyring, incident, person).id}"
    other = browse("mission_staff", mission_code="kbri-damascus")
    assert other.get(path).status_code == 404
    assert path not in other.get("/cases").text
    assert browse("minister").get("/cases").status_code == 403
    duty = browse("duty_officer", lang="en")
    page = duty.get(path).text
    given = duty.post(f"{path}/assign", form_key=key_of(page, "a"), mission_code="kbri-damascus")
    assert given.status_code == 303
    assert other.get(path).status_code == 200


def test_a_claim_of_safe_is_marked_for_a_person(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident, person: Person
) -> None:
    case = call(session, keyring, incident, person)
    call(session, keyring, incident, person, Answer.SAFE)
    for page in ("/cases", f"/cases/{case.id}"):
        assert "aman" in browse("duty_officer").get(page).text
    assert "bicaralah dengan orangnya" in browse("duty_officer").get(f"/cases/{case.id}").text


def test_an_exercise_has_pages_of_its_own(browse: Browser, session: Session, keyring: Keyring, person: Person) -> None:
    exercise = make_incident(session, areas=[HATAY], status="Exercise")
    case = call(session, keyring, exercise, person)
    duty = browse("duty_officer")
    assert duty.get(f"/cases/{case.id}").headers["location"] == f"/exercise/cases/{case.id}"
    assert str(case.id) not in duty.get("/cases").text
    assert str(case.id) in duty.get("/exercise/cases").text
    assert 'class="exercise"' in duty.get(f"/exercise/cases/{case.id}").text


def test_the_tray_is_read_assigned_and_answered(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident, person: Person
) -> None:
    halo = write(session, keyring, "+60999999999", "halo")
    call_text = write(session, keyring, "whatsapp:+60999999998", "tolong kami <b>")
    duty, ankara = browse("duty_officer"), browse("mission_staff", **ANKARA)
    page = duty.get("/inbox").text
    assert page.index("tolong kami") < page.index(">halo<")
    assert "&lt;b&gt;" in page
    assert "WhatsApp" in page
    assert "Tidak ada pesan yang menunggu" in ankara.get("/inbox").text
    given = duty.post(f"/inbox/{halo.id}/assign", form_key=key_of(page, "g2"), mission_code="kbri-ankara", came_from="/inbox")
    assert given.status_code == 303
    assert ">halo<" in ankara.get("/inbox").text
    whose = {"answer": "need_help", "incident_id": str(incident.id), "citizen_external_id": person.external_id}
    read = duty.post(f"/inbox/{call_text.id}/handle", form_key=key_of(page, "h1"), **whose)
    assert read.status_code == 303
    kept = session.execute(text("SELECT answer, channel FROM checkin")).one()
    assert tuple(kept) == ("need_help", "whatsapp")
    assert "tolong kami" not in duty.get("/inbox").text
    empty = duty.post(f"/inbox/{halo.id}/handle", form_key=key_of(page, "h2"), answer="safe", came_from="/inbox")
    assert empty.status_code == 422
    assert "Sebutkan" in empty.text


def test_what_may_be_a_call_is_counted_where_people_look(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident, person: Person
) -> None:
    make_member(session, incident, person)
    row = write(session, keyring, person.e164, "tolong, terjebak")
    duty, words = browse("duty_officer"), "1 pesan yang belum dibaca mungkin permintaan tolong"
    for path in ("/duty", f"/incidents/{incident.id}"):
        assert words in duty.get(path).text
        assert words in browse("mission_staff", **ANKARA).get(path).text
        assert words not in browse("minister").get(path).text, "only to those who may read it"
    assert words not in duty.get("/exercise/duty").text
    assert duty.post(f"/inbox/{row.id}/handle", form_key=key_of(duty.get("/inbox").text, "h1")).status_code == 303
    assert words not in duty.get("/duty").text


def test_somebody_unknown_gets_a_case_for_the_number(browse: Browser, session: Session, keyring: Keyring, incident: Incident) -> None:
    row = write(session, keyring, "+60999999997", "tolong kami di atap")
    duty = browse("duty_officer")
    form = {
        "form_key": key_of(duty.get("/inbox").text, "h1"),
        "answer": "need_help",
        "is_unknown_person": "yes",
        "incident_id": str(incident.id),
    }
    assert duty.post(f"/inbox/{row.id}/handle", **form).status_code == 303
    case = session.query(HelpCase).one()
    assert (case.owner_mission, case.is_owner_assumed, case.citizen_id) == ("kbri-ankara", True, None)
    assert "+60999999997" in duty.get(f"/cases/{case.id}").text


def test_a_mission_calls_those_whom_no_message_reached(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident, person: Person
) -> None:
    member = make_member(session, incident, person)
    make_delivery(session, member, "failed")
    session.commit()
    staff, path = browse("mission_staff", **ANKARA), f"/incidents/{incident.id}/calls"
    assert f'href="{path}"' in staff.get(f"/incidents/{incident.id}").text
    listed = staff.get(path).text
    assert "tidak terkirim" in listed
    assert person.e164 not in listed
    row = f"{path}/{member.id}"
    assert staff.get(row).status_code == 409
    assert staff.post(f"{row}/open").headers["location"] == row
    page = staff.get(row).text
    assert f'href="tel:{person.e164}"' in page
    refused = staff.post(f"{row}/outcome", form_key=key_of(page, ""), outcome="reached_safe", came_from=row)
    assert refused.status_code == 422
    done = {"form_key": key_of(refused.text, ""), "outcome": "reached_safe", "who": "meja konsuler", "how": "telepon"}
    assert staff.post(f"{row}/outcome", **done).headers["location"] == path
    assert "terhubung: selamat" in staff.get(path).text
    assert session.execute(text("SELECT rung FROM checkin")).scalar_one() == "contact_made"
    assert browse("duty_officer").get(f"{path}?mission=kbri-ankara").status_code == 200
    assert browse("minister").get(path).status_code == 403


def test_the_text_to_pass_on_stands_on_a_page(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident, person: Person
) -> None:
    member = make_member(session, incident, person)
    session.commit()
    duty, path = browse("duty_officer"), f"/broadcasts/{member.broadcast_id}"
    assert f'href="{path}/forward"' in duty.get(path).text
    page = duty.get(f"{path}/forward").text
    assert page.count("/c/") == 3
    assert 'data-copy="text-id"' in page
    incident.is_quiet = True
    session.commit()
    assert "/forward" not in duty.get(path).text
    assert duty.get(f"{path}/forward").status_code == 409


def test_phones_abroad_are_a_series_of_their_own(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident, person: Person
) -> None:
    member = make_member(session, incident, person)
    session.commit()
    duty, path = browse("duty_officer"), f"/broadcasts/{member.broadcast_id}"
    assert f'href="{path}/roaming"' in duty.get(path).text
    page = duty.get(f"{path}/roaming").text
    assert "Ponsel, bukan orang" in page
    assert "Belum ada operator" in page
    refused = duty.post(f"{path}/roaming", form_key="0" * 32, country="TR", language="id")
    assert refused.status_code == 409
    assert browse("mission_staff", mission_code="kbri-damascus").get(f"{path}/roaming").status_code == 404
