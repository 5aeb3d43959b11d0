"""What two true connections do to one thing at the same moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient
from sqlalchemy import text

from alerts.inbox.actions import Inbound, receive_message, understand_message
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import make_incident

SignIn = Callable[..., dict[str, str]]


def test_of_many_changes_of_one_version_one_wins(committed_client: TestClient, sessions: Sessions, sign_in: SignIn) -> None:
    with sessions.begin() as session:
        incident_id = make_incident(session).id
    duty, url = sign_in("duty_officer"), f"/api/v1/incidents/{incident_id}"
    headers = duty | {"If-Match": committed_client.get(url, headers=duty).headers["etag"]}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: committed_client.patch(url, json={"title": f"Judul {n}"}, headers=headers), range(6)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 5}
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert {answer.json()["current"]["title"] for answer in answers if answer.status_code == 412} == {winner["title"]}
    assert committed_client.get(url, headers=duty).json()["version"] == 2


def test_a_message_rung_many_times_at_once_is_read_once(sessions: Sessions, keyring: Keyring) -> None:
    with sessions.begin() as session:
        person = make_citizen(session, keyring)
        make_member(session, make_incident(session), person)

    def receive(_: int) -> bool:
        with sessions.begin() as session:
            return receive_message(session, keyring=keyring, inbound=Inbound("SM1", person.e164, "2"))

    def understand(_: int) -> bool:
        with sessions.begin() as session:
            message_id = session.execute(text("SELECT id FROM inbound_message")).scalar_one()
            return understand_message(session, keyring=keyring, message_id=message_id) is not None

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(receive, range(6))) == 1
        assert sum(pool.map(understand, range(6))) == 1
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM checkin WHERE answer = 'need_help'")).scalar_one() == 1


def test_one_citizen_named_by_many_at_once_is_one_person(
    committed_client: TestClient, sessions: Sessions, keyring: Keyring, sign_in: SignIn
) -> None:
    with sessions.begin() as session:
        incident_id, person = make_incident(session).id, make_citizen(session, keyring)
    duty = sign_in("duty_officer")
    body = {"incident_id": str(incident_id), "citizen_external_id": person.external_id}

    def name(number: int) -> int:
        return committed_client.post("/api/v1/persons", json=body, headers=duty | {"Idempotency-Key": f"p{number}"}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert Counter(pool.map(name, range(6))) == {201: 1, 409: 5}
