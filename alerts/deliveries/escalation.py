"""The next step towards people who have not answered: their next way, as the frozen list has it.

"Delivered" to a phone that nobody looks at is not reached: only an answer ends the steps. Each person has a step's time of
their own, from when they were handed the message; whoever is still queued when it is over, from when the batch was begun,
gets the next step all the same, and this one too once its lane opens, unless they answered. When to look next is a column
of the batch. Whom a step surely did not reach need not wait for the clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.queries import REPEATED
from alerts.channels.answers import TWILIO_ANSWERS, WHATSAPP_ANSWERS
from alerts.channels.ports import Step
from alerts.deliveries.rules import STILL_OWED
from alerts.incidents.rules import QUIET
from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import drain
from alerts.settings import Settings

BATCHES_AT_ONCE = 20
"""In one transaction: a cancel waits for no more."""
ESCALATE_SECONDS = 10.0
NEVER_SECONDS = 1e9
TASK = "deliveries.begin_next"


@dataclass(frozen=True)
class Patience:
    """Seconds: a step's time, and how long a handset that was off is left before its one repetition."""

    step: float
    repeat: float = 0.0

    @classmethod
    def of(cls, settings: Settings) -> Patience:
        return cls(settings.delivery.step_seconds, settings.delivery.resend_after_seconds)


def escalate_all(settings: Settings, sessions: Sessions) -> int:
    """Begin the next step wherever its time has come, a transaction for some batches at a time; the count of people."""
    total, ends_at = 0, time.monotonic() + ESCALATE_SECONDS
    while time.monotonic() < ends_at:
        with begin(sessions) as session:
            batches = _take_due(session)
            total += sum(begin_due_steps(session, each, patience=Patience.of(settings)) for each in batches)
        if len(batches) < BATCHES_AT_ONCE:
            break
    return total


def escalate(session: Session, *, patience: Patience) -> int:
    """The same for the batches that are due first."""
    return sum(begin_due_steps(session, each, patience=patience) for each in _take_due(session))


def begin_due_steps(session: Session, batch_id: int, *, patience: Patience) -> int:
    """The next step of those in a batch whose time is over, and when to look again; the count. The batch must be locked.

    Of a quiet incident, and of what goes by the way that worked (a correction, a "still valid"), nothing that was taken
    is followed by another step: only whoever is still queued goes on, and then this step is over for them. But a browser
    whose push service took a quiet message has reached nobody yet: whoever may have a text goes on.
    """
    values = _values(batch_id, patience, is_by_clock=True)
    session.execute(MOVE_ON, values)
    count = int(session.execute(NEXT_STEP, values).scalar_one())
    session.execute(LOOK_AGAIN, values)
    session.execute(WAIT_FOR_CORRECTION, values)
    return count


def begin_next_of_failed(session: Session, batch_id: int) -> int:
    """The next step of those in a batch whom this one surely did not reach; the count. The batch must be locked.

    A handset that was off (30003) is first tried once more, where messages may be repeated (`resending`): its next way begins
    when that failed, a step's time after it was taken, or a step's time after it should have been. Never both at once: after
    the next way nothing is repeated.
    """
    values = _values(batch_id, Patience(NEVER_SECONDS, NEVER_SECONDS), is_by_clock=False)
    count = int(session.execute(NEXT_STEP, values).scalar_one())
    session.execute(WAIT_FOR_CORRECTION, values)
    return count


def begin_next_of_told(sessions: Sessions) -> int:
    """The same for every batch of which a receipt or a look-up told that somebody was not reached; the count of people."""
    total = 0
    while True:
        with begin(sessions) as session:
            told = sorted({int(payload["batch_id"]) for payload in drain(session, TASK, limit=BATCHES_AT_ONCE)})
            session.execute(LOCK, {"batches": told})
            total += sum(begin_next_of_failed(session, batch_id) for batch_id in told)
        if not told:
            return total


def _take_due(session: Session) -> list[int]:
    return sorted(session.execute(TAKE_DUE, {"limit": BATCHES_AT_ONCE}).scalars())


def _values(batch_id: int, patience: Patience, *, is_by_clock: bool) -> dict[str, Any]:
    barred = sorted(QUIET.barred_channels)
    return {
        "batch": batch_id,
        "by_clock": is_by_clock,
        "step": patience.step,
        "repeat": patience.repeat,
        "barred": barred,
        "blocked": BLOCKED,
    }


def _is_corrected(message: str, standing: str) -> str:
    """Whether such a correction `k` exists of the message, or of what it only repeats."""
    return f"""EXISTS (WITH RECURSIVE {REPEATED.format(message=message)}
    SELECT FROM repeated s JOIN broadcast k ON s.id = ANY (k."references") WHERE k.purpose = 'alert' AND ({standing}))"""


# While a correction waits for its approval the steps of what it corrects wait too: they go on if it is refused or withdrawn.
_CORRECTION_WAITS = _is_corrected("b.broadcast_id", "k.state IN ('freezing', 'submitted')")
TAKE_DUE = text(f"""
UPDATE delivery_batch SET next_step_at = NULL WHERE id IN (
    SELECT b.id FROM delivery_batch b WHERE b.next_step_at <= clock_timestamp() AND NOT {_CORRECTION_WAITS}
    ORDER BY b.next_step_at LIMIT :limit FOR UPDATE OF b SKIP LOCKED)
RETURNING id
""")  # noqa: S608 - our own words
WAIT_FOR_CORRECTION = text(f"""
UPDATE delivery_batch b SET next_step_at = clock_timestamp() WHERE b.id = :batch AND b.next_step_at IS NULL AND {_CORRECTION_WAITS}
""")  # noqa: S608

LOCK = text("SELECT FROM delivery_batch WHERE id = ANY (:batches) ORDER BY id FOR NO KEY UPDATE")

_STEP = "make_interval(secs => CAST(:step AS float8))"
_REPEAT = "make_interval(secs => CAST(:repeat AS float8))"
OUT = "('accepted', 'sent', 'delivered', 'unknown')"
MOVED_ON = "moved_on"
TEXT_BLOCKED = "text_blocked"
"""Of a way that was passed over: these words do not get through by its channel."""
BLOCKED = sorted(code for code, answer in {**TWILIO_ANSWERS, **WHATSAPP_ANSWERS}.items() if answer.step is Step.DO_NOT_REPEAT_TEXT)

# Nobody gets a step after a cancel, past the validity, once a correction was asked for, or twice. In a quiet incident nobody is
# called. Words that a network blocked are not sent once more by the same channel: those ways are passed over, each with a row
# that says so. `is_once`: nothing may follow what may have arrived; that a browser's push service took it says nothing of its
# person, so a quiet message goes on to a text, if there is one. Not by the clock, only who was not reached is looked at.
# What was a handset's one repetition (`r`), if it was made: what is only owed is none. Until it should have been, it is looked for once.
_AGAIN = f"""
    SELECT CASE WHEN r.state IN ('failed', 'undelivered') THEN clock_timestamp()
            ELSE coalesce(r.resolved_at, a.resolved_at + {_REPEAT}) + {_STEP} END AS over_at,
        CASE WHEN r.number IS NULL AND clock_timestamp() < a.resolved_at + {_REPEAT} + {_STEP} / 6
            THEN a.resolved_at + {_REPEAT} + {_STEP} / 6 END AS look_at
    FROM attempt a LEFT JOIN attempt r ON r.delivery_id = a.delivery_id AND r.resend_of = a.number
        AND NOT (r.state = 'failed' AND r.error_code IS NOT DISTINCT FROM '{STILL_OWED}')
    WHERE a.delivery_id = d.id AND d.state = 'undelivered' AND a.state = 'undelivered' AND a.error_code = '30003' AND a.resend_of IS NULL"""  # noqa: S608

_LIVE = f"""
live AS (
    SELECT b.id, b.broadcast_id, b.audience_id, b.state, i.is_quiet,
        i.is_quiet OR m."references" <> '{{}}' AND m.purpose <> 'follow_up' AS is_once,
        b.begun_at <= clock_timestamp() - make_interval(secs => CAST(:step AS float8)) AS is_over_for_queued
    FROM delivery_batch b JOIN broadcast m ON m.id = b.broadcast_id JOIN incident i ON i.id = m.incident_id
    WHERE b.id = :batch AND m.state = 'approved' AND clock_timestamp() < m.approved_at + make_interval(secs => m.validity_seconds)
      AND NOT {_is_corrected("m.id", "k.state IN ('freezing', 'submitted', 'approved') OR k.released_at IS NOT NULL")}
    FOR SHARE OF m
), person AS MATERIALIZED (
    SELECT d.id, d.member_id, d.step, d.state, d.error_code, coalesce(d.accepted_at, d.state_at) AS at, w.way, w.place,
        m.further_ways,
        live.is_once AND NOT (live.is_quiet AND d.channel = 'web_push' AND d.state IN ('accepted', 'sent', 'unknown') AND m.has_text)
            AS is_once, live.is_over_for_queued, EXISTS (SELECT FROM send_window w
            WHERE w.closed_at IS NULL AND w.batch_id = :batch AND d.id = ANY (w.deliveries)) AS is_in_window,
        d.state = 'undelivered' AND d.error_code = '30003' AND NOT live.is_once AS was_off, again.over_at, again.look_at
    FROM live JOIN delivery d ON d.batch_id = live.id
    CROSS JOIN LATERAL (SELECT max(over_at) AS over_at, max(look_at) AS look_at FROM ({_AGAIN}) a) again
    CROSS JOIN LATERAL (SELECT m.further_ways,
            m.further_ways @@ CAST('exists ($[' || (d.step - 1) || ' to last] ? (@[0] == "sms"))' AS jsonpath) AS has_text
        FROM audience_member m WHERE m.id = d.member_id OFFSET 0) m
    CROSS JOIN LATERAL (SELECT w.way, CAST(w.place AS int) AS place
        FROM jsonb_array_elements(m.further_ways) WITH ORDINALITY AS w(way, place)
        WHERE w.place >= d.step AND NOT EXISTS (SELECT FROM delivery p WHERE p.id BETWEEN d.member_id * 64 + 1 AND d.id
            AND p.channel = w.way ->> 0 AND p.state IN ('failed', 'undelivered') AND p.error_code = ANY (CAST(:blocked AS text[])))
        ORDER BY w.place LIMIT 1) w
    WHERE (CAST(:by_clock AS boolean) OR d.state IN ('failed', 'undelivered') OR d.error_code = '{MOVED_ON}')
      AND d.answered_at IS NULL AND NOT EXISTS (SELECT FROM delivery n WHERE n.id = d.id + 1)
      AND NOT (live.is_quiet AND w.way ->> 0 = ANY (CAST(:barred AS text[])))
)"""  # noqa: S608 - our own words

# The batch is locked and nobody has claimed it: nothing of it can begin to be sent.
MOVE_ON = text(f"""
WITH {_LIVE}
UPDATE delivery d SET state = 'expired', error_code = '{MOVED_ON}', state_at = clock_timestamp() WHERE d.id IN (
    SELECT p.id FROM person p CROSS JOIN live
    WHERE p.is_once AND live.state = 'waiting' AND p.state = 'queued' AND p.is_over_for_queued AND NOT p.is_in_window)
""")  # noqa: S608 - our own words

NEXT_STEP = text(f"""
WITH {_LIVE}, due AS (
    SELECT member_id, step + 1 AS first, place + 1 AS step, further_ways, way ->> 0 AS channel, coalesce(way ->> 2, '') AS lane
    FROM person
    WHERE state IN ('failed', 'undelivered') AND (NOT was_off OR over_at <= clock_timestamp())
       OR state = 'expired' AND error_code = '{MOVED_ON}'
       OR CAST(:by_clock AS boolean) AND NOT is_once AND (
            state IN {OUT} AND at <= clock_timestamp() - make_interval(secs => CAST(:step AS float8))
            OR state = 'queued' AND is_over_for_queued AND NOT is_in_window)
), made AS (
    INSERT INTO delivery_batch (broadcast_id, audience_id, step, channel, number_country, first_member_id, rung_at)
    SELECT live.broadcast_id, live.audience_id, w.step, w.channel, w.lane, min(w.member_id), clock_timestamp()
    FROM due w CROSS JOIN live GROUP BY 1, 2, 3, 4, 5 ORDER BY 6
    RETURNING id, step, channel, number_country
), begun AS (
    INSERT INTO delivery (id, member_id, broadcast_id, batch_id, address_id, step, channel, number_country, state, error_code)
    SELECT w.member_id * 64 + s.step, w.member_id, live.broadcast_id, made.id, CAST(s.way ->> 1 AS uuid), s.step, s.way ->> 0,
        nullif(s.way ->> 2, ''), CASE WHEN s.step = w.step THEN 'queued' ELSE 'failed' END,
        CASE WHEN s.step < w.step THEN '{TEXT_BLOCKED}' END
    FROM due w JOIN made ON made.step = w.step AND made.channel = w.channel AND made.number_country = w.lane CROSS JOIN live
    CROSS JOIN LATERAL (SELECT n AS step, w.further_ways -> (n - 2) AS way FROM generate_series(w.first, w.step) n) s
    ORDER BY 1 RETURNING state
), rung AS (
    INSERT INTO outbox_event (name, payload) SELECT 'delivery.batch_due', jsonb_build_object('batch_id', id) FROM made ORDER BY id
)
SELECT count(*) FROM begun WHERE state = 'queued'
""")  # noqa: S608

# Together where their times end together, and at most a sixth of the step's time late. Nobody left: no more looking.
LOOK_AGAIN = text(f"""
WITH {_LIVE}
UPDATE delivery_batch b SET is_overtaken = true, next_step_at = least(q.last_at, q.first_at + q.sixth)
FROM (
    SELECT min(r.at) AS first_at, max(r.at) AS last_at, make_interval(secs => CAST(:step AS float8) / 6) AS sixth
    FROM (
        SELECT CASE WHEN p.state = 'queued' THEN clock_timestamp() + make_interval(secs => CAST(:step AS float8) / 6)
            WHEN p.was_off THEN coalesce(p.look_at, p.over_at)
            ELSE p.at + make_interval(secs => CAST(:step AS float8)) END AS at
        FROM person p WHERE p.state = 'queued' OR p.was_off OR p.state IN {OUT} AND NOT p.is_once) r) q
WHERE b.id = :batch
""")  # noqa: S608
