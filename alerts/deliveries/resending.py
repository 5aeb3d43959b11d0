"""One more sending of what nobody knows of: only where the approval said so, only once, only after looking.

The delivery stays `unknown` until something is evidence; the second handing-over is an attempt of its own that names
the first (`resend_of`), so that whoever counts can tell a permitted repetition from a mistake.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.evidence import News, apply_news
from alerts.deliveries.messages import Messages
from alerts.deliveries.rules import Evidence, Outcome, State
from alerts.deliveries.sending import Intent, hand_over, remember, window_size
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, begin, rows_of
from alerts.settings import Settings


def resend_unknown(settings: Settings, sessions: Sessions, carriers: Carriers) -> int:
    """Commit the intents, hand over, record. The count of second sendings that a carrier took."""
    delivery = settings.delivery
    after = delivery.lookup_after_seconds + delivery.resend_after_seconds
    values = {"after": after, "lease": delivery.lease_seconds, "limit": window_size(settings)}
    began = time.monotonic()
    with begin(sessions) as session:
        rows = rows_of(session.execute(text(INTEND_AGAIN), values))
        messages = {row["broadcast_id"]: Messages.load(session, settings, row["broadcast_id"]) for row in rows}
    by_broadcast: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_broadcast[row["broadcast_id"]].append(row)
    taken = 0
    for broadcast_id, group in by_broadcast.items():
        intents = [Intent(row["attempt_id"], row["delivery_id"], row["number"], Channel(row["channel"]), row) for row in group]
        status, until = Status(group[0]["status"]), began + delivery.lease_seconds / 2
        answers = hand_over(carriers, status, messages[broadcast_id], intents, until=until)
        with begin(sessions) as session:
            taken += _record(session, answers)
    return taken


def _record(session: Session, answers: Sequence[tuple[Intent, Outcome]]) -> int:
    """An acceptance moves the delivery; any other answer leaves it unknown: the first sending may still have arrived."""
    remember(session, answers)
    accepted = [
        News(intent.attempt_id, State.ACCEPTED, outcome.provider_id, outcome.raw_status or "", None)
        for intent, outcome in answers
        if outcome.state is State.ACCEPTED
    ]
    apply_news(session, accepted, Evidence.ANSWER)
    for intent, outcome in answers:
        if outcome.state is not State.ACCEPTED:
            state = State.UNKNOWN if outcome.state is State.UNKNOWN else State.FAILED
            session.execute(text(NOT_TAKEN), {"attempt": intent.attempt_id, "state": state.value, "code": outcome.code})
    return len(accepted)


INTEND_AGAIN = """
WITH due AS (
    SELECT d.id, d.attempts, d.broadcast_id, d.member_id, a.id AS attempt_id, a.batch_id, a.generation, a.channel, b.status
    FROM delivery d JOIN attempt a ON a.delivery_id = d.id AND a.state = 'unknown' AND a.resend_of IS NULL
    JOIN broadcast b ON b.id = d.broadcast_id JOIN audience_member m ON m.id = d.member_id JOIN citizen c ON c.id = m.citizen_id
    WHERE d.state = 'unknown' AND b.state = 'approved' AND b.resend_unknown = 'once'
      AND clock_timestamp() < b.approved_at + make_interval(secs => b.validity_seconds)
      AND a.intent_at < clock_timestamp() - make_interval(secs => :after)
      AND (a.channel <> 'sms' OR a.looked_up_at IS NOT NULL)
      AND c.opted_out_at IS NULL AND c.died_at IS NULL AND c.merged_into IS NULL
      AND d.answered_at IS NULL
      AND NOT EXISTS (SELECT FROM attempt r WHERE r.resend_of = a.id AND (r.state <> 'failed' OR r.error_code <> 'not_begun'))
      AND NOT EXISTS (SELECT FROM broadcast k WHERE b.id = ANY (k."references") AND k.released_at IS NOT NULL)
    ORDER BY d.id LIMIT :limit FOR UPDATE OF d SKIP LOCKED FOR SHARE OF b
), counted AS (
    UPDATE delivery d SET attempts = d.attempts + 1 FROM due WHERE d.id = due.id RETURNING d.id, d.attempts
), written AS (
    INSERT INTO attempt (delivery_id, batch_id, generation, number, channel, state, resend_of, lease_until)
    SELECT due.id, due.batch_id, due.generation, counted.attempts, due.channel, 'sending', due.attempt_id,
        clock_timestamp() + make_interval(secs => :lease)
    FROM due JOIN counted ON counted.id = due.id RETURNING id, delivery_id, number, channel
)
SELECT w.id AS attempt_id, w.delivery_id, w.number, w.channel, due.broadcast_id, due.status, m.id AS member_id, m.citizen_id,
    m.language, m.number_country,
    m.link_generation, m.phone_id, m.device_id, p.e164_enc, v.token_enc
FROM written w JOIN due ON due.id = w.delivery_id JOIN audience_member m ON m.id = due.member_id
LEFT JOIN phone p ON p.id = m.phone_id LEFT JOIN device v ON v.id = m.device_id
ORDER BY w.delivery_id
"""

NOT_TAKEN = """
UPDATE attempt SET state = :state, evidence = 'answer', resolved_at = clock_timestamp(), error_code = :code
WHERE id = :attempt AND state = 'sending'
"""
