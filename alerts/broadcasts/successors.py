"""Messages that refer to an earlier one: corrections, reminders, "still valid". Who gets them is decided above, by who got the first.

Prepared words are released by one person, at once. Free words wait for a second one, as every free message does.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.freezing import (
    add_broadcast,
    ask_for_approval,
    freeze_words,
    log_action,
    new_broadcast,
    open_audience,
    ready_texts,
)
from alerts.broadcasts.models import Audience, Broadcast, MessageTemplate
from alerts.broadcasts.rules import Channel, Move, MsgType, Purpose
from alerts.channels.rule_book_outlets import SenderSets
from alerts.incidents.models import Incident
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.outbox import publish

DRAFTED = {
    Purpose.ALERT: "broadcast.correction_drafted",
    Purpose.FOLLOW_UP: "broadcast.follow_up_drafted",
    Purpose.STILL_VALID: "broadcast.still_valid_begun",
}
RELEASED = {Purpose.ALERT: "broadcast.correction_released", Purpose.STILL_VALID: "broadcast.still_valid_sent"}


@dataclass(frozen=True, kw_only=True)
class Successor:
    """What is to be said to whom an earlier message went; with a template, one person's word is enough."""

    msg_type: MsgType
    purpose: Purpose
    texts: dict[str, str]
    template: MessageTemplate | None = None


def start_successor(session: Session, *, actor: Actor, incident: Incident, original: Broadcast, said: Successor) -> Broadcast:
    """The new message, in state `freezing`, on the ways of the original. Its list is opened and filled by the caller."""
    broadcast = new_broadcast(incident, actor, ready_texts(said.texts, incident))
    broadcast.msg_type, broadcast.purpose, broadcast.references = said.msg_type, said.purpose, [original.id]
    broadcast.channels = [channel for channel in original.channels if channel != Channel.NONE]
    broadcast.is_restricted = broadcast.is_restricted or original.is_restricted
    if said.template is not None:
        sign_prepared(broadcast, actor, said.template)
    elif said.purpose is Purpose.STILL_VALID:
        broadcast.approved_by, broadcast.approved_via = original.approved_by, original.approved_via
    add_broadcast(session, broadcast, actor, DRAFTED[said.purpose])
    broadcast.state = rules.next_state(broadcast.state, Move.SUBMIT)
    broadcast.submitted_by, broadcast.submitted_at = actor.staff_id, db_now(session)
    session.flush()
    return broadcast


def finish_successor(session: Session, *, actor: Actor, broadcast: Broadcast, audience: Audience, configured: SenderSets) -> None:
    """Its list is frozen: prepared words go out, free ones wait for a second person."""
    if broadcast.approved_by is None:
        ask_for_approval(session, broadcast, audience, actor=actor, configured=configured)
    else:
        release_prepared(session, broadcast, audience, actor=actor)


def sign_prepared(broadcast: Broadcast, actor: Actor, template: MessageTemplate) -> None:
    """Who stands for these words: the two who prepared them, and the one who releases them (a signed-in person)."""
    broadcast.template_id = template.id
    broadcast.template_places = {language: {} for language in template.texts}
    broadcast.template_written_by, broadcast.template_approved_by = template.created_by, template.approved_by
    broadcast.approved_by, broadcast.approved_via = actor.staff_id, Via.SESSION.value


def release_prepared(session: Session, broadcast: Broadcast, audience: Audience, *, actor: Actor) -> None:
    """From now on the workers send it. Its list was made without the ways that its words may not go."""
    freeze_words(session, broadcast, audience)
    broadcast.state = rules.next_state(broadcast.state, Move.RELEASE)
    broadcast.approved_at = db_now(session)
    session.flush()
    about = {"audience": audience.number, "count": audience.count, "hash": broadcast.content_hash}
    log_action(session, broadcast, actor, RELEASED.get(broadcast.purpose, "broadcast.approved"), **about)
    publish(session, "broadcast.approved", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)


def begin_list(session: Session, broadcast: Broadcast, expected: int) -> Audience:
    """The list of a successor, still empty."""
    return open_audience(session, broadcast, expected=expected)
