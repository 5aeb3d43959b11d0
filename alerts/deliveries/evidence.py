"""What becomes known after the handing-over: receipts, look-ups, answers, expired leases. States only climb."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.answers import twilio_state
from alerts.channels.ports import LOOK_BACK, Transient
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.messages import Messages
from alerts.deliveries.rules import REPORTED, Evidence, State, states_before
from alerts.deliveries.sending import sms_message
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, begin, rows_of
from alerts.settings import Settings

log = structlog.get_logger()
UNKNOWN_WORDS = Counter("siaga_receipt_unknown_words_total", "receipts whose word for the state we do not know")
LOOK_UP_AT_ONCE = 100


@dataclass(frozen=True)
class News:
    """What a carrier said of one attempt, by callback or when asked."""

    state: State
    evidence: Evidence
    provider_id: str | None
    raw_status: str
    error_code: str | None


def record_receipt(session: Session, *, attempt_id: UUID, raw_status: str, provider_id: str | None, error_code: str | None) -> bool:
    """Keep a carrier's word on an attempt (once per word) and let it move the states that it may move.

    True when we know the attempt. A word that we do not know is kept, counted and moves nothing.
    """
    values = {"attempt": attempt_id, "raw": raw_status, "provider": provider_id, "code": error_code}
    known = session.execute(text(LOCK_DELIVERY), values).mappings().first()
    if known is None:
        return False
    if session.execute(text(KEEP_RECEIPT), values).first() is None:
        return True
    reported = twilio_state(raw_status)
    if reported is None:
        UNKNOWN_WORDS.inc()
        log.warning("receipt.unknown_word", attempt=str(attempt_id))
        return True
    news = News(REPORTED[reported], Evidence.CALLBACK, provider_id, raw_status, error_code)
    _move(session, attempt_id, news)
    return True


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
        message = sms_message(messages[row["broadcast_id"]].write(row, attempt_id=row["attempt_id"], channel=Channel.SMS))
        if message is None:
            continue
        try:
            found = carriers.find(Status(row["status"]), message, created_after=row["intent_at"] - LOOK_BACK)
        except Transient as error:
            log.info("look_up.later", code=error.code)
            continue
        with begin(sessions) as session:
            known += _settle(session, row["attempt_id"], found)
    return known


def mark_answered(session: Session, *, citizen_id: UUID, incident_id: UUID, at: datetime | None) -> int:
    """A person answered: the fact is kept on every delivery of theirs in this incident. The count."""
    values = {"citizen": citizen_id, "incident": incident_id, "at": at}
    return session.execute(text(MARK_ANSWERED), values).rowcount  # type: ignore[attr-defined,no-any-return]


def _settle(session: Session, attempt_id: UUID, found: Any) -> int:
    """Take the newest listed message that no other attempt of ours already has."""
    session.execute(text("UPDATE attempt SET looked_up_at = clock_timestamp() WHERE id = :attempt"), {"attempt": attempt_id})
    for message in found:
        taken = session.execute(text(IS_TAKEN), {"provider": message.provider_id, "attempt": attempt_id}).first()
        reported = twilio_state(message.raw_status)
        if taken is None and reported is not None:
            session.execute(text(LOCK_DELIVERY), {"attempt": attempt_id})
            news = News(REPORTED[reported], Evidence.LOOKUP, message.provider_id, message.raw_status, message.error_code)
            _move(session, attempt_id, news)
            return 1
    return 0


def _due_for_look_up(session: Session, after_seconds: float) -> list[dict[str, Any]]:
    return rows_of(session.execute(text(DUE_FOR_LOOK_UP), {"after": after_seconds, "limit": LOOK_UP_AT_ONCE}))


def _move(session: Session, attempt_id: UUID, news: News) -> None:
    """Move attempt and delivery to a state that the table allows from where they stand; otherwise nothing moves."""
    values = {
        "attempt": attempt_id,
        "state": news.state.value,
        "before": [before.value for before in states_before(news.state) if before is not State.QUEUED],
        "evidence": news.evidence.value,
        "provider": news.provider_id,
        "raw": news.raw_status,
        "code": news.error_code if news.state in {State.UNDELIVERED, State.FAILED} else None,
    }
    session.execute(text(MOVE_DELIVERY), values)
    session.execute(text(MOVE_ATTEMPT), values)


# Deliveries are locked before attempts, everywhere: the sender's record takes them in the same order.
LOCK_DELIVERY = """
SELECT d.id FROM delivery d JOIN attempt a ON a.delivery_id = d.id WHERE a.id = :attempt FOR UPDATE OF d
"""

KEEP_RECEIPT = """
INSERT INTO receipt (attempt_id, raw_status, provider_id, error_code) VALUES (:attempt, :raw, :provider, :code)
ON CONFLICT DO NOTHING RETURNING attempt_id
"""

# An acceptance is proven by a provider id; a callback may come before our own record of the answer.
MOVE_DELIVERY = """
UPDATE delivery d SET state_at = clock_timestamp(), state = CAST(:state AS text), error_code = coalesce(CAST(:code AS text), d.error_code),
    provider_id = coalesce(d.provider_id, CAST(:provider AS text)), accepted_at = coalesce(d.accepted_at, clock_timestamp()),
    delivered_at = CASE WHEN CAST(:state AS text) = 'delivered' THEN coalesce(d.delivered_at, clock_timestamp()) ELSE d.delivered_at END
FROM attempt a WHERE a.id = :attempt AND d.id = a.delivery_id AND d.state = ANY(CAST(:before AS text[]))
"""

MOVE_ATTEMPT = """
UPDATE attempt SET state = CAST(:state AS text), evidence = :evidence, resolved_at = clock_timestamp(), raw_status = :raw,
    error_code = coalesce(CAST(:code AS text), error_code), provider_id = coalesce(provider_id, CAST(:provider AS text))
WHERE id = :attempt AND state = ANY(CAST(:before AS text[]))
"""

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

DUE_FOR_LOOK_UP = """
SELECT a.id AS attempt_id, a.intent_at, d.broadcast_id, b.status, m.id AS member_id, m.language, m.number_country,
    m.link_generation, m.phone_id, m.device_id, p.e164_enc
FROM attempt a JOIN delivery d ON d.id = a.delivery_id JOIN audience_member m ON m.id = d.member_id
JOIN phone p ON p.id = m.phone_id JOIN broadcast b ON b.id = d.broadcast_id
WHERE a.state = 'unknown' AND a.channel = 'sms' AND a.intent_at < clock_timestamp() - make_interval(secs => :after)
  AND (a.looked_up_at IS NULL OR a.looked_up_at < clock_timestamp() - make_interval(secs => :after))
ORDER BY a.looked_up_at NULLS FIRST, a.intent_at LIMIT :limit
"""

IS_TAKEN = "SELECT 1 FROM attempt WHERE provider_id = :provider AND id <> :attempt LIMIT 1"

MARK_ANSWERED = """
UPDATE delivery d SET answered_at = coalesce(:at, clock_timestamp())
FROM audience_member m JOIN broadcast b ON b.id = m.broadcast_id
WHERE m.citizen_id = :citizen AND b.incident_id = :incident AND d.member_id = m.id AND d.answered_at IS NULL
  AND d.accepted_at IS NOT NULL
"""
