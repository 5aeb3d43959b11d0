"""An incident with ten injured, and who writes about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from tests.factories.incidents import make_incident
from tests.factories.reports import line, new_key
from tests.factories.statements import RUMOUR, body, report

SignIn = Callable[..., dict[str, str]]


@pytest.fixture
def incident(session: Session) -> Incident:
    made = make_incident(session, title="Rahasia internal 7781")
    session.commit()
    report(session, made, line("injured", 10))
    return made


@pytest.fixture
def draft(client: TestClient, incident: Incident, sign_in: SignIn) -> Callable[..., Response]:
    """`draft(own=[…])`: by somebody of public information unless told otherwise."""
    writer = sign_in("public_information")

    def drafted(who: dict[str, str] | None = None, **fields: Any) -> Response:
        path = f"/api/v1/incidents/{incident.id}/statements"
        return client.post(path, json=body(**fields), headers=(who or writer) | new_key())

    drafted.writer = writer  # type: ignore[attr-defined]
    return drafted


@pytest.fixture
def rumour(client: TestClient, incident: Incident, sign_in: SignIn) -> Callable[..., Response]:
    """`rumour(verdict="true")`: written by a duty officer."""
    writer = sign_in("duty_officer")

    def written(**fields: Any) -> Response:
        return client.post(f"/api/v1/incidents/{incident.id}/rumours", json=RUMOUR | fields, headers=writer | new_key())

    return written
