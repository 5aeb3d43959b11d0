"""Persons and the way of a death to its publication, as a browser without script uses them."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.people.deaths.queries import publishable_deaths
from alerts.people.models import Person
from tests.console.conftest import Browser
from tests.factories.incidents import HATAY, make_incident
from tests.factories.people import make_person, statement

MARK = "BELUM TERKONFIRMASI, bukan untuk umum"
STEP = {"said_by": "Tim DVI", "how": "surat 41", "reason": "sidik jari cocok"}


@pytest.fixture
def incident(session: Session) -> Incident:
    return make_incident(session, areas=[HATAY])


@pytest.fixture
def dead(session: Session, keyring: Keyring, incident: Incident) -> Person:
    said = statement("condition", "dead", said_by="RS Adana", source="host_state")
    person = make_person(session, keyring, incident, said, name="Sari Contoh", place_code="TR-31")
    session.commit()
    return person


def key_of(page: str, ending: str) -> str:
    found = re.search(rf'name="form_key" value="([0-9a-f]{{32}}{ending})"', page)
    assert found, ending
    return found.group(1)


def test_a_death_goes_its_way_by_forms_and_the_minister_decides_without_a_name(
    browse: Browser, session: Session, incident: Incident, dead: Person
) -> None:
    staff, minister = browse("mission_staff"), browse("minister")
    path, sheet = f"/persons/{dead.id}", f"/incidents/{incident.id}/sheet"
    assert path in staff.get(f"/incidents/{incident.id}/persons").text
    page = staff.get(path).text
    assert MARK in page
    assert "Sari Contoh" in page
    assert "kepala perwakilan, ditandatangani" not in page, "only the head signs"
    form = {"form_key": key_of(page, "confirmed"), "step": "confirmed", "basis": "dvi"}
    refused = staff.post(f"{path}/death", **form, said_by="DVI", how="", reason="sidik jari", came_from=path)
    assert refused.status_code == 422
    assert 'value="sidik jari"' in refused.text
    form["form_key"] = key_of(refused.text, "confirmed")
    assert staff.post(f"{path}/death", **(form | STEP)).headers["location"] == path
    assert "Pemberitahuan keluarga belum tercatat" in staff.get(path).text
    seen = minister.get(sheet).text
    assert "Sari" not in seen
    assert path not in seen, "the person's page is not the minister's"
    decide = f"/incidents/{incident.id}/deaths/{dead.id}/kin-not-found"
    assert browse("duty_officer").post(decide, form_key="0" * 32, reason="dicari").status_code == 403
    done = minister.post(decide, form_key=key_of(seen, "k1"), reason="tiga hari dicari")
    assert done.headers["location"] == f"{sheet}#deaths"
    assert len(publishable_deaths(session, incident.id)) == 1
    page = staff.get(path).text
    assert "dapat diumumkan" in page
    assert "keputusan Menteri" in page
    taken = staff.post(f"{path}/death/withdraw", form_key=key_of(page, "w1"), step_id=_step(page), said_by="KBRI", reason="nama tertukar")
    assert taken.status_code == 303
    assert publishable_deaths(session, incident.id) == []


def test_the_minister_sees_the_mark_on_the_page_that_is_read_at_night(browse: Browser, incident: Incident, dead: Person) -> None:
    page = browse("minister").get(f"/incidents/{incident.id}/minister").text
    assert MARK in page
    assert "RS Adana" in page
    assert "Sari" not in page


def test_others_do_not_see_a_person(browse: Browser, session: Session, keyring: Keyring, dead: Person) -> None:
    assert browse("mission_staff", mission_code="kbri-tokyo").get(f"/persons/{dead.id}").status_code == 404
    assert browse("approver").get(f"/persons/{dead.id}").status_code == 403
    exercise = make_person(session, keyring, make_incident(session, areas=[HATAY], status="Exercise"))
    session.commit()
    assert browse("duty_officer").get(f"/persons/{exercise.id}").headers["location"] == f"/exercise/persons/{exercise.id}"


def _step(page: str) -> str:
    found = re.search(r'name="step_id" value="([0-9a-f-]{36})"', page)
    assert found
    return found.group(1)
