"""The first alert of the night: prepared words to one area, released by one person, held so long that a second can stop it.

Nothing is sent before `hold_until`, a column, unless a second person confirms earlier. A clock releases what is due;
whoever cancels first wins, because both lock the message's row.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from alerts.broadcasts import rules, template_rules
from alerts.broadcasts.actions import cancel_broadcast, check_decider, set_promise
from alerts.broadcasts.audience import freeze_selected, preview_selected, select_frozen_areas
from alerts.broadcasts.calls import call_to_hold
from alerts.broadcasts.freezing import (
    add_broadcast,
    check_countries,
    freeze_words,
    log_action,
    new_broadcast,
    open_audience,
    ready_texts,
    ways_of,
)
from alerts.broadcasts.models import Audience, Broadcast, MessageTemplate
from alerts.broadcasts.queries import claim_broadcast, pick_areas
from alerts.broadcasts.rules import EXERCISE_WORD, Channel, Move, Purpose, State
from alerts.broadcasts.schemas import Approval, FirstAlert
from alerts.broadcasts.successors import sign_prepared
from alerts.broadcasts.template_rules import Place, TemplateKind
from alerts.broadcasts.templates import get_template
from alerts.channels.rule_book_outlets import SenderSets
from alerts.incidents.models import Incident, IncidentArea
from alerts.incidents.queries import get_incident, get_open_incident
from alerts.incidents.rules import State as IncidentState
from alerts.incidents.rules import Status, manners_of
from alerts.kit.actor import SYSTEM, Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Sessions, begin
from alerts.kit.errors import ConflictError
from alerts.kit.outbox import publish
from alerts.places.names import place_name
from alerts.settings import Settings
from alerts.staff.access import check_session_actor


def say_places(incident: Incident, area: IncidentArea, command: FirstAlert) -> dict[str, dict[str, str]]:
    """What is filled in, per language: the area's own name, a hotline, a time. Nobody types a sentence."""
    hotline = template_rules.check_hotline(command.hotline)
    at = command.at or incident.occurred_at
    return {
        language: {
            Place.PLACE.value: template_rules.check_place_name(place_name(area.code, language) if area.code else area.name),
            Place.HOTLINE.value: hotline,
            Place.TIME.value: rules.say_time(at, language),
        }
        for language in rules.LANGUAGES
    }


def say_first_alert(session: Session, incident: Incident, command: FirstAlert) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The texts as they would be sent, and what was filled in. Raises InvalidError or ConflictError naming what is missing."""
    template = get_template(session, command.template_id)
    template_rules.check_usable(template.state, template.kind, [TemplateKind.FIRST_ALERT])
    [area] = pick_areas(session, incident.id, [command.area_id])
    places = say_places(incident, area, command)
    filled = template_rules.fill(template.texts, places)
    mark = f"{EXERCISE_WORD}: " if incident.status is Status.EXERCISE else ""
    return {language: mark + body for language, body in filled.items()}, places


def promise_next(broadcast: Broadcast, incident: Incident, template: MessageTemplate, command: FirstAlert) -> None:
    """The promise of the next message, where the two who prepared the words gave them a rhythm. A quiet incident repeats nothing."""
    every = template.next_message_every_minutes
    if every is None or broadcast.hold_until is None or not manners_of(is_quiet=incident.is_quiet).may_repeat:
        return
    zone = (command.at or incident.occurred_at).tzinfo
    at = rules.first_promise(every, after=broadcast.hold_until).astimezone(zone)
    set_promise(broadcast, at, every)
    usual, now = broadcast.validity_seconds, broadcast.submitted_at or broadcast.hold_until
    broadcast.validity_seconds = rules.validity_for(at, every_minutes=every, now=now, default=usual)
    broadcast.still_valid_texts = ready_texts(rules.STILL_VALID_TEXT, incident)


def release_first_alert(
    session: Session,
    *,
    actor: Actor,
    incident_id: UUID,
    command: FirstAlert,
    settings: Settings,
    freeze_at_once_max: int = rules.FREEZE_AT_ONCE_MAX,
) -> Broadcast:
    """Press the button: the list is frozen, the hold begins, a second person is paged. A large list is frozen by a worker.

    Raises ForbiddenError for a token, ConflictError for words not in use or an area without people, InvalidError for a text that a
    country's network would block.
    """
    check_session_actor(actor)
    incident = get_open_incident(session, incident_id, actor)
    texts, places = say_first_alert(session, incident, command)
    broadcast = new_broadcast(incident, actor, texts)
    broadcast.purpose, broadcast.area_ids = Purpose.FIRST_ALERT, [command.area_id]
    configured = SenderSets.of(settings)
    ours = {outlet.channel for outlet in configured.outlets(is_exercise=incident.status is Status.EXERCISE)}
    broadcast.channels = sorted(ours, key=[channel.value for channel in Channel].index)
    sign_prepared(broadcast, actor, get_template(session, command.template_id))
    broadcast.template_places = places
    broadcast.submitted_by, broadcast.submitted_at = actor.staff_id, db_now(session)
    broadcast.hold_until = broadcast.submitted_at + timedelta(seconds=settings.delivery.hold_seconds)
    promise_next(broadcast, incident, get_template(session, command.template_id), command)
    add_broadcast(session, broadcast, actor, "broadcast.first_alert_pressed")
    broadcast.state = rules.next_state(broadcast.state, Move.SUBMIT)
    call_to_hold(session, broadcast)
    audience = open_audience(session, broadcast)
    if not audience.expected:
        raise ConflictError("empty_audience", "Nobody is registered in this area: there is nobody to alert.")
    if audience.expected > freeze_at_once_max:
        outlets = ways_of(session, broadcast, configured)
        check_countries(session, texts, preview_selected(session, outlets).texted_countries, outlets)
        publish(session, "broadcast.first_freeze_asked", broadcast_id=broadcast.id, audience_id=audience.id)
        return broadcast
    _hold(session, broadcast, audience, configured)
    return broadcast


def freeze_first_alert(session: Session, *, broadcast_id: UUID, audience_id: int, configured: SenderSets) -> bool:
    """The worker's half for a large area. False when it was stopped or done meanwhile."""
    broadcast = claim_broadcast(session, broadcast_id)
    if broadcast.state is not State.FREEZING or broadcast.audience_id != audience_id:
        return False
    audience = session.get_one(Audience, audience_id)
    select_frozen_areas(session, audience.areas, [], status=broadcast.status)
    _hold(session, broadcast, audience, configured)
    return True


def confirm_first_alert(session: Session, *, actor: Actor, broadcast_id: UUID, command: Approval) -> Broadcast:
    """A second person has read it: it goes out before its hold ends. Names the hash of what was shown."""
    broadcast = claim_broadcast(session, broadcast_id, actor)
    check_session_actor(actor)
    get_open_incident(session, broadcast.incident_id, actor)
    check_decider(session, actor, broadcast)
    if broadcast.state is not State.HELD:
        raise ConflictError("not_held", "This message is not in its hold.", state=broadcast.state.value)
    audience = session.get_one(Audience, broadcast.audience_id)
    rules.check_approval(given_hash=command.content_hash, current_hash=broadcast.content_hash, count=audience.count)
    broadcast.confirmed_by, broadcast.confirmed_at = actor.staff_id, db_now(session)
    _let_go(session, broadcast, actor, "broadcast.first_alert_confirmed")
    return broadcast


def release_all_due(sessions: Sessions) -> int:
    """Let go of every message whose hold has ended, each in its own transaction: none waits for another, nor for its fault; the count."""
    with begin(sessions) as session:
        due = list(session.scalars(select(Broadcast.id).where(*_is_due()).order_by(Broadcast.hold_until)))
    released, fault = 0, None
    for broadcast_id in due:
        try:
            with begin(sessions) as session:
                released += release_due(session, only=broadcast_id)
        except Exception as error:  # noqa: BLE001 - whatever it was: the others are let go first
            fault = error
    if fault is not None:
        raise fault
    return released


def release_due(session: Session, *, only: UUID | None = None) -> int:
    """Let go of every message whose hold has ended (or of one); the count. What somebody is stopping just now is passed over.

    Nothing leaves for an incident that was closed meanwhile: its held message is cancelled.
    """
    query = select(Broadcast).where(*_is_due()).order_by(Broadcast.hold_until).with_for_update(skip_locked=True)
    query = query if only is None else query.where(Broadcast.id == only)
    released = 0
    for broadcast in list(session.scalars(query.execution_options(populate_existing=True))):
        if get_incident(session, broadcast.incident_id).state is IncidentState.OPEN:
            _let_go(session, broadcast, SYSTEM, "broadcast.hold_ended")
            released += 1
        else:
            cancel_broadcast(session, actor=SYSTEM, broadcast_id=broadcast.id, reason="the incident was closed")
    return released


def _is_due() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Broadcast.state == State.HELD, Broadcast.hold_until <= func.clock_timestamp()


def _hold(session: Session, broadcast: Broadcast, audience: Audience, configured: SenderSets) -> None:
    outlets = ways_of(session, broadcast, configured)
    freeze_selected(session, audience, outlets)
    freeze_words(session, broadcast, audience, outlets)
    broadcast.state = rules.next_state(broadcast.state, Move.HOLD)
    session.flush()
    publish(session, "broadcast.held", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)


def _let_go(session: Session, broadcast: Broadcast, actor: Actor, action: str) -> None:
    broadcast.state = rules.next_state(broadcast.state, Move.RELEASE)
    broadcast.approved_at = db_now(session)
    broadcast.version += 1
    session.flush()
    log_action(session, broadcast, actor, action, hash=broadcast.content_hash)
    publish(session, "broadcast.approved", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
