"""What was known of an incident stays what was known, whatever becomes of the incident itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.incidents.actions import change_incident, close_incident, reopen_incident
from alerts.incidents.models import Incident
from alerts.incidents.queries import incident_etag, list_areas
from alerts.incidents.schemas import IncidentChange
from alerts.kit.clock import db_now
from alerts.live.queries import Asked, load_sheet
from alerts.live.rules.changes import content_of
from tests.factories.incidents import HATAY, OPENER, REPORT_DUE

Act = Callable[[Session, Incident], object]


def change(session: Session, incident: Incident, **fields: Any) -> None:
    command = IncidentChange.model_validate(fields)
    etag = incident_etag(incident)
    change_incident(session, actor=OPENER, incident_id=incident.id, command=command, if_match=etag, report_due=REPORT_DUE)


def close(session: Session, incident: Incident) -> None:
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")


def reopen(session: Session, incident: Incident) -> None:
    reopen_incident(session, actor=OPENER, incident_id=incident.id, reason="belum selesai")


def raise_level(session: Session, incident: Incident) -> None:
    area = list_areas(session, incident.id)[0]
    change(session, incident, levels=[{"area_id": area.id, "siaga_level": "I", "level_basis": "minister"}])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (close, reopen),
        (close, lambda *of: (reopen(*of), close(*of))),
        (None, close),
        (None, lambda *of: change(*of, title="Gempa lain", severity="Minor", urgency="Past", kind="flood")),
        (None, raise_level),
        (None, lambda *of: change(*of, areas=[HATAY])),
    ],
    ids=["reopened", "closed again", "closed", "renamed", "level", "fewer areas"],
)
def test_the_same_question_has_the_same_answer(session: Session, incident: Incident, before: Act | None, after: Act) -> None:
    if before is not None:
        before(session, incident)
    at = db_now(session)
    first = content_of(load_sheet(session, incident, Asked(as_of=at, known_at=at)))
    after(session, incident)
    session.flush()
    assert content_of(load_sheet(session, incident, Asked(as_of=at, known_at=at))) == first


def test_what_was_is_never_altered(session: Session, incident: Incident) -> None:
    close(session, incident)
    for statement in ("UPDATE incident_past SET part = part", "DELETE FROM incident_past"):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(text(statement))
