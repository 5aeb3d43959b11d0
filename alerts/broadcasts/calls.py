"""Who is called to a message that is on its way by itself: to a first alert in its hold, a large wave, a promised time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

from alerts.broadcasts.models import Audience, Broadcast
from alerts.broadcasts.queries import hands_of, list_successors, list_waves
from alerts.broadcasts.rules import Purpose, State
from alerts.incidents.models import Incident
from alerts.incidents.rules import State as IncidentState
from alerts.incidents.rules import Status
from alerts.kit.clock import db_now
from alerts.kit.i18n import JAKARTA, N_
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.models import Paging
from alerts.notices.rules import TITLE_MAX, in_both
from alerts.staff.rules import Role

HELD = N_("SIAGA: a first alert goes out at %(time)s WIB unless somebody stops it. %(title)s")
HELD_QUIETLY = N_("SIAGA: a first alert goes out at %(time)s WIB unless somebody stops it.")
WAVE = N_("SIAGA: latecomers wait for your approval (people: %(count)s). %(title)s")
PROMISED = N_("SIAGA: a message is promised for %(time)s WIB. Without a new one, “nothing new” goes out then. %(title)s")


class CallKind(StrEnum):
    """What somebody is called to; words of this slice in the tables of pages."""

    HOLD = "hold"
    WAVE = "wave"
    PROMISE = "promise"


def call_to_hold(session: Session, broadcast: Broadcast) -> UUID | None:
    """The second person, and with them every deputy, at once: they may stop it, or confirm and send it earlier."""
    incident = session.get_one(Incident, broadcast.incident_id)
    texts = in_both(HELD_QUIETLY if incident.is_quiet else HELD, time=_wib(broadcast.hold_until), title=_title(incident))
    return start_paging(session, _start(session, CallKind.HOLD, broadcast, texts=texts, version=str(broadcast.id)))


def call_to_wave(session: Session, broadcast: Broadcast, audience: Audience) -> UUID | None:
    """An approver, to latecomers who are too many to go by themselves."""
    incident = session.get_one(Incident, broadcast.incident_id)
    texts = in_both(WAVE, count=audience.count, title=_title(incident))
    return start_paging(session, _start(session, CallKind.WAVE, broadcast, texts=texts, version=str(audience.wave)))


def call_to_promise(session: Session, broadcast: Broadcast) -> UUID | None:
    """Whoever is on duty, to write what was promised."""
    incident = session.get_one(Incident, broadcast.incident_id)
    due_at = broadcast.promise_due_at or broadcast.next_message_at
    texts = in_both(PROMISED, time=_wib(due_at), title=_title(incident))
    return start_paging(session, _start(session, CallKind.PROMISE, broadcast, texts=texts, version=str(due_at)))


def still_held(session: Session, paging: Paging) -> bool:
    """Whether the first alert has neither gone out nor been stopped."""
    broadcast = _find(session, paging)
    return broadcast is not None and broadcast.state in (State.FREEZING, State.HELD)


def wave_still_waits(session: Session, paging: Paging) -> bool:
    """Whether the very wave that was paged about is undecided. A correction that only waits may be refused: then it still is."""
    broadcast = _find(session, paging)
    if broadcast is None or broadcast.state is not State.APPROVED:
        return False
    if any(each.approved_at is not None for each in list_successors(session, broadcast.id, purposes=(Purpose.ALERT,))):
        return False
    return any(str(w.wave) == paging.version and w.approved_at is None and w.declined_at is None for w in list_waves(session, broadcast.id))


def promise_still_open(session: Session, paging: Paging) -> bool:
    """Whether the very promised time that was paged about is still to come and the message stands."""
    broadcast = _find(session, paging)
    if broadcast is None or broadcast.next_message_at is None or broadcast.promise_settled_at is not None:
        return False
    due_at = broadcast.promise_due_at or broadcast.next_message_at
    is_the_same = datetime.fromisoformat(paging.version) == due_at  # a promise that was kept is due again, with a page of its own
    return broadcast.state is State.APPROVED and is_the_same and due_at > db_now(session)


def _find(session: Session, paging: Paging) -> Broadcast | None:
    broadcast = session.get(Broadcast, UUID(paging.subject_id), populate_existing=True)
    if broadcast is None or session.get_one(Incident, broadcast.incident_id, populate_existing=True).state is not IncidentState.OPEN:
        return None
    return broadcast


def _start(session: Session, kind: CallKind, broadcast: Broadcast, *, texts: dict[str, str], version: str) -> PagingStart:
    incident = session.get_one(Incident, broadcast.incident_id)
    root = "/exercise" if broadcast.status is Status.EXERCISE else ""
    is_promise = kind is CallKind.PROMISE
    return PagingStart(
        kind=kind.value,
        subject=("broadcast", broadcast.id),
        version=version,
        role=Role.DUTY_OFFICER if is_promise else Role.APPROVER,
        texts=texts,
        path=f"{root}/incidents/{incident.id}/broadcasts/new" if is_promise else f"{root}/broadcasts/{broadcast.id}",
        incident_id=incident.id,
        status=broadcast.status.value,
        is_quiet=incident.is_quiet,
        excluded=[] if is_promise else sorted(hands_of(session, broadcast.id)),
    )


def _wib(at: datetime | None) -> str:
    return f"{at.astimezone(JAKARTA):%H.%M}" if at else ""


def _title(incident: Incident) -> str:
    """Of a quiet incident a locked phone says nothing."""
    return "" if incident.is_quiet else incident.title[:TITLE_MAX]
