"""The next step towards people who have not answered: their next way, as the frozen list has it.

"Delivered" to a phone that nobody looks at is not reached: only an answer ends the steps. Time is a column of the batch.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.incidents.rules import QUIET

BATCHES_AT_ONCE = 20


def escalate(session: Session) -> int:
    """Begin the next step wherever its time has come; the count of people."""
    batches = session.execute(TAKE_DUE, {"limit": BATCHES_AT_ONCE}).scalars().all()
    return sum(begin_next_step(session, batch_id) for batch_id in batches)


def begin_next_step(session: Session, batch_id: int, *, only_failed: bool = False) -> int:
    """Make the next step of those in a batch who have one and did not answer; the count.

    `only_failed`: of those alone whom this step surely did not reach: they need not wait for the clock. Nobody gets a
    step after a cancel, past the validity, once a correction was asked for, or twice. Of a quiet incident nothing that was taken
    is followed by another step, and nobody is called. What goes by the way that worked (a correction, a "still valid") goes on
    where that way failed, and there alone.
    """
    states = FAILED if only_failed else UNANSWERED
    values = {"batch": batch_id, "states": list(states), "failed": list(FAILED), "barred": sorted(QUIET.barred_channels)}
    return int(session.execute(NEXT_STEP, values).scalar_one())


FAILED = ("failed", "undelivered")
UNANSWERED = (*FAILED, "accepted", "sent", "delivered", "unknown")

# While a correction waits for its approval the steps of what it corrects wait too: they go on if it is refused or withdrawn.
TAKE_DUE = text("""
UPDATE delivery_batch SET next_step_at = NULL WHERE id IN (
    SELECT b.id FROM delivery_batch b WHERE b.next_step_at <= clock_timestamp()
      AND NOT EXISTS (SELECT FROM broadcast k WHERE b.broadcast_id = ANY (k."references") AND k.purpose = 'alert'
                      AND k.state IN ('freezing', 'submitted'))
    ORDER BY b.next_step_at LIMIT :limit FOR UPDATE OF b SKIP LOCKED)
RETURNING id
""")

NEXT_STEP = text("""
WITH live AS (
    SELECT b.id, b.broadcast_id, b.audience_id, i.is_quiet, m."references" <> '{}' AND m.purpose <> 'follow_up' AS is_by_what_worked
    FROM delivery_batch b JOIN broadcast m ON m.id = b.broadcast_id JOIN incident i ON i.id = m.incident_id
    WHERE b.id = :batch AND m.state = 'approved' AND clock_timestamp() < m.approved_at + make_interval(secs => m.validity_seconds)
      AND NOT EXISTS (SELECT FROM broadcast k WHERE m.id = ANY (k."references") AND k.purpose = 'alert'
                      AND (k.state IN ('freezing', 'submitted', 'approved') OR k.released_at IS NOT NULL))
    FOR SHARE OF m
), person AS MATERIALIZED (
    SELECT d.member_id, d.step + 1 AS step, m.further_ways -> (d.step - 1) AS way
    FROM live JOIN delivery d ON d.batch_id = live.id JOIN audience_member m ON m.id = d.member_id
    WHERE d.answered_at IS NULL AND d.state = ANY (CAST(:states AS text[])) AND jsonb_array_length(m.further_ways) >= d.step
      AND NOT EXISTS (SELECT FROM delivery n WHERE n.id = d.id + 1)
      AND (NOT live.is_quiet OR d.state = ANY (CAST(:failed AS text[]))
           AND m.further_ways -> (d.step - 1) ->> 0 <> ALL (CAST(:barred AS text[])))
      AND (NOT live.is_by_what_worked OR d.state = ANY (CAST(:failed AS text[])))
), way AS (
    SELECT member_id, step, way ->> 0 AS channel, CAST(way ->> 1 AS uuid) AS address_id, coalesce(way ->> 2, '') AS lane FROM person
), made AS (
    INSERT INTO delivery_batch (broadcast_id, audience_id, step, channel, number_country, first_member_id, rung_at)
    SELECT live.broadcast_id, live.audience_id, w.step, w.channel, w.lane, min(w.member_id), clock_timestamp()
    FROM way w CROSS JOIN live GROUP BY 1, 2, 3, 4, 5 ORDER BY 6
    RETURNING id, step, channel, number_country
), begun AS (
    INSERT INTO delivery (id, member_id, broadcast_id, batch_id, address_id, step, channel, number_country)
    SELECT w.member_id * 64 + w.step, w.member_id, live.broadcast_id, made.id, w.address_id, w.step, w.channel, nullif(w.lane, '')
    FROM way w JOIN made ON made.step = w.step AND made.channel = w.channel AND made.number_country = w.lane CROSS JOIN live
    ORDER BY 1 RETURNING 1
), rung AS (
    INSERT INTO outbox_event (name, payload) SELECT 'delivery.batch_due', jsonb_build_object('batch_id', id) FROM made ORDER BY id
)
SELECT count(*) FROM begun
""")
