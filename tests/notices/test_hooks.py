"""What carriers report: signed by them, and by us in the address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator

from alerts.incidents.calling_out import call_out
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from alerts.kit.ids import callback_token
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.crew.actions import call_due
from alerts.notices.posting import Post, post
from alerts.notices.queries import list_candidates
from alerts.notices.rules import Channel, Contact, ContactKind, attempt_name
from alerts.notices.sending import commit_intents
from alerts.settings import Settings
from alerts.staff.rules import Role
from tests.factories.incidents import make_incident
from tests.factories.notices import make_reachable
from tests.support.apps import lent

TOKEN = "hook-token-of-tests"
TEXTS = {"id": "SIAGA: sesuatu menunggu.", "en": "SIAGA: something waits."}


@pytest.fixture
def hooked(
    shared_app: FastAPI, make_settings: Callable[..., Settings], worker_database_url: str, savepoint_sessions: Sessions
) -> Iterator[TestClient]:
    settings = make_settings(worker_database_url, SIAGA_TWILIO_AUTH_TOKEN=TOKEN)
    with lent(shared_app, settings, savepoint_sessions) as app:
        yield TestClient(app, base_url="http://testserver")


@pytest.fixture
def attempt(session: Session, keyring: Keyring) -> str:
    """A call that is on its way: the name of its attempt, signed by us."""
    staff = make_reachable(session, keyring, "approver", language="en")
    paging_id = start_paging(session, PagingStart("alarm", ("broadcast", uuid4()), Role.APPROVER, TEXTS, "/x"))
    assert paging_id is not None
    [candidate] = [each for each in list_candidates(session, Role.APPROVER, None) if each.staff_id == staff.id]
    way = (Contact(candidate.contacts[0].id, ContactKind.PHONE), Channel.VOICE)
    post(session, Post("alarm", ("broadcast", "b"), TEXTS, "/x", paging=(paging_id, 1)), candidate, [way])
    [row] = commit_intents(session, limit=1, lease_seconds=60)
    session.commit()
    return callback_token(keyring.callback, attempt_name(row["id"], row["attempts"]))


def send(client: TestClient, path: str, form: Mapping[str, str], *, token: str = TOKEN) -> Any:
    signature = RequestValidator(token).compute_signature(f"http://testserver{path}", dict(form))
    return client.post(path, data=dict(form), headers={"X-Twilio-Signature": signature})


def state(session: Session) -> Any:
    return session.execute(text("SELECT state, provider_id FROM notice ORDER BY id DESC LIMIT 1")).one()


def test_a_receipt_moves_a_message_up(hooked: TestClient, session: Session, attempt: str) -> None:
    path = f"/hooks/notices/status/{attempt}"
    for raw, after in (("in-progress", "sent"), ("completed", "delivered"), ("initiated", "delivered")):
        answer = send(hooked, path, {"CallSid": "CA1", "CallStatus": raw})
        assert answer.status_code == 204, answer.text
        assert state(session) == (after, "CA1")


def test_a_text_s_receipt_too_and_a_word_that_is_new_proves_at_least_the_sending(
    hooked: TestClient, session: Session, attempt: str
) -> None:
    path = f"/hooks/notices/status/{attempt}"
    assert send(hooked, path, {"MessageSid": "SM1", "MessageStatus": "teleported"}).status_code == 204
    assert state(session) == ("accepted", "SM1")
    assert send(hooked, path, {"MessageSid": "SM1", "MessageStatus": "undelivered"}).status_code == 204
    assert state(session)[0] == "undelivered"


@pytest.mark.parametrize("form", [{"MessageSid": "SM1"}, {"MessageStatus": "sent"}, {"MessageSid": "SM1", "MessageStatus": "a\x00"}])
def test_a_receipt_without_its_fields_is_refused(hooked: TestClient, attempt: str, form: dict[str, str]) -> None:
    answer = send(hooked, f"/hooks/notices/status/{attempt}", form)
    assert answer.status_code == 422
    assert answer.json()["field"]


def test_forged_foreign_and_unknown_names_are_refused(hooked: TestClient, keyring: Keyring, attempt: str) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "sent"}
    assert send(hooked, f"/hooks/notices/status/{attempt}", form, token="another").status_code == 403
    assert send(hooked, "/hooks/notices/status/n0-1.abc", form).status_code == 403
    delivery = callback_token(keyring.callback, "6401-1")
    assert send(hooked, f"/hooks/notices/status/{delivery}", form).status_code == 403
    unknown = callback_token(keyring.callback, attempt_name(uuid4(), 1))
    assert send(hooked, f"/hooks/notices/status/{unknown}", form).status_code == 404
    assert send(hooked, f"/hooks/notices/voice/{unknown}", {"CallSid": "CA1", "Digits": "1"}).status_code == 404


def test_the_key_1_takes_it_on(hooked: TestClient, session: Session, attempt: str) -> None:
    path = f"/hooks/notices/voice/{attempt}"
    other = send(hooked, path, {"CallSid": "CA1", "Digits": "2"})
    assert "You have not taken it on." in other.text
    open_pages = text("SELECT count(*) FROM paging WHERE stopped_at IS NULL")
    assert session.execute(open_pages).scalar_one() == 1
    answer = send(hooked, path, {"CallSid": "CA1", "Digits": "1"})
    assert answer.headers["content-type"].startswith("text/xml")
    assert "Recorded: you take it on." in answer.text
    assert session.execute(open_pages).scalar_one() == 0
    logged = session.execute(text("SELECT via, actor FROM action_log WHERE action = 'paging.acknowledged'")).one()
    assert logged.via == "link"
    assert logged.actor.startswith("staff:")
    assert "Recorded" in send(hooked, path, {"CallSid": "CA1", "Digits": "1"}).text


@pytest.mark.parametrize(("key", "said"), [("1", "coming"), ("2", "cannot"), ("7", None)])
def test_a_key_in_a_call_out_says_whether_one_is_coming(
    hooked: TestClient, session: Session, keyring: Keyring, savepoint_sessions: Sessions, key: str, said: str | None
) -> None:
    make_reachable(session, keyring, "duty_officer", language="en")
    incident = make_incident(session)
    call_out(session, incident.id)
    session.commit()
    call_due(savepoint_sessions, configured=lambda _: frozenset({"voice"}), deputy_seconds=180)
    [row] = commit_intents(session, limit=1, lease_seconds=60)
    session.commit()
    path = f"/hooks/notices/voice/{callback_token(keyring.callback, attempt_name(row['id'], row['attempts']))}"
    answer = send(hooked, path, {"CallSid": "CA1", "Digits": key})
    assert answer.status_code == 200
    assert ("Recorded" in answer.text) == (said is not None)
    assert session.scalars(text("SELECT answer FROM crew_answer")).all() == ([said] if said else [])
