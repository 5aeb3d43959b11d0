"""The ministry's desks over HTTP, shared by the tests of messages."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from alerts.kit.crypto import Keyring
from tests.broadcasts.test_routes import Desk
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident

SignIn = Callable[..., dict[str, str]]


@pytest.fixture
def officer(client: TestClient, sign_in: SignIn) -> Desk:
    return Desk(client, sign_in("duty_officer"))


@pytest.fixture
def approver(client: TestClient, sign_in: SignIn) -> Desk:
    return Desk(client, sign_in("approver"))


@pytest.fixture
def incident_id(session: Session) -> uuid.UUID:
    incident = make_incident(session)
    session.commit()
    return incident.id


def people(session: Session, keyring: Keyring, count: int, **fields: Any) -> None:
    for _ in range(count):
        make_citizen(session, keyring, **fields)
    session.commit()
