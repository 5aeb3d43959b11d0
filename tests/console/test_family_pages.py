"""The page that a family's call is written into, as a browser without script uses it."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.citizens.finding import index_names, list_unindexed
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.console.conftest import Browser
from tests.factories.citizens import make_citizen
from tests.factories.families import make_enquiry
from tests.factories.incidents import HATAY, make_incident


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY])
    session.commit()
    return incident


def key_of(page: str, ending: str = "") -> str:
    found = re.search(rf'name="form_key" value="([0-9a-f]{{32}}{ending})"', page)
    assert found, ending
    return found.group(1)


def test_a_call_is_written_down_and_who_may_be_meant_stands_there_at_once(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident
) -> None:
    citizen = make_citizen(session, keyring, name="Muhammad Rizky Contoh", province_code="TR-31")
    index_names(session, keyring, list_unindexed(session))
    session.commit()
    staff, path = browse("mission_staff"), f"/incidents/{incident.id}/families"
    assert f'href="{path}"' in staff.get(f"/incidents/{incident.id}").text
    page = staff.get(path).text
    assert page.index("autofocus") < page.index('name="caller_phone"'), "the first field is ready to be typed into"
    form = {"form_key": key_of(page), "sought_name": "Moh. Riski", "caller_phone": "0812 345 6789", "relation": "parent"}
    places = {staff.post(path, **form).headers["location"] for _ in range(2)}
    assert len(places) == 1, "sent twice, written once"
    (place,) = places
    assert "Riski" not in place
    page = staff.get(place).text
    assert "Muhammad Rizky Contoh" in page
    reference = session.execute(text("SELECT reference FROM enquiry_call")).scalar_one()
    assert f"Nomor Anda: {reference}." in page
    enquiry = place.partition("?")[0]
    done = staff.post(f"{enquiry}/recognise", form_key=key_of(page, "r1"), citizen_id=str(citizen.id), came_from=enquiry)
    assert done.headers["location"] == enquiry
    page = staff.get(enquiry).text
    assert "inilah yang dicari" in page
    allowed = {"form_key": key_of(page, "p"), "tells": "safe", "who": "meja konsuler", "how": "telepon"}
    assert staff.post(f"{enquiry}/permission", **allowed).status_code == 303
    page = staff.get(enquiry).text
    assert "Saat itu ia menyatakan dirinya selamat." in page
    call = session.execute(text("SELECT id FROM enquiry_call")).scalar_one()
    assert staff.post(f"{enquiry}/told", form_key=key_of(page, "t1"), call_id=str(call), told="safe").status_code == 303
    assert "ditelepon balik" in staff.get(enquiry).text
    assert staff.post(f"{enquiry}/move", form_key=key_of(page, "closed"), to="closed").status_code == 303
    assert enquiry not in staff.get(path).text
    assert enquiry in staff.get(f"{path}?closed=true").text
    assert staff.get(f"{path}?reference={reference.upper()}").headers["location"] == enquiry


def test_a_refused_form_keeps_what_was_typed(browse: Browser, incident: Incident) -> None:
    staff, path = browse("duty_officer"), f"/incidents/{incident.id}/families"
    form = {"form_key": key_of(staff.get(path).text), "sought_name": "Riski", "relation": "parent", "place": "Atlantis"}
    refused = staff.post(path, **form, came_from=path)
    assert refused.status_code == 422
    assert 'value="Riski"' in refused.text
    assert 'value="Atlantis"' in refused.text


def test_two_families_who_ask_after_one_person_become_one_case(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident
) -> None:
    first = make_enquiry(session, keyring, incident, sought_name="Djoko Soesilo", caller_phone="+62 813 1111 111")
    second = make_enquiry(session, keyring, incident, sought_name="Joko Susilo", caller_phone="+62 813 2222 222")
    session.commit()
    duty, path = browse("duty_officer", lang="en"), f"/families/{second.enquiry.id}"
    page = duty.get(path).text
    assert "another family asks after them" in page
    joined = duty.post(f"{path}/join", form_key=key_of(page, "j1"), into=str(first.enquiry.id), came_from=path)
    assert joined.headers["location"] == f"/families/{first.enquiry.id}"
    assert duty.get(f"/families/{first.enquiry.id}").text.count('class="tag">' + first.call.reference) == 1
    page = duty.get(path).text
    assert "It was joined with another question" in page
    assert duty.post(f"{path}/separate", form_key=key_of(page, "s")).status_code == 303


def test_a_near_name_by_the_same_caller_is_offered_and_what_each_said_stands_with_the_call(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident
) -> None:
    first = make_enquiry(session, keyring, incident, sought_name="Rizki Pratama", about="hotel Anemon")
    second = make_enquiry(session, keyring, incident, sought_name="Rizka Pratama", about="di rumah teman", place_code="TR-27")
    session.commit()
    duty, path = browse("duty_officer", lang="en"), f"/families/{second.enquiry.id}"
    page = duty.get(path).text
    assert "the same caller asked before: the same person?" in page
    assert duty.post(f"{path}/join", form_key=key_of(page, "j1"), into=str(first.enquiry.id), came_from=path).status_code == 303
    page = duty.get(f"/families/{first.enquiry.id}").text
    assert "Asked after: Rizka Pratama" in page
    assert "di rumah teman" in page


def test_others_do_not_see_it(browse: Browser, session: Session, keyring: Keyring, incident: Incident) -> None:
    enquiry = make_enquiry(session, keyring, incident).enquiry
    exercise = make_enquiry(session, keyring, make_incident(session, areas=[HATAY], status="Exercise")).enquiry
    session.commit()
    assert browse("mission_staff").get(f"/families/{enquiry.id}").status_code == 200
    assert browse("mission_staff", mission_code="kbri-tokyo").get(f"/families/{enquiry.id}").status_code == 404
    assert browse("minister").get(f"/families/{enquiry.id}").status_code == 403
    assert browse("duty_officer").get(f"/families/{exercise.id}").headers["location"] == f"/exercise/families/{exercise.id}"
    assert browse("duty_officer").get(f"/exercise/families/{exercise.id}").status_code == 200


def test_the_list_says_who_still_waits_for_our_call_and_whose_each_is(
    browse: Browser, session: Session, keyring: Keyring, incident: Incident
) -> None:
    make_enquiry(session, keyring, incident)
    session.commit()
    page = browse("duty_officer").get(f"/incidents/{incident.id}/families").text
    assert '<table class="folds">' in page, "on a phone the owner does not lie beyond the edge"
    assert re.search(r'data-label="Belum ditelepon balik"><strong>1</strong> <span class="quiet">dari 1', page)
    assert 'data-label="Pemegang"' in page
