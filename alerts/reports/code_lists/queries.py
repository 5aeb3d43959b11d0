"""Named reads of code lists. None shows a code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.incidents.rules import Status
from alerts.kit.errors import NotFoundError
from alerts.reports.code_lists.models import LapsitCode, LapsitCodeList
from alerts.reports.code_lists.rules import REFUSED
from alerts.reports.models import Report


@dataclass(frozen=True, slots=True)
class CodeListCount:
    """A list, and how many of its codes are still to be used."""

    row: LapsitCodeList
    unused: int


def get_code_list(session: Session, mission_code: str, list_id: UUID, *, is_locked: bool = False) -> LapsitCodeList:
    """The list; 404 when this mission has none of this id."""
    query = select(LapsitCodeList).where(LapsitCodeList.id == list_id, LapsitCodeList.mission_code == mission_code)
    row = session.scalars(query.with_for_update() if is_locked else query).one_or_none()
    if row is None:
        raise NotFoundError("code_list_not_found", "This mission has no such list.")
    return row


def list_code_lists(session: Session, mission_code: str) -> list[CodeListCount]:
    """The mission's lists, newest first."""
    unused = func.count().filter(LapsitCode.used_at.is_(None))
    query = select(LapsitCodeList, unused).join(LapsitCode, LapsitCode.list_id == LapsitCodeList.id)
    query = query.where(LapsitCodeList.mission_code == mission_code).group_by(LapsitCodeList.id).order_by(LapsitCodeList.id.desc())
    return [CodeListCount(row, left) for row, left in session.execute(query)]


def count_refused(session: Session, mission_code: str, *, status: Status, since: datetime) -> int:
    """How many codes that came with this mission's reports were refused since then, from whatever phone."""
    query = select(func.count()).where(Report.mission_code == mission_code, Report.status == status, Report.known_at >= since)
    return session.scalar(query.where(Report.filed["code"].astext.in_(REFUSED))) or 0


def lock_codes(session: Session, mission_code: str) -> None:
    """One code of a mission at a time, until this transaction ends: whoever guesses by many phones at once is counted."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"lapsit codes of:{mission_code}", 0))))


def list_used_codes(session: Session, list_id: UUID) -> list[LapsitCode]:
    """The codes of a list that were used, by their numbers."""
    query = select(LapsitCode).where(LapsitCode.list_id == list_id, LapsitCode.used_at.is_not(None))
    return list(session.scalars(query.order_by(LapsitCode.number)))
