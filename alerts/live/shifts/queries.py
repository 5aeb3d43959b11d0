"""Named reads of shifts: what is open, what was promised, what was signed, and what hangs on an incident beside its reports."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.queries import promised_at
from alerts.broadcasts.rules import State as MessageState
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.rules import CURRENT
from alerts.checkins.models import Checkin
from alerts.families.models import Enquiry
from alerts.kit.http import Paging
from alerts.kit.i18n import both
from alerts.live.models import DigestState
from alerts.live.schemas import AnswerSheet
from alerts.live.shifts.models import Handover
from alerts.live.shifts.rules import Clock, in_order, report_clocks
from alerts.people.models import Person
from alerts.staff.models import Staff
from alerts.staff.rules import Permission, Role, is_allowed
from alerts.statements.models import Statement

SUCCESSORS = tuple(role for role in Role if is_allowed(role, Permission.VIEW_SUMMARY))
AT_REST = (MessageState.DRAFT, MessageState.REJECTED)


def list_handovers(session: Session, incident_id: UUID, page: Paging) -> list[Handover]:
    """Up to `limit + 1`, newest first."""
    query = select(Handover).where(Handover.incident_id == incident_id)
    if page.cursor is not None:
        query = query.where(Handover.id < page.cursor)
    return list(session.scalars(query.order_by(Handover.id.desc()).limit(page.limit + 1)))


def count_open_cases(session: Session, incident_id: UUID) -> int:
    """Calls for help that nobody has brought to an end."""
    case = HelpCase
    query = select(func.count()).where(case.incident_id == incident_id, case.state.in_(CURRENT))
    return int(session.execute(query).scalar_one())


def list_clocks(session: Session, incident_id: UUID, sheet: AnswerSheet) -> list[Clock]:
    """Promised and due: the next messages to citizens, the missions' reports, the minister's digest; the earliest first."""
    clocks = report_clocks(sheet)
    promised = Broadcast.next_message_at.is_not(None), Broadcast.promise_settled_at.is_(None)
    for row in session.scalars(select(Broadcast).where(Broadcast.incident_id == incident_id, *promised)):
        at = promised_at(row)
        if at is not None and row.state is MessageState.APPROVED:
            clocks.append(Clock(at, both("next message to citizens"), at < sheet.known_at))
    next_digest: datetime | None = session.scalar(select(DigestState.next_at).where(DigestState.incident_id == incident_id))
    if next_digest is not None:
        clocks.append(Clock(next_digest, both("digest to the minister")))
    return in_order(clocks)


def list_successors(session: Session, staff_id: UUID | None) -> list[Staff]:
    """Who may take a shift over from this person: whoever of the ministry may read the sheet."""
    query = select(Staff).where(Staff.is_active, Staff.role.in_(SUCCESSORS), Staff.id != staff_id)
    return list(session.scalars(query.order_by(Staff.display_name, Staff.id)))


def find_ties(session: Session, incident_id: UUID) -> list[str]:
    """What hangs on an incident beside its reports, and would be cut off if it were merged away."""
    messages = exists().where(Broadcast.incident_id == incident_id, Broadcast.state.not_in(AT_REST))
    ties = {
        "broadcasts": messages,
        "checkins": exists().where(Checkin.incident_id == incident_id),
        "cases": exists().where(HelpCase.incident_id == incident_id),
        "persons": exists().where(Person.incident_id == incident_id),
        "statements": exists().where(Statement.incident_id == incident_id, Statement.published_at.is_not(None)),
        "enquiries": exists().where(Enquiry.incident_id == incident_id),
    }
    return [name for name, tie in ties.items() if session.scalar(select(tie))]
