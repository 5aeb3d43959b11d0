from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.incidents.actions import close_incident
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.factories.checkins import make_citizen
from tests.factories.incidents import HATAY, OPENER, SYRIA, make_incident

SignIn = Callable[..., dict[str, str]]
URL = "/api/v1/persons"
UNACCOUNTED = {
    "axis": "contact",
    "value": "unaccounted",
    "source": "mission",
    "said_by": "meja konsuler",
    "as_of": "2023-02-07T14:00:00+07:00",
}
HEARSAY = {
    "axis": "contact",
    "value": "contact_made",
    "source": "ministry",
    "said_by": "juru bicara",
    "words": "dapat dihubungi",
    "as_of": "2023-02-10T17:00:00+07:00",
}
DEAD = {
    "axis": "condition",
    "value": "dead",
    "claim": "verified",
    "authority_confirmed": True,
    "source": "host_state",
    "said_by": "DVI",
    "as_of": "2023-02-18T12:00:00+03:00",
}
CONTACT = {"who": "tim KBRI", "when": "2023-02-08T10:00:00+03:00", "how": "bertemu di rumah"}
_keys = count(1)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"people-{next(_keys)}"}


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident


def post(client: TestClient, headers: dict[str, str], incident: Incident, **fields: Any) -> Response:
    body = {"incident_id": str(incident.id), "name": "Sari Contoh", "nationality": "own", "statements": [UNACCOUNTED]}
    return client.post(URL, json=body | fields, headers=headers | key())


def say(client: TestClient, headers: dict[str, str], person_id: str, statement: dict[str, Any]) -> Response:
    return client.post(f"{URL}/{person_id}/statements", json=statement, headers=headers | key())


def test_the_story_of_a_therapist(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    """Said to be reached on the 10th, nobody said by whom; found dead on the 17th; the claim is taken back."""
    duty = sign_in("duty_officer", via="token")
    person = post(client, duty, incident, mission_code="kbri-ankara", place_code="TR-21").json()
    url = f"{URL}/{person['id']}"
    assert person["state"]["contact"]["value"] == "unaccounted"
    claimed = say(client, duty, person["id"], HEARSAY).json()
    assert claimed["state"]["contact"]["claim"] == "reported"
    said = claimed["statements"][0]
    assert (said["value"], said["claim"], said["said_value"]) == ("reported", "reported", "contact_made")
    between = session.execute(text("SELECT max(known_at) FROM person_statement")).scalar_one().isoformat()
    end = say(client, duty, person["id"], DEAD).json()
    assert (end["state"]["condition"]["value"], end["state"]["condition"]["authority_confirmed"]) == ("dead", True)
    back = {"said_by": "KBRI Ankara", "reason": "tidak pernah ada kontak", "as_of": "2023-02-18T12:00:00+03:00"}
    withdrawal = f"{url}/statements/{said['id']}/withdraw"
    taken = client.post(withdrawal, json=back, headers=duty | key())
    assert taken.status_code == 201
    assert taken.json()["state"]["contact"]["value"] == "unaccounted"
    assert client.post(withdrawal, json=back, headers=duty | key()).status_code == 409
    shown = {row["id"]: row for row in client.get(url, headers=duty).json()["statements"]}
    assert shown[said["id"]]["is_withdrawn"] is True
    assert shown[said["id"]]["words"] == "dapat dihubungi"
    last = next(row for row in shown.values() if row["withdraws"] == said["id"])
    assert (last["said_by"], last["reason"]) == ("KBRI Ankara", "tidak pernah ada kontak")
    then = client.get(url, params={"as_of": "2023-02-11T00:00:00Z", "known_at": between}, headers=duty).json()["state"]
    assert (then["contact"]["value"], "condition" in then) == ("reported", False)
    early = client.get(url, params={"as_of": "2023-02-08T00:00:00Z"}, headers=duty).json()["state"]
    assert early["contact"]["value"] == "unaccounted"
    events = session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'person.changed'")).scalar_one()
    assert events == 4


def test_a_contact_with_who_when_and_how_stands(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    ankara = sign_in("mission_staff", "kbri-ankara")
    person = post(client, ankara, incident).json()
    assert person["mission_code"] == "kbri-ankara"
    made = say(client, ankara, person["id"], HEARSAY | {"contact": CONTACT}).json()
    assert (made["state"]["contact"]["value"], made["state"]["contact"]["claim"]) == ("contact_made", "contact_made")
    assert made["statements"][0]["contact"]["who"] == "tim KBRI"
    worse = UNACCOUNTED | {"as_of": "2023-02-12T00:00:00Z"}
    assert say(client, ankara, person["id"], worse).json()["state"]["contact"]["value"] == "unaccounted"
    better = HEARSAY | {"axis": "condition", "value": "unhurt"}
    say(client, ankara, person["id"], DEAD)
    state = say(client, ankara, person["id"], better | {"as_of": "2023-02-19T00:00:00Z"}).json()["state"]["condition"]
    assert (state["value"], state["also_claimed"]["value"]) == ("dead", "unhurt")


def test_a_mission_knows_its_own_people_only(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    duty, ankara, damascus = sign_in("duty_officer"), sign_in("mission_staff", "kbri-ankara"), sign_in("head_of_mission", "kbri-damascus")
    ours = post(client, ankara, incident).json()["id"]
    theirs = post(client, duty, incident, mission_code="kbri-damascus").json()["id"]
    nobodys = post(client, duty, incident).json()["id"]
    assert [row["id"] for row in client.get(URL, headers=ankara).json()["items"]] == [ours]
    assert [row["id"] for row in client.get(URL, headers=damascus).json()["items"]] == [theirs]
    for person_id in (theirs, nobodys):
        assert client.get(f"{URL}/{person_id}", headers=ankara).status_code == 404
        assert say(client, ankara, person_id, DEAD).status_code == 404
    assert post(client, ankara, incident, mission_code="kbri-damascus").status_code == 422
    assert len(client.get(f"{URL}?incident_id={incident.id}", headers=duty).json()["items"]) == 3
    elsewhere = sign_in("mission_staff", "kbri-tokyo")
    assert post(client, elsewhere, incident).status_code == 404
    for role in ("minister", "approver", "administrator"):
        assert client.get(URL, headers=sign_in(role)).status_code == 403


def test_names_are_enciphered_and_leave_no_copy(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer")
    created = post(client, duty, incident, statements=[HEARSAY])
    assert created.json()["name"] is None, "the stored answer would keep it in clear"
    assert client.get(f"{URL}/{created.json()['id']}", headers=duty).json()["name"] == "Sari Contoh"
    everything = session.execute(
        text(
            "SELECT string_agg(x::text, ' ') FROM (SELECT convert_from(body, 'UTF8') x FROM idempotency_key"
            " UNION ALL SELECT person::text FROM person UNION ALL SELECT person_statement::text FROM person_statement"
            " UNION ALL SELECT action_log::text FROM action_log UNION ALL SELECT outbox_event::text FROM outbox_event) all_rows"
        )
    ).scalar_one()
    assert "Sari" not in everything
    assert "dapat dihubungi" not in everything


def test_a_citizen_of_the_register_is_named_once_per_incident(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident, keyring: Keyring
) -> None:
    citizen, abroad = make_citizen(session, keyring), make_citizen(session, keyring, country_iso2="SY", province_code=None)
    session.commit()
    duty = sign_in("duty_officer")
    by_id = {"name": None, "citizen_external_id": citizen.external_id}
    assert post(client, duty, incident, **by_id).json()["citizen_id"] == str(citizen.id)
    assert post(client, duty, incident, **by_id).status_code == 409
    assert post(client, sign_in("mission_staff", "kbri-ankara"), incident, citizen_external_id=abroad.external_id).status_code == 404
    assert post(client, duty, incident, citizen_external_id="T-none").status_code == 404


BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "name"),
    ({"name": "\u200b\u202e"}, "name"),
    ({"nationality": "mixed"}, "nationality"),
    ({"place_code": "TR-99"}, "place_code"),
    ({"mission_code": "kbri-nowhere"}, "mission_code"),
    ({"statements": [UNACCOUNTED | {"value": "safe"}]}, "value"),
    ({"statements": [UNACCOUNTED | {"as_of": "2999-01-01T00:00:00Z"}]}, "as_of"),
    ({"statements": [HEARSAY | {"contact": CONTACT | {"when": "2999-01-01T00:00:00Z"}}]}, "contact.when"),
    ({"statements": [UNACCOUNTED | {"as_of": "2023-02-07"}]}, "statements[0].as_of"),
    ({"statements": [UNACCOUNTED | {"claim": "certain"}]}, "statements[0].claim"),
    ({"surprise": 1}, "surprise"),
]


def test_bad_input_is_named_and_nothing_is_half_done(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer")
    for change, field in BAD_INPUT:
        answer = post(client, duty, incident, **change)
        assert (answer.status_code, answer.json()["field"]) == (422, field), change
    assert session.execute(text("SELECT count(*) FROM person")).scalar_one() == 0


def test_nothing_is_said_in_a_closed_incident(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer")
    person = post(client, duty, incident).json()
    statement = person["statements"][0]["id"]
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    session.commit()
    assert post(client, duty, incident).status_code == 409
    assert say(client, duty, person["id"], DEAD).status_code == 409
    back = {"said_by": "KBRI", "reason": "keliru", "as_of": "2023-02-18T12:00:00+03:00"}
    assert client.post(f"{URL}/{person['id']}/statements/{statement}/withdraw", json=back, headers=duty | key()).status_code == 409
    assert client.get(f"{URL}/{person['id']}", headers=duty).status_code == 200


def test_a_withdrawal_names_a_statement_of_that_person(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer")
    one, other = post(client, duty, incident).json(), post(client, duty, incident).json()
    back = {"said_by": "KBRI", "reason": "keliru", "as_of": "2023-02-18T12:00:00+03:00"}
    for statement in (other["statements"][0]["id"], str(uuid4())):
        answer = client.post(f"{URL}/{one['id']}/statements/{statement}/withdraw", json=back, headers=duty | key())
        assert answer.status_code == 404


def test_what_was_said_stays_as_it_was_said(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    post(client, sign_in("duty_officer"), incident)
    with pytest.raises(Exception, match="append-only"):
        session.execute(text("DELETE FROM person_statement"))
