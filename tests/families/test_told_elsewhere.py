"""What is known of a person in another event counts too before a family hears that they are safe."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.factories.citizens import make_citizen
from tests.factories.incidents import HATAY, make_incident
from tests.factories.people import make_person, statement
from tests.families.conftest import SignIn, key, log, post, read

CONTACT = {"who": "meja konsuler", "when": "2023-02-08T10:00:00+03:00", "how": "telepon"}


@pytest.mark.parametrize(
    ("other", "by", "told"),
    [
        ({}, "citizen", []),
        ({}, "person", []),
        ({"status": "Exercise"}, "citizen", ["reached", "safe"]),
        ({"is_replayed": True}, "citizen", ["reached", "safe"]),
    ],
)
def test_nobody_is_told_safe_of_a_person_who_is_written_down_as_dead_in_another_event(
    client: TestClient,
    session: Session,
    keyring: Keyring,
    sign_in: SignIn,
    incident: Incident,
    other: dict[str, Any],
    by: str,
    told: list[str],
) -> None:
    duty = sign_in("duty_officer", via="token")
    citizen = make_citizen(session, keyring, name="Riski Contoh", province_code="TR-31")
    here = make_person(session, keyring, incident, citizen_external_id=citizen.external_id)
    elsewhere = make_person(session, keyring, make_incident(session, areas=[HATAY], **other), citizen_external_id=citizen.external_id)
    session.commit()
    enquiry = log(client, duty, incident)["enquiry"]["id"]
    meant = citizen.id if by == "citizen" else here.id
    assert post(client, duty, f"enquiries/{enquiry}/recognise", {f"{by}_id": str(meant)}).status_code == 200
    allowed = {"tells": ["reached", "safe"], "contact": CONTACT}
    assert post(client, duty, f"enquiries/{enquiry}/permission", allowed).json()["may_tell"]["tells"] == ["reached", "safe"]
    said = client.post(f"/api/v1/persons/{elsewhere.id}/statements", json=statement("condition", "dead"), headers=duty | key())
    assert said.status_code == 201, said.text
    telling = read(client, duty, enquiry)["may_tell"]
    assert (telling["tells"], telling["is_held_back"]) == (told, not told)
