"""A call joins an enquiry by itself only when it is surely about the same person; and nothing that was said is lost by a join."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.factories.citizens import make_citizen
from tests.families.conftest import SignIn, log, post, read

CALLER = "0812 3456 789"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rizki Pratama", "Rizka Pratama"),
        ("Budi Santoso", "Budi Santosa"),
        ("Ahmad Yusuf", "Yusuf Ahmad"),
        ("Bapak Sri Contoh", "Ibu Sri Contoh"),
        ("Contoh", "Riski Contoh"),
    ],
)
def test_twins_and_parents_whom_one_caller_seeks_stay_two_and_the_other_is_offered(
    client: TestClient, sign_in: SignIn, incident: Incident, one: str, other: str
) -> None:
    duty = sign_in("duty_officer", via="token")
    first = log(client, duty, incident, sought_name=one, caller_phone=CALLER)
    second = log(client, duty, incident, sought_name=other, caller_phone=CALLER)
    assert second["is_joined"] is False
    assert second["enquiry"]["id"] != first["enquiry"]["id"]
    (offered,) = [match for match in second["matches"] if match["kind"] == "enquiry"]
    assert (offered["id"], offered["is_same_number"], offered["is_strong"]) == (first["enquiry"]["id"], True, True)


@pytest.mark.parametrize("differs", [{"sought_phone": "+62 811 222 222"}, {"place_code": "SY"}])
def test_two_of_one_name_who_differ_in_number_or_place_stay_two(
    client: TestClient, sign_in: SignIn, incident: Incident, differs: dict[str, str]
) -> None:
    duty = sign_in("duty_officer", via="token")
    said = {"sought_name": "Siti", "sought_phone": "+62 811 111 111", "place_code": "TR-31"}
    log(client, duty, incident, **said)
    assert log(client, duty, incident, **said | differs)["is_joined"] is False
    assert log(client, duty, incident, sought_name="SITI")["is_joined"] is False, "which of the two a person says"


def test_what_a_joined_caller_said_is_kept_with_the_call(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    enquiry = log(client, duty, incident, about="hotel Anemon")["enquiry"]["id"]
    log(client, duty, incident, about="pindah ke rumah teman", last_contact="menelepon tadi pagi", last_contact_at="2023-02-07T08:00:00Z")
    more = {"sought_name": "Risky", "sought_phone": "+62 811 111 111", "place_code": "TR-27", "about": "ada luka di kaki"}
    log(client, duty, incident, caller_phone="+62 813 9999 999", relation="friend", joins=enquiry, **more)
    seen = read(client, duty, enquiry)
    assert [seen["sought_name"], seen["about"], seen["place_code"], seen["calls"]] == ["Moh. Riski Contoh", "hotel Anemon", None, 3]
    first, second, third = seen["call_list"]
    assert [first["about"], second["about"], third["about"]] == [
        "hotel Anemon",
        "pindah ke rumah teman",
        "ada luka di kaki\n+62 811 111 111",
    ]
    assert (second["last_contact"], second["last_contact_at"]) == ("menelepon tadi pagi", "2023-02-07T08:00:00Z")
    assert (third["sought_name"], third["place_code"], third["relation"]) == ("Risky", "TR-27", "friend")


def test_a_number_that_only_a_joined_caller_knew_finds_the_person(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident, keyring: Keyring
) -> None:
    holder = make_citizen(session, keyring, name="Bambang", phones=("+62811111111",))
    session.commit()
    duty = sign_in("duty_officer", via="token")
    enquiry = log(client, duty, incident)["enquiry"]["id"]
    log(client, duty, incident, joins=enquiry, sought_phone="+62 811 111 111")
    assert str(holder.id) in {match["id"] for match in read(client, duty, enquiry)["matches"] if match["is_same_number"]}


def test_who_asks_again_finds_the_case_that_the_question_was_joined_into(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    case = log(client, duty, incident, sought_name="Djoko Soesilo", caller_phone="+62 813 1111 111")["enquiry"]["id"]
    other = log(client, duty, incident, sought_name="Joko Susilo", caller_phone="+62 813 2222 222")["enquiry"]["id"]
    post(client, duty, f"enquiries/{other}/join", {"into": case})
    again = log(client, duty, incident, sought_name="Joko Susilo", caller_phone="+62 813 2222 222")
    assert (again["is_joined"], again["enquiry"]["id"]) == (True, case)
    near = log(client, duty, incident, sought_name="Joko Susila", caller_phone="+62 813 2222 222")
    assert [(match["id"], match["is_same_number"]) for match in near["matches"]] == [(case, True)]


def test_a_call_needs_a_name_and_a_place_that_there_is_also_when_it_joins(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    enquiry = log(client, duty, incident)["enquiry"]["id"]
    for bad, field in (({"sought_name": "\u200b"}, "sought_name"), ({"place_code": "XX-99"}, "place_code")):
        body = {"sought_name": "Riski", "joins": enquiry} | bad
        refused = post(client, duty, f"incidents/{incident.id}/enquiries", body)
        assert (refused.status_code, refused.json()["field"]) == (422, field)
