"""What a mission opened, the ministry takes over, or merges into the incident that goes on. None commits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from alerts.incidents.actions import adopt_areas
from alerts.incidents.calling_out import KIND, SUBJECT
from alerts.incidents.models import Incident
from alerts.incidents.queries import claim_incident, count_lists
from alerts.incidents.rules import Move, check_open, next_state
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError
from alerts.kit.outbox import publish
from alerts.notices.actions import stop_paging
from alerts.notices.crew.actions import stop_callout


def take_over(session: Session, *, actor: Actor, incident_id: UUID, reason: str | None = None) -> Incident:
    """Lead an open incident from now on; whoever is paged about it is paged no further. The same person again changes nothing.

    409 when it is closed.
    """
    incident = claim_incident(session, incident_id, actor)
    check_open(incident.state)
    if incident.lead_by == actor.key:
        return incident
    before = incident.lead_by
    incident.lead_by, incident.lead_at = actor.key, db_now(session)
    incident.version += 1
    stop_paging(session, subject=(SUBJECT, incident.id), kind=KIND, by=actor.staff_id)
    _record(session, actor, incident, action="incident.taken_over", detail={"before": before, **({"reason": reason} if reason else {})})
    return incident


def claim_both(session: Session, actor: Actor, incident_id: UUID, into: UUID) -> tuple[Incident, Incident]:
    """Source and target, locked in the order of their ids: two who merge the same pair wait for each other and are not both refused."""
    pair = {each: claim_incident(session, each, actor) for each in sorted({incident_id, into})}
    return pair[incident_id], pair[into]


def merge_incident(session: Session, *, actor: Actor, incident_id: UUID, into: UUID, reason: str, report_due: timedelta) -> Incident:
    """Close an incident that is the same as another; the other one. Its areas join those of the other, its reports stay filed
    where they are and are read for the other one too. Whoever calls must know that nothing else hangs on it.

    409: either is closed, one is an exercise or a replay and the other is not, this one is quiet and the other is not, or it names
    people by a list.
    """
    if incident_id == into:
        raise ConflictError("same_incident", "An incident is merged into another one.")
    source, target = claim_both(session, actor, incident_id, into)
    _check_pair(source, target)
    if count_lists(session, source.id):
        raise ConflictError("incident_has_lists", "The incident names people by a list: give the list to the other one first.")
    adopt_areas(session, actor=actor, source=source, target=target, report_due=report_due)
    source.state, source.merged_into, source.merged_at = next_state(source.state, Move.CLOSE), target.id, db_now(session)
    source.state_changed_at, source.state_changed_by = source.merged_at, actor.key
    source.version += 1
    target.version += 1
    stop_paging(session, subject=(SUBJECT, source.id), kind=KIND, by=actor.staff_id)
    stop_callout(session, source.id)
    _record(session, actor, source, action="incident.merged", detail={"into": str(target.id), "reason": reason})
    _record(session, actor, target, action="incident.merged", detail={"from": str(source.id), "reason": reason})
    publish(session, "incident.changed", incident_id=target.id)
    return target


def _check_pair(source: Incident, target: Incident) -> None:
    check_open(source.state)
    check_open(target.state)
    if source.status is not target.status:
        raise ConflictError("other_status", "An exercise and an actual event are never one.")
    if source.is_replayed is not target.is_replayed:
        raise ConflictError("other_replay", "A past crisis that is played again and an event of today are never one.")
    if source.is_quiet and not target.is_quiet:
        raise ConflictError("quiet_into_loud", "This incident is quiet and the other one is not: make the other one quiet first.")


def _record(session: Session, actor: Actor, incident: Incident, *, action: str, detail: dict[str, Any]) -> None:
    session.flush()
    audit.record(session, actor=actor, action=action, incident_id=incident.id, subject=("incident", incident.id), detail=detail)
    publish(session, action, incident_id=incident.id)
