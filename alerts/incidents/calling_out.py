"""Who must know when an incident opens: the crew is called out, and the ministry paged about what a mission opened."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.incidents.queries import list_missions
from alerts.incidents.rules import State, Status
from alerts.kit.i18n import N_
from alerts.missions.models import Mission
from alerts.missions.queries import nearest_missions
from alerts.missions.rules import Role as Part
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.crew.actions import CallOut, start_callout
from alerts.notices.models import Paging
from alerts.notices.rules import TITLE_MAX, in_both
from alerts.staff.rules import Role

KIND = "incident_by_mission"
SUBJECT = "incident"
NEIGHBOURS = 3
OPENED = N_("SIAGA: a mission has opened an incident: %(title)s. Take it over, or merge it into another.")
OPENED_QUIETLY = N_("SIAGA: a mission has opened an incident. Take it over, or merge it into another.")


def call_out(session: Session, incident_id: UUID) -> None:
    """Call the crew of an open incident; safe to repeat, and missions that join later are called then. Nobody for a replay.

    One that was closed and is opened again calls anew. It is held against closing, so that nobody is called for a closed one.
    """
    incident = session.get_one(Incident, incident_id, with_for_update={"read": True}, populate_existing=True)
    if incident.state is not State.OPEN or incident.is_replayed:
        return
    involved = list_missions(session, incident_id)
    opener = incident.state_changed_by or incident.opened_by
    acting = [each.mission_code for each in involved if each.part is Part.ACTS]
    wanted = CallOut(
        incident_id=incident_id,
        title="" if incident.is_quiet else incident.title,
        path=f"{_root(incident)}/duty",
        status=incident.status.value,
        is_quiet=incident.is_quiet,
        present=UUID(opener.removeprefix("staff:")) if opener.startswith("staff:") else None,
        missions=acting,
        neighbours=_neighbours(session, acting, {each.mission_code for each in involved}),
    )
    start_callout(session, wanted)


def page_ministry(session: Session, incident: Incident) -> None:
    """A head of mission opened it: the ministry's duty officers are paged until one takes it on, takes it over or merges it.

    Nobody for a replay.
    """
    if incident.is_replayed:
        return
    title = incident.title[:TITLE_MAX]
    start = PagingStart(
        kind=KIND,
        subject=(SUBJECT, incident.id),
        role=Role.DUTY_OFFICER,
        texts=in_both(OPENED_QUIETLY) if incident.is_quiet else in_both(OPENED, title=title),
        path=f"{_root(incident)}/incidents/{incident.id}",
        incident_id=incident.id,
        status=incident.status.value,
        is_quiet=incident.is_quiet,
    )
    start_paging(session, start)


def still_waits(session: Session, paging: Paging) -> bool:
    """Whether nobody of the ministry has taken the incident over, merged or closed it."""
    incident = session.get(Incident, UUID(paging.subject_id))
    return incident is not None and incident.state is State.OPEN and incident.lead_at is None


def _neighbours(session: Session, acting: Collection[str], involved: Collection[str]) -> list[str]:
    """Nearest first; the missions that are involved anyway have their own part."""
    here = session.get(Mission, min(acting)) if acting else None
    return [] if here is None else nearest_missions(session, here, without=involved, limit=NEIGHBOURS)


def _root(incident: Incident) -> str:
    return "/exercise" if incident.status is Status.EXERCISE else ""
