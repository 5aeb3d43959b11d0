"""Who answers for calls for help is paged until somebody takes them on (`desks`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.orm import Session

from alerts.checkins.cases.desks import Desk, Matter, Waiting, page_desk
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.rules import CaseState
from alerts.kit.i18n import N_
from alerts.notices.models import Paging

KIND = "case"
CALLS = Matter(
    KIND,
    "help_cases",
    N_("SIAGA: calls for help wait: %(count)s. %(title)s"),
    N_("SIAGA: calls for help wait: %(count)s, and nobody is on duty at %(mission)s. %(title)s"),
)


def page_owners(session: Session, case_ids: Iterable[UUID]) -> int:
    """Begin to page whoever is on duty where these cases wait; how many pages began.

    A page that somebody took on begins anew when somebody calls later, or again, or when the desk is given another case.
    """
    cases = session.scalars(select(HelpCase).where(HelpCase.id.in_(case_ids)).execution_options(populate_existing=True))
    desks = sorted({Desk(case.owner_mission, case.incident_id, case.status) for case in cases}, key=lambda desk: desk.name)
    return sum(page_desk(session, CALLS, desk, _find) is not None for desk in desks)


def still_waits(session: Session, paging: Paging) -> bool:
    """Whether the desk still has a case that nobody has acknowledged, closed or been given elsewhere."""
    return bool(session.execute(_waiting(Desk.parse(paging.subject_id), func.count())).scalar_one())


def _find(session: Session, desk: Desk) -> Waiting | None:
    newest = func.max(func.greatest(HelpCase.owned_at, HelpCase.last_call_at))
    count, newest_at, first_id = session.execute(_waiting(desk, func.count(), newest, func.min(cast(HelpCase.id, Text)))).one()
    return Waiting(count, newest_at, f"/cases/{first_id}" if count == 1 else "/cases") if count else None


def _waiting(desk: Desk, *columns: Any) -> Select[Any]:
    """The cases of the desk that nobody has acknowledged."""
    here = (HelpCase.owner_mission.is_not_distinct_from(desk.mission_code), HelpCase.incident_id.is_not_distinct_from(desk.incident_id))
    return select(*columns).where(*here, HelpCase.status == desk.status, HelpCase.state == CaseState.OPEN)
