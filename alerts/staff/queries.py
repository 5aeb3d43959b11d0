"""Named reads of accounts, sessions and tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from alerts.kit.errors import NotFoundError
from alerts.staff.credentials import fingerprint
from alerts.staff.models import ApiToken, Staff, StaffSession
from alerts.staff.rules import TOUCH_EVERY


def get_staff(session: Session, staff_id: UUID) -> Staff:
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise NotFoundError("staff_not_found", "There is no such account.")
    return staff


def find_staff_by_username(session: Session, username: str) -> Staff | None:
    return session.scalar(select(Staff).where(Staff.username == username))


def list_staff(session: Session) -> Sequence[Staff]:
    """Every account: the active ones first, then by name. A ministry has hundreds, not millions."""
    return session.scalars(select(Staff).order_by(Staff.is_active.desc(), Staff.display_name, Staff.id)).all()


def names_of(session: Session, staff_ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Display names by id, for lists that hold ids only."""
    wanted = {staff_id for staff_id in staff_ids if staff_id}
    rows = session.execute(select(Staff.id, Staff.display_name).where(Staff.id.in_(wanted)))
    return {row.id: row.display_name for row in rows}


def list_tokens(session: Session, staff_id: UUID) -> Sequence[ApiToken]:
    """Tokens of one account that are not revoked, newest first."""
    live = (ApiToken.staff_id == staff_id) & ApiToken.revoked_at.is_(None)
    return session.scalars(select(ApiToken).where(live).order_by(ApiToken.id.desc())).all()


def find_staff_by_token(session: Session, secret: str) -> Staff | None:
    """The active account that a bearer token acts for, or None."""
    found = select(Staff).join(ApiToken, ApiToken.staff_id == Staff.id)
    return session.scalar(found.where(ApiToken.token_hash == fingerprint(secret), ApiToken.revoked_at.is_(None), Staff.is_active))


def find_staff_by_session(session: Session, secret: str, *, idle: timedelta, absolute: timedelta, is_person: bool = True) -> Staff | None:
    """The active account of a live session, or None.

    When a person acts (not a page that renews itself), notes at most once a minute that the session was seen.
    """
    now = func.now()
    found = session.execute(
        select(Staff, StaffSession.id, (StaffSession.last_seen_at < now - TOUCH_EVERY).label("is_touch_due"))
        .join(StaffSession, StaffSession.staff_id == Staff.id)
        .where(StaffSession.token_hash == fingerprint(secret), StaffSession.ended_at.is_(None), Staff.is_active)
        .where(StaffSession.last_seen_at > now - idle, StaffSession.created_at > now - absolute)
    ).one_or_none()
    if found is None:
        return None
    if is_person and found.is_touch_due:
        session.execute(update(StaffSession).where(StaffSession.id == found.id).values(last_seen_at=now))
    staff: Staff = found.Staff
    return staff
