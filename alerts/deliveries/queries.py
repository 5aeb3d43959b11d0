"""Who was reached, in the words of the semantics, and whether the tables keep their promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.country_rules.queries import load_book
from alerts.kit.db import rows_of


@dataclass(frozen=True)
class Violation:
    """A promise of the tables that does not hold: its name, how many rows break it, and one of them."""

    invariant: str
    count: int
    sample: str


def reach_of_incident(session: Session, incident_id: UUID, *, known_at: datetime | None = None) -> list[dict[str, Any]]:
    """One row per released message of an incident, oldest first, as it stood at `known_at` (by default now).

    Columns: broadcast_id, msg_type, approved_at, newest_at and counts of persons on the frozen list: `handed_over`, `unknown`,
    `unreachable`, `in_progress` and `stopped` (cancelled, or too late, before anything was sent) sum to `frozen`; `delivered`,
    `answered` and `no_receipt_possible` are facts about those handed over.
    """
    values = {"incident": incident_id, "known_at": known_at, "silent": _silent_ways(session)}
    return rows_of(session.execute(text(REACH), values))


def _silent_ways(session: Session) -> list[str]:
    """`channel:country` where a receipt can never come, by the rules in force; `*` for a channel that has none anywhere."""
    return [f"{channel}:{country}" for channel, country in load_book(session).never_receipted()]


def invariants(session: Session) -> list[Violation]:
    """Every promise of the tables that is broken now (see the reliability notes for the numbers)."""
    return violations(session, INVARIANTS)


def violations(session: Session, promises: Mapping[str, str], **values: float) -> list[Violation]:
    """Those of the promises that are broken now: each is a query for what breaks it."""
    found = []
    for name, query in promises.items():
        rows = session.execute(text(query), values).all()
        if rows:
            found.append(Violation(name, len(rows), str(rows[0][0])))
    return found


def backlog(session: Session) -> dict[str, float]:
    """Progress as liveness: ages in seconds, and counts, of what is not finished."""
    return {key: float(value or 0) for key, value in session.execute(text(BACKLOG)).mappings().one().items()}


# A person is in the first set that fits. The last step has the last word on who was stopped, the last that was begun on what is
# unknown (as an outside judge counts). What was known at a moment is read from the times of the evidence: a later receipt changes
# no earlier answer.
REACH = """
WITH chosen AS (
    SELECT b.id, b.msg_type, b.approved_at FROM broadcast b
    WHERE b.incident_id = CAST(:incident AS uuid) AND b.released_at IS NOT NULL
      AND b.released_at <= coalesce(CAST(:known_at AS timestamptz), clock_timestamp())
), step AS (
    SELECT c.id, d.member_id, d.channel, d.number_country, d.state, d.step, d.attempts,
        d.state_at <= k.at AS is_settled, d.accepted_at <= k.at AS is_accepted,
        d.delivered_at <= k.at AS is_delivered, d.answered_at <= k.at AS is_answered, least(d.state_at, k.at) AS state_at
    FROM chosen c JOIN delivery_batch q ON q.broadcast_id = c.id JOIN delivery d ON d.batch_id = q.id
    CROSS JOIN (SELECT coalesce(CAST(:known_at AS timestamptz), clock_timestamp()) AS at) k
), person AS (
    SELECT id, member_id, coalesce(bool_or(is_accepted), false) AS is_accepted, coalesce(bool_or(is_delivered), false) AS is_delivered,
        coalesce(bool_or(is_answered), false) AS is_answered, bool_or(NOT is_settled OR state IN ('queued', 'sending')) AS is_under_way,
        max(step * 2 + CAST(is_settled AND state = 'unknown' AS int)) FILTER (WHERE attempts > 0 OR state = 'unknown') % 2 AS is_unknown,
        max(step * 2 + CAST(is_settled AND state IN ('cancelled', 'expired') AS int)) % 2 AS is_stopped,
        bool_or(channel = 'none') AS is_unreachable,
        bool_and(channel || ':*' = ANY (CAST(:silent AS text[])) OR concat(channel, ':', number_country) = ANY (CAST(:silent AS text[])))
            FILTER (WHERE is_accepted) AS is_silent,
        max(state_at) AS state_at
    FROM step GROUP BY 1, 2
), judged AS (
    SELECT *, CASE
        WHEN is_accepted THEN 'handed_over'
        WHEN is_unknown = 1 THEN 'unknown'
        WHEN is_unreachable THEN 'unreachable'
        WHEN is_under_way THEN 'in_progress'
        WHEN is_stopped = 1 THEN 'stopped'
        ELSE 'unreachable' END AS verdict
    FROM person
)
SELECT c.id AS broadcast_id, c.msg_type, c.approved_at, count(*) AS frozen,
    count(*) FILTER (WHERE verdict = 'handed_over') AS handed_over,
    count(*) FILTER (WHERE verdict = 'unknown') AS unknown,
    count(*) FILTER (WHERE verdict = 'unreachable') AS unreachable,
    count(*) FILTER (WHERE verdict = 'in_progress') AS in_progress,
    count(*) FILTER (WHERE verdict = 'stopped') AS stopped,
    count(*) FILTER (WHERE is_delivered) AS delivered,
    count(*) FILTER (WHERE is_answered) AS answered,
    count(*) FILTER (WHERE is_silent AND NOT is_delivered) AS no_receipt_possible,
    max(state_at) AS newest_at
FROM judged JOIN chosen c USING (id) GROUP BY 1, 2, 3 ORDER BY c.approved_at
"""

INVARIANTS = {
    "I1 every released member has its first delivery": """
        SELECT m.id FROM audience a JOIN audience_member m ON m.audience_id = a.id
        WHERE a.released_at IS NOT NULL AND NOT EXISTS (SELECT FROM delivery d WHERE d.id = m.id * 64 + 1)""",
    "I1 a later step comes after the one before, by the way that the list has": """
        SELECT d.id FROM delivery d JOIN audience_member m ON m.id = d.member_id WHERE d.step > 1
          AND (NOT EXISTS (SELECT FROM delivery p WHERE p.id = d.id - 1)
               OR d.channel IS DISTINCT FROM m.further_ways -> (d.step - 2) ->> 0)""",
    "I2 one acceptance per step, and approved resends": """
        SELECT a.delivery_id FROM attempt a WHERE a.provider_id IS NOT NULL AND a.resend_of IS NULL AND NOT EXISTS (
            SELECT FROM send_window w WHERE w.closed_at IS NULL AND w.resend_of IS NOT NULL AND a.delivery_id = ANY (w.deliveries))
        GROUP BY 1 HAVING count(DISTINCT a.provider_id) > 1""",
    "I2 a resend is of an original, and accepted once": """
        SELECT a.delivery_id FROM attempt a LEFT JOIN attempt o ON o.delivery_id = a.delivery_id AND o.number = a.resend_of
        WHERE a.resend_of IS NOT NULL GROUP BY a.delivery_id, a.resend_of
        HAVING count(DISTINCT a.provider_id) > 1 OR bool_or(o.number IS NULL OR o.resend_of IS NOT NULL)""",
    "I2 an approval that forbids resends has none, but of what is known not to have arrived": """
        SELECT a.delivery_id FROM attempt a JOIN delivery d ON d.id = a.delivery_id JOIN broadcast b ON b.id = d.broadcast_id
        LEFT JOIN attempt o ON o.delivery_id = a.delivery_id AND o.number = a.resend_of
        WHERE a.resend_of IS NOT NULL AND b.resend_unknown = 'never' AND o.error_code IS DISTINCT FROM '30003'""",
    "I2 a look-up took nobody else's message": """
        SELECT a.delivery_id FROM attempt a JOIN attempt o ON o.provider_id = a.provider_id AND o.channel = a.channel
        WHERE a.evidence = 'lookup' AND o.delivery_id <> a.delivery_id""",
    "I3 nothing is sent without a provider id": """
        SELECT id FROM delivery WHERE state IN ('accepted', 'sent', 'delivered', 'undelivered') AND provider_id IS NULL""",
    "I4 no window whose lease expired over one lease ago": """
        SELECT id FROM send_window WHERE closed_at IS NULL AND lease_until + (lease_until - intent_at) < clock_timestamp()""",
    "I5 states sum to the frozen count, per wave": """
        SELECT a.id FROM audience a WHERE a.released_at IS NOT NULL AND a.count <> (
            SELECT count(*) FROM delivery_batch b JOIN delivery d ON d.batch_id = b.id WHERE b.audience_id = a.id AND d.step = 1)""",
    "I5 nothing is queued where nobody will look": """
        SELECT d.id FROM delivery d JOIN delivery_batch b ON b.id = d.batch_id
        WHERE d.state = 'queued' AND (b.state = 'done' OR b.state = 'claimed' AND b.lease_until < clock_timestamp() - interval '5 minutes')
          AND NOT EXISTS (SELECT FROM send_window w WHERE w.closed_at IS NULL AND d.id = ANY (w.deliveries))""",
    "I6 no send begins over 2 s after a cancel": """
        SELECT w.id FROM send_window w JOIN delivery_batch b ON b.id = w.batch_id JOIN broadcast m ON m.id = b.broadcast_id
        WHERE m.cancelled_at IS NOT NULL AND w.intent_at > m.cancelled_at + interval '2 seconds'""",
    "I6 no operator is asked over 2 s after a cancel": """
        SELECT r.id FROM roaming_broadcast r JOIN broadcast m ON m.id = r.broadcast_id
        WHERE m.cancelled_at IS NOT NULL AND r.intent_at > m.cancelled_at + interval '2 seconds'""",
    "I4 no roaming broadcast is being handed over one lease after its own": """
        SELECT id FROM roaming_broadcast WHERE state = 'sending' AND lease_until + (lease_until - intent_at) < clock_timestamp()""",
    "I7 no send to the opted-out": """
        SELECT t.delivery_id FROM attempt t JOIN delivery d ON d.id = t.delivery_id JOIN audience_member m ON m.id = d.member_id
        JOIN citizen c ON c.id = m.citizen_id WHERE t.window_id IS NOT NULL AND c.opted_out_at < t.intent_at - interval '1 second'""",
    "I9 no open window of a generation that is over": """
        SELECT w.id FROM send_window w JOIN delivery_batch b ON b.id = w.batch_id
        WHERE w.closed_at IS NULL AND w.resend_of IS NULL AND w.generation < b.generation""",
    "I9 no answer is written into a window that is closed": """
        SELECT w.id FROM send_window w JOIN attempt a ON a.window_id = w.id
        WHERE w.closed_at > clock_timestamp() - interval '1 hour' AND a.evidence = 'answer'
          AND a.resolved_at > w.closed_at + interval '5 seconds'""",
    "I9 a closed window says what became of each": """
        SELECT w.id FROM send_window w, unnest(w.deliveries, w.numbers) AS u(delivery_id, number)
        WHERE w.closed_at > clock_timestamp() - interval '1 hour'
          AND NOT EXISTS (SELECT FROM attempt a WHERE (a.delivery_id, a.number) = (u.delivery_id, u.number))""",
}
"""What the reliability notes promise. I1's "at most one delivery per step" is the primary key's own doing.

I7: an override of an opt-out by two names does not exist here, so no exception is made for one.
"""

BACKLOG = """
SELECT
    (SELECT extract(epoch FROM clock_timestamp() - min(created_at)) FROM outbox_event WHERE rung_at IS NULL) AS outbox_age_seconds,
    (SELECT count(*) FROM outbox_event WHERE waiting_for <> '{}') AS unanswered_events,
    (SELECT extract(epoch FROM clock_timestamp() - min(due_at)) FROM delivery_batch
        WHERE state = 'waiting' AND due_at < clock_timestamp()) AS queued_age_seconds,
    (SELECT count(*) FROM attempt WHERE state = 'unknown') AS unknown_attempts,
    (SELECT count(*) FROM delivery_batch WHERE state <> 'done' AND held_at IS NOT NULL) AS stopped_batches,
    (SELECT count(*) FROM receipt WHERE applied_at IS NULL) AS receipts_waiting,
    (SELECT extract(epoch FROM clock_timestamp() - min(received_at)) FROM receipt WHERE applied_at IS NULL) AS receipts_age_seconds,
    (SELECT extract(epoch FROM clock_timestamp() - min(intent_at)) FROM attempt WHERE state = 'unknown') AS unknown_age_seconds,
    (SELECT extract(epoch FROM clock_timestamp() - max(closed_at)) FROM send_window
        WHERE id > (SELECT max(id) - 100 FROM send_window)) AS last_progress_seconds
"""
