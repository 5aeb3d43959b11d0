"""Desks: where what citizens want waits together, and how whoever is on duty there is paged about all of it at once.

A disaster brings hundreds of calls at once: a desk has one page for all that waits there, not one for each. Nothing that
lights up says who called, or from where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.incidents.rules import Status
from alerts.kit.clock import db_now
from alerts.missions.queries import mission_names
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.models import Paging
from alerts.notices.queries import list_candidates, list_duty
from alerts.notices.rules import TITLE_MAX, in_both, is_on_duty
from alerts.staff.rules import Role

OF_MISSION = (Role.MISSION_STAFF, Role.HEAD_OF_MISSION)
MINISTRY, NO_INCIDENT = "ministry", "none"


@dataclass(frozen=True, slots=True)
class Desk:
    """One owner's desk for one incident. `mission_code` None: the ministry."""

    mission_code: str | None
    incident_id: UUID | None
    status: Status

    @classmethod
    def parse(cls, name: str) -> Desk:
        mission, incident, status = name.split(" ")
        return cls(None if mission == MINISTRY else mission, None if incident == NO_INCIDENT else UUID(incident), Status(status))

    @property
    def name(self) -> str:
        """How pages call it."""
        return f"{self.mission_code or MINISTRY} {self.incident_id or NO_INCIDENT} {self.status.value}"


@dataclass(frozen=True, slots=True)
class Matter:
    """What a desk is paged about: the kind and subject of its pages, and their words (marked for translation)."""

    kind: str
    subject: str
    waits: str
    nobody_on_duty: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits at a desk, since when the newest of it does, and the page of ours that shows it."""

    count: int
    newest_at: datetime
    path: str


def page_desk(session: Session, matter: Matter, desk: Desk, find: Callable[[Session, Desk], Waiting | None]) -> UUID | None:
    """Begin to page whoever is on duty at the desk; None when nothing waits there, or somebody is paged, or was told already.

    A page that is open tells of what came since from its next round on. One that somebody took on begins anew for what
    comes later.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"paging:{matter.kind}:{desk.name}"})
    waiting = find(session, desk)
    if waiting is None:
        return None
    version = waiting.newest_at.astimezone(UTC).isoformat(timespec="microseconds")
    told = session.scalars(select(Paging).where(Paging.kind == matter.kind, Paging.subject_id == desk.name).order_by(Paging.id)).all()
    if any(paging.version >= version for paging in told):
        return None
    role, mission_code = find_role(session, desk.mission_code, db_now(session))
    start = _start(session, matter, desk, role=role, waiting=waiting)
    current = next((paging for paging in told if paging.stopped_at is None), None)
    if current is None:
        return start_paging(session, PagingStart(**start, mission_code=mission_code, version=version))
    current.version, current.texts, current.path = version, start["texts"], start["path"]
    session.flush()
    return None


def find_role(session: Session, mission_code: str | None, now: datetime) -> tuple[Role, str | None]:
    """Whom to page: the mission's staff, or its head, whoever is on duty; otherwise the ministry's duty officer.

    A mission that keeps no roster has everybody on duty who can be reached at all.
    """
    if mission_code is None:
        return Role.DUTY_OFFICER, None
    has_roster = any(list_duty(session, role, mission_code) for role in OF_MISSION)
    for role in OF_MISSION:
        reachable = [each for each in list_candidates(session, role, mission_code) if each.contacts]
        if any(is_on_duty(each, now) or not has_roster for each in reachable):
            return role, mission_code
    return Role.DUTY_OFFICER, None


def _start(session: Session, matter: Matter, desk: Desk, *, role: Role, waiting: Waiting) -> dict[str, Any]:
    incident = session.get(Incident, desk.incident_id) if desk.incident_id else None
    is_quiet = incident is not None and incident.is_quiet
    title = "" if incident is None or is_quiet else incident.title
    left_alone = desk.mission_code if role is Role.DUTY_OFFICER else None
    return {
        "kind": matter.kind,
        "subject": (matter.subject, desk.name),
        "role": role,
        "texts": _texts(session, matter, waiting.count, title=title, left_alone=left_alone),
        "path": f"{'/exercise' if desk.status is Status.EXERCISE else ''}{waiting.path}",
        "incident_id": desk.incident_id,
        "status": desk.status.value,
        "is_quiet": is_quiet,
    }


def _texts(session: Session, matter: Matter, count: int, *, title: str, left_alone: str | None) -> dict[str, str]:
    """Of a quiet incident (no title) a locked phone says no more than that somebody called."""
    if left_alone is None:
        return in_both(matter.waits, count=count, title=title[:TITLE_MAX])
    mission = mission_names(session, [left_alone]).get(left_alone, left_alone)
    return in_both(matter.nobody_on_duty, count=count, mission=mission, title=title[:TITLE_MAX])
