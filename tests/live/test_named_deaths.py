"""A death of somebody known by name: on the sheet within the minute, marked, and free only when both legs stand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.console.sheet_view import marks_of
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.live.actions import refresh
from alerts.live.queries import latest_snapshot, load_sheet, sheet_of
from alerts.live.rules.changes import changes_between
from alerts.people.deaths.actions import confirm_death, tell_kin
from alerts.people.deaths.schemas import ConfirmationIn, KinToldIn
from alerts.people.models import Person
from tests.factories.incidents import HATAY, OPENER, make_incident
from tests.factories.people import make_person, statement

AT = "2023-02-18T12:00:00+03:00"
MARK = "BELUM TERKONFIRMASI, bukan untuk umum"
DEAD = statement("condition", "dead", said_by="RS Adana", source="host_state")


@pytest.fixture
def incident(session: Session) -> Incident:
    return make_incident(session, areas=[HATAY])


def confirm(session: Session, person: Person) -> None:
    body = {"basis": "dvi", "said_by": "DVI", "how": "surat 41", "reason": "sidik jari", "as_of": AT}
    confirm_death(session, actor=OPENER, person_id=person.id, command=ConfirmationIn.model_validate(body))


def tell(session: Session, person: Person) -> None:
    body = {"said_by": "Direktur", "how": "didatangi", "reason": "ibu kandung", "as_of": AT}
    tell_kin(session, actor=OPENER, person_id=person.id, command=KinToldIn.model_validate(body))


def test_it_stands_marked_on_the_sheet_with_the_next_version(session: Session, keyring: Keyring, incident: Incident) -> None:
    refresh(session, incident.id)
    person = make_person(session, keyring, incident, DEAD, name="Sari Contoh", place_code="TR-31")
    assert session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'person.changed'")).scalar_one() == 1
    refresh(session, incident.id, no_more_often=timedelta())
    snapshot = latest_snapshot(session, incident.id)
    assert snapshot is not None
    sheet = sheet_of(snapshot)
    (death,) = sheet.deaths
    assert (death.person_id, death.publication, death.said_by) == (person.id, "death_unconfirmed", "RS Adana")
    assert death.mark is not None
    assert death.mark.id == MARK
    assert death.missing == ["confirmation", "kin"]
    (mark,) = marks_of(sheet)
    assert (mark.text.id, mark.value.id, mark.source.id) == (MARK, "Hatay", "RS Adana")
    assert "Sari" not in sheet.model_dump_json()
    assert "meninggal" not in sheet.sentence.id


def test_each_step_is_a_change_and_the_last_takes_the_mark_away(session: Session, keyring: Keyring, incident: Incident) -> None:
    person = make_person(session, keyring, incident, DEAD, place_code="TR-31")
    before = load_sheet(session, incident)
    confirm(session, person)
    between = load_sheet(session, incident)
    tell(session, person)
    after = load_sheet(session, incident)
    assert [sheet.deaths[0].publication for sheet in (before, between, after)] == ["death_unconfirmed", "death_kin_not_recorded", "free"]
    assert [mark.text.id for mark in marks_of(between)] == ["Pemberitahuan keluarga belum tercatat, bukan untuk umum"]
    assert marks_of(after) == []
    for one, other in ((before, between), (between, after)):
        assert f"death/{person.id}" in {change.key for change in changes_between(one, other)}
    assert "meninggal" not in after.sentence.id, "publication is a decision of its own"


def test_those_whom_we_merely_helped_are_their_own_states(session: Session, keyring: Keyring, incident: Incident) -> None:
    make_person(session, keyring, incident, DEAD, nationality="foreign_helped")
    make_person(session, keyring, incident, DEAD, nationality="foreign_family")
    make_person(session, keyring, incident, DEAD, nationality="unverified")
    assert {death.label.en for death in load_sheet(session, incident).deaths} == {
        "Foreign family member: dead",
        "Nationality not verified yet: dead",
    }
