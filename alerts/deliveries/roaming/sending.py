"""Commit the intent, hand over, record; and ask for counts. No transaction is open while an operator is spoken to.

Each row's intent is committed just before it is handed over, and nothing is handed over that was not begun soon after:
whoever was stopped meanwhile, or cancelled, texts no country.

A worker that dies in between leaves `sending`, which becomes `unknown` when its lease ends. An unknown one is looked up under
our own reference and never handed over again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.queries import get_broadcast, valid_seconds_left
from alerts.channels.ports import Rejected, Transient, Unknown
from alerts.channels.roaming import RoamingCounts, RoamingMessage, RoamingOperator
from alerts.deliveries.roaming.actions import digest_of, text_of
from alerts.deliveries.roaming.rules import RoamingState
from alerts.kit.db import Sessions, begin, rows_of
from alerts.kit.outbox import publish

Row = dict[str, Any]
WINDOW = 16
"""Rows at most in one round."""
BEGIN_WITHIN_SECONDS = 1.5
"""Nothing is handed over later than this after its intent was asked for, as in the fan-out."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long an intent holds, until the next try, and between two askings for counts."""

    lease: float
    retry: float
    count: float


@dataclass(frozen=True, slots=True)
class Told:
    """What handing over came to."""

    state: RoamingState
    operator_ref: str | None = None
    code: str | None = None
    retry_after: float | None = None


NOT_BEGUN = Told(RoamingState.ASKED, code="not_begun", retry_after=0.1)


async def run_roaming(sessions: Sessions, operator: RoamingOperator, patience: Patience) -> int:
    """One round: hand over what is asked, look up what is unknown, read what was counted; how many requests were made."""
    done = 0
    for _ in range(WINDOW):
        until = time.monotonic() + min(BEGIN_WITHIN_SECONDS, patience.lease / 3)
        row = _claim(sessions, operator.name, patience)
        if row is None:
            break
        told = await _hand_over(operator, row) if time.monotonic() < until else NOT_BEGUN
        with begin(sessions) as session:
            record(session, row, told, retry_seconds=patience.retry)
        done += 1
    for row in _due(sessions, DUE_UNKNOWN, operator.name, patience):
        await _look_up(sessions, operator, row)
        done += 1
    for row in _due(sessions, DUE_COUNTS, operator.name, patience):
        await _count(sessions, operator, row)
        done += 1
    return done


def commit_intent(session: Session, *, operator: str, lease_seconds: float) -> Row | None:
    """Write down what is about to be handed over; what changed since, or does not hold any more, is refused. None: nothing more.

    The operator is told for how long the message still holds, never for how long it held when it was approved.
    """
    session.execute(text(GIVE_UP))
    session.execute(text(LEAVE_OUT))
    while rows := rows_of(session.execute(text(INTEND), {"operator": operator, "lease": lease_seconds})):
        [row] = rows
        broadcast = get_broadcast(session, row["broadcast_id"])
        words = text_of(broadcast, row["language"])
        if digest_of(words) == bytes(row["text_sha256"]):
            return row | {"text": words, "validity_seconds": max(1, valid_seconds_left(session, broadcast))}
        record(session, row, Told(RoamingState.REFUSED, code="text_changed"), retry_seconds=0)
    return None


def record(session: Session, row: Row, told: Told, *, retry_seconds: float) -> bool:
    """Write what the operator said, only under the generation that handed it over. True where it was written."""
    values = {"id": row["id"], "generation": row["generation"], "state": told.state.value, "ref": told.operator_ref, "code": told.code}
    values["wait"] = (told.retry_after or retry_seconds) if told.state is RoamingState.ASKED else None
    is_written = session.execute(text(RECORD), values).first() is not None
    if is_written:
        publish(session, "roaming.changed", roaming_id=row["id"], broadcast_id=row["broadcast_id"])
    return is_written


def keep_counts(session: Session, roaming_id: UUID, counts: RoamingCounts) -> None:
    """One more point of the series; the same moment again changes nothing."""
    values = {"id": roaming_id, "as_of": counts.as_of, "found": counts.phones_found, "delivered": counts.phones_delivered}
    session.execute(text(KEEP), values)
    session.execute(text(FINAL), {"id": roaming_id, "final": counts.is_final})


def _claim(sessions: Sessions, operator: str, patience: Patience) -> Row | None:
    with begin(sessions) as session:
        return commit_intent(session, operator=operator, lease_seconds=patience.lease)


def _due(sessions: Sessions, statement: str, operator: str, patience: Patience) -> Sequence[Row]:
    with begin(sessions) as session:
        return rows_of(session.execute(text(statement), {"operator": operator, "wait": patience.count, "limit": WINDOW}))


async def _hand_over(operator: RoamingOperator, row: Row) -> Told:
    message = RoamingMessage(
        reference=str(row["id"]),
        country=row["country"],
        language=row["language"],
        text=row["text"],
        validity_seconds=row["validity_seconds"],
    )
    try:
        return Told(RoamingState.ACCEPTED, await operator.ask(message))
    except Transient as error:
        return Told(RoamingState.ASKED, code=str(error)[:100], retry_after=error.retry_after)
    except Rejected as error:
        return Told(RoamingState.REFUSED, code=str(error)[:100])
    except Unknown as error:
        return Told(RoamingState.UNKNOWN, code=str(error)[:100])


async def _look_up(sessions: Sessions, operator: RoamingOperator, row: Row) -> None:
    try:
        ref = await operator.find(str(row["id"]))
    except (Transient, Rejected, Unknown):
        return
    if ref is not None:
        with begin(sessions) as session:
            session.execute(text(FOUND), {"id": row["id"], "ref": ref})


async def _count(sessions: Sessions, operator: RoamingOperator, row: Row) -> None:
    try:
        counts = await operator.read_counts(row["operator_ref"])
    except (Transient, Rejected, Unknown):
        return
    with begin(sessions) as session:
        keep_counts(session, row["id"], counts)


GIVE_UP = """
UPDATE roaming_broadcast SET state = 'unknown', state_at = clock_timestamp(), lease_until = NULL, error_code = 'lease_expired'
WHERE id IN (
    SELECT id FROM roaming_broadcast WHERE state = 'sending' AND lease_until < clock_timestamp() ORDER BY id FOR UPDATE SKIP LOCKED)
"""

LEAVE_OUT = """
UPDATE roaming_broadcast SET state = 'refused', state_at = clock_timestamp(), error_code = left_out.why FROM (
    SELECT r.id, CASE WHEN b.state <> 'approved' OR i.is_quiet OR b.status <> 'Actual' THEN 'not_approved_any_more'
        WHEN clock_timestamp() >= b.approved_at + make_interval(secs => b.validity_seconds) THEN 'message_expired' END AS why
    FROM roaming_broadcast r JOIN broadcast b ON b.id = r.broadcast_id JOIN incident i ON i.id = b.incident_id
    WHERE r.state = 'asked' ORDER BY r.id FOR UPDATE OF r SKIP LOCKED) left_out
WHERE roaming_broadcast.id = left_out.id AND left_out.why IS NOT NULL
"""

# FOR SHARE: a cancel that committed first is seen; one that comes later waits until this intent is written down.
INTEND = """
UPDATE roaming_broadcast SET state = 'sending', generation = generation + 1, intent_at = clock_timestamp(), state_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => :lease), error_code = NULL
WHERE id = (
    SELECT r.id FROM roaming_broadcast r JOIN broadcast b ON b.id = r.broadcast_id
    WHERE r.state = 'asked' AND r.operator = :operator AND r.next_attempt_at <= clock_timestamp() AND b.state = 'approved'
    ORDER BY r.id LIMIT 1 FOR UPDATE OF r SKIP LOCKED FOR SHARE OF b)
RETURNING id, broadcast_id, country, language, text_sha256, generation
"""

RECORD = """
UPDATE roaming_broadcast SET state = CAST(:state AS text), state_at = clock_timestamp(), lease_until = NULL, error_code = :code,
    operator_ref = coalesce(operator_ref, CAST(:ref AS text)),
    next_attempt_at = clock_timestamp() + make_interval(secs => CAST(:wait AS float8))
WHERE id = :id AND generation = :generation AND state = 'sending' RETURNING id
"""

DUE_UNKNOWN = """
UPDATE roaming_broadcast SET counted_at = clock_timestamp() WHERE id IN (
    SELECT id FROM roaming_broadcast WHERE state = 'unknown' AND operator = :operator
      AND coalesce(counted_at, '-infinity') < clock_timestamp() - make_interval(secs => :wait)
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id
"""

DUE_COUNTS = """
UPDATE roaming_broadcast SET counted_at = clock_timestamp() WHERE id IN (
    SELECT id FROM roaming_broadcast WHERE state = 'accepted' AND NOT is_final AND operator = :operator
      AND coalesce(counted_at, '-infinity') < clock_timestamp() - make_interval(secs => :wait)
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, operator_ref
"""

FOUND = """
UPDATE roaming_broadcast SET state = 'accepted', operator_ref = :ref, state_at = clock_timestamp(), error_code = NULL, counted_at = NULL
WHERE id = :id AND state = 'unknown'
"""

KEEP = """
INSERT INTO roaming_count (roaming_broadcast_id, as_of, phones_found, phones_delivered) VALUES (:id, :as_of, :found, :delivered)
ON CONFLICT (roaming_broadcast_id, as_of) DO NOTHING
"""

FINAL = "UPDATE roaming_broadcast SET is_final = :final WHERE id = :id"
