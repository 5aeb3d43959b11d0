"""Addresses, rosters, pages and alarms over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.deliveries.findings import note_unread_words
from alerts.deliveries.resting import close_sender
from alerts.kit.crypto import Keyring
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.alarms import raise_alarm
from alerts.notices.rules import AlarmKind
from alerts.staff.rules import Role
from tests.factories.notices import make_contact
from tests.factories.staff import make_staff

SignIn = Callable[..., dict[str, str]]
TEXTS = {"id": "SIAGA: sesuatu menunggu.", "en": "SIAGA: something waits."}


def me(client: TestClient, headers: dict[str, str]) -> str:
    return str(client.get("/api/v1/me", headers=headers).json()["id"])


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


def test_a_person_keeps_their_own_addresses_and_no_others(client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn) -> None:
    mine = sign_in("approver")
    path = f"/api/v1/staff/{me(client, mine)}/contacts"
    body = {"kind": "phone", "address": "0811-7000-777"}
    assert client.post(path, json=body, headers=mine).status_code == 400, "an Idempotency-Key is needed"
    added = client.post(path, json=body, headers=mine | key())
    assert added.status_code == 201
    [contact] = added.json()["items"]
    assert (contact["hint"], contact["number_country"]) == ("+62•••777", "ID")
    assert "7000" not in added.text
    assert client.get(path, headers=mine).json() == added.json()
    other = make_staff(session)
    foreign = make_contact(session, keyring, other)
    session.commit()
    theirs = f"/api/v1/staff/{other.id}/contacts"
    assert client.get(theirs, headers=mine).status_code == 404
    assert client.post(theirs, json=body, headers=mine | key()).status_code == 404
    assert client.delete(f"{theirs}/{foreign.id}", headers=mine).status_code == 404
    assert client.delete(f"{path}/{foreign.id}", headers=mine).status_code == 404
    admin = sign_in("administrator")
    assert client.delete(f"{theirs}/{foreign.id}", headers=admin).status_code == 204
    assert client.get(theirs, headers=admin).json()["items"] == []
    assert client.delete(f"{path}/{contact['id']}", headers=mine).status_code == 204
    assert client.get(path, headers=mine).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "phone", "address": "19 digits 1234567890123456789"}, "address"),
        ({"kind": "phone", "address": "+62811\u00007"}, "address"),
        ({"kind": "pager", "address": "1"}, "kind"),
        ({"kind": "web_push", "address": "http://127.0.0.1:9/x"}, "keys.p256dh"),
        ({"kind": "email", "address": "a@"}, "address"),
        ({"kind": "phone", "address": "+628117000777", "surprise": 1}, "surprise"),
    ],
)
def test_what_is_no_address_is_refused_by_its_field(client: TestClient, sign_in: SignIn, body: dict[str, Any], field: str) -> None:
    mine = sign_in("approver")
    answer = client.post(f"/api/v1/staff/{me(client, mine)}/contacts", json=body, headers=mine | key())
    assert answer.status_code == 422
    assert answer.json()["field"] == field


def test_a_roster_is_changed_from_what_was_read(client: TestClient, session: Session, sign_in: SignIn) -> None:
    admin = sign_in("administrator")
    one, two = make_staff(session, "approver"), make_staff(session, "approver")
    session.commit()
    read = client.get("/api/v1/duty", params={"role": "approver"}, headers=admin)
    assert read.json()["people"] == []
    assert read.json()["others"] == 2
    hours = {"begin": "22:00:00", "until": "06:00:00"}
    body = {"role": "approver", "people": [{"staff_id": str(two.id), "hours": hours, "zone": "Asia/Tokyo"}, {"staff_id": str(one.id)}]}
    assert client.put("/api/v1/duty", json=body, headers=admin).status_code == 428
    done = client.put("/api/v1/duty", json=body, headers=admin | {"If-Match": read.headers["etag"]})
    assert done.status_code == 200
    assert [(p["staff_id"], p["position"], p["hours"]) for p in done.json()["people"]] == [(str(two.id), 1, hours), (str(one.id), 2, None)]
    stale = client.put("/api/v1/duty", json=body, headers=admin | {"If-Match": read.headers["etag"]})
    assert stale.status_code == 412
    assert len(stale.json()["current"]["people"]) == 2
    again = client.get("/api/v1/duty", params={"role": "approver"}, headers=admin | {"If-None-Match": done.headers["etag"]})
    assert again.status_code == 304
    twice = {"role": "approver", "people": [{"staff_id": str(one.id)}, {"staff_id": str(one.id)}]}
    refused = client.put("/api/v1/duty", json=twice, headers=admin | {"If-Match": done.headers["etag"]})
    assert (refused.status_code, refused.json()["field"]) == (422, "people")


def test_a_page_is_seen_and_taken_on_by_who_it_asks_for(client: TestClient, session: Session, sign_in: SignIn) -> None:
    paging_id = start_paging(session, PagingStart("alarm", ("broadcast", uuid4()), Role.MISSION_STAFF, TEXTS, "/x", "kbri-ankara"))
    session.commit()
    path = f"/api/v1/pagings/{paging_id}/acknowledge"
    ours, theirs = sign_in("mission_staff", "kbri-ankara", via="token"), sign_in("mission_staff", "kbri-tokyo", via="token")
    [seen] = client.get("/api/v1/pagings", headers=ours).json()["items"]
    assert (seen["text"], seen["level"], seen["messages"], seen["stopped_at"]) == ("SIAGA: sesuatu menunggu.", 0, {}, None)
    assert client.get("/api/v1/pagings", headers=theirs).json()["items"] == []
    assert client.post(path, headers=theirs | key()).status_code == 404
    assert client.post(path, headers=sign_in("duty_officer") | key()).status_code == 404
    same = key()
    done = client.post(path, headers=ours | same)
    assert done.json()["stop_reason"] == "acknowledged"
    replayed = client.post(path, headers=ours | same)
    assert replayed.headers["idempotency-replayed"] == "true"
    assert client.get("/api/v1/pagings", headers=ours).json()["items"] == []
    assert len(client.get("/api/v1/pagings", params={"only_open": False}, headers=ours).json()["items"]) == 1


def test_an_alarm_is_seen_and_taken_on_and_monitoring_knows(client: TestClient, session: Session, sign_in: SignIn) -> None:
    alarm_id = raise_alarm(session, kind=AlarmKind.DEAD_TOKENS, sender="fcm", count=31)
    note_unread_words(session, [("twilio", "teleported"), ("twilio", "beamed")])
    note_unread_words(session, [("twilio", "beamed")])
    close_sender(session, "twilio", code="20003", rest_seconds=60)
    session.commit()
    officer = sign_in("duty_officer", language="en")
    [seen] = client.get("/api/v1/alarms", headers=officer).json()["items"]
    assert (seen["kind"], seen["sender"], seen["count"]) == ("dead_tokens", "fcm", 31)
    assert "31 devices" in seen["text"]
    metrics = client.get("/metrics").text
    assert "siaga_open_alarms 1.0" in metrics
    assert 'siaga_alarm{kind="dead_tokens",sender="fcm"} 31.0' in metrics
    assert 'siaga_unread_words_total{source="twilio"} 3.0' in metrics, "counted where every process sees it"
    assert 'siaga_sender_closed{sender="twilio"} 1.0' in metrics
    session.execute(text("UPDATE sender_rest SET until = clock_timestamp() - interval '61 seconds'"))
    session.commit()
    assert 'siaga_sender_closed{sender="twilio"} 0.0' in client.get("/metrics").text, "it holds up nothing"
    assert client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=sign_in("approver") | key()).status_code == 403
    done = client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=officer | key())
    assert done.json()["acknowledged_by"] == me(client, officer)
    assert client.get("/api/v1/alarms", headers=officer).json()["items"] == []
    assert "siaga_open_alarms 0.0" in client.get("/metrics").text
