"""Signing a handover, and merging an incident that is another one. None commits."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from alerts.incidents.merging import claim_both, merge_incident
from alerts.incidents.models import Incident
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.kit.outbox import publish
from alerts.live.queries import find_snapshot, load_sheet
from alerts.live.shifts.models import Handover
from alerts.live.shifts.queries import SUCCESSORS, count_open_cases, find_ties
from alerts.live.shifts.rules import open_points
from alerts.live.shifts.schemas import HandoverIn
from alerts.staff.models import Staff


def hand_over(session: Session, *, actor: Actor, incident: Incident, command: HandoverIn) -> Handover:
    """Sign a shift over to somebody of the ministry; what is open is counted and kept with it. It cannot be changed.

    403: by a program. 422: to oneself, to nobody, over a version of the sheet that there is not.
    """
    if actor.staff_id is None:
        raise ForbiddenError("person_signs", "A handover is signed by a person.")
    to = session.get(Staff, command.to_staff)
    if to is None or not to.is_active or to.role not in SUCCESSORS or to.id == actor.staff_id:
        raise InvalidError("no_successor", "A shift goes to another active account of the ministry.", field="to_staff")
    if command.sheet_version is not None and find_snapshot(session, incident.id, command.sheet_version) is None:
        raise InvalidError("no_such_version", "The sheet has no such version.", field="sheet_version")
    points = open_points(load_sheet(session, incident), cases=count_open_cases(session, incident.id))
    row = Handover(
        incident_id=incident.id,
        status=incident.status,
        from_staff=actor.staff_id,
        to_staff=to.id,
        note=command.note,
        sheet_version=command.sheet_version,
        open_points=points,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    detail = {"to": str(to.id), "sheet_version": row.sheet_version, "open": points}
    audit.record(session, actor=actor, action="shift.handed_over", incident_id=incident.id, subject=("handover", row.id), detail=detail)
    publish(session, "shift.handed_over", incident_id=incident.id)
    return row


def merge(session: Session, *, actor: Actor, incident_id: UUID, into: UUID, reason: str, report_due: timedelta) -> Incident:
    """Merge an incident into another; the other one. 409 `incident_has_ties` while something would be cut off with it.

    Answers, calls for help, persons and families belong to the incident in which people were spoken to.
    """
    claim_both(session, actor, incident_id, into)
    ties = find_ties(session, incident_id)
    if ties:
        raise ConflictError(
            "incident_has_ties",
            "This incident has messages, answers, persons or calls of its own: take it over instead, or merge the other one into it.",
            ties=ties,
        )
    return merge_incident(session, actor=actor, incident_id=incident_id, into=into, reason=reason, report_due=report_due)
