"""What people do with messages: write, edit, submit, approve, reject, cancel.

Two people: whoever created, edited or submitted any version cannot approve it (here, and in a trigger).
An approval names the hash of what was submitted, and releases exactly that list. Prepared words, which two people
approved beforehand, are released by one: see `first_alerts` and `successors`.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.audience import freeze_selected, preview_selected, select_frozen_areas
from alerts.broadcasts.freezing import (
    add_broadcast,
    ask_for_approval,
    check_countries,
    log_action,
    new_broadcast,
    open_audience,
    ready_texts,
    touch,
    ways_of,
)
from alerts.broadcasts.models import Audience, Broadcast
from alerts.broadcasts.queries import claim_broadcast, hands_of, list_repeats, lists_of, pick_areas, promised_at
from alerts.broadcasts.rules import Move, Purpose, ResendUnknown, State
from alerts.broadcasts.schemas import Approval, BroadcastChange, BroadcastDraft
from alerts.channels.rule_book_outlets import SenderSets
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_open_incident, list_list_ids
from alerts.incidents.rules import check_repeat, manners_of
from alerts.kit.actor import Actor
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.kit.outbox import publish
from alerts.staff.access import check_session_actor


def draft_broadcast(session: Session, *, actor: Actor, incident_id: UUID, command: BroadcastDraft) -> Broadcast:
    """A new draft on an open incident. Raises InvalidError naming the text, area or list at fault."""
    incident = get_open_incident(session, incident_id, actor)
    pick_areas(session, incident_id, command.area_ids)
    _check_lists(session, incident_id, command.list_ids)
    broadcast = new_broadcast(incident, actor, ready_texts(command.texts.model_dump(), incident))
    broadcast.area_ids, broadcast.list_ids = command.area_ids, command.list_ids
    broadcast.channels = [channel.value for channel in command.channels]
    set_promise(broadcast, command.next_message_at, command.next_message_every_minutes)
    every = broadcast.next_message_every_minutes
    now, usual = db_now(session), broadcast.validity_seconds
    default = rules.validity_for(command.next_message_at, every_minutes=every, now=now, default=usual)
    broadcast.validity_seconds = command.validity_seconds or default
    broadcast.resend_unknown = command.resend_unknown or broadcast.resend_unknown
    broadcast.is_restricted = command.is_restricted or incident.is_quiet
    add_broadcast(session, broadcast, actor, "broadcast.drafted")
    return broadcast


def edit_broadcast(session: Session, *, actor: Actor, broadcast: Broadcast, command: BroadcastChange) -> Broadcast:
    """Change a message (locked by the caller); a submission or an approval becomes void. ConflictError once released."""
    incident = get_open_incident(session, broadcast.incident_id, actor)
    rules.check_edit(is_released=broadcast.released_at is not None)
    _check_own_words(broadcast)
    was = broadcast.state
    broadcast.state = rules.next_state(broadcast.state, Move.EDIT)
    changes = command.model_dump(exclude_unset=True, exclude_none=True, exclude=PROMISE_FIELDS)
    if "texts" in changes:
        changes["texts"] = ready_texts(changes["texts"], incident)
    pick_areas(session, incident.id, changes.get("area_ids", []))
    _check_lists(session, incident.id, changes.get("list_ids", []))
    for name, value in changes.items():
        setattr(broadcast, name, [item.value for item in value] if name == "channels" else value)
    if PROMISE_FIELDS & command.model_fields_set:
        _change_promise(broadcast, command)
    _void(broadcast)
    touch(session, broadcast, actor)
    voided = was in (State.SUBMITTED, State.APPROVED)
    log_action(session, broadcast, actor, "broadcast.edited", fields=sorted(command.model_fields_set), voided=voided)
    return broadcast


PROMISE_FIELDS = {"next_message_at", "next_message_every_minutes"}


def set_promise(broadcast: Broadcast, at: datetime | None, every_minutes: int | None) -> None:
    """Remember when the next message is promised, by which clock the text says it, and how often it is said again."""
    if at is None and every_minutes is not None:
        raise InvalidError(
            "promise_missing", "Say first when the next message comes: then it can be repeated.", field="next_message_every_minutes"
        )
    broadcast.next_message_every_minutes = every_minutes
    offset = at.utcoffset() if at else None
    broadcast.next_message_at = at
    broadcast.next_message_offset = None if offset is None else round(offset.total_seconds() / 60)


def submit_broadcast(
    session: Session,
    *,
    actor: Actor,
    broadcast_id: UUID,
    configured: SenderSets,
    freeze_at_once_max: int = rules.FREEZE_AT_ONCE_MAX,
) -> Broadcast:
    """Freeze the list and ask for approval. A large list is frozen by a worker: the state is `freezing` until then.

    So is the list of a successor submitted anew, whatever its size: who belongs on it is known above, and may have changed.
    """
    broadcast = claim_broadcast(session, broadcast_id, actor)
    incident = get_open_incident(session, broadcast.incident_id, actor)
    _check_own_words(broadcast)
    broadcast.state = rules.next_state(broadcast.state, Move.SUBMIT)
    broadcast.content_hash = None
    broadcast.submitted_by, broadcast.submitted_at = actor.staff_id, db_now(session)
    _fix_promise(broadcast, incident)
    if not manners_of(is_quiet=incident.is_quiet).may_repeat:
        broadcast.resend_unknown = ResendUnknown.NEVER
    audience = _open_next(session, broadcast)
    touch(session, broadcast, actor)
    if broadcast.references:
        _ask_for_list(session, broadcast, audience)
        return broadcast
    if audience.expected > freeze_at_once_max:
        outlets = ways_of(session, broadcast, configured)
        check_countries(session, broadcast.texts, preview_selected(session, outlets).texted_countries, outlets)
        publish(session, "broadcast.freeze_asked", broadcast_id=broadcast.id, audience_id=audience.id)
        return broadcast
    freeze_selected(session, audience, ways_of(session, broadcast, configured))
    ask_for_approval(session, broadcast, audience, actor=actor, configured=configured)
    return broadcast


def freeze_submission(session: Session, *, actor: Actor, broadcast_id: UUID, audience_id: int, configured: SenderSets) -> bool:
    """The worker's half of a large submission. False when it was withdrawn or done meanwhile."""
    broadcast = claim_broadcast(session, broadcast_id)
    if broadcast.state is not State.FREEZING or broadcast.audience_id != audience_id:
        return False
    audience = session.get_one(Audience, audience_id)
    select_frozen_areas(session, audience.areas, lists_of(session, broadcast), status=broadcast.status)
    freeze_selected(session, audience, ways_of(session, broadcast, configured))
    ask_for_approval(session, broadcast, audience, actor=actor, configured=configured)
    return True


def return_submission(session: Session, *, actor: Actor, broadcast_id: UUID, audience_id: int, reason: str) -> None:
    """A submission that cannot be frozen goes back to its author, with the reason. Prepared words cannot be mended: they end."""
    broadcast = claim_broadcast(session, broadcast_id)
    if broadcast.state is State.FREEZING and broadcast.audience_id == audience_id:
        is_prepared = broadcast.template_id is not None or broadcast.purpose is Purpose.STILL_VALID
        broadcast.state = rules.next_state(broadcast.state, Move.CANCEL if is_prepared else Move.EDIT)
        broadcast.decision_reason, broadcast.version = reason, broadcast.version + 1
        _void(broadcast)
        log_action(session, broadcast, actor, "broadcast.returned")


def approve_broadcast(session: Session, *, actor: Actor, broadcast_id: UUID, command: Approval) -> Broadcast:
    """Release exactly what was submitted. Needs a signed-in person who never touched the message; once."""
    broadcast = claim_broadcast(session, broadcast_id, actor)
    check_session_actor(actor)
    get_open_incident(session, broadcast.incident_id, actor)
    check_decider(session, actor, broadcast)
    after = rules.next_state(broadcast.state, Move.APPROVE)
    audience = session.get_one(Audience, broadcast.audience_id)
    rules.check_approval(given_hash=command.content_hash, current_hash=broadcast.content_hash, count=audience.count)
    now, promised = db_now(session), promised_at(broadcast)
    if promised is not None:
        rules.check_promise(promised, now=now, validity_seconds=broadcast.validity_seconds)
    broadcast.state, broadcast.approved_by = after, actor.staff_id
    broadcast.approved_via, broadcast.approved_at = actor.via.value, now
    session.flush()
    about = {"audience": audience.number, "count": audience.count, "hash": broadcast.content_hash}
    log_action(session, broadcast, actor, "broadcast.approved", **about)
    publish(session, "broadcast.approved", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
    return broadcast


def reject_broadcast(session: Session, *, actor: Actor, broadcast_id: UUID, reason: str) -> Broadcast:
    """Send it back to its author, with the reason."""
    broadcast = claim_broadcast(session, broadcast_id, actor)
    check_session_actor(actor)
    check_decider(session, actor, broadcast)
    broadcast.state = rules.next_state(broadcast.state, Move.REJECT)
    broadcast.decision_reason = reason
    broadcast.version += 1
    session.flush()
    log_action(session, broadcast, actor, "broadcast.rejected")
    return broadcast


def cancel_broadcast(session: Session, *, actor: Actor, broadcast_id: UUID, reason: str) -> Broadcast:
    """Stop it. What was handed over stays handed over: that takes a correction. In its hold, nothing goes out at all.

    What only repeats it (a follow-up, "still valid", a follow-up of that) stops with it.
    """
    broadcast = claim_broadcast(session, broadcast_id, actor)
    _stop(session, broadcast, actor, reason)
    for successor in list_repeats(session, broadcast.id):
        if (successor.state, Move.CANCEL) in rules.ALLOWED:
            _stop(session, claim_broadcast(session, successor.id), actor, reason)
    return broadcast


def _stop(session: Session, broadcast: Broadcast, actor: Actor, reason: str) -> None:
    was = broadcast.state
    broadcast.state = rules.next_state(was, Move.CANCEL)
    broadcast.cancelled_by, broadcast.cancelled_at = actor.staff_id, db_now(session)
    broadcast.decision_reason = reason
    broadcast.version += 1
    session.flush()
    log_action(session, broadcast, actor, "broadcast.stopped_in_hold" if was is State.HELD else "broadcast.cancelled")
    publish(session, "broadcast.cancelled", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)


def claim_release(session: Session, broadcast_id: UUID) -> Broadcast | None:
    """The moment from which a text can only be corrected: marks an approved message released, once."""
    broadcast = claim_broadcast(session, broadcast_id)
    if broadcast.state is not State.APPROVED or broadcast.released_at is not None:
        return None
    broadcast.released_at = db_now(session)
    session.flush()
    return broadcast


def check_decider(session: Session, actor: Actor, broadcast: Broadcast) -> None:
    """Two people; and who tried to be both is written down although the request is refused."""
    try:
        rules.check_decider(actor.staff_id, hands_of(session, broadcast.id))
    except ForbiddenError as error:
        about: dict[str, Any] = {
            "incident_id": broadcast.incident_id,
            "subject": ("broadcast", broadcast.id),
            "detail": {"code": error.code},
        }
        error.remember = partial(record, actor=actor, action="broadcast.decision_refused", **about)
        raise


def _check_own_words(broadcast: Broadcast) -> None:
    if broadcast.template_id is not None or broadcast.purpose is Purpose.STILL_VALID:
        raise ConflictError("prepared_words", "These words were approved beforehand: they are released or cancelled, never edited.")


def _check_lists(session: Session, incident_id: UUID, list_ids: list[UUID]) -> None:
    unknown = set(list_ids) - set(list_list_ids(session, incident_id))
    if unknown:
        raise InvalidError("unknown_list", f"{unknown.pop()} is not a list of this incident", field="list_ids")


def _change_promise(broadcast: Broadcast, command: BroadcastChange) -> None:
    """A promise that is taken back takes its repetition with it."""
    changed = command.model_fields_set
    at = command.next_message_at if "next_message_at" in changed else promised_at(broadcast)
    before = broadcast.next_message_every_minutes if at is not None else None
    set_promise(broadcast, at, command.next_message_every_minutes if "next_message_every_minutes" in changed else before)


def _fix_promise(broadcast: Broadcast, incident: Incident) -> None:
    """What will say, at the promised time, that nothing is new: approved together with the message."""
    promised = promised_at(broadcast)
    if promised is None or broadcast.submitted_at is None:
        broadcast.still_valid_texts = None
        return
    check_repeat(is_quiet=incident.is_quiet)
    rules.check_promise(promised, now=broadcast.submitted_at, validity_seconds=broadcast.validity_seconds)
    broadcast.still_valid_texts = ready_texts(rules.STILL_VALID_TEXT, incident)


def _open_next(session: Session, broadcast: Broadcast) -> Audience:
    """Of a successor submitted anew the list will be about as long as it was."""
    if not broadcast.references:
        return open_audience(session, broadcast)
    before = session.get(Audience, broadcast.audience_id) if broadcast.audience_id is not None else None
    return open_audience(session, broadcast, expected=before.expected if before else 0)


def _ask_for_list(session: Session, broadcast: Broadcast, audience: Audience) -> None:
    """Let a worker make the list of a successor."""
    event = "broadcast.follow_up_asked" if broadcast.purpose is Purpose.FOLLOW_UP else "broadcast.copy_asked"
    publish(session, event, broadcast_id=broadcast.id, audience_id=audience.id)


def _void(broadcast: Broadcast) -> None:
    broadcast.content_hash = broadcast.approved_by = broadcast.approved_via = broadcast.approved_at = None
    broadcast.submitted_by = broadcast.submitted_at = broadcast.still_valid_texts = None
