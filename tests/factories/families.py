"""Calls of families for tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from alerts.families.actions import Logged, log_call
from alerts.families.schemas import EnquiryIn
from alerts.incidents.models import Incident
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from tests.factories.incidents import OPENER

CALL: dict[str, Any] = {
    "sought_name": "Moh. Riski Contoh",
    "caller_name": "Ibu Contoh",
    "caller_phone": "0812-3456-789",
    "relation": "parent",
}


def make_enquiry(session: Session, keyring: Keyring, incident: Incident, *, actor: Actor = OPENER, **fields: Any) -> Logged:
    """A mother asks after her son in Hatay, unless told otherwise."""
    command = EnquiryIn.model_validate(CALL | {"place_code": "TR-31"} | fields)
    return log_call(session, actor=actor, keyring=keyring, incident_id=incident.id, command=command)
