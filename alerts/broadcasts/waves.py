"""Latecomers: those who match an approved message later get it too, in waves, each with its own frozen count.

A wave goes by itself while the latecomers stay few against the first list; beyond that a person approves it. One wave
waits at a time; whoever comes meanwhile is in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.actions import check_decider
from alerts.broadcasts.audience import select_frozen_areas, write_members
from alerts.broadcasts.calls import call_to_wave
from alerts.broadcasts.freezing import add_audience, log_action, ways_barred, ways_of
from alerts.broadcasts.models import Audience, Broadcast
from alerts.broadcasts.queries import claim_broadcast, get_broadcast, is_corrected, list_waves, lists_of, promised_at
from alerts.broadcasts.rules import State
from alerts.broadcasts.sharing_rules import Shares
from alerts.broadcasts.ways import find_ways
from alerts.channels.rule_book_outlets import SenderSets
from alerts.incidents.queries import get_open_incident
from alerts.kit.actor import SYSTEM, Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, NotFoundError
from alerts.kit.outbox import publish
from alerts.staff.access import check_session_actor


def list_open_for_waves(session: Session) -> Sequence[UUID]:
    """Messages that latecomers may still get: released, holding, not corrected, in an open incident, with no wave waiting."""
    return session.scalars(text(OPEN_FOR_WAVES)).all()


def open_wave(session: Session, broadcast_id: UUID, *, configured: SenderSets) -> Audience | None:
    """Freeze those who match now and have not got it. Released at once, or waiting for approval.

    None when there is nobody with an address of their own: who shares every one with a member is counted as sharing.
    The message's row is locked (by the new list's reference to it) only once there is somebody: no cancel waits for a search.
    A number whose networks block the words is left out, and counted: one such number keeps nobody else waiting.
    """
    if not session.execute(text(TAKE_TURN), {"broadcast": str(broadcast_id)}).scalar():
        return None
    broadcast = get_broadcast(session, broadcast_id)
    first = session.get_one(Audience, broadcast.audience_id)
    select_frozen_areas(session, first.areas, lists_of(session, broadcast), status=broadcast.status)
    newcomers = int(session.execute(text(LEAVE_STRANGERS), {"broadcast": broadcast_id}).scalar_one())
    if not newcomers:
        return None
    outlets = ways_of(session, broadcast, configured)
    barred = ways_barred(session, broadcast, outlets)
    shares = find_ways(session, outlets, joins=broadcast_id, barred=barred)
    session.refresh(first)
    earlier = list_waves(session, broadcast_id)
    sharing = _count_new_sharing([first, *earlier], shares)
    if newcomers == len(shares.without):
        [first, *earlier][-1].sharing_address += sharing
        return None
    audience = add_audience(session, broadcast, areas=first.areas, expected=0, wave=len(earlier) + 2)
    if broadcast_id not in list_open_for_waves(session):
        session.delete(audience)  # somebody cancelled, corrected or closed it meanwhile
        return None
    write_members(session, audience, outlets, shares, barred=barred)
    session.refresh(audience)
    audience.expected, audience.sharing_address = audience.count, sharing
    audience.needs_approval = _is_beyond(first, [*earlier, audience])
    audience.is_after_promise = _is_promise_past(session, broadcast)
    session.flush()
    about = {"wave": audience.wave, "audience": audience.number, "count": audience.count}
    log_action(session, broadcast, SYSTEM, "broadcast.wave_waits" if audience.needs_approval else "broadcast.wave_opened", **about)
    event = "broadcast.wave_waits" if audience.needs_approval else "broadcast.wave_approved"
    publish(session, event, broadcast_id=broadcast.id, audience_id=audience.id, incident_id=broadcast.incident_id)
    if audience.needs_approval:
        call_to_wave(session, broadcast, audience)
    return audience


def _count_new_sharing(lists: Sequence[Audience], shares: Shares) -> int:
    """Latecomers without an address of their own whom no earlier list counts: what they share brings the message to them."""
    return max(0, len(shares.without) - sum(each.sharing_address for each in lists))


def approve_wave(session: Session, *, actor: Actor, broadcast_id: UUID, wave: int, count: int) -> Audience:
    """Let a waiting wave go, naming its count. Needs a signed-in person who never touched the message.

    ConflictError where no wave would be opened now: the incident is closed, the message over, cancelled or being corrected.
    """
    broadcast, audience = _claim_waiting(session, actor, broadcast_id, wave)
    get_open_incident(session, broadcast.incident_id, actor)
    if broadcast.state is not State.APPROVED:
        raise ConflictError("not_approved", "The message itself is not approved any more.", state=broadcast.state.value)
    if is_corrected(session, broadcast_id):
        raise ConflictError("corrected", "This message is being corrected: nobody else should get it.")
    if _is_over(session, broadcast):
        raise ConflictError("message_over", "The message does not hold any more: nobody else should get it.")
    if count != audience.count:
        raise ConflictError("count_differs", "The number you typed is not the number of people on the list.", count=audience.count)
    audience.approved_by, audience.approved_via, audience.approved_at = actor.staff_id, actor.via.value, db_now(session)
    audience.is_after_promise = _is_promise_past(session, broadcast)
    session.flush()
    log_action(session, broadcast, actor, "broadcast.wave_approved", wave=wave, audience=audience.number, count=audience.count)
    publish(session, "broadcast.wave_approved", broadcast_id=broadcast.id, audience_id=audience.id, incident_id=broadcast.incident_id)
    return audience


def decline_wave(session: Session, *, actor: Actor, broadcast_id: UUID, wave: int) -> Audience:
    """Nobody of it gets the message, and no later wave is opened."""
    broadcast, audience = _claim_waiting(session, actor, broadcast_id, wave)
    audience.declined_by, audience.declined_at = actor.staff_id, db_now(session)
    broadcast.waves_closed_at = audience.declined_at
    session.flush()
    log_action(session, broadcast, actor, "broadcast.wave_declined", wave=wave, audience=audience.number, count=audience.count)
    return audience


def _claim_waiting(session: Session, actor: Actor, broadcast_id: UUID, wave: int) -> tuple[Broadcast, Audience]:
    broadcast = claim_broadcast(session, broadcast_id, actor)
    check_session_actor(actor)
    check_decider(session, actor, broadcast)
    audience = next((each for each in list_waves(session, broadcast_id) if each.wave == wave), None)
    if audience is None:
        raise NotFoundError("wave_not_found", "This message has no such wave.")
    session.refresh(audience)
    if not audience.needs_approval or audience.approved_at is not None or audience.declined_at is not None:
        raise ConflictError("not_waiting", "This wave does not wait for approval.")
    return broadcast, audience


def _is_beyond(first: Audience, waves: Sequence[Audience]) -> bool:
    """Whether the latecomers since the last approval are together more than may follow without a new one."""
    since: int = 0
    for wave in waves:
        since = 0 if wave.approved_at is not None else since + wave.count
    return since > rules.wave_limit(first.count)


def _is_promise_past(session: Session, broadcast: Broadcast) -> bool:
    """Whoever gets the message from now on does not read what was promised to the first; "nothing new" comes to them as to all."""
    return rules.is_promise_past(promised_at(broadcast), now=db_now(session))


def _is_over(session: Session, broadcast: Broadcast) -> bool:
    ends_at = (broadcast.approved_at or db_now(session)) + timedelta(seconds=broadcast.validity_seconds)
    return ends_at <= db_now(session)


TAKE_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('wave:' || :broadcast, 0))"

# Whoever is being corrected must not be joined by others: a correction's list is made when it is asked for, not when it is
# approved. A successor has the list of its original and no latecomers.
OPEN_FOR_WAVES = """
SELECT b.id FROM broadcast b JOIN incident i ON i.id = b.incident_id
WHERE b.state = 'approved' AND b.released_at IS NOT NULL AND b.waves_closed_at IS NULL AND b."references" = '{}'
  AND b.purpose IN ('alert', 'first_alert') AND b.msg_type = 'Alert' AND i.state = 'open'
  AND clock_timestamp() < b.approved_at + make_interval(secs => b.validity_seconds)
  AND NOT EXISTS (SELECT FROM audience a WHERE a.broadcast_id = b.id AND a.wave > 1 AND a.needs_approval
                  AND a.approved_at IS NULL AND a.declined_at IS NULL)
  AND NOT EXISTS (SELECT FROM broadcast c WHERE b.id = ANY(c."references") AND c.purpose = 'alert'
                  AND (c.state IN ('freezing', 'submitted', 'approved') OR c.released_at IS NOT NULL))
ORDER BY b.id
"""

LEAVE_STRANGERS = """
WITH gone AS (
    DELETE FROM selected_person s USING audience_member m
    WHERE m.broadcast_id = :broadcast AND m.citizen_id = s.citizen_id RETURNING s.citizen_id)
SELECT (SELECT count(*) FROM selected_person) - (SELECT count(DISTINCT citizen_id) FROM gone)
"""
