"""Public statements and answers to rumours for tests: what is filed, drafted, published and shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.live.actions import refresh
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.statements.models import PublicPage
from tests.factories.incidents import OPENER
from tests.factories.reports import new_key, report_body

AUTOMATIC = ["as_of", "present", "voluntary", "injured", "appeal"]
OWN = {"id": "{own.injured} WNI didampingi KBRI.", "en": "The embassy is with {own.injured} of our citizens."}
RUMOUR = {
    "claim": {"id": "1.000 WNI <b>tewas</b>!", "en": "1,000 citizens dead!"},
    "verdict": "false",
    "explanation": {"id": "Hal itu tidak benar.", "en": "That is not so."},
}


def report(session: Session, incident: Incident, *lines: dict[str, Any]) -> None:
    now = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    body = report_body(*lines, source="ministry", as_of=now.isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()


def body(**fields: Any) -> dict[str, Any]:
    return {"clauses": AUTOMATIC} | fields


def publish(client: TestClient, statement: str, who: dict[str, str]) -> Response:
    return client.post(f"/api/v1/public-statements/{statement}/publish", headers=who | new_key())


def public(client: TestClient, session: Session, incident: Incident, tail: str = "", **headers: str) -> Response:
    slug = session.scalars(select(PublicPage.slug).where(PublicPage.incident_id == incident.id)).one()
    return client.get(f"/public/incidents/{slug}{tail}", headers=headers)


def answer(client: TestClient, rumour: dict[str, Any], who: dict[str, str], act: str = "publish") -> Response:
    return client.post(f"/api/v1/rumours/{rumour['id']}/{act}", headers=who | new_key())
