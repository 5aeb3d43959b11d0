"""Promises of pace: what may wait for how long before somebody has to look. Liveness is progress, not "the process runs".

What waits for its pace, for quiet hours or for its next step is not late: as long as it is somebody's turn, workers of
its queue finish something. Late is what was asked for and nobody takes, and what nobody asks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.deliveries.queries import Violation, violations


@dataclass(frozen=True)
class Watch:
    """What is looked at: `queues` names the queue of a task (else `default`), `clocked` those that the clock always has work for.

    Seconds: `late` for what waits, `silent` for a clocked queue without any, `answer` for an event that no task answers.
    """

    queues: Mapping[str, str]
    clocked: tuple[str, ...]
    default: str
    late_seconds: float
    silent_seconds: float
    answer_seconds: float

    @property
    def all_queues(self) -> tuple[str, ...]:
        """Every queue, each once."""
        return tuple(sorted({self.default, *self.queues.values()}))


@dataclass(frozen=True)
class Stall:
    """A queue that stands still: how many events wait for it, and how long the oldest and the last sign of a worker are ago (seconds).

    `silent_seconds` None: no worker of it has ever finished anything.
    """

    queue: str
    waiting: int
    waiting_seconds: float
    silent_seconds: float | None

    def as_violation(self) -> Violation:
        """As a promise that does not hold."""
        return Violation(promise_of(self.queue), max(1, self.waiting), f"{self.waiting_seconds:.0f} s")


def promise_of(queue: str) -> str:
    """What a queue promises."""
    return f"I8 work of the queue {queue} is taken in time"


def late(session: Session, watch: Watch) -> list[Violation]:
    """Every promise of pace that is broken now, but for those of the queues (`list_stalls`)."""
    return violations(session, LIVENESS, late=watch.late_seconds, answer=watch.answer_seconds)


def list_stalls(session: Session, watch: Watch) -> list[Stall]:
    """Queues that have work and no worker that finishes any; and clocked ones whose workers fell silent."""
    values: dict[str, Any] = {
        "queues": json.dumps(dict(watch.queues)),
        "default": watch.default,
        "clocked": list(watch.clocked),
        "late": watch.late_seconds,
        "silent": watch.silent_seconds,
    }
    return [Stall(*row) for row in session.execute(text(STALLS), values)]


LIVENESS = {
    "I8 outbox younger than 5 s": """
        SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY rung_at - created_at) FROM outbox_event
        WHERE created_at > now() - interval '5 minutes' AND rings = 1
        HAVING percentile_disc(0.99) WITHIN GROUP (ORDER BY rung_at - created_at) > interval '5 seconds'""",
    "I8 a batch that is due is asked for": """
        WITH hint AS (
            SELECT payload ->> 'batch_id' AS batch FROM outbox_event WHERE waiting_for <> '{}' AND name = 'delivery.batch_due'
            UNION ALL SELECT payload ->> 'batch_id' FROM outbox_event WHERE rung_at IS NULL AND name = 'delivery.batch_due'
        ), asked AS MATERIALIZED (
            SELECT DISTINCT o.broadcast_id, o.channel, o.number_country FROM hint JOIN delivery_batch o ON o.id = CAST(hint.batch AS bigint)
        )
        SELECT b.id FROM delivery_batch b
        WHERE b.state = 'waiting' AND greatest(b.due_at, b.rung_at) < clock_timestamp() - make_interval(secs => :late)
          AND b.rung_at >= b.due_at AND NOT EXISTS (
            SELECT FROM asked a WHERE (a.broadcast_id, a.channel, a.number_country) = (b.broadcast_id, b.channel, b.number_country))""",
    "I8 events are answered": """
        SELECT id FROM outbox_event WHERE waiting_for <> '{}' AND name <> 'delivery.batch_due' AND rings > 2
          AND created_at < clock_timestamp() - make_interval(secs => :answer)""",
    "I8 receipts are applied in time": """
        SELECT delivery_id FROM receipt WHERE applied_at IS NULL AND received_at < clock_timestamp() - make_interval(secs => :late)""",
    "I10 unknown is resolved within ten minutes, or shown": """
        SELECT a.delivery_id FROM attempt a JOIN delivery d ON d.id = a.delivery_id
        WHERE a.state = 'unknown' AND a.intent_at < clock_timestamp() - interval '10 minutes'
          AND (a.channel IN ('sms', 'whatsapp', 'voice') AND a.looked_up_at IS NULL
               OR d.state IN ('queued', 'expired', 'cancelled', 'opted_out'))""",
}
"""They depend on the machine too, so a doctor watches them; tests look at them where everything has come to rest.

I10: what a carrier's list can answer was looked up; push and mail have no list, so theirs is only shown. Shown is what its delivery
reads, and every count takes: `unknown`, or whatever else is known by now, but never as if nothing had been begun.

An event of a batch may wait as long as its lane's pace makes it: workers of its queue show that it is somebody's turn. It asks
for whichever batch of its message and lane comes first (`claiming`).
"""

# Two rings without an answer: what a relay tells of only now, after an outage of its own, is not late by its worker's fault.
STALLS = """
WITH asked AS (
    SELECT coalesce(CAST(:queues AS jsonb) ->> task, :default) AS queue, count(*) AS waiting, min(e.created_at) AS since
    FROM outbox_event e, unnest(e.waiting_for) AS task WHERE e.waiting_for <> '{}' AND e.rings > 2 GROUP BY 1
), clocked AS (
    SELECT unnest(CAST(:clocked AS text[])) AS queue
), seen AS (
    SELECT queue, max(at) AS at FROM worker_beat GROUP BY 1
), moment AS (
    SELECT clock_timestamp() AS now
)
SELECT queue, coalesce(a.waiting, 0), CAST(coalesce(extract(epoch FROM now - a.since), 0) AS float8),
    CAST(extract(epoch FROM now - s.at) AS float8)
FROM (SELECT queue FROM asked UNION SELECT queue FROM clocked) q LEFT JOIN asked a USING (queue) LEFT JOIN seen s USING (queue), moment
WHERE a.since < now - make_interval(secs => :late) AND (s.at IS NULL OR s.at < now - make_interval(secs => :late))
   OR queue IN (SELECT queue FROM clocked) AND s.at < now - make_interval(secs => :silent)
ORDER BY queue
"""
