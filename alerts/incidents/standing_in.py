"""Missions that stand in for another by somebody's word, though no place of the incident is theirs."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from alerts.incidents.models import IncidentMission
from alerts.incidents.queries import find_involvement
from alerts.kit.clock import db_now
from alerts.missions.rules import Basis
from alerts.missions.rules import Role as Part


def bring_in(session: Session, covered: IncidentMission, *, mission_code: str, report_due: timedelta) -> IncidentMission:
    """A mission acts in the places of another from now on; its first report is due after `report_due`. One that is there stays as it is."""
    present = find_involvement(session, covered.incident_id, mission_code)
    if present is not None:
        if present.is_by_word:
            present.places = sorted({*present.places, *covered.places})
        return present
    key = (covered.incident_id, mission_code)
    row = session.get(IncidentMission, key) or IncidentMission(incident_id=key[0], mission_code=mission_code)
    now = db_now(session)
    row.part, row.basis, row.is_assumed, row.places = Part.ACTS, Basis.COVER, False, list(covered.places)
    row.joined_at, row.left_at, row.report_due_at, row.is_by_word = now, None, now + report_due, True
    session.add(row)
    session.flush()
    return row


def send_home(session: Session, row: IncidentMission) -> None:
    """It stands in for nobody any more. One whose own places are concerned stays."""
    if row.is_by_word:
        row.left_at = db_now(session)
        session.flush()
