"""What happens to a released list: its rows are made, stopped, and brought forward when they are due."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import claim_release
from alerts.broadcasts.models import Audience
from alerts.broadcasts.queries import get_broadcast
from alerts.deliveries.windows import expire_windows
from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import publish
from alerts.settings import Settings

SLICE = 50_000


def release(session: Session, broadcast_id: UUID, *, audience_id: int | None = None, batch_size: int) -> int:
    """Make the next slice of an approved list rows, in batches, and ask for each batch to be sent; the count of rows.

    Call again, each time in a transaction of its own, until it gives 0: then the list is released. A cancel gets its turn
    in between. Who cannot be reached has a row too, with the reason: every member is in exactly one state.
    """
    audience = _next_slice(session, broadcast_id, audience_id)
    if audience is None:
        return 0
    session.execute(PLAN_FOR_MANY)
    after = audience.released_to or session.execute(BEFORE_FIRST, {"audience": audience.id}).scalar_one()
    values = {"broadcast": broadcast_id, "audience": audience.id, "after": after, "slice": SLICE, "size": batch_size}
    made = session.execute(MAKE_SLICE, values).one()
    session.execute(PLAN_AS_USUAL)
    session.execute(FINISH_SLICE, {"audience": audience.id, "to": made.last or audience.released_to, "is_last": made.people < SLICE})
    session.expire(audience)
    publish(session, "delivery.progress", broadcast_id=broadcast_id, incident_id=get_broadcast(session, broadcast_id).incident_id)
    return int(made.people)


def release_all(settings: Settings, sessions: Sessions, broadcast_id: UUID, *, audience_id: int | None = None) -> int:
    """Release a whole list, slice by slice; the count of rows made now. A second call goes on where the first was ended."""
    total = 0
    while True:
        with begin(sessions) as session:
            count = release(session, broadcast_id, audience_id=audience_id, batch_size=settings.delivery.batch_size)
        total += count
        if not count:
            return total


def stop(session: Session, broadcast_id: UUID) -> int:
    """After a cancel: what is still queued is cancelled. The count."""
    broadcast = get_broadcast(session, broadcast_id)
    if broadcast.cancelled_at is None:
        return 0
    count = session.execute(STOP, {"broadcast": broadcast_id}).rowcount  # type: ignore[attr-defined]
    publish(session, "delivery.progress", broadcast_id=broadcast_id, incident_id=broadcast.incident_id)
    return int(count)


def sweep(session: Session) -> int:
    """Turn what lies in abandoned windows into `unknown`; the count."""
    return expire_windows(session)


def ring_due(session: Session) -> int:
    """Ask again for batches that are due and that nobody was asked for; the count. A slow lane's many batches take turns."""
    return int(session.execute(RING_DUE, {"at_once": 8}).rowcount)  # type: ignore[attr-defined]


def _next_slice(session: Session, broadcast_id: UUID, audience_id: int | None) -> Audience | None:
    """The list, locked, while it still has members without a row; marks the message released with the first slice."""
    broadcast = get_broadcast(session, broadcast_id)
    if broadcast.released_at is None and claim_release(session, broadcast_id) is None:
        return None
    audience = session.get_one(Audience, audience_id or broadcast.audience_id, with_for_update={"key_share": True}, populate_existing=True)
    is_open = audience.released_at is None and audience.frozen_at is not None
    may_go = not audience.needs_approval or audience.approved_at is not None
    return audience if is_open and may_go and session.execute(STILL_APPROVED, {"id": broadcast_id}).scalar_one() else None


STILL_APPROVED = text("SELECT state = 'approved' FROM broadcast WHERE id = :id FOR SHARE")

# A list that was just frozen has no statistics yet: Postgres expects one row, and would compare each member with each
# batch, and sort the whole list for each slice. Hash joins and the order of the primary key are right for any slice.
PLAN_FOR_MANY = text("""
SELECT set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_sort', 'off', true),
    set_config('work_mem', '32MB', true)
""")
PLAN_AS_USUAL = text("""
SELECT set_config(name, reset_val, true) FROM pg_settings
WHERE name IN ('enable_nestloop', 'enable_mergejoin', 'enable_sort', 'work_mem')
""")
BEFORE_FIRST = text("SELECT coalesce(min(id) - 1, 0) FROM audience_member WHERE audience_id = :audience")

MAKE_SLICE = text("""
WITH person AS MATERIALIZED (
    SELECT id, channel, coalesce(number_country, '') AS lane, address_id, number_country, unreachable FROM audience_member
    WHERE audience_id = :audience AND id > :after ORDER BY id LIMIT :slice
), placed AS MATERIALIZED (
    SELECT *, (row_number() OVER (PARTITION BY channel, lane ORDER BY id) - 1) / :size AS bucket FROM person
), bucket AS (
    SELECT channel, lane, bucket, min(id) AS first FROM placed GROUP BY 1, 2, 3
), made AS (
    INSERT INTO delivery_batch (broadcast_id, audience_id, channel, number_country, first_member_id, state, rung_at)
    SELECT :broadcast, :audience, channel, lane, first, CASE channel WHEN 'none' THEN 'done' ELSE 'waiting' END, clock_timestamp()
    FROM bucket ORDER BY first RETURNING id, channel, first_member_id
), numbered AS (
    SELECT b.channel, b.lane, b.bucket, made.id FROM bucket b JOIN made ON made.first_member_id = b.first
), written AS (
    INSERT INTO delivery (id, member_id, broadcast_id, batch_id, address_id, channel, number_country, state, error_code)
    SELECT p.id * 64 + 1, p.id, :broadcast, n.id, p.address_id, p.channel, p.number_country,
        CASE WHEN p.channel <> 'none' THEN 'queued' WHEN p.unreachable = 'opted_out' THEN 'opted_out' ELSE 'failed' END, p.unreachable
    FROM placed p JOIN numbered n USING (channel, lane, bucket)
), rung AS (
    INSERT INTO outbox_event (name, payload)
    SELECT 'delivery.batch_due', jsonb_build_object('batch_id', id) FROM made WHERE channel <> 'none' ORDER BY first_member_id
)
SELECT count(*) AS people, max(id) AS last FROM person
""")

FINISH_SLICE = text("""
UPDATE audience SET released_to = :to, released_at = CASE WHEN :is_last THEN clock_timestamp() END WHERE id = :audience
""")

# What lies in an open window may be with the carrier already: its worker, or the end of its lease, says what became of it.
STOP = text("""
UPDATE delivery SET state = 'cancelled', state_at = clock_timestamp() WHERE id IN (
    SELECT d.id FROM delivery_batch b JOIN delivery d ON d.batch_id = b.id WHERE b.broadcast_id = :broadcast AND d.state = 'queued'
      AND NOT EXISTS (SELECT FROM send_window w WHERE w.closed_at IS NULL AND w.batch_id = b.id AND d.id = ANY (w.deliveries))
    ORDER BY d.id FOR UPDATE OF d SKIP LOCKED)
""")

RING_DUE = text("""
WITH ranked AS (
    SELECT id, row_number() OVER (PARTITION BY channel, number_country ORDER BY due_at, id) AS place FROM delivery_batch
    WHERE (state = 'waiting' AND due_at <= clock_timestamp() AND (rung_at IS NULL OR rung_at < due_at))
       OR (state = 'claimed' AND lease_until < clock_timestamp() AND (rung_at IS NULL OR rung_at < lease_until))
), due AS (
    UPDATE delivery_batch SET rung_at = clock_timestamp() WHERE id IN (
        SELECT b.id FROM delivery_batch b JOIN ranked r ON r.id = b.id WHERE r.place <= :at_once ORDER BY b.id FOR UPDATE OF b SKIP LOCKED)
    RETURNING id
)
INSERT INTO outbox_event (name, payload) SELECT 'delivery.batch_due', jsonb_build_object('batch_id', id) FROM due ORDER BY id
""")
