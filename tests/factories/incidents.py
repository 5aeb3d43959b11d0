"""Incidents for tests, and the missions that answer for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from alerts.incidents.actions import open_incident
from alerts.incidents.models import Incident
from alerts.incidents.schemas import IncidentOpen
from alerts.kit.actor import Actor, Via

REPORT_DUE = timedelta(minutes=5)
OPENER = Actor(Via.SYSTEM, label="tests", role="duty_officer")
TURKEY = {"kind": "country", "code": "TR"}
ISTANBUL = {"kind": "province", "code": "TR-34"}
HATAY = {"kind": "province", "code": "TR-31"}
SYRIA = {"kind": "country", "code": "SY"}


def incident_body(**fields: Any) -> dict[str, Any]:
    """A body that POST /api/v1/incidents takes."""
    body = {
        "kind": "earthquake",
        "title": "Gempa uji",
        "urgency": "Immediate",
        "severity": "Extreme",
        "certainty": "Observed",
        "occurred_at": "2023-02-06T04:17:00+03:00",
        "areas": [TURKEY],
    }
    return body | fields


def make_incident(session: Session, *, actor: Actor = OPENER, **fields: Any) -> Incident:
    """An open incident in Türkiye unless told otherwise. The missions of our files are there already."""
    command = IncidentOpen.model_validate(incident_body(**fields))
    return open_incident(session, actor=actor, command=command, report_due=REPORT_DUE)
