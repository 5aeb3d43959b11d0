"""What becomes known after the handing-over: receipts, the news of look-ups, answers. States only climb."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.answers import CODES, DIALECTS, Codes, Dialects, reported_state, told_answer
from alerts.channels.sms_dialect import codes_of, dialects_of
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.findings import note_unread_words
from alerts.deliveries.heeding import Failure, Slowed, heed, slow_down
from alerts.deliveries.rules import REPORTED, Evidence, State, states_before
from alerts.kit.db import Sessions, array_of, begin
from alerts.settings import Settings

log = structlog.get_logger()
APPLY_AT_ONCE = 2000
REST_SECONDS = 60.0


class AttemptKey(NamedTuple):
    """Which attempt: the delivery and its number there."""

    delivery_id: int
    number: int


class News(NamedTuple):
    """What a carrier said of one attempt, by callback or when asked."""

    attempt: AttemptKey
    state: State
    provider_id: str | None
    raw_status: str
    error_code: str | None


class Reading(NamedTuple):
    """How receipts are read: the words and codes of every source, and how long a sender rests (seconds)."""

    dialects: Dialects = DIALECTS
    codes: Codes = CODES
    rest_seconds: float = REST_SECONDS


TWILIO_ALONE = Reading()


def apply_all_receipts(settings: Settings, sessions: Sessions, carriers: Carriers) -> int:
    """Apply what has come in until little is left, a transaction for each part; the count of receipts taken."""
    total = 0
    reading = Reading(dialects_of(settings), codes_of(settings), settings.delivery.rest_seconds)
    while True:
        slowed: set[Slowed] = set()
        with begin(sessions) as session:
            count = apply_receipts(session, limit=APPLY_AT_ONCE, reading=reading, slowed=slowed)
        slow_down(settings, carriers, slowed)
        total += count
        if count < APPLY_AT_ONCE:
            return total


def apply_receipts(session: Session, *, limit: int = 2000, reading: Reading = TWILIO_ALONE, slowed: set[Slowed] | None = None) -> int:
    """Let stored receipts move what they may move, whatever their order; the count of receipts taken.

    A word that no dialect knows is counted and told of; it proves that the carrier has the message, and no more. Lanes that must
    be slowed are added to `slowed`.
    """
    rows = session.connection().execute(TAKE_RECEIPTS, {"limit": limit}).all()
    news, failures, unread = [], [], []
    for delivery_id, number, raw_status, source, provider_id, error_code in rows:
        reported = reported_state(source, raw_status, reading.dialects)
        if reported is None:
            unread.append((source, raw_status))
        state = REPORTED[reported] if reported else State.ACCEPTED
        news.append(News(AttemptKey(delivery_id, number), state, provider_id, raw_status, error_code))
        if error_code and state in NOT_REACHED:
            failures.append(Failure(delivery_id, number, error_code, told_answer(source, error_code, reading.codes).step))
    apply_news(session, _highest(news), Evidence.CALLBACK)
    lanes = heed(session, failures, rest_seconds=reading.rest_seconds)
    if slowed is not None:
        slowed |= lanes
    note_unread_words(session, unread)
    return len(rows)


def apply_news(session: Session, news: Sequence[News], evidence: Evidence) -> None:
    """Move deliveries and attempts to states that the table allows from where they stand; otherwise nothing moves.

    An attempt that nobody has written down yet (the carrier was quicker than our own record, or a backup was restored)
    is written down: our signature on its name proves that it was begun.
    """
    if not news:
        return
    values = {
        "deliveries": array_of(item.attempt.delivery_id for item in news),
        "numbers": array_of(item.attempt.number for item in news),
        "states": array_of(item.state.value for item in news),
        "ranks": array_of(RANK[item.state] for item in news),
        "providers": array_of(item.provider_id for item in news),
        "raws": array_of(item.raw_status for item in news),
        "codes": array_of(item.error_code if item.state in NOT_REACHED else None for item in news),
        "before": BEFORE,
        "evidence": evidence.value,
    }
    connection = session.connection()
    connection.execute(LOCK_DELIVERIES, values)
    connection.execute(MOVE_DELIVERIES, values)
    connection.execute(MOVE_ATTEMPTS, values)
    if any(item.state in NOT_REACHED for item in news):
        connection.execute(ASK_NEXT_STEP, values)


def mark_answered(session: Session, checkins: Sequence[Mapping[str, Any]]) -> int:
    """People answered: the fact is kept on every delivery of theirs in that incident, and ends their steps. The count.

    Each check-in names `citizen_id` and `incident_id`; those of people whom we do not know name none and count for none.
    One with `ends_steps` false is a claim that anybody may have made in the person's name: it ends nothing.
    """
    counted = [row for row in checkins if row.get("ends_steps", True)]
    pairs = {(row["citizen_id"], row["incident_id"]) for row in counted if row.get("citizen_id") and row.get("incident_id")}
    values = {"citizens": [citizen for citizen, _ in pairs], "incidents": [incident for _, incident in pairs]}
    return session.execute(MARK_ANSWERED, values).rowcount  # type: ignore[attr-defined,no-any-return]


def _highest(news: Sequence[News]) -> list[News]:
    """Per attempt the news that climbs highest: one after the other would end in the same state."""
    best: dict[AttemptKey, News] = {}
    for item in news:
        before = best.get(item.attempt)
        if before is None or RANK[item.state] >= RANK[before.state]:
            best[item.attempt] = item
    return [best[key] for key in sorted(best)]


NOT_REACHED = frozenset({State.UNDELIVERED, State.FAILED})
RANK = {State.ACCEPTED: 0, State.SENT: 1, State.UNDELIVERED: 2, State.FAILED: 2, State.DELIVERED: 3}
BEFORE = json.dumps({state.value: [before.value for before in (*states_before(state), State.QUEUED)] for state in RANK})
"""What evidence may move. `queued` too: what lies in an open window is being sent, and what the carrier has was sent."""

TAKE_RECEIPTS = text("""
UPDATE receipt r SET applied_at = clock_timestamp()
FROM (
    SELECT delivery_id, number, raw_status FROM receipt WHERE applied_at IS NULL ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED) n
WHERE (r.delivery_id, r.number, r.raw_status) = (n.delivery_id, n.number, n.raw_status)
RETURNING r.delivery_id, r.number, r.raw_status, r.source, r.provider_id, r.error_code
""")

_NEWS = """
unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS smallint[]), CAST(:states AS text[]), CAST(:ranks AS int[]),
    CAST(:providers AS text[]), CAST(:raws AS text[]), CAST(:codes AS text[]))
    AS n(delivery_id, number, state, rank, provider_id, raw_status, code)
"""

# Deliveries are locked before attempts, everywhere and by id: the sender's record takes them in the same order.
LOCK_DELIVERIES = text("SELECT FROM delivery d WHERE d.id = ANY (CAST(:deliveries AS bigint[])) ORDER BY d.id FOR NO KEY UPDATE")

# An acceptance is proven by a provider id; a callback may come before our own record of the answer.
# Two attempts of one delivery (a permitted resend) may speak at once: the news that climbs higher counts.
MOVE_DELIVERIES = text(f"""
WITH best AS (
    SELECT DISTINCT ON (n.delivery_id) n.delivery_id, n.number, n.state, n.provider_id, n.code
    FROM {_NEWS} ORDER BY n.delivery_id, n.rank DESC
)
UPDATE delivery d SET state_at = clock_timestamp(), state = n.state, error_code = coalesce(n.code, d.error_code),
    attempts = greatest(d.attempts, n.number),
    provider_id = coalesce(d.provider_id, n.provider_id), accepted_at = coalesce(d.accepted_at, clock_timestamp()),
    delivered_at = CASE WHEN n.state = 'delivered' THEN coalesce(d.delivered_at, clock_timestamp()) ELSE d.delivered_at END
FROM best n
WHERE d.id = n.delivery_id AND coalesce(d.provider_id, n.provider_id) IS NOT NULL
  AND (CAST(:before AS jsonb) -> n.state) @> to_jsonb(CAST(d.state AS text))
""")  # noqa: S608 - our own words

MOVE_ATTEMPTS = text(f"""
INSERT INTO attempt AS a (delivery_id, number, channel, state, evidence, resolved_at, provider_id, raw_status, error_code)
SELECT n.delivery_id, n.number, d.channel, n.state, :evidence, clock_timestamp(), n.provider_id, n.raw_status, n.code
FROM {_NEWS} JOIN delivery d ON d.id = n.delivery_id ORDER BY 1, 2
ON CONFLICT (delivery_id, number) DO UPDATE SET state = excluded.state, evidence = excluded.evidence, resolved_at = excluded.resolved_at,
    raw_status = excluded.raw_status, error_code = coalesce(excluded.error_code, a.error_code),
    provider_id = coalesce(a.provider_id, excluded.provider_id)
WHERE (CAST(:before AS jsonb) -> excluded.state) @> to_jsonb(CAST(a.state AS text))
""")  # noqa: S608

# Once per batch, and only where somebody has a way that is not tried yet.
ASK_NEXT_STEP = text("""
INSERT INTO outbox_event (name, payload)
SELECT DISTINCT 'delivery.not_reached', jsonb_build_object('batch_id', d.batch_id)
FROM delivery d JOIN audience_member m ON m.id = d.member_id
WHERE d.id = ANY (CAST(:deliveries AS bigint[])) AND d.state IN ('failed', 'undelivered') AND d.answered_at IS NULL
  AND jsonb_array_length(m.further_ways) >= d.step AND NOT EXISTS (SELECT FROM delivery n WHERE n.id = d.id + 1)
""")

MARK_ANSWERED = text("""
WITH answered AS (
    SELECT d.id FROM unnest(CAST(:citizens AS uuid[]), CAST(:incidents AS uuid[])) AS c(citizen_id, incident_id)
    JOIN audience_member m ON m.citizen_id = c.citizen_id
    JOIN broadcast b ON b.id = m.broadcast_id AND b.incident_id = c.incident_id
    JOIN delivery d ON d.id BETWEEN m.id * 64 + 1 AND m.id * 64 + 63
    WHERE d.answered_at IS NULL AND NOT (d.state IN ('cancelled', 'expired', 'opted_out')
        OR d.state = 'queued' AND NOT EXISTS (SELECT FROM send_window w WHERE w.closed_at IS NULL AND d.id = ANY (w.deliveries)))
    ORDER BY d.id FOR UPDATE OF d
)
UPDATE delivery SET answered_at = clock_timestamp() FROM answered WHERE delivery.id = answered.id
""")
