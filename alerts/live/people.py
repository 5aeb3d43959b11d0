"""Reading what the records of persons, their answers, the calls for help and families' questions say together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.rules import CURRENT
from alerts.checkins.queries import standings_at
from alerts.checkins.rules import Standing
from alerts.families.queries import enquiry_counts
from alerts.live.rules.agreement import Agreement, Answered, agree
from alerts.live.schemas import FamiliesAsking
from alerts.people.rules import PersonState


def read_agreement(session: Session, incident_id: UUID, people: Sequence[PersonState], heard_by: datetime) -> Agreement:
    """What does not agree among these persons, by the answers that had come by then."""
    citizens = [person.citizen_id for person in people if person.citizen_id is not None]
    if not citizens:
        return agree(people, {})
    each = standings_at(incident_id, heard_by, citizen_ids=citizens)
    rows = session.execute(select(each.c.citizen_id, each.c.standing, each.c.help_at, each.c.safe_at, each.c.confirmed_at))
    answers = {row.citizen_id: Answered(row.standing == Standing.NEED_HELP, row.help_at, row.safe_at, row.confirmed_at) for row in rows}
    return agree(people, answers)


def count_help_cases(session: Session, incident_id: UUID) -> int:
    """Calls for help of the incident that nobody has closed; of now only, since a case may come to an incident later."""
    query = select(func.count()).select_from(HelpCase).where(HelpCase.incident_id == incident_id, HelpCase.state.in_(CURRENT))
    return session.execute(query).scalar_one()


def read_families(session: Session, incident_id: UUID, heard_by: datetime) -> FamiliesAsking:
    """How many people families ask after, and how many callers wait, by then."""
    counts = enquiry_counts(session, incident_id, heard_by)
    return FamiliesAsking(people=counts.open, calls=counts.calls, waiting=counts.waiting)
