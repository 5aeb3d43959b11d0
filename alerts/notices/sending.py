"""How messages to staff are sent: commit the intent with its lease, hand over, record. No transaction is open meanwhile.

A worker that dies in between leaves `sending` rows, which become `unknown` when their lease ends, and stay so unless the
carrier says more: nothing is repeated. What repeats is the page, by its next round. A worker that slept past its lease
begins nothing more and writes nothing: its rows are no longer `sending`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.ports import Message, ReportedState, Verdict
from alerts.channels.rule_book import RuleBook
from alerts.country_rules.queries import load_book
from alerts.kit.db import Sessions, begin, rows_of
from alerts.notices.contacts import retire_contact
from alerts.notices.hushing import hush_queued
from alerts.notices.messages import Writer
from alerts.notices.rules import State, backoff_seconds, states_before
from alerts.settings import Settings

WINDOW = 32
AT_ONCE = 16
NO_SENDER = "no_sender_configured"


class Answer(Protocol):
    """What handing one message over came to, in the words of delivery states; `queued`: surely not sent."""

    @property
    def state(self) -> str: ...

    @property
    def code(self) -> str | None: ...

    @property
    def provider_id(self) -> str | None: ...

    @property
    def raw_status(self) -> str | None: ...

    @property
    def retry_after(self) -> float | None: ...

    @property
    def verdict(self) -> Verdict | None: ...


class Outbound(Protocol):
    """The senders of this process, by status: those of exercises are others."""

    def send(self, status: str, channel: str, message: Message) -> Answer | None:
        """Hand one message over and wait; None where it was not begun. May be called from several threads."""
        ...


Row = dict[str, Any]


def send_due(settings: Settings, sessions: Sessions, outbound: Outbound) -> int:
    """Send what is due, window by window; the number handed over."""
    lease = settings.paging.lease_seconds
    handed_over = 0
    while True:
        began = time.monotonic()
        with begin(sessions) as session:
            rows = commit_intents(session, limit=WINDOW, lease_seconds=lease)
            book = load_book(session) if rows else RuleBook.packaged()
        if not rows:
            return handed_over
        answers = hand_over(outbound, Writer.of(settings, book), rows, until=began + lease / 2)
        with begin(sessions) as session:
            record(session, rows, answers, retry_seconds=settings.paging.retry_seconds)
        handed_over += len(rows)


def commit_intents(session: Session, *, limit: int, lease_seconds: float) -> list[Row]:
    """Write down what is about to be handed over. What is too old, or has lost its page or its address, is not sent.

    Nor is a call to a mission whose incident has become quiet since.
    """
    session.execute(text(EXPIRE))
    session.execute(text(LEAVE_OUT))
    hush_queued(session)
    return rows_of(session.execute(text(INTEND), {"limit": limit, "lease": lease_seconds}))


def hand_over(outbound: Outbound, writer: Writer, rows: Sequence[Row], *, until: float) -> list[Answer | None]:
    """All of a window at once; after `until` (monotonic seconds, well before the lease's end) nothing more is begun."""

    def one(row: Row) -> Answer | None:
        message = writer.try_write(row)
        if message is None:
            return CANNOT_BE_WRITTEN
        return outbound.send(row["status"], row["channel"], message) if time.monotonic() < until else None

    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(rows)), thread_name_prefix="notices") as pool:
        return list(pool.map(one, rows))


def record(session: Session, rows: Sequence[Row], answers: Sequence[Answer | None], *, retry_seconds: float) -> int:
    """Write a window's answers, each only where its row still waits for one; the number written. A gone device is retired."""
    written = 0
    for row, answer in sorted(zip(rows, answers, strict=True), key=lambda pair: str(pair[0]["id"])):
        values = _columns(row, answer, retry_seconds)
        written += session.execute(text(RECORD), values).rowcount  # type: ignore[attr-defined]
        if answer is not None and answer.verdict is Verdict.DEAD_TOKEN:
            retire_contact(session, row["contact_id"])
    return written


def expire_leases(session: Session) -> int:
    """Intents whose worker was not heard of in time become `unknown`; the count."""
    return int(session.execute(text(EXPIRE_LEASES)).rowcount)  # type: ignore[attr-defined]


def note_receipt(session: Session, *, notice: tuple[UUID, int], reported: ReportedState | None, provider_id: str, raw_status: str) -> bool:
    """What a carrier says of one attempt (the message and its number): states only climb. False where there is no such attempt.

    A word that we do not know (None) proves all the same that the carrier has the message.
    """
    notice_id, number = notice
    after = State(reported.value) if reported else State.ACCEPTED
    values = {"id": notice_id, "number": number, "state": after.value, "before": states_before(after)}
    session.execute(text(NOTE), values | {"provider": provider_id, "raw": raw_status})
    known = text("SELECT 1 FROM notice WHERE id = :id AND attempts >= :number AND :number > 0")
    return session.execute(known, {"id": notice_id, "number": number}).first() is not None


class _Told:
    """An answer of our own making."""

    def __init__(self, state: State, code: str) -> None:
        self.state, self.code = state, code
        self.provider_id: str | None = None
        self.raw_status: str | None = None
        self.retry_after: float | None = None
        self.verdict: Verdict | None = None


CANNOT_BE_WRITTEN = _Told(State.FAILED, "cannot_be_written")
NOT_BEGUN = _Told(State.QUEUED, "not_begun")


def _columns(row: Row, answer: Answer | None, retry_seconds: float) -> dict[str, Any]:
    """A refusal that would mend itself for the fan-out (no permission, account stopped) is final here: the page comes again."""
    told = answer or NOT_BEGUN
    is_refused = told.verdict is not None or told.code == NO_SENDER
    state = State.FAILED if is_refused or told.state not in set(State) else State(told.state)
    wait = told.retry_after if told.retry_after is not None else backoff_seconds(row["attempts"], base=retry_seconds)
    values = {"id": row["id"], "number": row["attempts"], "state": state.value, "wait": wait if state is State.QUEUED else None}
    return values | {"provider": told.provider_id, "raw": told.raw_status, "code": told.code}


EXPIRE = """
UPDATE notice SET state = 'expired', state_at = clock_timestamp()
WHERE id IN (SELECT id FROM notice WHERE state = 'queued' AND expires_at <= clock_timestamp() ORDER BY id FOR UPDATE SKIP LOCKED)
"""

LEAVE_OUT = """
UPDATE notice SET state = 'cancelled', state_at = clock_timestamp()
WHERE id IN (
    SELECT n.id FROM notice n JOIN staff_contact c ON c.id = n.contact_id JOIN staff s ON s.id = c.staff_id
    WHERE n.state = 'queued' AND (c.retired_at IS NOT NULL OR NOT s.is_active) ORDER BY n.id FOR UPDATE OF n SKIP LOCKED)
"""

# A page that stops takes its queued messages along (in `actions`): it waits for rows that are locked here, and finds them begun.
INTEND = """
WITH due AS (
    SELECT n.id FROM notice n
    WHERE n.state = 'queued' AND n.due_at <= clock_timestamp()
    ORDER BY n.due_at, n.id LIMIT :limit FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE notice n SET state = 'sending', attempts = attempts + 1, intent_at = clock_timestamp(), state_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => :lease), error_code = NULL
    FROM due WHERE n.id = due.id AND n.state = 'queued' RETURNING n.*
)
SELECT m.id, m.kind, m.attempts, m.channel, m.status, m.language, m.body, m.path, m.is_quiet, m.contact_id,
    greatest(1, extract(epoch FROM m.expires_at - clock_timestamp())::int) AS seconds_left,
    c.address_enc, c.p256dh_enc, c.auth_enc, c.number_country
FROM moved m JOIN staff_contact c ON c.id = m.contact_id ORDER BY m.id
"""

RECORD = """
UPDATE notice SET state = CAST(:state AS text), state_at = clock_timestamp(), lease_until = NULL, error_code = :code, raw_status = :raw,
    provider_id = coalesce(provider_id, CAST(:provider AS text)),
    accepted_at = CASE WHEN CAST(:state AS text) = 'accepted' THEN clock_timestamp() ELSE accepted_at END,
    due_at = CASE WHEN CAST(:wait AS float8) IS NULL THEN due_at ELSE clock_timestamp() + make_interval(secs => CAST(:wait AS float8)) END
WHERE id = :id AND attempts = :number AND state = 'sending'
"""

EXPIRE_LEASES = """
UPDATE notice SET state = 'unknown', state_at = clock_timestamp(), lease_until = NULL, error_code = 'lease_expired'
WHERE id IN (SELECT id FROM notice WHERE state = 'sending' AND lease_until < clock_timestamp() ORDER BY id FOR UPDATE SKIP LOCKED)
"""

NOTE = """
UPDATE notice SET state = CAST(:state AS text), state_at = clock_timestamp(), lease_until = NULL, raw_status = :raw,
    provider_id = coalesce(provider_id, CAST(:provider AS text)), accepted_at = coalesce(accepted_at, clock_timestamp()),
    delivered_at = CASE WHEN CAST(:state AS text) = 'delivered' THEN clock_timestamp() ELSE delivered_at END
WHERE id = :id AND attempts = :number AND state = ANY(:before)
"""
