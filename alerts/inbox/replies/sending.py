"""How a reply is sent: commit the intent with its lease, hand over, record. No transaction is open meanwhile.

A worker that dies in between leaves `sending`, which becomes `unknown` when its lease ends and is never sent again.
"""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.ports import SmsMessage, WhatsAppReply
from alerts.citizens.queries import open_e164
from alerts.inbox.replies.rules import VALIDITY_SECONDS, ReplyState
from alerts.inbox.rules import WayIn
from alerts.kit.crypto import UndecipherableError
from alerts.kit.db import Sessions, begin, rows_of
from alerts.kit.ids import callback_token
from alerts.notices.sending import Answer, Outbound
from alerts.settings import Settings

WINDOW = 16
HOOK = "/hooks/replies/status"
Row = dict[str, Any]
log = structlog.get_logger()


def send_replies(settings: Settings, sessions: Sessions, outbound: Outbound) -> int:
    """Send what is due, window by window; how many were handed over."""
    lease, handed_over = settings.paging.lease_seconds, 0
    while True:
        until = time.monotonic() + lease / 2
        with begin(sessions) as session:
            rows = commit_intents(session, lease_seconds=lease)
        if not rows:
            return handed_over
        answers = [_hand_over(settings, outbound, row, until=until) for row in rows]
        with begin(sessions) as session:
            for row, answer in zip(rows, answers, strict=True):
                record(session, row, answer, retry_seconds=settings.paging.retry_seconds)
        handed_over += len(rows)


def commit_intents(session: Session, *, lease_seconds: float) -> list[Row]:
    """Write down what is about to leave. What is not true any more, or is not wanted any more, does not leave."""
    session.execute(text(GIVE_UP))
    session.execute(text(LEAVE_OUT), {"validity": VALIDITY_SECONDS})
    return rows_of(session.execute(text(INTEND), {"limit": WINDOW, "lease": lease_seconds}))


def record(session: Session, row: Row, answer: Answer | None, *, retry_seconds: float) -> None:
    """Write what the carrier said, only where the row still waits for it. Nothing said, and nothing begun: again later."""
    state = ReplyState(answer.state) if answer is not None and answer.state in set(ReplyState) else ReplyState.FAILED
    is_final = answer is not None and (answer.verdict is not None or answer.code == "no_sender_configured")
    if answer is None:
        state = ReplyState.QUEUED
    elif is_final:
        state = ReplyState.FAILED
    wait = (answer.retry_after if answer else None) or retry_seconds
    values = {"id": row["id"], "number": row["attempts"], "state": state.value, "wait": wait}
    values |= {"provider": answer.provider_id if answer else None, "code": answer.code if answer else "not_begun"}
    session.execute(text(RECORD), values)


def attempt_of(row_id: UUID, number: int) -> str:
    """The name that goes out and comes back in the carrier's report."""
    return f"reply-{row_id}-{number}"


def parse_attempt(name: str) -> tuple[UUID, int] | None:
    """The reply and the attempt's number, or None for a name that is not ours."""
    head, _, number = name.rpartition("-")
    if not head.startswith("reply-") or not number.isdigit():
        return None
    try:
        return UUID(head.removeprefix("reply-")), int(number)
    except ValueError:
        return None


def _hand_over(settings: Settings, outbound: Outbound, row: Row, *, until: float) -> Answer | None:
    if time.monotonic() >= until:
        return None
    attempt = attempt_of(row["id"], row["attempts"])
    try:
        number = open_e164(settings.keyring, row["phone_id"], row["e164_enc"])
    except UndecipherableError:
        log.error("reply.cannot_be_written", reply=str(row["id"]))  # noqa: TRY400 - a trace would show the field
        return CANNOT_BE_WRITTEN
    token = callback_token(settings.keyring.callback, attempt)
    callback = f"{settings.public_url.rstrip('/')}{HOOK}/{token}"
    words = {"text": row["body"], "status_callback": callback, "validity_seconds": VALIDITY_SECONDS}
    kind = WhatsAppReply if row["way"] == WayIn.WHATSAPP else SmsMessage
    return outbound.send(row["status"], row["way"], kind(attempt_id=attempt, to_e164=number, **words))


class _Told:
    """An answer of our own making: what cannot be read cannot be sent."""

    state, code = ReplyState.FAILED.value, "cannot_be_written"
    provider_id = raw_status = retry_after = verdict = None


CANNOT_BE_WRITTEN: Answer = _Told()

GIVE_UP = """
UPDATE citizen_reply SET state = 'unknown', state_at = clock_timestamp(), lease_until = NULL, error_code = 'lease_expired'
WHERE id IN (SELECT id FROM citizen_reply WHERE state = 'sending' AND lease_until < clock_timestamp() ORDER BY id FOR UPDATE SKIP LOCKED)
"""

LEAVE_OUT = """
UPDATE citizen_reply SET state = 'cancelled', state_at = clock_timestamp() WHERE id IN (
    SELECT r.id FROM citizen_reply r JOIN help_case h ON h.id = r.case_id JOIN phone p ON p.id = r.phone_id
    JOIN citizen c ON c.id = p.citizen_id LEFT JOIN incident i ON i.id = h.incident_id
    WHERE r.state = 'queued' AND (h.state <> r.told OR c.opted_out_at IS NOT NULL OR p.retired_at IS NOT NULL
        OR i.is_quiet OR r.created_at < clock_timestamp() - make_interval(secs => :validity))
    ORDER BY r.id FOR UPDATE OF r SKIP LOCKED)
"""

INTEND = """
WITH due AS (
    SELECT id FROM citizen_reply WHERE state = 'queued' AND due_at <= clock_timestamp() ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE citizen_reply r SET state = 'sending', attempts = attempts + 1, intent_at = clock_timestamp(), state_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => :lease), error_code = NULL
    FROM due WHERE r.id = due.id RETURNING r.*
)
SELECT m.id, m.attempts, m.status, m.way, m.body, m.phone_id, p.e164_enc FROM moved m JOIN phone p ON p.id = m.phone_id ORDER BY m.id
"""

RECORD = """
UPDATE citizen_reply SET state = CAST(:state AS text), state_at = clock_timestamp(), lease_until = NULL, error_code = :code,
    provider_id = coalesce(provider_id, CAST(:provider AS text)),
    due_at = CASE WHEN CAST(:state AS text) = 'queued' THEN clock_timestamp() + make_interval(secs => :wait) ELSE due_at END
WHERE id = :id AND attempts = :number AND state = 'sending'
"""
