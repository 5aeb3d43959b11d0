"""A call as a desk logs it over HTTP, and the earthquake of which families ask."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from tests.factories.incidents import HATAY, SYRIA, make_incident

SignIn = Callable[..., dict[str, str]]
_keys = count(1)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"family-{next(_keys)}"}


def post(client: TestClient, headers: dict[str, str], path: str, body: dict[str, Any] | None = None) -> Response:
    return client.post(f"/api/v1/{path}", json=body, headers=headers | key())


def log(client: TestClient, headers: dict[str, str], incident: Incident, **fields: Any) -> dict[str, Any]:
    body = {"sought_name": "Moh. Riski Contoh", "caller_phone": "0812-3456-789", "relation": "parent"} | fields
    answer = post(client, headers, f"incidents/{incident.id}/enquiries", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def read(client: TestClient, headers: dict[str, str], enquiry_id: str) -> dict[str, Any]:
    answer = client.get(f"/api/v1/enquiries/{enquiry_id}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident
