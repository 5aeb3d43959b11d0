"""How one batch is sent: claim, commit the intent, hand over, record. The order is the promise.

The *intent* (state `sending`, an attempt id, this generation, a lease by the database's clock) is committed
before anything leaves. A worker that dies in between leaves attempts of which nobody can say more than
`unknown`; a worker that slept past its lease finds that its generation is stale and can write nothing, and
by its own clock it begins nothing more. No transaction is open while the carrier is spoken to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.ports import Verdict
from alerts.citizens.actions import record_opt_out, retire_device
from alerts.citizens.rules import OptSource
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.messages import Messages
from alerts.deliveries.rules import Outcome, State, backoff_seconds
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import publish
from alerts.settings import Settings

log = structlog.get_logger()
T = TypeVar("T")
DEADLOCK = "40P01"
TRIES_AFTER_DEADLOCK = 5
DEAD_SHARE_MAX = 0.05


@dataclass(frozen=True)
class Claim:
    """A batch that is ours until its lease ends or another generation begins."""

    batch_id: int
    broadcast_id: UUID
    incident_id: UUID
    generation: int
    status: Status


@dataclass(frozen=True)
class Intent:
    """One committed attempt, with what is needed to write its message."""

    attempt_id: UUID
    delivery_id: int
    number: int
    channel: Channel
    row: dict[str, Any]


def send_batch(settings: Settings, sessions: Sessions, carriers: Carriers, *, batch_id: int, owner: str) -> bool:
    """Send what is due of one batch. False while another worker holds it: then it must be asked for again."""
    delivery = settings.delivery
    with begin(sessions) as session:
        claim = claim_batch(session, batch_id, owner=owner, lease_seconds=delivery.lease_seconds)
        if claim is None:
            return not is_held(session, batch_id)
        messages = Messages.load(session, settings, claim.broadcast_id)
    while True:
        began = time.monotonic()
        with begin(sessions) as session:
            intents = commit_intents(session, claim, limit=window_size(settings), lease_seconds=delivery.lease_seconds)
        if not intents:
            break
        answers = hand_over(carriers, claim.status, messages, intents, until=began + delivery.lease_seconds / 2)
        _retry(partial(record, sessions, claim, answers, settings))
    with begin(sessions) as session:
        finish_batch(session, claim)
    return True


def hand_over(
    carriers: Carriers, status: Status, messages: Messages, intents: Sequence[Intent], *, until: float
) -> list[tuple[Intent, Outcome]]:
    """Write and hand over one window. A row that cannot be written fails alone."""
    written = [messages.try_write(intent.row, attempt_id=intent.attempt_id, channel=intent.channel) for intent in intents]
    outcomes = iter(carriers.send_all(status, [message for message in written if message is not None], until=until))
    return [
        (intent, CANNOT_BE_WRITTEN if message is None else next(outcomes) or NOT_BEGUN)
        for intent, message in zip(intents, written, strict=True)
    ]


def window_size(settings: Settings) -> int:
    """How many intents are committed at once: never more than leaves within a second, so that a cancel is quick."""
    rate = settings.delivery.rate_per_second
    return min(settings.delivery.window_size, max(1, int(rate))) if rate else settings.delivery.window_size


def claim_batch(session: Session, batch_id: int, *, owner: str, lease_seconds: float) -> Claim | None:
    """Take a batch that nobody holds, raise its generation, and turn the intents of a dead owner into `unknown`."""
    row = session.execute(text(CLAIM), {"batch": batch_id, "owner": owner, "lease": lease_seconds}).mappings().first()
    if row is None:
        return None
    claim = Claim(row["id"], row["broadcast_id"], row["incident_id"], row["generation"], Status(row["status"]))
    session.execute(text(EXPIRE_OLDER), {"batch": batch_id, "generation": claim.generation})
    session.execute(text(UNKNOWN_DELIVERIES), {"batch": batch_id})
    return claim


def is_held(session: Session, batch_id: int) -> bool:
    """Whether somebody has claimed the batch (whose lease may yet run out)."""
    return session.execute(text("SELECT state = 'claimed' FROM delivery_batch WHERE id = :id"), {"id": batch_id}).scalar() is True


def commit_intents(session: Session, claim: Claim, *, limit: int, lease_seconds: float) -> list[Intent]:
    """Write down what is about to be handed over. Nothing, when the claim is stale, the message cancelled or too old."""
    values = {"batch": claim.batch_id, "generation": claim.generation, "lease": lease_seconds, "limit": limit}
    if session.execute(text(HOLD), values).first() is None:
        return []
    if not session.execute(text(MAY_SEND), {"broadcast": claim.broadcast_id}).scalar_one():
        session.execute(text(STOP_QUEUED), {"batch": claim.batch_id})
        return []
    session.execute(text(LEAVE_OUT), {"batch": claim.batch_id})
    rows = session.execute(text(INTEND), values).mappings()
    return [_intent(dict(row)) for row in rows]


def record(sessions: Sessions, claim: Claim, answers: Sequence[tuple[Intent, Outcome]], settings: Settings) -> int:
    """Write a window's answers in bulk: only where the attempt still waits for one and the generation is ours."""
    with begin(sessions) as session:
        held = session.execute(text(STILL_OURS), {"batch": claim.batch_id, "generation": claim.generation}).first()
        if held is None:
            return 0
        values = _columns(answers, settings)
        session.execute(text(LOCK_DELIVERIES), {"deliveries": values["deliveries"]})
        session.execute(text(RECORD_ATTEMPTS), {**values, "generation": claim.generation})
        remember(session, answers)
        return session.execute(text(RECORD_DELIVERIES), values).rowcount  # type: ignore[attr-defined,no-any-return]


def remember(session: Session, answers: Sequence[tuple[Intent, Outcome]]) -> None:
    """What a refusal says of the person or device goes into the register: an opt-out at the carrier, an app that is gone.

    Many dead devices at once are more likely our own fault than everybody's: then nothing is pruned, and it is said.
    """
    for intent, outcome in answers:
        if outcome.verdict is Verdict.OPTED_OUT:
            record_opt_out(session, citizen_id=intent.row["citizen_id"], source=OptSource.CARRIER)
    dead = [intent.row["device_id"] for intent, outcome in answers if outcome.verdict is Verdict.DEAD_TOKEN]
    if len(dead) > max(1, len(answers) * DEAD_SHARE_MAX):
        log.error("push.dead_tokens_in_bulk", dead=len(dead), of=len(answers))
        return
    for device_id in dead:
        retire_device(session, device_id)


def finish_batch(session: Session, claim: Claim) -> None:
    """Give the batch back: done, or waiting for the next time that something in it is due."""
    session.execute(text(FINISH), {"batch": claim.batch_id, "generation": claim.generation})
    publish(session, "delivery.progress", broadcast_id=claim.broadcast_id, incident_id=claim.incident_id)


def _intent(row: dict[str, Any]) -> Intent:
    return Intent(row["attempt_id"], row["delivery_id"], row["number"], Channel(row["channel"]), row)


def _columns(pairs: Sequence[tuple[Intent, Outcome]], settings: Settings) -> dict[str, list[Any]]:
    """The answers by column, for `unnest`. An attempt that surely sent nothing failed; its delivery is queued again."""
    final = [outcome for _, outcome in pairs]
    return {
        "attempts": [intent.attempt_id for intent, _ in pairs],
        "deliveries": [intent.delivery_id for intent, _ in pairs],
        "states": [outcome.state.value for outcome in final],
        "attempt_states": [State.FAILED.value if o.state in NOT_SENT else o.state.value for o in final],
        "providers": [outcome.provider_id for outcome in final],
        "raws": [outcome.raw_status for outcome in final],
        "codes": [outcome.code for outcome in final],
        "waits": [_wait(intent, outcome, settings) for intent, outcome in pairs],
    }


NOT_SENT = frozenset({State.QUEUED, State.OPTED_OUT})
CANNOT_BE_WRITTEN = Outcome(State.FAILED, code="cannot_be_written")
NOT_BEGUN = Outcome(State.QUEUED, code="not_begun", retry_after=0.1)
"""Time ran out before this one was begun. While the batch is still ours that is knowledge, not doubt: it goes back to the queue."""


def _wait(intent: Intent, outcome: Outcome, settings: Settings) -> float | None:
    """Seconds until the next try of what surely was not sent. The validity period ends it, not a number of tries."""
    if outcome.state is not State.QUEUED:
        return None
    return outcome.retry_after or backoff_seconds(intent.number, base=settings.delivery.retry_seconds)


def _retry(work: Callable[[], T]) -> T:
    """Receipts and records may deadlock although both sort: the loser simply goes again."""
    for _ in range(TRIES_AFTER_DEADLOCK):
        try:
            return work()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != DEADLOCK:
                raise
            log.info("record.deadlock")
    return work()


CLAIM = """
UPDATE delivery_batch b SET state = 'claimed', generation = generation + 1, owner = :owner,
    lease_until = clock_timestamp() + make_interval(secs => :lease)
FROM broadcast m
WHERE b.id = :batch AND m.id = b.broadcast_id
  AND (b.state = 'waiting' AND b.due_at <= clock_timestamp() OR b.state = 'claimed' AND b.lease_until < clock_timestamp())
RETURNING b.id, b.broadcast_id, m.incident_id, b.generation, m.status
"""

EXPIRE_OLDER = """
UPDATE attempt SET state = 'unknown', evidence = 'lease_expired', resolved_at = clock_timestamp()
WHERE batch_id = :batch AND generation < :generation AND state = 'sending'
"""

UNKNOWN_DELIVERIES = """
UPDATE delivery d SET state = 'unknown', state_at = clock_timestamp()
WHERE d.batch_id = :batch AND d.state = 'sending'
  AND NOT EXISTS (SELECT FROM attempt a WHERE a.delivery_id = d.id AND a.state = 'sending')
"""

HOLD = """
UPDATE delivery_batch SET lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :batch AND generation = :generation AND state = 'claimed' AND lease_until > clock_timestamp()
RETURNING id
"""

STILL_OURS = "SELECT id FROM delivery_batch WHERE id = :batch AND generation = :generation AND state = 'claimed' FOR SHARE"

# FOR SHARE: a cancel that committed first is seen; one that comes later waits for this intent to be written down.
MAY_SEND = """
SELECT state = 'approved' AND clock_timestamp() < approved_at + make_interval(secs => validity_seconds)
FROM broadcast WHERE id = :broadcast FOR SHARE
"""

STOP_QUEUED = """
UPDATE delivery d SET state_at = clock_timestamp(),
    state = CASE WHEN m.state = 'approved' THEN 'expired' ELSE 'cancelled' END
FROM broadcast m WHERE m.id = d.broadcast_id AND d.batch_id = :batch AND d.state = 'queued'
"""

# Opt-out, death and merge may have come after the list was frozen.
LEAVE_OUT = """
UPDATE delivery d SET state_at = clock_timestamp(),
    state = CASE WHEN c.opted_out_at IS NOT NULL THEN 'opted_out' ELSE 'cancelled' END
FROM audience_member m JOIN citizen c ON c.id = m.citizen_id
WHERE d.batch_id = :batch AND d.state = 'queued' AND m.id = d.member_id
  AND (c.opted_out_at IS NOT NULL OR c.died_at IS NOT NULL OR c.merged_into IS NOT NULL)
"""

INTEND = """
WITH picked AS (
    SELECT id FROM delivery
    WHERE batch_id = :batch AND state = 'queued' AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())
    ORDER BY id LIMIT :limit FOR UPDATE
), moved AS (
    UPDATE delivery d SET state = 'sending', attempts = attempts + 1, state_at = clock_timestamp()
    FROM picked WHERE d.id = picked.id AND d.state = 'queued'
    RETURNING d.id, d.member_id, d.attempts, d.channel
), written AS (
    INSERT INTO attempt (delivery_id, batch_id, generation, number, channel, state, lease_until)
    SELECT id, :batch, :generation, attempts, channel, 'sending', clock_timestamp() + make_interval(secs => :lease) FROM moved
    RETURNING id, delivery_id, number, channel
)
SELECT w.id AS attempt_id, w.delivery_id, w.number, w.channel, m.id AS member_id, m.citizen_id, m.language, m.number_country,
    m.link_generation, m.phone_id, m.device_id, p.e164_enc, v.token_enc
FROM written w JOIN moved ON moved.id = w.delivery_id JOIN audience_member m ON m.id = moved.member_id
LEFT JOIN phone p ON p.id = m.phone_id LEFT JOIN device v ON v.id = m.device_id
ORDER BY w.delivery_id
"""

LOCK_DELIVERIES = "SELECT id FROM delivery WHERE id = ANY(:deliveries) ORDER BY id FOR UPDATE"

_OUTCOMES = """
unnest(CAST(:attempts AS uuid[]), CAST(:deliveries AS bigint[]), CAST(:states AS text[]), CAST(:attempt_states AS text[]),
    CAST(:providers AS text[]), CAST(:raws AS text[]), CAST(:codes AS text[]), CAST(:waits AS float8[]))
    AS o(attempt_id, delivery_id, state, attempt_state, provider_id, raw_status, code, wait)
"""

RECORD_ATTEMPTS = f"""
UPDATE attempt a SET state = o.attempt_state, evidence = 'answer', resolved_at = clock_timestamp(),
    provider_id = coalesce(a.provider_id, o.provider_id), raw_status = o.raw_status, error_code = o.code
FROM {_OUTCOMES} WHERE a.id = o.attempt_id AND a.generation = :generation AND a.state = 'sending'
"""  # noqa: S608 - our own words

RECORD_DELIVERIES = f"""
UPDATE delivery d SET state = o.state, state_at = clock_timestamp(), error_code = o.code,
    provider_id = coalesce(d.provider_id, o.provider_id),
    accepted_at = CASE WHEN o.provider_id IS NULL THEN d.accepted_at ELSE coalesce(d.accepted_at, clock_timestamp()) END,
    next_attempt_at = CASE WHEN o.wait IS NULL THEN NULL ELSE clock_timestamp() + make_interval(secs => o.wait) END
FROM {_OUTCOMES} WHERE d.id = o.delivery_id AND d.state = 'sending'
"""  # noqa: S608 - our own words

FINISH = """
UPDATE delivery_batch b SET lease_until = NULL, owner = NULL,
    state = CASE WHEN q.due_at IS NULL THEN 'done' ELSE 'waiting' END, due_at = coalesce(q.due_at, b.due_at)
FROM (SELECT min(coalesce(next_attempt_at, clock_timestamp())) AS due_at FROM delivery
      WHERE batch_id = :batch AND state = 'queued') q
WHERE b.id = :batch AND b.generation = :generation AND b.state = 'claimed'
"""
