"""Who answers for calls for help is paged until somebody takes them on. Nothing that lights up says who called, or from where.

A disaster brings hundreds of calls at once: an owner has one page for all that wait in an incident, not one for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select, text
from sqlalchemy.orm import Session

from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.rules import CaseState
from alerts.incidents.models import Incident
from alerts.incidents.rules import Status
from alerts.kit.clock import db_now
from alerts.kit.i18n import N_
from alerts.missions.queries import mission_names
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.models import Paging
from alerts.notices.queries import list_candidates, list_duty
from alerts.notices.rules import TITLE_MAX, in_both, is_on_duty
from alerts.staff.rules import Role

KIND, SUBJECT = "case", "help_cases"
OF_MISSION = (Role.MISSION_STAFF, Role.HEAD_OF_MISSION)
MINISTRY, NO_INCIDENT = "ministry", "none"
WAITS = N_("SIAGA: calls for help wait: %(count)s. %(title)s")
NOBODY_ON_DUTY = N_("SIAGA: calls for help wait: %(count)s, and nobody is on duty at %(mission)s. %(title)s")


@dataclass(frozen=True, slots=True)
class Desk:
    """Where calls for help wait together: at one owner, of one incident. `mission_code` None: the ministry."""

    mission_code: str | None
    incident_id: UUID | None
    status: Status

    @classmethod
    def of(cls, case: HelpCase) -> Desk:
        return cls(case.owner_mission, case.incident_id, case.status)

    @classmethod
    def parse(cls, name: str) -> Desk:
        mission, incident, status = name.split(" ")
        return cls(None if mission == MINISTRY else mission, None if incident == NO_INCIDENT else UUID(incident), Status(status))

    @property
    def name(self) -> str:
        """How pages call it."""
        return f"{self.mission_code or MINISTRY} {self.incident_id or NO_INCIDENT} {self.status.value}"

    def waiting(self, *columns: Any) -> Select[Any]:
        """The cases that nobody has acknowledged."""
        here = (HelpCase.owner_mission.is_not_distinct_from(self.mission_code), HelpCase.incident_id.is_not_distinct_from(self.incident_id))
        return select(*columns).where(*here, HelpCase.status == self.status, HelpCase.state == CaseState.OPEN)


def page_owners(session: Session, case_ids: Iterable[UUID]) -> int:
    """Begin to page whoever is on duty where these cases wait; how many pages began.

    A page that is open tells of a new call from its next round on. One that somebody took on begins anew when somebody
    calls later, or again, or when the desk is given another case.
    """
    cases = session.scalars(select(HelpCase).where(HelpCase.id.in_(case_ids)).execution_options(populate_existing=True))
    desks = sorted({Desk.of(case) for case in cases}, key=lambda desk: desk.name)
    return sum(_page(session, desk) is not None for desk in desks)


def _page(session: Session, desk: Desk) -> UUID | None:
    """None when nobody waits there, or somebody is paged, or was told already."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"paging:{KIND}:{desk.name}"})
    newest = func.max(func.greatest(HelpCase.owned_at, HelpCase.last_call_at))
    count, latest, first_id = session.execute(desk.waiting(func.count(), newest, func.min(cast(HelpCase.id, Text)))).one()
    if not count:
        return None
    version = latest.astimezone(UTC).isoformat(timespec="microseconds")
    told = session.scalars(select(Paging).where(Paging.kind == KIND, Paging.subject_id == desk.name).order_by(Paging.id)).all()
    if any(paging.version >= version for paging in told):
        return None
    role, mission_code = find_role(session, desk.mission_code, db_now(session))
    start = _start(session, desk, role=role, count=count, path=f"/cases/{first_id}" if count == 1 else "/cases")
    current = next((paging for paging in told if paging.stopped_at is None), None)
    if current is None:
        return start_paging(session, PagingStart(**start, mission_code=mission_code, version=version))
    current.version, current.texts, current.path = version, start["texts"], start["path"]
    session.flush()
    return None


def still_waits(session: Session, paging: Paging) -> bool:
    """Whether the desk still has a case that nobody has acknowledged, closed or been given elsewhere."""
    return bool(session.execute(Desk.parse(paging.subject_id).waiting(func.count())).scalar_one())


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


def _start(session: Session, desk: Desk, *, role: Role, count: int, path: str) -> dict[str, Any]:
    incident = session.get(Incident, desk.incident_id) if desk.incident_id else None
    is_quiet = incident is not None and incident.is_quiet
    left_alone = desk.mission_code if role is Role.DUTY_OFFICER else None
    return {
        "kind": KIND,
        "subject": (SUBJECT, desk.name),
        "role": role,
        "texts": _texts(session, count, title="" if incident is None or is_quiet else incident.title, left_alone=left_alone),
        "path": f"{'/exercise' if desk.status is Status.EXERCISE else ''}{path}",
        "incident_id": desk.incident_id,
        "status": desk.status.value,
        "is_quiet": is_quiet,
    }


def _texts(session: Session, count: int, *, title: str, left_alone: str | None) -> dict[str, str]:
    """Of a quiet incident (no title) a locked phone says no more than that somebody called."""
    if left_alone is None:
        return in_both(WAITS, count=count, title=title[:TITLE_MAX])
    mission = mission_names(session, [left_alone]).get(left_alone, left_alone)
    return in_both(NOBODY_ON_DUTY, count=count, mission=mission, title=title[:TITLE_MAX])
