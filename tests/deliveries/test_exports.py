"""Exports: a reason, a second person, the row count, once, and nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember
from alerts.deliveries.exports.queries import ROWS_AT_ONCE, csv_of
from alerts.deliveries.exports.schemas import ExportView
from alerts.kit.audit import list_actions
from alerts.kit.crypto import Keyring
from tests.deliveries.conftest import Fanout
from tests.factories.checkins import make_citizen, make_member
from tests.factories.deliveries import make_delivery
from tests.factories.incidents import make_incident

SignIn = Callable[..., dict[str, str]]
ASK = {"reason": "Pencocokan dengan daftar operator"}


@pytest.fixture
def broadcast_id(session: Session, keyring: Keyring) -> UUID:
    """A message to three people, of whom one never gets it."""
    incident = make_incident(session)
    first = make_member(session, incident, make_citizen(session, keyring))
    make_delivery(session, first, "delivered")
    for state in ("accepted", "failed"):
        person = make_citizen(session, keyring)
        values = {name: getattr(first, name) for name in ("audience_id", "broadcast_id", "channel", "language", "reason", "number_country")}
        member = AudienceMember(**values, citizen_id=person.id, phone_id=person.phone_id)
        session.add(member)
        session.flush()
        session.refresh(member)
        make_delivery(session, member, state)
    session.commit()
    return first.broadcast_id


def post(client: TestClient, path: str, who: dict[str, str], **json: Any) -> Any:
    headers = who | {"Idempotency-Key": str(uuid4()), "Origin": "http://testserver"}
    return client.post(f"/api/v1{path}", headers=headers, json=json)


def rows_in(answer: Any) -> list[dict[str, str]]:
    assert answer.text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def test_two_people_and_the_count_let_it_go_once(client: TestClient, session: Session, sign_in: SignIn, broadcast_id: UUID) -> None:
    officer, approver = sign_in("duty_officer"), sign_in("approver")
    asked = post(client, f"/broadcasts/{broadcast_id}/exports", officer, **ASK)
    assert (asked.status_code, asked.json()["state"], asked.json()["row_count"]) == (201, "waiting", 3)
    path = f"/exports/{asked.json()['id']}"
    file = f"/api/v1{path}/rows.csv"
    assert client.get(file, headers=officer).json()["code"] == "export_not_granted"
    assert post(client, f"{path}/grant", officer, row_count=3).json()["code"] == "own_export"
    assert post(client, f"{path}/grant", approver, row_count=2).json()["code"] == "other_row_count"
    assert post(client, f"{path}/grant", approver, row_count=3).json()["state"] == "granted"
    assert client.get(file, headers=approver).status_code == 404
    fetched = client.get(file, headers=officer)
    assert (fetched.status_code, fetched.headers["cache-control"]) == (200, "no-store")
    rows = rows_in(fetched)
    assert sorted(row["state"] for row in rows) == ["accepted", "delivered", "failed"]
    assert not {"name", "number"} & set(rows[0])
    assert client.get(file, headers=officer).json()["code"] == "export_not_granted"
    [incident_id] = session.execute(text("SELECT incident_id FROM broadcast WHERE id = :id"), {"id": broadcast_id}).scalars()
    log = [action.action for action in list_actions(session, incident_id, true()) if action.action.startswith("export.")]
    assert log == ["export.fetched", "export.granted", "export.asked"]
    assert [each["state"] for each in client.get(f"/api/v1/broadcasts/{broadcast_id}/exports", headers=approver).json()["items"]] == [
        "fetched"
    ]


def test_names_and_numbers_go_to_those_who_may_see_persons(client: TestClient, sign_in: SignIn, broadcast_id: UUID) -> None:
    officer, approver = sign_in("duty_officer"), sign_in("approver")
    refused = post(client, f"/broadcasts/{broadcast_id}/exports", approver, **ASK, with_contacts=True)
    assert (refused.status_code, refused.json()["permission"]) == (403, "view_persons")
    asked = post(client, f"/broadcasts/{broadcast_id}/exports", officer, **ASK, with_contacts=True).json()
    post(client, f"/exports/{asked['id']}/grant", approver, row_count=3)
    fetched = client.get(f"/api/v1/exports/{asked['id']}/rows.csv", headers=officer)
    rows = rows_in(fetched)
    assert all(row["number"].startswith("'+60") and row["name"] for row in rows), "a number is no formula"
    cells = [cell for row in csv.reader(io.StringIO(fetched.text.removeprefix("\ufeff"))) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_what_somebody_wrote_never_becomes_a_formula(client: TestClient, session: Session, sign_in: SignIn, broadcast_id: UUID) -> None:
    hostile = ("=cmd|' /C calc'!A0", "@SUM(1)", "\t=1+1")
    for code, state in zip(hostile, ("delivered", "accepted", "failed"), strict=True):
        session.execute(text("UPDATE delivery SET error_code = :code WHERE state = :state"), {"code": code, "state": state})
    session.commit()
    officer, approver = sign_in("duty_officer"), sign_in("approver")
    asked = post(client, f"/broadcasts/{broadcast_id}/exports", officer, **ASK).json()
    post(client, f"/exports/{asked['id']}/grant", approver, row_count=3)
    rows = rows_in(client.get(f"/api/v1/exports/{asked['id']}/rows.csv", headers=officer))
    assert sorted(row["error_code"] for row in rows) == sorted(f"'{code}" for code in hostile)


@pytest.mark.parametrize("change", ["expires_at = now() - interval '1 second'", "has_contacts = true", "row_count = 0", "reason = 'x'"])
def test_what_was_granted_is_not_changed(client: TestClient, session: Session, sign_in: SignIn, broadcast_id: UUID, change: str) -> None:
    officer, approver = sign_in("duty_officer"), sign_in("approver")
    asked = post(client, f"/broadcasts/{broadcast_id}/exports", officer, **ASK).json()
    post(client, f"/exports/{asked['id']}/grant", approver, row_count=3)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(text(f"UPDATE reach_export SET {change}"))
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(text("DELETE FROM reach_export"))


def test_time_ends_a_request_and_a_no_ends_it_too(client: TestClient, session: Session, sign_in: SignIn, broadcast_id: UUID) -> None:
    officer, approver = sign_in("duty_officer"), sign_in("approver")
    late, declined = (post(client, f"/broadcasts/{broadcast_id}/exports", officer, **ASK).json()["id"] for _ in range(2))
    session.execute(text("UPDATE reach_export SET expires_at = now() - interval '1 second' WHERE id = :id"), {"id": late})
    session.commit()
    assert post(client, f"/exports/{late}/grant", approver, row_count=3).json()["state"] == "expired"
    assert post(client, f"/exports/{declined}/decline", approver).json()["state"] == "declined"
    assert post(client, f"/exports/{declined}/grant", approver, row_count=3).status_code == 409
    empty = post(client, f"/broadcasts/{broadcast_id}/exports", officer, reason="  ")
    assert (empty.status_code, empty.json()["field"]) == (422, "reason")


@pytest.mark.parametrize("role", ["minister", "mission_staff", "head_of_mission", "administrator"])
def test_others_have_no_exports(client: TestClient, sign_in: SignIn, broadcast_id: UUID, role: str) -> None:
    headers = sign_in(role, "kbri-ankara") if role in ("mission_staff", "head_of_mission") else sign_in(role)
    assert post(client, f"/broadcasts/{broadcast_id}/exports", headers, **ASK).status_code == 403


@pytest.mark.deliveries
def test_pieces_make_up_the_whole_and_memory_stays_flat(fanout: Callable[..., Fanout]) -> None:
    message = fanout(*[f"+628125000{n:04d}" for n in range(3)])
    message.release()
    asked_at = message.rows("SELECT clock_timestamp() AS at")[0]["at"]
    later = message.rows("SELECT count(*) AS n FROM delivery")[0]["n"]
    assert later == 3 < ROWS_AT_ONCE
    values = dict.fromkeys(("decided_by", "decided_at", "fetched_at")) | {
        "asked_by": uuid4(),
        "expires_at": asked_at,
        "id": uuid4(),
    }
    export = ExportView(
        **values, broadcast_id=message.broadcast_id, state="granted", reason="Uji", has_contacts=False, row_count=2, asked_at=asked_at
    )
    pieces = list(csv_of(message.sessions, export, message.keyring))
    assert sum(piece.count("\r\n") for piece in pieces) == 3, "a heading, and never more rows than were granted"
