"""What becomes known after the handing-over: receipts, look-ups, answers. States only climb."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.answers import DIALECTS, Dialects, reported_state
from alerts.channels.ports import LOOK_BACK, FoundMessage, Transient
from alerts.channels.sms_dialect import dialects_of
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.findings import raise_alarm
from alerts.deliveries.messages import Messages, Row
from alerts.deliveries.rules import REPORTED, Evidence, State, states_before
from alerts.deliveries.windows import SEALED
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, array_of, begin, rows_of
from alerts.settings import Settings

log = structlog.get_logger()
UNKNOWN_WORDS = Counter("siaga_receipt_unknown_words_total", "receipts whose word for the state we do not know")
LOOK_UP_AT_ONCE = 100
APPLY_AT_ONCE = 2000
FILTERED_CODES = frozenset({"30004", "30007"})
FILTERED_SHARE_MAX, FILTERED_IN_ANY_CASE = 0.01, 3


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


def apply_all_receipts(settings: Settings, sessions: Sessions) -> int:
    """Apply what has come in until little is left, a transaction for each part; the count of receipts taken."""
    total, dialects = 0, dialects_of(settings)
    while True:
        with begin(sessions) as session:
            count = apply_receipts(session, limit=APPLY_AT_ONCE, dialects=dialects)
        total += count
        if count < APPLY_AT_ONCE:
            return total


def apply_receipts(session: Session, *, limit: int = 2000, dialects: Dialects = DIALECTS) -> int:
    """Let stored receipts move what they may move, whatever their order; the count of receipts taken.

    A word that `dialects` (of the settings: `dialects_of`) does not know is counted and moves nothing.
    """
    rows = session.connection().execute(TAKE_RECEIPTS, {"limit": limit}).all()
    news = []
    for delivery_id, number, raw_status, source, provider_id, error_code in rows:
        reported = reported_state(source, raw_status, dialects)
        if reported is None:
            UNKNOWN_WORDS.inc()
            log.warning("receipt.unknown_word", source=source)
            continue
        news.append(News(AttemptKey(delivery_id, number), REPORTED[reported], provider_id, raw_status, error_code))
    apply_news(session, _highest(news), Evidence.CALLBACK)
    _watch_filters(session, news)
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


def look_up(settings: Settings, sessions: Sessions, carriers: Carriers) -> int:
    """Ask the carrier about messages of which nobody knows. Finding one is evidence; finding none proves nothing.

    Returns how many became known.
    """
    known = 0
    for channel in LOOKED_UP:
        with begin(sessions) as session:
            rows = _due_for_look_up(session, channel, settings.delivery.lookup_after_seconds)
            messages = {row["broadcast_id"]: Messages.load(session, settings, row["broadcast_id"]) for row in rows}
        known += _ask(sessions, carriers, channel, rows, messages)
    return known


def mark_answered(session: Session, checkins: Sequence[Mapping[str, Any]]) -> int:
    """People answered: the fact is kept on every delivery of theirs in that incident, and ends their steps. The count.

    Each check-in names `citizen_id` and `incident_id`; those of people whom we do not know name none and count for none.
    """
    pairs = {(row["citizen_id"], row["incident_id"]) for row in checkins if row.get("citizen_id") and row.get("incident_id")}
    values = {"citizens": [citizen for citizen, _ in pairs], "incidents": [incident for _, incident in pairs]}
    return session.execute(MARK_ANSWERED, values).rowcount  # type: ignore[attr-defined,no-any-return]


def _ask(  # noqa: PLR0917 - one round of one channel
    sessions: Sessions, carriers: Carriers, channel: Channel, rows: Sequence[Mapping[str, Any]], messages: Mapping[UUID, Messages]
) -> int:
    known = 0
    for row in rows:
        message = messages[row["broadcast_id"]].try_write(Row.of(row), channel, row["sender"])
        if message is None:
            continue
        try:
            found = carriers.find(Status(row["status"]), row["sender"], message, created_after=row["intent_at"] - LOOK_BACK)
        except Transient as error:
            # The carrier's list cannot be read now: the others of this round would only wait as long.
            log.info("look_up.later", code=error.code)
            break
        with begin(sessions) as session:
            known += _settle(session, AttemptKey(row["delivery_id"], row["number"]), row["sender"], found)
    return known


def _settle(session: Session, attempt: AttemptKey, source: str, found: Sequence[FoundMessage]) -> int:
    """Take the newest listed message that no other attempt of ours already has."""
    values = {"delivery": attempt.delivery_id, "number": attempt.number}
    session.execute(text("UPDATE attempt SET looked_up_at = clock_timestamp() WHERE delivery_id = :delivery AND number = :number"), values)
    for message in found:
        taken = session.execute(IS_TAKEN, {**values, "provider": message.provider_id}).first()
        reported = reported_state(source, message.raw_status)
        if taken is None and reported is not None:
            news = News(attempt, REPORTED[reported], message.provider_id, message.raw_status, message.error_code)
            apply_news(session, [news], Evidence.LOOKUP)
            return 1
    return 0


def _due_for_look_up(session: Session, channel: Channel, after_seconds: float) -> list[dict[str, Any]]:
    values = {"after": after_seconds, "limit": LOOK_UP_AT_ONCE, "channel": channel.value}
    return rows_of(session.execute(DUE_FOR_LOOK_UP[channel], values))


def _highest(news: Sequence[News]) -> list[News]:
    """Per attempt the news that climbs highest: one after the other would end in the same state."""
    best: dict[AttemptKey, News] = {}
    for item in news:
        before = best.get(item.attempt)
        if before is None or RANK[item.state] >= RANK[before.state]:
            best[item.attempt] = item
    return [best[key] for key in sorted(best)]


def _watch_filters(session: Session, news: Sequence[News]) -> None:
    """Carriers that filter the text: repeating it would make that worse, and a person has to change it."""
    if sum(item.error_code in FILTERED_CODES for item in news) <= FILTERED_IN_ANY_CASE:
        return
    values = {
        "deliveries": array_of(item.attempt.delivery_id for item in news),
        "numbers": array_of(item.attempt.number for item in news),
        "filtered": array_of(int(item.error_code in FILTERED_CODES) for item in news),
    }
    for sender, reported, filtered in session.execute(BY_SENDER, values):
        if filtered > max(FILTERED_IN_ANY_CASE, reported * FILTERED_SHARE_MAX):
            raise_alarm(session, "content_filtered", sender=sender, count=filtered)


LOOKED_UP = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE)
"""Channels whose provider lists what it took."""
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

# An attempt whose callback was quicker than our own record has its sender in its window alone.
BY_SENDER = text("""
SELECT coalesce(nullif(a.sender, ''), w.sender, '') AS sender, count(*) AS reported, sum(n.filtered) AS filtered
FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS int[]), CAST(:filtered AS int[])) AS n(delivery_id, number, filtered)
LEFT JOIN attempt a ON (a.delivery_id, a.number) = (n.delivery_id, n.number)
LEFT JOIN LATERAL (SELECT sender FROM send_window WHERE closed_at IS NULL AND n.delivery_id = ANY (deliveries) LIMIT 1) w ON true
GROUP BY 1 ORDER BY 1
""")

# Whoever was tried longest ago comes first, so that what cannot be looked up keeps nobody else waiting.
_DUE_FOR_LOOK_UP = """
WITH due AS (
    UPDATE attempt a SET look_up_tried_at = clock_timestamp() FROM (
        SELECT delivery_id, number FROM attempt WHERE state = 'unknown' AND channel = :channel
          AND intent_at < clock_timestamp() - make_interval(secs => :after)
          AND (look_up_tried_at IS NULL OR look_up_tried_at < clock_timestamp() - make_interval(secs => :after))
        ORDER BY look_up_tried_at NULLS FIRST, intent_at LIMIT :limit FOR UPDATE SKIP LOCKED) n
    WHERE (a.delivery_id, a.number) = (n.delivery_id, n.number)
    RETURNING a.delivery_id, a.number, a.sender, a.intent_at
)
SELECT due.delivery_id, due.number, due.sender, due.intent_at, d.broadcast_id, b.status, d.member_id, m.citizen_id, d.address_id,
    m.language, d.number_country, m.link_generation, {fields} AS sealed
FROM due JOIN delivery d ON d.id = due.delivery_id JOIN audience_member m ON m.id = d.member_id
JOIN {table} a ON a.id = d.address_id JOIN broadcast b ON b.id = d.broadcast_id
ORDER BY due.intent_at
"""
DUE_FOR_LOOK_UP = {channel: text(_DUE_FOR_LOOK_UP.format(fields=SEALED[channel][0], table=SEALED[channel][1])) for channel in LOOKED_UP}

# The list was asked for by number: whoever else of ours has that number may be who the listed message went to.
IS_TAKEN = text("""
SELECT 1 FROM delivery mine JOIN phone own ON own.id = mine.address_id
JOIN phone p ON p.id = own.id OR p.e164_index = own.e164_index AND p.retired_at IS NULL
JOIN audience_member m ON m.citizen_id = p.citizen_id
JOIN attempt a ON a.delivery_id BETWEEN m.id * 64 + 1 AND m.id * 64 + 63
WHERE mine.id = :delivery AND a.provider_id = :provider AND NOT (a.delivery_id = :delivery AND a.number = :number) LIMIT 1
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
