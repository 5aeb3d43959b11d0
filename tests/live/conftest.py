"""An incident with its missions, and reports filed into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.reports.actions import file_report
from alerts.reports.models import Report
from alerts.reports.schemas import ReportIn
from tests.factories.incidents import make_incident
from tests.factories.staff import make_actor

FileReport = Callable[..., Report]


@pytest.fixture
def incident(session: Session) -> Incident:
    made = make_incident(session, is_replayed=True)
    session.commit()
    return made


@pytest.fixture
def file(session: Session, incident: Incident) -> FileReport:
    """`file(body)`: committed, by staff of the mission or the ministry as the source asks."""

    def filed(body: dict[str, Any]) -> Report:
        role = "mission_staff" if body["source"].startswith("mission:") else "duty_officer"
        actor = make_actor(session, role)
        report = file_report(session, actor=actor, incident_id=incident.id, command=ReportIn.model_validate(body))
        session.commit()
        return report

    return filed
