"""The word that was promised: at its time, if nothing else went out, those who got the message get "nothing new, still valid".

It was approved together with the message: nobody has to type at night. Never in a quiet incident, never of what was cancelled,
corrected or over; while a correction waits for its approval it waits too. Where the rhythm was approved as well, it goes on
while the message holds, and each word names the time of the next. Every message is dealt with in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.calls import call_to_promise
from alerts.broadcasts.freezing import log_action
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.queries import get_broadcast
from alerts.broadcasts.rules import MsgType, Purpose, State
from alerts.broadcasts.successors import Successor, begin_list, finish_successor, start_successor
from alerts.channels.rule_book_outlets import SenderSets
from alerts.deliveries.correcting import copy_handed_over, count_handed_over
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import State as IncidentState
from alerts.kit.actor import SYSTEM
from alerts.kit.clock import db_now
from alerts.kit.outbox import publish

VALIDITY_SECONDS_MIN = 60


def list_to_ask(session: Session, *, lead_seconds: float) -> Sequence[UUID]:
    """Messages whose next word is promised for within so many seconds, and whose people on duty were not asked for it yet."""
    return session.scalars(text(f"{DUE} AND promise_asked_at IS NULL {IN_ORDER}"), {"ahead": lead_seconds}).all()


def list_due(session: Session) -> Sequence[UUID]:
    """Messages whose promised time has come."""
    return session.scalars(text(f"{DUE} {IN_ORDER}"), {"ahead": 0}).all()


def ask_for_promised(session: Session, broadcast_id: UUID, *, lead_seconds: float) -> bool:
    """Before a promised time: ask whoever is on duty for the next message, once. Whether they were asked now."""
    broadcast = _claim(session, broadcast_id, ahead_seconds=lead_seconds)
    if broadcast is None or broadcast.promise_asked_at is not None:
        return False
    broadcast.promise_asked_at = db_now(session)
    if _why_not(session, broadcast) is not None:
        return False
    publish(session, "broadcast.promise_due", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
    call_to_promise(session, broadcast)
    return True


def keep_promise(session: Session, broadcast_id: UUID, *, configured: SenderSets, copy_at_once_max: int = rules.FREEZE_AT_ONCE_MAX) -> bool:
    """At a promised time: say that nothing is new, unless something else was said or the message is over. Whether it was said.

    A large list is copied by a worker. Numbers whose networks would block the words are left out.
    """
    broadcast = _claim(session, broadcast_id, ahead_seconds=0)
    if broadcast is None:
        return False
    reason = _why_not(session, broadcast)
    if reason is not None:
        settle_promise(session, broadcast, why=reason)
        return False
    now, ends_at = db_now(session), _ends_at(broadcast)
    following = rules.next_promise(_due_at(broadcast), broadcast.next_message_every_minutes, now=now, ends_at=ends_at)
    message = _begin_still_valid(session, broadcast, following)
    expected = count_handed_over(session, broadcast.id)
    audience = begin_list(session, message, expected)
    if expected > copy_at_once_max:
        publish(session, "broadcast.copy_asked", broadcast_id=message.id, audience_id=audience.id)
    else:
        copy_handed_over(session, message, audience, configured=configured)
        finish_successor(session, actor=SYSTEM, broadcast=message, audience=audience, configured=configured)
    broadcast.promise_due_at, broadcast.promise_asked_at = following or broadcast.promise_due_at, None
    broadcast.promise_settled_at = now if following is None else None
    session.flush()
    return True


def settle_promise(session: Session, broadcast: Broadcast, *, why: str) -> None:
    """Nothing more is said at the promised times of this message."""
    broadcast.promise_settled_at = db_now(session)
    log_action(session, broadcast, SYSTEM, "broadcast.promise_settled", why=why)


def give_up_promise(session: Session, broadcast_id: UUID) -> None:
    """The prepared word can never be sent as it is: it is not tried again every second."""
    settle_promise(session, get_broadcast(session, broadcast_id), why="refused")


def _begin_still_valid(session: Session, original: Broadcast, following: datetime | None) -> Broadcast:
    """The prepared word, which holds no longer than the original; its list is still to come."""
    incident = get_incident(session, original.incident_id)
    texts = dict(original.still_valid_texts or rules.STILL_VALID_TEXT)
    said = Successor(msg_type=MsgType.UPDATE, purpose=Purpose.STILL_VALID, texts=texts)
    message = start_successor(session, actor=SYSTEM, incident=incident, original=original, said=said)
    left = int((_ends_at(original) - db_now(session)).total_seconds())
    message.validity_seconds = max(VALIDITY_SECONDS_MIN, min(message.validity_seconds, left))
    message.next_message_at, message.next_message_offset = following, original.next_message_offset if following else None
    message.promise_settled_at = db_now(session)  # the original keeps the clock
    return message


def _claim(session: Session, broadcast_id: UUID, *, ahead_seconds: float) -> Broadcast | None:
    """The message, locked, if its time has come and nobody is changing it just now."""
    values = {"ahead": ahead_seconds, "id": broadcast_id}
    if session.execute(text(f"{DUE} AND id = :id FOR UPDATE SKIP LOCKED"), values).first() is None:
        return None
    return session.get_one(Broadcast, broadcast_id, populate_existing=True)


def _due_at(broadcast: Broadcast) -> datetime:
    due_at = broadcast.promise_due_at or broadcast.next_message_at
    assert due_at is not None  # DUE
    return due_at


def _ends_at(broadcast: Broadcast) -> datetime:
    assert broadcast.approved_at is not None  # it was released
    return broadcast.approved_at + timedelta(seconds=broadcast.validity_seconds)


def _why_not(session: Session, broadcast: Broadcast) -> str | None:
    """Why "still valid" is not to be said of this message; None: it is."""
    incident = get_incident(session, broadcast.incident_id)
    if broadcast.state is not State.APPROVED:
        return "cancelled"
    if incident.state is not IncidentState.OPEN:
        return "incident_closed"
    if incident.is_quiet:
        return "quiet"
    return session.execute(text(WHAT_ELSE), {"broadcast": broadcast.id}).scalar()


# Nothing is "still valid" of which somebody waits to say the contrary.
DUE = """
SELECT id FROM broadcast b WHERE next_message_at <= clock_timestamp() + make_interval(secs => :ahead) AND promise_settled_at IS NULL
  AND coalesce(promise_due_at, next_message_at) <= clock_timestamp() + make_interval(secs => :ahead) AND released_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM broadcast k WHERE b.id = ANY (k."references") AND k.purpose = 'alert'
                  AND k.state IN ('freezing', 'submitted'))
"""
IN_ORDER = "ORDER BY coalesce(promise_due_at, next_message_at)"

# Over, or something else was said since to all of those people: a correction, or a later message to the same ground or more.
WHAT_ELSE = """
SELECT CASE WHEN clock_timestamp() >= b.approved_at + make_interval(secs => b.validity_seconds) THEN 'over'
    WHEN EXISTS (
        SELECT FROM broadcast n WHERE n.incident_id = b.incident_id AND n.id <> b.id AND n.approved_at > b.approved_at
          AND n.state = 'approved' AND n.purpose IN ('alert', 'first_alert') AND (
            b.id = ANY(n."references") OR (n."references" = '{}' AND n.area_ids = '{}' AND n.list_ids = '{}')
            OR (n."references" = '{}' AND (b.area_ids <> '{}' OR b.list_ids <> '{}')
                AND n.area_ids @> b.area_ids AND n.list_ids @> b.list_ids)))
        THEN 'something_else' END
FROM broadcast b WHERE b.id = :broadcast
"""
