"""Whoever gets an enquiry that another desk wrote down is paged until somebody takes it on (`checkins.cases.desks`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, and_, cast, func, select
from sqlalchemy.orm import Session

from alerts.checkins.cases.desks import Desk, Matter, Waiting, page_desk
from alerts.families.models import Enquiry
from alerts.families.rules import EnquiryState
from alerts.incidents.models import Incident
from alerts.kit.i18n import N_
from alerts.notices.models import Paging

KIND = "enquiry"
ENQUIRIES = Matter(
    KIND,
    "enquiries",
    N_("SIAGA: families' questions wait: %(count)s. %(title)s"),
    N_("SIAGA: families' questions wait: %(count)s, and nobody is on duty at %(mission)s. %(title)s"),
)


def page_owners(session: Session, enquiry_ids: Iterable[UUID]) -> int:
    """Begin to page whoever is on duty where these wait; how many pages began. Nobody for a replay: those families called long ago."""
    here = Incident.id == Enquiry.incident_id, ~Incident.is_replayed
    rows = session.scalars(select(Enquiry).join(Incident, and_(*here)).where(Enquiry.id.in_(enquiry_ids), Enquiry.is_handed_over))
    desks = sorted({Desk(row.owner_mission, row.incident_id, row.status) for row in rows}, key=lambda desk: desk.name)
    return sum(page_desk(session, ENQUIRIES, desk, _find) is not None for desk in desks)


def still_waits(session: Session, paging: Paging) -> bool:
    """Whether the desk still has one that nobody has taken on, closed, joined or been given elsewhere."""
    return bool(session.execute(_waiting(Desk.parse(paging.subject_id), func.count())).scalar_one())


def _find(session: Session, desk: Desk) -> Waiting | None:
    count, newest_at, first_id = session.execute(
        _waiting(desk, func.count(), func.max(Enquiry.owned_at), func.min(cast(Enquiry.id, Text)))
    ).one()
    path = f"/families/{first_id}" if count == 1 else f"/incidents/{desk.incident_id}/families"
    return Waiting(count, newest_at, path) if count else None


def _waiting(desk: Desk, *columns: Any) -> Select[Any]:
    here = (Enquiry.owner_mission.is_not_distinct_from(desk.mission_code), Enquiry.incident_id == desk.incident_id)
    is_waiting = (Enquiry.state == EnquiryState.OPEN, Enquiry.is_handed_over, Enquiry.joined_into.is_(None))
    return select(*columns).where(*here, Enquiry.status == desk.status, *is_waiting)
