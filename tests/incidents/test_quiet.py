"""Quiet incidents over HTTP: how one becomes quiet, who may, and what the log and the answers say."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import true
from sqlalchemy.orm import Session

from alerts.incidents import rules
from alerts.kit.audit import list_actions
from alerts.kit.errors import ConflictError
from tests.factories.incidents import incident_body, make_incident

SignIn = Callable[..., dict[str, str]]
QUIET = {"is_quiet": True, "quiet_reason": "Penyandera mendengar telepon"}


def opened(client: TestClient, headers: dict[str, str], **fields: Any) -> Any:
    return client.post("/api/v1/incidents", json=incident_body(**fields), headers=headers | {"Idempotency-Key": uuid.uuid4().hex})


def test_opened_quiet_with_the_reason_and_never_without(client: TestClient, sign_in: SignIn, session: Session) -> None:
    make_incident(session)
    session.commit()
    officer = sign_in("duty_officer")
    assert opened(client, officer, is_quiet=True).status_code == 422
    made = opened(client, officer, **QUIET)
    assert (made.status_code, made.json()["is_quiet"], made.json()["quiet_reason"]) == (201, True, QUIET["quiet_reason"])
    logged = [row.action for row in list_actions(session, uuid.UUID(made.json()["id"]), true())]
    assert "incident.made_quiet" in logged


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [
        ("duty_officer", QUIET, 200),
        ("duty_officer", {"is_quiet": True}, 422),
        ("duty_officer", {"quiet_reason": "sebab"}, 422),
        ("head_of_mission", QUIET, 200),
        ("minister", QUIET, 200),
        ("head_of_mission", {"is_quiet": False, "quiet_reason": "selesai"}, 403),
        ("minister", QUIET | {"title": "Lain"}, 403),
        ("mission_staff", QUIET, 403),
        ("approver", QUIET, 403),
    ],
)
def test_who_may_change_it(client: TestClient, sign_in: SignIn, session: Session, role: str, body: dict[str, Any], status: int) -> None:
    incident = make_incident(session)
    session.commit()
    headers = sign_in(role) | {"If-Match": "*"}
    answer = client.patch(f"/api/v1/incidents/{incident.id}", json=body, headers=headers)
    assert answer.status_code == status, answer.text


def test_a_mission_elsewhere_makes_nothing_quiet(client: TestClient, sign_in: SignIn, session: Session) -> None:
    incident = make_incident(session)
    session.commit()
    headers = sign_in("head_of_mission", "kbri-tokyo") | {"If-Match": "*"}
    assert client.patch(f"/api/v1/incidents/{incident.id}", json=QUIET, headers=headers).status_code == 404


def test_the_consequences_are_data() -> None:
    quiet, loud = rules.manners_of(is_quiet=True), rules.manners_of(is_quiet=False)
    assert quiet.barred_channels == {"voice"}
    assert (quiet.has_sound, quiet.may_repeat, quiet.may_list_texts) == (False, False, False)
    assert (loud.has_sound, loud.may_repeat, loud.may_list_texts, loud.barred_channels) == (True, True, True, frozenset())
    assert set(quiet.title or {}) == {"id", "en"}
    with pytest.raises(ConflictError):
        rules.check_repeat(is_quiet=True)
    rules.check_repeat(is_quiet=False)
