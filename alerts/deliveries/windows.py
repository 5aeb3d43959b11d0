"""Claims and windows: the statements that make a handing-over safe. Each is one round trip.

A *window* is committed before anything of it leaves: deliveries, attempt numbers, this generation, a lease by the
database's clock. A worker that dies in between leaves a window of which nobody can say more than `unknown`; a worker
that slept past its lease finds its window closed or its generation stale, and can write nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.deliveries.messages import Row
from alerts.deliveries.rules import Evidence, Outcome, State
from alerts.incidents.rules import Status
from alerts.kit.db import array_of

EXPIRE_AT_ONCE = 200


@dataclass(frozen=True)
class Claim:
    """A batch that is ours until its lease ends or another generation begins. `only_sender`: of a round trip, the one it tries.

    `is_overtaken`: its people may have a later step, and have answered that. `reminds_of`: of a reminder, what it goes after;
    whoever answered that needs none. `resting`: closed senders, and in how many seconds each may be tried; `was_stopped`: see pruning.
    """

    batch_id: int
    broadcast_id: UUID
    incident_id: UUID
    generation: int
    status: Status
    channel: Channel
    number_country: str
    step: int
    only_sender: str | None = None
    is_overtaken: bool = False
    reminds_of: Sequence[UUID] | None = None
    resting: Mapping[str, float] | None = None
    was_stopped: bool = False


@dataclass(frozen=True)
class Window:
    """A committed intent: what is about to be handed over, in order."""

    id: int
    sender: str
    rows: Sequence[Row]


class Finished(NamedTuple):
    """How a batch was given back. `has_failures`: somebody in it was surely not reached by it, just now or earlier."""

    is_done: bool
    has_failures: bool


def claim_batch(session: Session, batch_id: int, *, owner: str, lease_seconds: float) -> Claim | None:
    """Take a batch that nobody holds, raise its generation, and close what a dead owner left open as `unknown`."""
    row = session.execute(CLAIM, {"batch": batch_id, "owner": owner, "lease": lease_seconds}).mappings().first()
    if row is None:
        return None
    _expire(session, EXPIRE_OF_BATCH, {"batch": batch_id})
    words = {"status": Status(row["status"]), "channel": Channel(row["channel"])}
    return Claim(**{**row, **words})


def find_other_batch(session: Session, lanes: Sequence[tuple[str, str]]) -> int | None:
    """A batch that is due in a lane (channel, number's country) other than these, or None."""
    values = {"channels": [channel for channel, _ in lanes], "countries": [country for _, country in lanes]}
    return session.execute(OTHER, values).scalar()


def is_held(session: Session, batch_id: int) -> bool:
    """Whether somebody has claimed the batch (whose lease may yet run out)."""
    return session.execute(text("SELECT state = 'claimed' FROM delivery_batch WHERE id = :id"), {"id": batch_id}).scalar() is True


def renew_lease(session: Session, claim: Claim, *, lease_seconds: float) -> bool:
    """Keep the batch for another lease. False when it is ours no more."""
    values = {"batch": claim.batch_id, "generation": claim.generation, "lease": lease_seconds}
    return session.execute(RENEW, values).first() is not None


def load_rows(session: Session, claim: Claim) -> list[Row]:
    """What of the batch is queued and due, with the sealed addresses, nearest to the danger first."""
    return [Row._make(row) for row in session.connection().execute(LOAD[claim.channel], {"batch": claim.batch_id})]


def open_window(session: Session, claim: Claim, rows: Sequence[Row], *, sender: str, lease_seconds: float) -> Window | None:
    """Write down that these are about to be handed over.

    None when the claim is stale, the message cancelled or too old, or nobody of these may be sent to any more: whoever
    opted out, died or was merged since the list was frozen is left out, and so are those who answered another step,
    or the message that this one only reminds of.
    """
    values = {
        "batch": claim.batch_id,
        "broadcast": claim.broadcast_id,
        "generation": claim.generation,
        "sender": sender,
        "lease": lease_seconds,
        "ids": array_of(row.delivery_id for row in rows),
        "citizens": array_of(row.citizen_id for row in rows),
    }
    statement = INTEND if claim.step == 1 and not claim.is_overtaken else INTEND_LATER_STEP
    if claim.reminds_of:
        statement, values["originals"] = INTEND_REMINDER, array_of(claim.reminds_of)
    found = session.connection().execute(statement, values).first()
    if found is None:
        return None
    by_id = {row.delivery_id: row for row in rows}
    return Window(
        found.id, sender, [by_id[delivery]._replace(number=n) for delivery, n in zip(found.deliveries, found.numbers, strict=True)]
    )


def leave_out(session: Session, claim: Claim, *, is_unserved: bool = False) -> None:
    """Give a final state to what is queued and may not be sent: the message ended, or the person asked or needs no more.

    `is_unserved`: nobody may send to this lane now, so all of it failed on this channel.
    """
    values = {"batch": claim.batch_id, "generation": claim.generation}
    session.execute(STOP_QUEUED, values)
    session.execute(LEAVE_OUT, values | {"originals": array_of(claim.reminds_of or ())})
    if is_unserved:
        session.execute(FAIL_UNSERVED, values)


def record(  # noqa: PLR0917 - a window and what became of it
    session: Session, claim: Claim, window: Window, outcomes: Sequence[Outcome], waits: Sequence[float | None]
) -> int:
    """Write a window's answers and close it, if it is still open and ours; the count of deliveries that moved."""
    values = {
        "batch": claim.batch_id,
        "generation": claim.generation,
        "window": window.id,
        "sender": window.sender,
        "channel": claim.channel.value,
        "deliveries": array_of(row.delivery_id for row in window.rows),
        "numbers": array_of(row.number for row in window.rows),
        "providers": array_of(outcome.provider_id for outcome in outcomes),
    }
    words = {outcome.raw_status for outcome in outcomes}
    if len(words) == 1 and all(outcome.state is State.ACCEPTED for outcome in outcomes):
        return int(session.connection().execute(RECORD_ACCEPTED, values | {"raw": words.pop()}).scalar_one())
    values |= {
        "states": [outcome.state.value for outcome in outcomes],
        "attempt_states": [NOT_SENT.get(outcome.state, outcome.state).value for outcome in outcomes],
        "raws": [outcome.raw_status for outcome in outcomes],
        "codes": [outcome.code for outcome in outcomes],
        "waits": list(waits),
    }
    return int(session.connection().execute(RECORD, values).scalar_one())


def expire_windows(session: Session) -> int:
    """Windows whose worker let the lease run out: nobody knows what of them was sent. The count of deliveries."""
    return _expire(session, EXPIRE_LATE, {"limit": EXPIRE_AT_ONCE})


def finish_batch(
    session: Session, claim: Claim, *, step_seconds: float, may_repeat: bool = True, wait_seconds: float = 0
) -> Finished | None:
    """Give the batch back: done, or waiting until something in it is due (no sooner than the wait). None: it is ours no more.

    With the first giving back the clock of the step begins: everybody has `step_seconds` to answer, whoever is still queued
    counts from when the batch was begun. Of a done batch nobody gets a step by the clock unless `may_repeat`.
    """
    values = {"batch": claim.batch_id, "generation": claim.generation, "wait": wait_seconds, "step": step_seconds, "repeat": may_repeat}
    row = session.execute(FINISH, values).first()
    return Finished(row.state == "done", bool(row.has_failures)) if row else None


def _expire(session: Session, which: TextClause, values: dict[str, Any]) -> int:
    windows = list(session.execute(which, values).scalars())
    if not windows:
        return 0
    return len(session.execute(EXPIRE, {"windows": windows, "evidence": Evidence.LEASE_EXPIRED.value}).all())


NOT_SENT = {State.QUEUED: State.FAILED, State.OPTED_OUT: State.FAILED}
"""An attempt that surely sent nothing failed, whatever becomes of its delivery."""

CLAIM = text("""
UPDATE delivery_batch b SET state = 'claimed', generation = b.generation + 1, owner = :owner,
    begun_at = coalesce(b.begun_at, clock_timestamp()), lease_until = clock_timestamp() + make_interval(secs => :lease)
FROM delivery_batch o CROSS JOIN LATERAL (SELECT * FROM broadcast m WHERE m.id = o.broadcast_id OFFSET 0) m
WHERE b.id = :batch AND o.id = :batch AND (b.state || '' = 'waiting' AND b.due_at <= clock_timestamp()
    OR b.state || '' = 'claimed' AND b.lease_until < clock_timestamp())
RETURNING b.id AS batch_id, b.broadcast_id, m.incident_id, b.generation, m.status, b.channel, b.number_country, b.step, m.only_sender,
    b.is_overtaken, CASE WHEN m.purpose = 'follow_up' THEN m."references" END AS reminds_of, b.held_at IS NOT NULL AS was_stopped,
    (SELECT jsonb_object_agg(sender, extract(epoch FROM until - clock_timestamp())) FROM sender_rest) AS resting
""")

OTHER = text("""
SELECT b.id FROM delivery_batch b WHERE b.state = 'waiting' AND b.due_at <= clock_timestamp() AND NOT EXISTS (
    SELECT FROM unnest(CAST(:channels AS text[]), CAST(:countries AS text[])) AS l(channel, country)
    WHERE l.channel = b.channel AND l.country = b.number_country)
ORDER BY b.due_at, b.id LIMIT 1
""")

RENEW = text("""
UPDATE delivery_batch SET lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :batch AND generation = :generation AND state = 'claimed' AND lease_until > clock_timestamp() RETURNING id
""")

SEALED = {
    Channel.SMS: ("ARRAY[a.e164_enc]", "phone"),
    Channel.WHATSAPP: ("ARRAY[a.e164_enc]", "phone"),
    Channel.VOICE: ("ARRAY[a.e164_enc]", "phone"),
    Channel.PUSH: ("ARRAY[a.token_enc]", "device"),
    Channel.WEB_PUSH: ("ARRAY[a.endpoint_enc, a.p256dh_enc, a.auth_enc]", "web_push_subscription"),
    Channel.EMAIL: ("ARRAY[a.address_enc]", "email_address"),
}
"""Per channel: the encrypted fields of an address, and the table that holds it."""

ROW = """d.id, d.attempts, d.member_id, m.citizen_id, d.address_id, m.language, d.number_country, m.link_generation"""

# The statements of the sender are planned once (STEADY_PLANS), perhaps while a table was empty that has a million rows a minute
# later. So that every plan is right for any table: LATERAL … OFFSET 0 finds rows by their keys and in no other way, as do constants;
# `id + 0` is in no index's order; `state || ''` and `coalesce(closed_at, …)` fit no partial index, which may be full of dead entries.
LOAD = {
    channel: text(f"""
SELECT {ROW}, a.sealed FROM delivery d
CROSS JOIN LATERAL (SELECT * FROM audience_member m WHERE m.id = d.member_id OFFSET 0) m
CROSS JOIN LATERAL (SELECT {fields} AS sealed FROM {table} a WHERE a.id = d.address_id OFFSET 0) a
WHERE d.batch_id = :batch AND d.state = 'queued' AND (d.next_attempt_at IS NULL OR d.next_attempt_at <= clock_timestamp())
ORDER BY d.id + 0
""")  # noqa: S608 - our own words
    for channel, (fields, table) in SEALED.items()
}

# FOR SHARE: a cancel that committed first is seen; one that comes later waits until this intent is written down.
# Nobody else takes a queued delivery of this batch: the generation is ours, and a stop looks for open windows.
_INTEND = """
WITH live AS (
    SELECT b.id FROM delivery_batch b JOIN broadcast m ON m.id = b.broadcast_id
    WHERE b.id = :batch AND b.generation = :generation AND b.state || '' = 'claimed' AND b.lease_until > clock_timestamp()
      AND m.id = :broadcast AND m.state = 'approved' AND clock_timestamp() < m.approved_at + make_interval(secs => m.validity_seconds)
    FOR SHARE OF b, m
), may AS (
    SELECT d.id, d.attempts + 1 AS number
    FROM live CROSS JOIN unnest(CAST(:ids AS bigint[]), CAST(:citizens AS uuid[])) AS r(id, citizen_id)
    CROSS JOIN LATERAL (SELECT FROM citizen c WHERE c.id = r.citizen_id
        AND c.opted_out_at IS NULL AND c.died_at IS NULL AND c.merged_into IS NULL OFFSET 0) c
    CROSS JOIN LATERAL (SELECT d.id, d.member_id, d.attempts FROM delivery d WHERE d.id = r.id AND d.state = 'queued' OFFSET 0) d
    WHERE true {further}
)
INSERT INTO send_window (batch_id, generation, sender, deliveries, numbers, lease_until)
SELECT :batch, :generation, :sender, array_agg(id ORDER BY id), array_agg(number ORDER BY id),
    clock_timestamp() + make_interval(secs => :lease)
FROM may HAVING count(*) > 0
RETURNING id, deliveries, numbers
"""
ANSWERED_ELSEWHERE = """(SELECT FROM delivery p
    WHERE p.id BETWEEN d.member_id * 64 + 1 AND d.member_id * 64 + 63 AND p.id <> d.id AND p.answered_at IS NOT NULL)"""
ANSWERED_ORIGINAL = """(SELECT FROM (SELECT id FROM audience_member o WHERE o.citizen_id = {citizen}
        AND o.broadcast_id = ANY (CAST(:originals AS uuid[])) OFFSET 0) o
    CROSS JOIN LATERAL (SELECT FROM delivery p
        WHERE p.id BETWEEN o.id * 64 + 1 AND o.id * 64 + 63 AND p.answered_at IS NOT NULL OFFSET 0) p)"""
INTEND = text(_INTEND.format(further=""))
INTEND_LATER_STEP = text(_INTEND.format(further=f"AND NOT EXISTS {ANSWERED_ELSEWHERE}"))
INTEND_REMINDER = text(
    _INTEND.format(further=f"AND NOT EXISTS {ANSWERED_ELSEWHERE} AND NOT EXISTS {ANSWERED_ORIGINAL.format(citizen='r.citizen_id')}")
)

MINE = """
EXISTS (SELECT FROM delivery_batch b WHERE b.id = :batch AND b.generation = :generation AND b.state = 'claimed')
AND NOT EXISTS (SELECT FROM send_window w WHERE w.closed_at IS NULL AND w.batch_id = :batch AND d.id = ANY (w.deliveries))
"""

STOP_QUEUED = text(f"""
UPDATE delivery d SET state_at = clock_timestamp(), state = CASE WHEN m.state = 'approved' THEN 'expired' ELSE 'cancelled' END
FROM broadcast m WHERE m.id = d.broadcast_id AND d.batch_id = :batch AND d.state = 'queued'
  AND NOT (m.state = 'approved' AND clock_timestamp() < m.approved_at + make_interval(secs => m.validity_seconds)) AND {MINE}
""")  # noqa: S608 - our own words

# Opt-out, death and merge may have come after the list was frozen; an answer ends all other steps.
LEAVE_OUT = text(f"""
UPDATE delivery d SET state_at = clock_timestamp(), state = CASE WHEN c.opted_out_at IS NOT NULL THEN 'opted_out' ELSE 'cancelled' END,
    error_code = CASE WHEN c.opted_out_at IS NOT NULL THEN 'opted_out' WHEN c.died_at IS NOT NULL THEN 'died'
        WHEN c.merged_into IS NOT NULL THEN 'merged' ELSE 'answered' END
FROM audience_member m JOIN citizen c ON c.id = m.citizen_id
WHERE d.batch_id = :batch AND d.state = 'queued' AND m.id = d.member_id
  AND (c.opted_out_at IS NOT NULL OR c.died_at IS NOT NULL OR c.merged_into IS NOT NULL OR EXISTS {ANSWERED_ELSEWHERE}
       OR EXISTS {ANSWERED_ORIGINAL.format(citizen="m.citizen_id")})
  AND {MINE}
""")  # noqa: S608

FAIL_UNSERVED = text(f"""
UPDATE delivery d SET state = 'failed', error_code = 'no_provider', state_at = clock_timestamp()
WHERE d.batch_id = :batch AND d.state = 'queued' AND {MINE}
""")  # noqa: S608

# A callback may have been quicker: what it said stays, and only what it left open is filled in.
_RECORD = """
WITH held AS (
    SELECT w.id, w.intent_at FROM send_window w JOIN delivery_batch b ON b.id = w.batch_id
    WHERE w.id = :window AND coalesce(w.closed_at, 'infinity') = 'infinity'
      AND b.id = :batch AND b.generation = :generation AND b.state || '' = 'claimed' FOR UPDATE OF w
), o AS MATERIALIZED (
    {answers}
), written AS (
    INSERT INTO attempt (delivery_id, number, window_id, channel, sender, state, evidence, intent_at, resolved_at, provider_id, raw_status,
        error_code)
    SELECT o.delivery_id, o.number, held.id, :channel, :sender, o.attempt_state, 'answer', held.intent_at, clock_timestamp(), o.provider_id,
        o.raw_status, o.code
    FROM o CROSS JOIN held
    ON CONFLICT (delivery_id, number) DO UPDATE SET window_id = excluded.window_id, sender = excluded.sender,
        intent_at = excluded.intent_at, provider_id = coalesce(attempt.provider_id, excluded.provider_id)
), closed AS (
    UPDATE send_window w SET closed_at = clock_timestamp() WHERE w.id = :window AND EXISTS (SELECT FROM held)
), moved AS (
    UPDATE delivery d SET state = o.state, attempts = o.number, state_at = clock_timestamp(), error_code = o.code,
        provider_id = coalesce(d.provider_id, o.provider_id),
        accepted_at = CASE WHEN o.provider_id IS NULL THEN d.accepted_at ELSE coalesce(d.accepted_at, clock_timestamp()) END,
        next_attempt_at = CASE WHEN o.wait IS NULL THEN NULL ELSE clock_timestamp() + make_interval(secs => o.wait) END
    FROM o CROSS JOIN held WHERE d.id = o.delivery_id AND d.id = ANY (CAST(:deliveries AS bigint[])) AND d.state = 'queued' RETURNING 1
)
SELECT count(*) FROM moved
"""
RECORD = text(
    _RECORD.format(
        answers="""
    SELECT * FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS smallint[]), CAST(:states AS text[]),
        CAST(:attempt_states AS text[]), CAST(:providers AS text[]), CAST(:raws AS text[]), CAST(:codes AS text[]),
        CAST(:waits AS float8[]))
        AS o(delivery_id, number, state, attempt_state, provider_id, raw_status, code, wait) ORDER BY delivery_id"""
    )
)
RECORD_ACCEPTED = text(
    _RECORD.format(
        answers="""
    SELECT *, 'accepted' AS state, 'accepted' AS attempt_state, CAST(:raw AS text) AS raw_status, CAST(NULL AS text) AS code,
        CAST(NULL AS float8) AS wait
    FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS smallint[]), CAST(:providers AS text[]))
        AS o(delivery_id, number, provider_id)
    ORDER BY delivery_id"""
    )
)
"""What nearly every window comes to, with the least that has to be said of it."""

EXPIRE_OF_BATCH = text(
    "SELECT id FROM send_window WHERE batch_id = :batch AND closed_at IS NULL AND resend_of IS NULL ORDER BY id FOR UPDATE"
)
EXPIRE_LATE = text("""
SELECT id FROM send_window WHERE closed_at IS NULL AND lease_until < clock_timestamp() ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

# A callback may have been quicker than the record: its attempt learns here what it was part of, and what it repeated.
EXPIRE = text("""
WITH item AS (
    SELECT w.id AS window_id, w.sender, w.intent_at, u.delivery_id, u.number, w.resend_of[u.place] AS resend_of
    FROM send_window w, unnest(w.deliveries, w.numbers) WITH ORDINALITY AS u(delivery_id, number, place) WHERE w.id = ANY (:windows)
), locked AS MATERIALIZED (
    SELECT d.id, d.channel FROM delivery d WHERE d.id IN (SELECT delivery_id FROM item) ORDER BY d.id FOR UPDATE
), lost AS (
    INSERT INTO attempt (delivery_id, number, window_id, channel, sender, state, evidence, resend_of, intent_at, resolved_at)
    SELECT i.delivery_id, i.number, i.window_id, l.channel, i.sender, 'unknown', :evidence, i.resend_of, i.intent_at, clock_timestamp()
    FROM item i JOIN locked l ON l.id = i.delivery_id ORDER BY 1 ON CONFLICT (delivery_id, number) DO NOTHING RETURNING delivery_id, number
), told AS (
    UPDATE attempt a SET window_id = i.window_id, sender = i.sender, resend_of = i.resend_of, intent_at = i.intent_at
    FROM item i JOIN locked l ON l.id = i.delivery_id WHERE (a.delivery_id, a.number) = (i.delivery_id, i.number) AND a.window_id IS NULL
), closed AS (
    UPDATE send_window SET closed_at = clock_timestamp() WHERE id = ANY (:windows)
), marked AS (
    UPDATE delivery d SET attempts = greatest(d.attempts, lost.number),
        state_at = CASE WHEN d.state = 'queued' THEN clock_timestamp() ELSE d.state_at END,
        state = CASE WHEN d.state = 'queued' THEN 'unknown' ELSE d.state END
    FROM lost WHERE d.id = lost.delivery_id
)
SELECT delivery_id FROM lost
""")

# The first look at the clock comes when the last handed over has had the time, but not long after the first had it: a batch
# that went out at once escalates at once, a slow one in parts (see escalation.py, which sets all later looks).
FINISH = text("""
UPDATE delivery_batch b SET lease_until = NULL, owner = NULL, state = CASE WHEN q.due_at IS NULL THEN 'done' ELSE 'waiting' END,
    due_at = CASE WHEN q.due_at IS NULL THEN b.due_at ELSE greatest(q.due_at, clock_timestamp() + make_interval(secs => :wait)) END,
    next_step_at = CASE
        WHEN q.due_at IS NULL AND NOT CAST(:repeat AS boolean) THEN NULL
        WHEN b.is_overtaken OR b.next_step_at IS NOT NULL THEN b.next_step_at
        WHEN q.due_at IS NULL AND q.first_at IS NULL THEN NULL
        ELSE least(coalesce(q.last_at, b.begun_at) + make_interval(secs => CAST(:step AS float8)),
            CASE WHEN q.due_at IS NULL THEN q.first_at ELSE b.begun_at END + make_interval(secs => CAST(:step AS float8) * 7 / 6)) END
FROM (SELECT min(coalesce(next_attempt_at, clock_timestamp())) FILTER (WHERE state = 'queued') AS due_at,
          bool_or(state IN ('failed', 'undelivered')) AS has_failures, min(r.at) AS first_at, max(r.at) AS last_at
      FROM delivery CROSS JOIN LATERAL (SELECT CASE WHEN state IN ('accepted', 'sent', 'delivered', 'unknown')
          THEN coalesce(accepted_at, state_at) END AS at) r WHERE batch_id = :batch) q
WHERE b.id = :batch AND b.generation = :generation AND b.state || '' = 'claimed' RETURNING b.state, q.has_failures
""")
