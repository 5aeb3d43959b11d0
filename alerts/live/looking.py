"""What changed since *you* last looked: kept per account, so that the phone at night and the desk in the morning tell one story."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.live.models import SheetLook

ONE_VISIT = timedelta(minutes=10)
"""Looks no further apart are one visit: what was new when it began stays marked as new until it ends."""


def look(session: Session, *, actor: Actor, incident_id: UUID, version: int | None) -> int | None:
    """Note that this account sees this version now; the version that it saw on its visit before, None on the first one.

    Who has no account (a token's client) has no visits, and None.
    """
    if actor.staff_id is None or not version:
        return None
    now = db_now(session)
    mine = select(SheetLook).where(SheetLook.staff_id == actor.staff_id, SheetLook.incident_id == incident_id)
    seen = session.scalars(mine.with_for_update()).one_or_none()
    if seen is None:
        values = {"staff_id": actor.staff_id, "incident_id": incident_id, "seen_version": version, "seen_at": now}
        session.execute(insert(SheetLook).values(**values).on_conflict_do_nothing())
        return None
    if now - seen.seen_at > ONE_VISIT:
        seen.base_version = seen.seen_version
    seen.seen_version, seen.seen_at = max(version, seen.seen_version), now
    return seen.base_version


def find_base(session: Session, *, actor: Actor, incident_id: UUID) -> int | None:
    """The same without looking: for a part of a page that is being looked at."""
    if actor.staff_id is None:
        return None
    mine = select(SheetLook.base_version).where(SheetLook.staff_id == actor.staff_id, SheetLook.incident_id == incident_id)
    return session.scalar(mine)
