"""Asking for a roaming broadcast. The two people who approved the message have approved its words; none commits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.queries import claim_broadcast, public_code, valid_seconds_left
from alerts.broadcasts.rules import State as MessageState
from alerts.broadcasts.rules import Variant, compose
from alerts.deliveries.roaming import rules
from alerts.deliveries.roaming.models import RoamingBroadcast, RoamingCount
from alerts.deliveries.roaming.schemas import RoamingAsk, RoamingCountView, RoamingView
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import Status
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.errors import InvalidError
from alerts.kit.outbox import publish


def ask_roaming(
    session: Session, *, actor: Actor, broadcast: Broadcast, command: RoamingAsk, operator: str, home_country: str
) -> RoamingBroadcast:
    """Ask the home operator to text all its phones in a country; the same ask again gives the first one.

    409: an exercise, a quiet incident, a message that is not approved (any more) or whose time is over, no operator.
    422: no country abroad.
    """
    broadcast = claim_broadcast(session, broadcast.id, actor)
    incident = get_incident(session, broadcast.incident_id)
    is_exercise, is_approved = broadcast.status is Status.EXERCISE, broadcast.state is MessageState.APPROVED
    is_valid = valid_seconds_left(session, broadcast) > 0
    rules.check_ask(
        is_approved=is_approved, is_valid=is_valid, is_exercise=is_exercise, is_quiet=incident.is_quiet, has_operator=bool(operator)
    )
    rules.check_country(command.country, home_country=home_country)
    text = text_of(broadcast, command.language)
    values = {"broadcast_id": broadcast.id, "country": command.country, "operator": operator, "language": command.language}
    statement = insert(RoamingBroadcast).values(**values, asked_by=actor.key, text_sha256=digest_of(text))
    new_id = session.scalar(statement.on_conflict_do_nothing().returning(RoamingBroadcast.id))
    row = session.scalars(select(RoamingBroadcast).filter_by(**values)).one()
    if new_id is not None:
        detail = {"country": command.country, "operator": operator, "language": command.language}
        subject = ("roaming_broadcast", row.id)
        audit.record(session, actor=actor, action="roaming.asked", incident_id=incident.id, subject=subject, detail=detail)
        publish(session, "roaming.asked", roaming_id=row.id, broadcast_id=broadcast.id)
    return row


def list_roaming(session: Session, broadcast: Broadcast) -> list[RoamingView]:
    """What was asked for this message, with what the operators have counted since."""
    query = select(RoamingBroadcast).where(RoamingBroadcast.broadcast_id == broadcast.id).order_by(RoamingBroadcast.id)
    return [present_roaming(row, _counts(session, row)) for row in session.scalars(query)]


def present_roaming(row: RoamingBroadcast, counts: Sequence[RoamingCount] = ()) -> RoamingView:
    names = (name for name in RoamingView.model_fields if name != "counts")
    views = [RoamingCountView.model_validate(count) for count in counts]
    return RoamingView(**{name: getattr(row, name) for name in names}, counts=views)


def text_of(broadcast: Broadcast, language: str) -> str:
    """The approved words without link or request for a reply: whoever gets them is nobody that we know."""
    if language not in broadcast.texts:
        raise InvalidError("text_missing", "The message has no text in this language.", field="language")
    return compose(broadcast.texts[language], language, Variant.PLAIN, code=public_code(broadcast))


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _counts(session: Session, row: RoamingBroadcast) -> Sequence[RoamingCount]:
    query = select(RoamingCount).where(RoamingCount.roaming_broadcast_id == row.id)
    return session.scalars(query.order_by(RoamingCount.as_of)).all()
