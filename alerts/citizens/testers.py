"""Who agreed to be sent exercises. Nobody else is on an exercise's list (a trigger sees to it as well)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.citizens.models import Citizen
from alerts.citizens.queries import get_citizen
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import InvalidError


def enrol_tester(session: Session, *, citizen_id: UUID, consented_at: datetime, actor: Actor) -> Citizen:
    """The person agreed at this time; said again, the time is corrected. 404: unknown. 422: a time ahead."""
    person = _locked(session, citizen_id)
    if consented_at > db_now(session):
        raise InvalidError("in_the_future", "Nobody can have agreed at a time that lies ahead.", field="consented_at")
    person.is_tester, person.tester_consented_at = True, consented_at
    session.flush()
    audit.record(session, actor=actor, action="citizen.tester_enrolled", subject=("citizen", person.id))
    return person


def withdraw_tester(session: Session, *, citizen_id: UUID, actor: Actor) -> Citizen:
    """No more exercises for this person. What is on its way stays on its way; a second word changes nothing. 404: unknown."""
    person = _locked(session, citizen_id)
    if person.is_tester:
        person.is_tester, person.tester_consented_at = False, None
        session.flush()
        audit.record(session, actor=actor, action="citizen.tester_withdrawn", subject=("citizen", person.id))
    return person


def _locked(session: Session, citizen_id: UUID) -> Citizen:
    get_citizen(session, citizen_id)
    query = select(Citizen).where(Citizen.id == citizen_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one()
