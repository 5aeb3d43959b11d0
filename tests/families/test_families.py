"""A family calls: the call is kept, who may be meant is shown, one case has an owner, and nobody becomes missing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.rules import Answer, Channel
from alerts.citizens.finding import find_alike, index_names, list_unindexed
from alerts.families.paging import page_owners, still_waits
from alerts.families.queries import enquiry_counts
from alerts.incidents.actions import close_incident
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.live.queries import load_sheet
from alerts.notices.models import Paging
from tests.factories.citizens import make_citizen
from tests.factories.families import make_enquiry
from tests.factories.incidents import OPENER
from tests.factories.people import make_person, statement
from tests.families.conftest import SignIn, key, log, post, read

CONTACT = {"who": "meja konsuler", "when": "2023-02-08T10:00:00+03:00", "how": "telepon"}


def index(session: Session, keyring: Keyring) -> None:
    index_names(session, keyring, list_unindexed(session))
    session.commit()


# -- who may be meant -----------------------------------------------------------------------------------------------------


def test_the_register_is_found_in_another_spelling_and_keeps_no_name(session: Session, keyring: Keyring) -> None:
    citizen = make_citizen(session, keyring, name="Muhammad Rizky Pratama")
    make_citizen(session, keyring, name="Muhammad Ali")
    waiting = list_unindexed(session)
    assert index_names(session, keyring, waiting) == len(waiting) == 2
    assert list_unindexed(session) == []
    (found,) = find_alike(session, keyring, "Moh. Riski")
    assert (found.citizen_id, found.name) == (citizen.id, "Muhammad Rizky Pratama")
    stored = session.execute(text("SELECT string_agg(sounds::text, ' ') FROM citizen_name")).scalar_one()
    assert not any(letter.isalpha() for letter in stored)


def test_a_name_that_changes_is_found_by_the_new_one(session: Session, keyring: Keyring) -> None:
    citizen = make_citizen(session, keyring, name="Sari")
    index(session, keyring)
    citizen.name_enc = keyring.encrypt("Tjahjadi", table="citizen", column="name_enc", row=citizen.id)
    citizen.name_index = keyring.blind_index("tjahjadi")
    session.flush()
    assert list_unindexed(session) == [citizen.id]
    index(session, keyring)
    assert [each.citizen_id for each in find_alike(session, keyring, "Cahyadi")] == [citizen.id]
    assert find_alike(session, keyring, "Sari") == []


def test_of_a_common_name_those_near_the_event_come_first(session: Session, keyring: Keyring) -> None:
    for _ in range(310):
        make_citizen(session, keyring, name="Sri Contoh", country_iso2="MY", phones=())
    near = make_citizen(session, keyring, name="Srie Tjontoh", country_iso2="TR", province_code="TR-31", phones=())
    index(session, keyring)
    assert near.id in {each.citizen_id for each in find_alike(session, keyring, "Sri Contoh", near=["TR-31"])}


def test_matches_are_shown_at_once_with_what_is_known_of_each(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident
) -> None:
    citizen = make_citizen(session, keyring, name="Muhammad Rizky Contoh", province_code="TR-31")
    make_citizen(session, keyring, name="Dewi Lestari", province_code="TR-31")
    other = make_citizen(session, keyring, name="Bambang", phones=("+62811111111",))
    record_checkin(session, actor=OPENER, keyring=keyring, new=NewCheckin(incident.id, citizen.id, Answer.SAFE, Channel.SMS))
    person = make_person(session, keyring, incident, statement("contact", "unaccounted"), name="M. Rizki Contoh", place_code="TR-31")
    earlier = make_enquiry(session, keyring, incident, sought_name="Mohammad Rizqi Tjontoh", caller_phone="+62813999999")
    index(session, keyring)
    duty = sign_in("duty_officer", via="token")
    logged = log(client, duty, incident, sought_phone="+62 811-111-111")
    assert logged["is_joined"] is False
    assert "Rizky" not in str(logged), "what is kept to be replayed names nobody"
    found = {(match["kind"], match["id"]): match for match in read(client, duty, logged["enquiry"]["id"])["matches"]}
    assert set(found) == {
        ("register", str(citizen.id)),
        ("register", str(other.id)),
        ("person", str(person.id)),
        ("enquiry", str(earlier.enquiry.id)),
    }
    register = found["register", str(citizen.id)]
    assert (register["name"], register["answered"], register["is_reached"], register["is_strong"]) == (
        "Muhammad Rizky Contoh",
        "safe",
        False,
        True,
    )
    assert found["register", str(other.id)]["is_same_number"] is True
    assert found["person", str(person.id)]["state"] == {"contact": "unaccounted"}
    assert found["enquiry", str(earlier.enquiry.id)]["calls"] == 1
    assert len(logged["matches"]) == len(found)


def test_a_person_written_down_before_there_were_fingerprints_is_found(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident
) -> None:
    person = make_person(session, keyring, incident, name="Djoko Soesilo")
    person.name_sounds = None
    session.commit()
    logged = log(client, sign_in("duty_officer", via="token"), incident, sought_name="Joko Susilo")
    assert [match["id"] for match in logged["matches"]] == [str(person.id)]


# -- one case, an owner, an honest reference ----------------------------------------------------------------------------------


def test_it_makes_nobody_missing(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    before = load_sheet(session, incident)
    log(client, sign_in("duty_officer", via="token"), incident)
    after = load_sheet(session, incident)
    assert session.execute(text("SELECT (SELECT count(*) FROM person) + (SELECT count(*) FROM person_statement)")).scalar_one() == 0
    assert (after.contact.missing, after.contact.unaccounted, after.named) == (
        before.contact.missing,
        before.contact.unaccounted,
        before.named,
    )
    # Each begins with its minute.
    assert after.sentence.id.partition(" WIB: ")[2] == before.sentence.id.partition(" WIB: ")[2] != ""


def test_the_same_caller_about_the_same_person_joins_and_has_a_reference_of_the_own(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident
) -> None:
    duty = sign_in("duty_officer", via="token")
    first = log(client, duty, incident)
    again = log(client, duty, incident, sought_name="moh riski  CONTOH", caller_phone="+62 812 3456 789")
    assert (again["is_joined"], again["enquiry"]["id"]) == (True, first["enquiry"]["id"])
    assert first["reference"] != again["reference"]
    another = log(client, duty, incident, caller_phone="+62 813 9999 999")
    assert another["is_joined"] is False, "another caller's is for a person to join"
    listed = client.get(f"/api/v1/incidents/{incident.id}/enquiries?reference={first['reference'].upper()}", headers=duty).json()
    assert [row["id"] for row in listed["items"]] == [first["enquiry"]["id"]]
    named = log(client, duty, incident, caller_phone="+62 813 8888 888", joins=first["enquiry"]["id"])
    assert (named["is_joined"], named["enquiry"]["calls"]) == (True, 3)


def test_two_enquiries_become_one_and_two_again(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    ids = [log(client, duty, incident, caller_phone=f"+62 813 9999 99{number}")["enquiry"]["id"] for number in range(3)]
    joined = post(client, duty, f"enquiries/{ids[1]}/join", {"into": ids[0]})
    assert (joined.status_code, joined.json()["id"], len(joined.json()["call_list"])) == (200, ids[0], 2)
    assert post(client, duty, f"enquiries/{ids[0]}/join", {"into": ids[0]}).status_code == 409
    assert post(client, duty, f"enquiries/{ids[2]}/join", {"into": ids[1]}).status_code == 409
    url = f"/api/v1/incidents/{incident.id}/enquiries"
    assert {row["id"] for row in client.get(url, headers=duty).json()["items"]} == {ids[0], ids[2]}
    assert post(client, duty, f"enquiries/{ids[1]}/separate").status_code == 200
    assert {row["id"] for row in client.get(url, headers=duty).json()["items"]} == set(ids)


def test_the_owner_is_whoever_answers_for_the_place(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    duty, ankara = sign_in("duty_officer", via="token"), sign_in("mission_staff", via="token")
    damascus = sign_in("mission_staff", mission_code="kbri-damascus", via="token")
    hatay = log(client, duty, incident, place_code="TR-31")
    assert hatay["enquiry"]["owner_mission"] == "kbri-ankara"
    assert log(client, duty, incident, sought_name="Dewi", place_code=None, caller_phone=None)["enquiry"]["owner_mission"] is None
    own = log(client, damascus, incident, sought_name="Slamet", place_code="TR-31")
    assert own["enquiry"]["owner_mission"] == "kbri-damascus", "staff of a mission write down for their own"
    mine = client.get(f"/api/v1/enquiries/{hatay['enquiry']['id']}", headers=ankara)
    assert mine.status_code == 200
    for path in (f"enquiries/{hatay['enquiry']['id']}",):
        assert client.get(f"/api/v1/{path}", headers=damascus).status_code == 404
        assert post(client, damascus, f"{path}/notes", {"note": "x"}).status_code == 404
        assert post(client, damascus, f"{path}/join", {"into": own["enquiry"]["id"]}).status_code == 404
    refused = post(client, damascus, f"incidents/{incident.id}/enquiries", {"sought_name": "Riski", "joins": hatay["enquiry"]["id"]})
    assert refused.status_code == 404
    assert "kbri-ankara" not in str(log(client, damascus, incident, caller_phone="+62 813 1")["matches"])


def test_whoever_is_given_one_is_paged_until_they_take_it_on(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident
) -> None:
    duty, ankara = sign_in("duty_officer", via="token"), sign_in("mission_staff", via="token")
    own = make_enquiry(session, keyring, incident, sought_name="Slamet", place_code=None)
    given = log(client, duty, incident, place_code="TR-31")["enquiry"]["id"]
    assert page_owners(session, [own.enquiry.id]) == 0, "the desk that wrote it down knows of it"
    assert page_owners(session, [given]) == 1
    paging = session.query(Paging).one()
    assert still_waits(session, paging)
    assert "Riski" not in str(paging.texts)
    assert post(client, ankara, f"enquiries/{given}/move", {"to": "in_hand", "note": "dicari lewat kampus"}).status_code == 200
    assert not still_waits(session, paging)


# -- what may be told ---------------------------------------------------------------------------------------------------------


def permitted(client: TestClient, headers: dict[str, str], enquiry_id: str, **fields: Any) -> Response:
    body = {"tells": ["reached", "safe"], "contact": CONTACT} | fields
    return post(client, headers, f"enquiries/{enquiry_id}/permission", body)


def test_a_caller_is_told_what_the_person_allowed_and_nothing_else(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident
) -> None:
    duty = sign_in("duty_officer", via="token")
    person = make_person(session, keyring, incident, statement("contact", "contact_made", contact=CONTACT), place_code="TR-31")
    session.commit()
    logged = log(client, duty, incident)
    enquiry = logged["enquiry"]["id"]
    assert logged["say"]["en"] == f"We have your question and will call you. Your number is {logged['reference']}."
    assert permitted(client, duty, enquiry).status_code == 409, "nobody has said who the person sought is"
    assert post(client, duty, f"enquiries/{enquiry}/recognise", {"person_id": str(person.id)}).json()["may_tell"]["tells"] == []
    assert permitted(client, duty, enquiry, contact=None).status_code == 422
    telling = permitted(client, duty, enquiry).json()["may_tell"]
    assert telling["tells"] == ["reached", "safe"]
    assert "Hatay" not in str(telling["words"])
    call = read(client, duty, enquiry)["call_list"][0]["id"]
    stale = post(client, duty, f"enquiries/{enquiry}/calls/{call}/told", {"told": []})
    assert (stale.status_code, stale.json()["code"]) == (409, "may_tell_changed")
    told = post(client, duty, f"enquiries/{enquiry}/calls/{call}/told", {"told": ["safe", "reached"]}).json()
    assert (told["waiting"], told["call_list"][0]["called_back_at"] is not None) == (0, True)
    taken_back = permitted(client, duty, enquiry, tells=[], contact=None).json()["may_tell"]
    assert (taken_back["tells"], taken_back["is_held_back"]) == ([], False)


@pytest.mark.parametrize("bad", ["dead", "need_help", "trapped"])
def test_something_worse_takes_back_what_was_allowed(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident, bad: str
) -> None:
    duty = sign_in("duty_officer", via="token")
    citizen = make_citizen(session, keyring, name="Riski Contoh", province_code="TR-31")
    person = make_person(session, keyring, incident, citizen_external_id=citizen.external_id)
    session.commit()
    enquiry = log(client, duty, incident)["enquiry"]["id"]
    post(client, duty, f"enquiries/{enquiry}/recognise", {"citizen_id": str(citizen.id)})
    assert permitted(client, duty, enquiry).json()["may_tell"]["tells"] == ["reached", "safe"]
    if bad == "need_help":
        record_checkin(session, actor=OPENER, keyring=keyring, new=NewCheckin(incident.id, citizen.id, Answer.NEED_HELP, Channel.SMS))
    else:
        axis = "condition" if bad == "dead" else "place"
        url = f"/api/v1/persons/{person.id}/statements"
        assert client.post(url, json=statement(axis, bad), headers=duty | key()).status_code == 201
    telling = read(client, duty, enquiry)["may_tell"]
    assert (telling["tells"], telling["is_held_back"]) == ([], True)
    assert telling["words"]["en"] == "We have your question and will call you."


def test_what_one_person_allowed_is_not_told_of_another(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident
) -> None:
    duty = sign_in("duty_officer", via="token")
    one, other = (make_person(session, keyring, incident) for _ in range(2))
    session.commit()
    enquiry = log(client, duty, incident)["enquiry"]["id"]
    post(client, duty, f"enquiries/{enquiry}/recognise", {"person_id": str(one.id)})
    permitted(client, duty, enquiry)
    answer = post(client, duty, f"enquiries/{enquiry}/recognise", {"person_id": str(other.id)}).json()
    assert answer["may_tell"]["tells"] == []


# -- what is kept -----------------------------------------------------------------------------------------------------------------


def test_nothing_of_a_call_is_kept_in_clear_or_logged(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    enquiry = log(client, duty, incident, about="bekerja di hotel Anemon", last_contact="pesan dari Antakya")["enquiry"]["id"]
    post(client, duty, f"enquiries/{enquiry}/notes", {"note": "majikan tidak menjawab"})
    for table in ("enquiry", "enquiry_call", "enquiry_entry", "action_log", "outbox_event", "idempotency_key"):
        rows = session.execute(text(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")).scalar_one()
        for secret in ("Riski", "0812-3456", "8123456789", "Anemon", "Antakya", "majikan"):
            assert secret not in rows, table
    seen = read(client, duty, enquiry)
    assert (seen["sought_name"], seen["about"]) == ("Moh. Riski Contoh", "bekerja di hotel Anemon")
    assert (seen["call_list"][0]["caller_phone"], seen["history"][0]["note"]) == ("0812-3456-789", "majikan tidak menjawab")
    for change in ("UPDATE enquiry_call SET reference = 'x'", "DELETE FROM enquiry_entry"):
        with pytest.raises(DBAPIError, match="append"), session.begin_nested():
            session.execute(text(change))


def test_counts_of_a_past_moment_stay(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    ids = [log(client, duty, incident, caller_phone=f"+62 813 9999 99{number}")["enquiry"]["id"] for number in range(3)]
    then: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert enquiry_counts(session, incident.id) == enquiry_counts(session, incident.id, then)
    call = read(client, duty, ids[0])["call_list"][0]["id"]
    post(client, duty, f"enquiries/{ids[0]}/calls/{call}/told", {"told": []})
    post(client, duty, f"enquiries/{ids[0]}/move", {"to": "closed"})
    post(client, duty, f"enquiries/{ids[1]}/join", {"into": ids[2]})
    now, before = enquiry_counts(session, incident.id), enquiry_counts(session, incident.id, then)
    assert ((now.open, now.calls, now.waiting), (before.open, before.calls, before.waiting)) == ((1, 3, 2), (3, 3, 3))


def test_a_closed_incident_takes_no_call(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    session.commit()
    refused = post(client, sign_in("duty_officer", via="token"), f"incidents/{incident.id}/enquiries", {"sought_name": "Riski"})
    assert refused.status_code == 409
