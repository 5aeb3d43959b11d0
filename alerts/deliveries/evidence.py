"""What becomes known after the handing-over: receipts, look-ups, answers, expired leases. States only climb."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.answers import twilio_state
from alerts.channels.ports import LOOK_BACK, SmsMessage, Transient
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.messages import Messages
from alerts.deliveries.rules import REPORTED, Evidence, State, states_before
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, begin, rows_of
from alerts.settings import Settings

log = structlog.get_logger()
UNKNOWN_WORDS = Counter("siaga_receipt_unknown_words_total", "receipts whose word for the state we do not know")
LOOK_UP_AT_ONCE = 100


@dataclass(frozen=True)
class News:
    """What a carrier said of one attempt, by callback or when asked."""

    attempt_id: UUID
    state: State
    provider_id: str | None
    raw_status: str
    error_code: str | None


def keep_receipt(session: Session, *, attempt_id: UUID, raw_status: str, provider_id: str | None, error_code: str | None) -> bool:
    """Store a carrier's word on an attempt, once per word, and nothing else: the carrier is answered before the work.

    False when there is no such attempt.
    """
    values = {"attempt": attempt_id, "raw": raw_status, "provider": provider_id, "code": error_code}
    return bool(session.execute(text(KEEP_RECEIPT), values).scalar_one())


def apply_receipts(session: Session, *, limit: int = 2000) -> int:
    """Let stored receipts move what they may move, whatever their order; the count of receipts taken.

    A word that we do not know is counted and moves nothing.
    """
    rows = rows_of(session.execute(text(TAKE_RECEIPTS), {"limit": limit}))
    news = []
    for row in sorted(rows, key=lambda row: str(row["attempt_id"])):
        reported = twilio_state(row["raw_status"])
        if reported is None:
            UNKNOWN_WORDS.inc()
            log.warning("receipt.unknown_word", attempt=str(row["attempt_id"]))
        else:
            news.append(News(row["attempt_id"], REPORTED[reported], row["provider_id"], row["raw_status"], row["error_code"]))
    apply_news(session, _highest(news), Evidence.CALLBACK)
    return len(rows)


def expire_leases(session: Session) -> int:
    """Attempts whose worker let its lease run out: nobody knows whether they were sent. The count."""
    rows = session.execute(text(EXPIRE)).all()
    return len(rows)


def look_up(settings: Settings, sessions: Sessions, carriers: Carriers) -> int:
    """Ask the carrier about texts of which nobody knows. Finding one is evidence; finding none proves nothing.

    Returns how many became known.
    """
    with begin(sessions) as session:
        rows = _due_for_look_up(session, settings.delivery.lookup_after_seconds)
        messages = {row["broadcast_id"]: Messages.load(session, settings, row["broadcast_id"]) for row in rows}
    known = 0
    for row in rows:
        message = messages[row["broadcast_id"]].try_write(row, attempt_id=row["attempt_id"], channel=Channel.SMS)
        if not isinstance(message, SmsMessage):
            continue
        try:
            found = carriers.find(Status(row["status"]), message, created_after=row["intent_at"] - LOOK_BACK)
        except Transient as error:
            # The carrier's list cannot be read now: the others of this round would only wait as long.
            log.info("look_up.later", code=error.code)
            break
        with begin(sessions) as session:
            known += _settle(session, row["attempt_id"], found)
    return known


def mark_answered(session: Session, checkins: Sequence[Mapping[str, Any]]) -> int:
    """People answered: the fact is kept on every delivery of theirs in that incident. The count.

    Each check-in names `citizen_id` and `incident_id`; those of people whom we do not know name none and count for none.
    """
    pairs = {(row["citizen_id"], row["incident_id"]) for row in checkins if row.get("citizen_id") and row.get("incident_id")}
    values = {"citizens": [citizen for citizen, _ in pairs], "incidents": [incident for _, incident in pairs]}
    return session.execute(text(MARK_ANSWERED), values).rowcount  # type: ignore[attr-defined,no-any-return]


def _settle(session: Session, attempt_id: UUID, found: Any) -> int:
    """Take the newest listed message that no other attempt of ours already has."""
    session.execute(text("UPDATE attempt SET looked_up_at = clock_timestamp() WHERE id = :attempt"), {"attempt": attempt_id})
    for message in found:
        taken = session.execute(text(IS_TAKEN), {"provider": message.provider_id, "attempt": attempt_id}).first()
        reported = twilio_state(message.raw_status)
        if taken is None and reported is not None:
            news = News(attempt_id, REPORTED[reported], message.provider_id, message.raw_status, message.error_code)
            apply_news(session, [news], Evidence.LOOKUP)
            return 1
    return 0


def _due_for_look_up(session: Session, after_seconds: float) -> list[dict[str, Any]]:
    return rows_of(session.execute(text(DUE_FOR_LOOK_UP), {"after": after_seconds, "limit": LOOK_UP_AT_ONCE}))


def _highest(news: Sequence[News]) -> list[News]:
    """Per attempt the news that climbs highest: one after the other would end in the same state."""
    best: dict[UUID, News] = {}
    for item in news:
        before = best.get(item.attempt_id)
        if before is None or RANK[item.state] >= RANK[before.state]:
            best[item.attempt_id] = item
    return list(best.values())


def apply_news(session: Session, news: Sequence[News], evidence: Evidence) -> None:
    """Move deliveries and attempts to states that the table allows from where they stand; otherwise nothing moves."""
    if not news:
        return
    values = {
        "attempts": [item.attempt_id for item in news],
        "states": [item.state.value for item in news],
        "ranks": [RANK[item.state] for item in news],
        "providers": [item.provider_id for item in news],
        "raws": [item.raw_status for item in news],
        "codes": [item.error_code if item.state in {State.UNDELIVERED, State.FAILED} else None for item in news],
        "before": BEFORE,
        "evidence": evidence.value,
    }
    session.execute(text(LOCK_DELIVERIES), values)
    session.execute(text(MOVE_DELIVERIES), values)
    session.execute(text(MOVE_ATTEMPTS), values)


RANK = {State.ACCEPTED: 0, State.SENT: 1, State.UNDELIVERED: 2, State.FAILED: 2, State.DELIVERED: 3}
BEFORE = json.dumps({state.value: [before.value for before in states_before(state) if before is not State.QUEUED] for state in RANK})

KEEP_RECEIPT = """
WITH known AS (SELECT id FROM attempt WHERE id = :attempt),
kept AS (
    INSERT INTO receipt (attempt_id, raw_status, provider_id, error_code) SELECT id, :raw, :provider, :code FROM known
    ON CONFLICT DO NOTHING)
SELECT count(*) > 0 FROM known
"""

TAKE_RECEIPTS = """
UPDATE receipt SET applied_at = clock_timestamp()
WHERE (attempt_id, raw_status) IN (
    SELECT attempt_id, raw_status FROM receipt WHERE applied_at IS NULL ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING attempt_id, raw_status, provider_id, error_code
"""

_NEWS = """
unnest(CAST(:attempts AS uuid[]), CAST(:states AS text[]), CAST(:ranks AS int[]), CAST(:providers AS text[]), CAST(:raws AS text[]),
    CAST(:codes AS text[])) AS n(attempt_id, state, rank, provider_id, raw_status, code)
"""

# Deliveries are locked before attempts, everywhere and by id: the sender's record takes them in the same order.
LOCK_DELIVERIES = """
SELECT d.id FROM delivery d JOIN attempt a ON a.delivery_id = d.id WHERE a.id = ANY(CAST(:attempts AS uuid[])) ORDER BY d.id FOR UPDATE OF d
"""

# An acceptance is proven by a provider id; a callback may come before our own record of the answer.
# Two attempts of one delivery (a permitted resend) may speak at once: the news that climbs higher counts.
MOVE_DELIVERIES = f"""
WITH best AS (
    SELECT DISTINCT ON (a.delivery_id) a.delivery_id, n.state, n.provider_id, n.code
    FROM {_NEWS} JOIN attempt a ON a.id = n.attempt_id ORDER BY a.delivery_id, n.rank DESC
)
UPDATE delivery d SET state_at = clock_timestamp(), state = n.state, error_code = coalesce(n.code, d.error_code),
    provider_id = coalesce(d.provider_id, n.provider_id), accepted_at = coalesce(d.accepted_at, clock_timestamp()),
    delivered_at = CASE WHEN n.state = 'delivered' THEN coalesce(d.delivered_at, clock_timestamp()) ELSE d.delivered_at END
FROM best n
WHERE d.id = n.delivery_id AND coalesce(d.provider_id, n.provider_id) IS NOT NULL
  AND (CAST(:before AS jsonb) -> n.state) @> to_jsonb(CAST(d.state AS text))
"""  # noqa: S608 - our own words

MOVE_ATTEMPTS = f"""
UPDATE attempt a SET state = n.state, evidence = :evidence, resolved_at = clock_timestamp(), raw_status = n.raw_status,
    error_code = coalesce(n.code, a.error_code), provider_id = coalesce(a.provider_id, n.provider_id)
FROM {_NEWS} WHERE a.id = n.attempt_id AND (CAST(:before AS jsonb) -> n.state) @> to_jsonb(CAST(a.state AS text))
"""  # noqa: S608 - our own words

EXPIRE = """
WITH late AS (
    SELECT a.id, a.delivery_id FROM attempt a WHERE a.state = 'sending' AND a.lease_until < clock_timestamp()
    ORDER BY a.delivery_id LIMIT 5000
), held AS (
    SELECT d.id FROM delivery d WHERE d.id IN (SELECT delivery_id FROM late) ORDER BY d.id FOR UPDATE
), given_up AS (
    UPDATE attempt a SET state = 'unknown', evidence = 'lease_expired', resolved_at = clock_timestamp()
    FROM late, held WHERE a.id = late.id AND held.id = a.delivery_id AND a.state = 'sending' RETURNING a.delivery_id
)
UPDATE delivery d SET state = 'unknown', state_at = clock_timestamp()
FROM given_up WHERE d.id = given_up.delivery_id AND d.state = 'sending' RETURNING d.id
"""

# Whoever was tried longest ago comes first, so that what cannot be looked up keeps nobody else waiting.
DUE_FOR_LOOK_UP = """
WITH due AS (
    UPDATE attempt SET look_up_tried_at = clock_timestamp() WHERE id IN (
        SELECT id FROM attempt WHERE state = 'unknown' AND channel = 'sms'
          AND intent_at < clock_timestamp() - make_interval(secs => :after)
          AND (look_up_tried_at IS NULL OR look_up_tried_at < clock_timestamp() - make_interval(secs => :after))
        ORDER BY look_up_tried_at NULLS FIRST, intent_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id, delivery_id, intent_at
)
SELECT a.id AS attempt_id, a.intent_at, d.broadcast_id, b.status, m.id AS member_id, m.language, m.number_country,
    m.link_generation, m.phone_id, m.device_id, p.e164_enc
FROM due a JOIN delivery d ON d.id = a.delivery_id JOIN audience_member m ON m.id = d.member_id
JOIN phone p ON p.id = m.phone_id JOIN broadcast b ON b.id = d.broadcast_id
ORDER BY a.intent_at
"""

IS_TAKEN = "SELECT 1 FROM attempt WHERE provider_id = :provider AND id <> :attempt LIMIT 1"

MARK_ANSWERED = """
WITH answered AS (
    SELECT d.id FROM unnest(CAST(:citizens AS uuid[]), CAST(:incidents AS uuid[])) AS c(citizen_id, incident_id)
    JOIN audience_member m ON m.citizen_id = c.citizen_id
    JOIN broadcast b ON b.id = m.broadcast_id AND b.incident_id = c.incident_id
    JOIN delivery d ON d.member_id = m.id
    WHERE d.answered_at IS NULL AND d.state NOT IN ('queued', 'cancelled', 'expired', 'opted_out') ORDER BY d.id FOR UPDATE OF d
)
UPDATE delivery SET answered_at = clock_timestamp() FROM answered WHERE delivery.id = answered.id
"""
