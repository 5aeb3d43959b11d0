"""Persons in an incident for tests, and what is said of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.people.actions import open_person
from alerts.people.models import Person
from alerts.people.schemas import PersonIn
from tests.factories.incidents import OPENER


def statement(axis: str, value: str, **fields: Any) -> dict[str, Any]:
    """A statement as the wire takes it: the mission's, of the day after the earthquake."""
    said = {"axis": axis, "value": value, "source": "mission", "said_by": "consular desk", "as_of": "2023-02-07T08:00:00Z"}
    return said | fields


def make_person(
    session: Session, keyring: Keyring, incident: Incident, *statements: dict[str, Any], actor: Actor = OPENER, **fields: Any
) -> Person:
    """Somebody of ours, looked after by kbri-ankara, unless told otherwise."""
    values = {"incident_id": incident.id, "name": "Orang Uji", "nationality": "own", "mission_code": "kbri-ankara"}
    command = PersonIn.model_validate(values | {"statements": list(statements)} | fields)
    return open_person(session, actor=actor, keyring=keyring, command=command)
