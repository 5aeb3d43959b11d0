"""Messages that may call for help page whoever answers for the sender, until somebody has read them (`cases.desks`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from alerts.checkins.cases.desks import Desk, Matter, Waiting, page_desk
from alerts.inbox.models import InboundMessage
from alerts.inbox.queries import is_urgent_unread
from alerts.kit.i18n import N_
from alerts.notices.models import Paging

KIND = "urgent_message"
MESSAGES = Matter(
    KIND,
    "urgent_messages",
    N_("SIAGA: unread messages that may call for help: %(count)s. %(title)s"),
    N_("SIAGA: unread messages that may call for help: %(count)s, and nobody is on duty at %(mission)s. %(title)s"),
)


def page_readers(session: Session, message_ids: Iterable[UUID]) -> int:
    """Begin to page whoever is on duty where these messages wait; how many pages began."""
    message = InboundMessage
    found = select(message.mission_code, message.incident_id, message.status).where(message.id.in_(message_ids), is_urgent_unread())
    desks = sorted({Desk(*row) for row in session.execute(found)}, key=lambda desk: desk.name)
    return sum(page_desk(session, MESSAGES, desk, _find) is not None for desk in desks)


def still_waits(session: Session, paging: Paging) -> bool:
    """Whether the desk still has such a message that nobody has read, and nobody was given elsewhere."""
    return bool(session.execute(_waiting(Desk.parse(paging.subject_id), func.count())).scalar_one())


def _find(session: Session, desk: Desk) -> Waiting | None:
    newest = func.max(func.coalesce(InboundMessage.given_at, InboundMessage.received_at))
    count, newest_at = session.execute(_waiting(desk, func.count(), newest)).one()
    return Waiting(count, newest_at, "/inbox") if count else None


def _waiting(desk: Desk, *columns: Any) -> Select[Any]:
    message = InboundMessage
    here = (message.mission_code.is_not_distinct_from(desk.mission_code), message.incident_id.is_not_distinct_from(desk.incident_id))
    return select(*columns).where(*here, message.status == desk.status, is_urgent_unread())
