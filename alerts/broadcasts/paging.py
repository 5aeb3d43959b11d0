"""Who must decide on a message is paged until somebody does: the approver first, then the deputies."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.queries import find_audience, get_broadcast, hands_of
from alerts.broadcasts.rules import State
from alerts.incidents.models import Incident
from alerts.incidents.rules import State as IncidentState
from alerts.incidents.rules import Status
from alerts.kit.i18n import N_
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.models import Paging
from alerts.notices.rules import TITLE_MAX, Kind, in_both
from alerts.staff.rules import Role

WAITS = N_("SIAGA: a message waits for your approval (recipients: %(count)s). %(title)s")
WAITS_QUIETLY = N_("SIAGA: a message waits for your approval.")


def page_for_approval(session: Session, broadcast_id: UUID) -> UUID | None:
    """Begin to page the approvers about a message that was submitted; None when it waits no more, or was begun before.

    Nobody who wrote, edited or submitted it is asked: they cannot approve it. Submitted anew, it is another page.
    """
    broadcast = get_broadcast(session, broadcast_id)
    if broadcast.state is not State.SUBMITTED:
        return None
    incident = session.get_one(Incident, broadcast.incident_id)
    root = "/exercise" if broadcast.status is Status.EXERCISE else ""
    start = PagingStart(
        kind=Kind.APPROVAL,
        subject=("broadcast", broadcast.id),
        version=broadcast.content_hash or "",
        role=Role.APPROVER,
        texts=_texts(session, broadcast, incident),
        path=f"{root}/broadcasts/{broadcast.id}/approve",
        incident_id=incident.id,
        status=broadcast.status.value,
        is_quiet=incident.is_quiet,
        excluded=sorted(hands_of(session, broadcast.id)),
    )
    return start_paging(session, start)


def still_waits_for_approval(session: Session, paging: Paging) -> bool:
    """Whether the very submission that was paged about is still undecided, and its incident open."""
    broadcast = session.get(Broadcast, UUID(paging.subject_id), populate_existing=True)
    if broadcast is None or broadcast.state is not State.SUBMITTED or broadcast.content_hash != paging.version:
        return False
    return session.get_one(Incident, broadcast.incident_id, populate_existing=True).state is IncidentState.OPEN


def _texts(session: Session, broadcast: Broadcast, incident: Incident) -> dict[str, str]:
    """What lights up a locked phone: of a quiet incident it says nothing."""
    if incident.is_quiet:
        return in_both(WAITS_QUIETLY)
    audience = find_audience(session, broadcast)
    return in_both(WAITS, count=audience.count if audience else 0, title=incident.title[:TITLE_MAX])
