"""Asking for an export, deciding on it, fetching it. None commits."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.queries import get_broadcast
from alerts.deliveries.exports import rules
from alerts.deliveries.exports.models import ReachExport
from alerts.deliveries.exports.queries import count_rows, get_export
from alerts.deliveries.exports.schemas import ExportAsk
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, ForbiddenError
from alerts.staff.access import check_permission, check_session_actor
from alerts.staff.rules import Permission


def ask_export(session: Session, *, actor: Actor, broadcast_id: UUID, command: ExportAsk, wait_seconds: float) -> ReachExport:
    """Ask for the steps begun so far; another person has `wait_seconds` to grant it.

    403: names and numbers for somebody who may not see persons. 409: not released, so there is nothing to export.
    """
    broadcast = get_broadcast(session, broadcast_id, actor)
    if actor.staff_id is None:
        raise ForbiddenError("staff_required", "Only staff can ask for an export.")
    if command.with_contacts:
        check_permission(actor, Permission.VIEW_PERSONS)
    if broadcast.released_at is None:
        raise ConflictError("not_released", "The message was not released: there is nothing to export.")
    now = db_now(session)
    row = ReachExport(
        broadcast_id=broadcast.id,
        reason=command.reason,
        has_contacts=command.with_contacts,
        row_count=count_rows(session, broadcast.id, now),
        asked_by=actor.staff_id,
        asked_at=now,
        expires_at=now + timedelta(seconds=wait_seconds),
    )
    session.add(row)
    session.flush()
    _log(session, actor, broadcast, row, action="export.asked")
    return row


def grant_export(session: Session, *, actor: Actor, export_id: UUID, row_count: int, fetch_seconds: float) -> ReachExport:
    """A second person lets it go; the asker can fetch it for `fetch_seconds`. 403: the asker. 409: decided, expired, another count."""
    check_session_actor(actor)
    row, broadcast = get_export(session, export_id, actor, is_locked=True)
    now = db_now(session)
    rules.check_grant(row.standing, staff_id=actor.staff_id, told=row_count, row_count=row.row_count, now=now)
    row.decided_by, row.decided_via, row.decided_at, row.is_granted = actor.staff_id, actor.via.value, now, True
    row.expires_at = now + timedelta(seconds=fetch_seconds)
    session.flush()
    _log(session, actor, broadcast, row, action="export.granted")
    return row


def decline_export(session: Session, *, actor: Actor, export_id: UUID) -> ReachExport:
    """Anybody who may decide, the asker included, ends the request."""
    check_session_actor(actor)
    row, broadcast = get_export(session, export_id, actor, is_locked=True)
    now = db_now(session)
    rules.check_waiting(row.standing, now)
    row.decided_by, row.decided_via, row.decided_at = actor.staff_id, actor.via.value, now
    session.flush()
    _log(session, actor, broadcast, row, action="export.declined")
    return row


def fetch_export(session: Session, *, actor: Actor, export_id: UUID) -> ReachExport:
    """Take it, once: written down before the first row leaves. 404: not the asker. 409: not granted, fetched, or expired."""
    row, broadcast = get_export(session, export_id, actor, is_locked=True)
    now = db_now(session)
    rules.check_fetch(row.standing, staff_id=actor.staff_id, now=now)
    if row.has_contacts:
        check_permission(actor, Permission.VIEW_PERSONS)  # the role may have changed since
    row.fetched_at = now
    session.flush()
    _log(session, actor, broadcast, row, action="export.fetched")
    return row


def _log(session: Session, actor: Actor, broadcast: Broadcast, row: ReachExport, *, action: str) -> None:
    detail = {"broadcast_id": str(broadcast.id), "rows": row.row_count, "contacts": row.has_contacts}
    audit.record(session, actor=actor, action=action, incident_id=broadcast.incident_id, subject=("reach_export", row.id), detail=detail)
