"""Who answers for a call for help is paged until somebody takes it on. Nothing that lights up says who called, or from where."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

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

KIND = "case"
OF_MISSION = (Role.MISSION_STAFF, Role.HEAD_OF_MISSION)
WAITS = N_("SIAGA: a call for help waits. %(title)s")
NOBODY_ON_DUTY = N_("SIAGA: a call for help waits, and nobody is on duty at %(mission)s. %(title)s")


def page_owner(session: Session, case_id: UUID) -> UUID | None:
    """Begin to page whoever is on duty where the case is owned; None when it waits no more, or was begun for this owner.

    A case that another mission gets is paged there anew, and no more where it was.
    """
    case = session.get_one(HelpCase, case_id, populate_existing=True)
    if case.state is not CaseState.OPEN:
        return None
    role, mission_code = find_role(session, case.owner_mission, db_now(session))
    incident = session.get(Incident, case.incident_id) if case.incident_id else None
    root = "/exercise" if case.status is Status.EXERCISE else ""
    start = PagingStart(
        kind=KIND,
        subject=("help_case", case.id),
        version=_version(case),
        role=role,
        mission_code=mission_code,
        texts=_texts(session, incident, left_alone=case.owner_mission if mission_code is None else None),
        path=f"{root}/cases/{case.id}",
        incident_id=case.incident_id,
        status=case.status.value,
        is_quiet=incident is not None and incident.is_quiet,
    )
    return start_paging(session, start)


def still_waits(session: Session, paging: Paging) -> bool:
    """Whether nobody has acknowledged or closed the case, and the same mission still has it."""
    case = session.get(HelpCase, UUID(paging.subject_id), populate_existing=True)
    return case is not None and case.state is CaseState.OPEN and _version(case) == paging.version


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


def _version(case: HelpCase) -> str:
    return f"{case.owner_mission or 'ministry'} {case.owned_at.timestamp()}"


def _texts(session: Session, incident: Incident | None, *, left_alone: str | None) -> dict[str, str]:
    """Of a quiet incident a locked phone says no more than that somebody called."""
    title = "" if incident is None or incident.is_quiet else incident.title[:TITLE_MAX]
    if left_alone is None:
        return in_both(WAITS, title=title)
    return in_both(NOBODY_ON_DUTY, mission=mission_names(session, [left_alone]).get(left_alone, left_alone), title=title)
