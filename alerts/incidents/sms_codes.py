"""The short code by which a text message names an incident, and how it is found by it."""

from __future__ import annotations

import secrets

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident, IncidentMission
from alerts.incidents.rules import SMS_DIGITS, SMS_LETTERS, State, Status

TRIES = 200


def free_sms_code(session: Session, *, wanted: str | None = None) -> str:
    """A code that no open incident has: `wanted` if it is free, else one that no incident ever had, while there are any.

    One at a time until this transaction ends, so that two incidents opened at once never choose the same.
    """
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("incident.sms_code"))))
    open_ones = set(session.scalars(select(Incident.sms_code).where(Incident.state == State.OPEN)))
    if wanted is not None and wanted not in open_ones:
        return wanted
    taken = set(session.scalars(select(Incident.sms_code).where(Incident.sms_code.is_not(None))))
    drawn = [_draw() for _ in range(TRIES)]
    return next((code for code in drawn if code not in taken), None) or next(code for code in drawn if code not in open_ones)


def find_by_sms_code(session: Session, code: str, *, mission_code: str, status: Status) -> Incident | None:
    """The incident of this code in which the mission is involved: the open one, else the one closed last."""
    query = _involving(mission_code, status).where(Incident.sms_code == code)
    return session.scalars(query.order_by((Incident.state == State.OPEN).desc(), Incident.state_changed_at.desc()).limit(1)).first()


def list_open_of_mission(session: Session, mission_code: str, *, status: Status) -> list[Incident]:
    """The open incidents in which the mission is involved, newest first."""
    query = _involving(mission_code, status).where(Incident.state == State.OPEN)
    return list(session.scalars(query.order_by(Incident.id.desc())))


def _involving(mission_code: str, status: Status) -> Select[Incident]:
    own = (IncidentMission.mission_code == mission_code, IncidentMission.left_at.is_(None))
    query = select(Incident).join(IncidentMission, IncidentMission.incident_id == Incident.id)
    return query.where(*own, Incident.status == status)


def _draw() -> str:
    first, middle, last = (secrets.choice(signs) for signs in (SMS_LETTERS, SMS_DIGITS, SMS_LETTERS))
    return first + middle + last
