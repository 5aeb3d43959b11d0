"""What people do with messages: write, edit, submit, approve, reject, cancel, and correct.

Two people: whoever created, edited or submitted any version cannot approve it (here, and in a trigger).
An approval names the hash of what was submitted, and releases exactly that list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.audience import copy_members, freeze_selected, preview_selected, select_frozen_areas, select_people, spec_of
from alerts.broadcasts.models import Audience, AudienceMember, Broadcast, BroadcastHand, BroadcastText
from alerts.broadcasts.queries import areas_of, claim_broadcast, country_counts, hands_of, lists_of, pick_areas
from alerts.broadcasts.rules import Channel, Move, MsgType, ResendUnknown, State
from alerts.broadcasts.schemas import Approval, BroadcastChange, BroadcastDraft, Correction
from alerts.country_rules.queries import load_book
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_open_incident, list_list_ids
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.errors import ForbiddenError, InvalidError
from alerts.kit.outbox import publish
from alerts.places.names import place_name
from alerts.staff.access import check_session_actor


def draft_broadcast(session: Session, *, actor: Actor, incident_id: UUID, command: BroadcastDraft) -> Broadcast:
    """A new draft on an open incident. Raises InvalidError naming the text, area or list at fault."""
    incident = get_open_incident(session, incident_id, actor)
    pick_areas(session, incident_id, command.area_ids)
    _check_lists(session, incident_id, command.list_ids)
    broadcast = _new(incident, actor, _texts(command.texts.model_dump(), incident))
    broadcast.area_ids, broadcast.list_ids = command.area_ids, command.list_ids
    broadcast.channels = [channel.value for channel in command.channels]
    broadcast.validity_seconds = command.validity_seconds or broadcast.validity_seconds
    broadcast.resend_unknown = command.resend_unknown or broadcast.resend_unknown
    _add(session, broadcast, actor, "broadcast.drafted")
    return broadcast


def edit_broadcast(session: Session, *, actor: Actor, broadcast: Broadcast, command: BroadcastChange) -> Broadcast:
    """Change a message (locked by the caller); a submission or an approval becomes void. ConflictError once released."""
    incident = get_open_incident(session, broadcast.incident_id, actor)
    rules.check_edit(is_released=broadcast.released_at is not None)
    was = broadcast.state
    broadcast.state = rules.next_state(broadcast.state, Move.EDIT)
    changes = command.model_dump(exclude_unset=True, exclude_none=True)
    if "texts" in changes:
        changes["texts"] = _texts(changes["texts"], incident)
    pick_areas(session, incident.id, changes.get("area_ids", []))
    _check_lists(session, incident.id, changes.get("list_ids", []))
    for name, value in changes.items():
        setattr(broadcast, name, [item.value for item in value] if name == "channels" else value)
    _void(broadcast)
    _touch(session, broadcast, actor)
    _log(session, broadcast, actor, "broadcast.edited", fields=sorted(changes), voided=was in (State.SUBMITTED, State.APPROVED))
    return broadcast


def submit_broadcast(
    session: Session,
    *,
    actor: Actor,
    broadcast_id: UUID,
    configured: frozenset[str],
    freeze_at_once_max: int = rules.FREEZE_AT_ONCE_MAX,
) -> Broadcast:
    """Freeze the list and ask for approval. A large list is frozen by a worker: the state is `freezing` until then."""
    broadcast = claim_broadcast(session, broadcast_id, actor)
    get_open_incident(session, broadcast.incident_id, actor)
    broadcast.state = rules.next_state(broadcast.state, Move.SUBMIT)
    broadcast.content_hash = None
    broadcast.submitted_by, broadcast.submitted_at = actor.staff_id, db_now(session)
    audience = _open_audience(session, broadcast)
    _touch(session, broadcast, actor)
    if broadcast.references:
        _copy_audience(session, broadcast, audience)
    elif audience.expected > freeze_at_once_max:
        rows = preview_selected(session, configured.intersection(broadcast.channels))
        _check_countries(session, broadcast, {row["number_country"] for row in rows if row["channel"] == Channel.SMS})
        publish(session, "broadcast.freeze_asked", broadcast_id=broadcast.id, audience_id=audience.id)
        return broadcast
    else:
        freeze_selected(session, audience, configured.intersection(broadcast.channels))
    _submitted(session, broadcast, audience, actor)
    return broadcast


def freeze_submission(session: Session, *, actor: Actor, broadcast_id: UUID, audience_id: int, configured: frozenset[str]) -> bool:
    """The worker's half of a large submission. False when it was withdrawn or done meanwhile."""
    broadcast = claim_broadcast(session, broadcast_id)
    if broadcast.state is not State.FREEZING or broadcast.audience_id != audience_id:
        return False
    audience = session.get_one(Audience, audience_id)
    select_frozen_areas(session, audience.areas, lists_of(session, broadcast))
    freeze_selected(session, audience, configured.intersection(broadcast.channels))
    session.refresh(audience)
    _submitted(session, broadcast, audience, actor)
    return True


def return_submission(session: Session, *, actor: Actor, broadcast_id: UUID, audience_id: int, reason: str) -> None:
    """A large submission that cannot be frozen goes back to its author, with the reason."""
    broadcast = claim_broadcast(session, broadcast_id)
    if broadcast.state is State.FREEZING and broadcast.audience_id == audience_id:
        broadcast.state = rules.next_state(broadcast.state, Move.EDIT)
        broadcast.decision_reason, broadcast.version = reason, broadcast.version + 1
        _void(broadcast)
        _log(session, broadcast, actor, "broadcast.returned")


def approve_broadcast(session: Session, *, actor: Actor, broadcast_id: UUID, command: Approval) -> Broadcast:
    """Release exactly what was submitted. Needs a signed-in person who never touched the message; once."""
    broadcast = claim_broadcast(session, broadcast_id, actor)
    check_session_actor(actor)
    get_open_incident(session, broadcast.incident_id, actor)
    _check_decider(session, actor, broadcast)
    after = rules.next_state(broadcast.state, Move.APPROVE)
    audience = session.get_one(Audience, broadcast.audience_id)
    rules.check_approval(given_hash=command.content_hash, current_hash=broadcast.content_hash, count=audience.count)
    broadcast.state, broadcast.approved_by = after, actor.staff_id
    broadcast.approved_via, broadcast.approved_at = actor.via.value, db_now(session)
    session.flush()
    _log(session, broadcast, actor, "broadcast.approved", audience=audience.number, count=audience.count, hash=broadcast.content_hash)
    publish(session, "broadcast.approved", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
    return broadcast


def reject_broadcast(session: Session, *, actor: Actor, broadcast_id: UUID, reason: str) -> Broadcast:
    """Send it back to its author, with the reason."""
    broadcast = claim_broadcast(session, broadcast_id, actor)
    check_session_actor(actor)
    _check_decider(session, actor, broadcast)
    broadcast.state = rules.next_state(broadcast.state, Move.REJECT)
    broadcast.decision_reason = reason
    broadcast.version += 1
    session.flush()
    _log(session, broadcast, actor, "broadcast.rejected")
    return broadcast


def cancel_broadcast(session: Session, *, actor: Actor, broadcast_id: UUID, reason: str) -> Broadcast:
    """Stop it. What was handed over stays handed over: that takes a correction."""
    broadcast = claim_broadcast(session, broadcast_id, actor)
    broadcast.state = rules.next_state(broadcast.state, Move.CANCEL)
    broadcast.cancelled_by, broadcast.cancelled_at = actor.staff_id, db_now(session)
    broadcast.decision_reason = reason
    broadcast.version += 1
    session.flush()
    _log(session, broadcast, actor, "broadcast.cancelled")
    publish(session, "broadcast.cancelled", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
    return broadcast


def submit_correction(session: Session, *, actor: Actor, original: Broadcast, command: Correction, members: Select[Any]) -> Broadcast:
    """An Update or Cancel with CAP `references` to the original, to exactly these of its members, ready for approval."""
    incident = get_open_incident(session, original.incident_id, actor)
    if command.texts is None and command.msg_type is MsgType.UPDATE:
        raise InvalidError("text_missing", "an Update says something new: give its texts", field="texts")
    texts = command.texts.model_dump() if command.texts else dict(rules.CANCEL_TEXT)
    correction = _new(incident, actor, _texts(texts, incident))
    correction.msg_type, correction.references = command.msg_type, [original.id]
    correction.channels = list(original.channels)
    _add(session, correction, actor, "broadcast.correction_drafted")
    correction.state = rules.next_state(correction.state, Move.SUBMIT)
    correction.submitted_by, correction.submitted_at = actor.staff_id, db_now(session)
    audience = _open_audience(session, correction)
    copy_members(session, audience, members)
    _submitted(session, correction, audience, actor)
    return correction


def claim_release(session: Session, broadcast_id: UUID) -> Broadcast | None:
    """The moment from which a text can only be corrected: marks an approved message released, once."""
    broadcast = claim_broadcast(session, broadcast_id)
    if broadcast.state is not State.APPROVED or broadcast.released_at is not None:
        return None
    broadcast.released_at = db_now(session)
    session.flush()
    return broadcast


def _new(incident: Incident, actor: Actor, texts: dict[str, str]) -> Broadcast:
    return Broadcast(
        incident_id=incident.id,
        status=incident.status,
        msg_type=MsgType.ALERT,
        texts=texts,
        references=[],
        area_ids=[],
        list_ids=[],
        channels=[Channel.PUSH.value, Channel.SMS.value],
        validity_seconds=rules.default_validity_seconds(incident.severity.value),
        resend_unknown=rules.default_resend(severity=incident.severity.value, urgency=incident.urgency.value),
        created_by=actor.staff_id,
        state=State.DRAFT,
    )


def _add(session: Session, broadcast: Broadcast, actor: Actor, action: str) -> None:
    session.add(broadcast)
    session.flush()
    _hand(session, broadcast, actor)
    _log(session, broadcast, actor, action)


def _texts(texts: Mapping[str, str], incident: Incident) -> dict[str, str]:
    return rules.check_texts(texts, is_exercise=incident.status is Status.EXERCISE)


def _check_lists(session: Session, incident_id: UUID, list_ids: list[UUID]) -> None:
    unknown = set(list_ids) - set(list_list_ids(session, incident_id))
    if unknown:
        raise InvalidError("unknown_list", f"{unknown.pop()} is not a list of this incident", field="list_ids")


def _open_audience(session: Session, broadcast: Broadcast) -> Audience:
    """The next numbered list of this message, still empty; gathers the people whom it will hold."""
    last = select(func.coalesce(func.max(Audience.number), 0)).where(Audience.broadcast_id == broadcast.id)
    areas = [] if broadcast.references else areas_of(session, broadcast)
    expected = 0 if broadcast.references else select_people(session, areas, lists_of(session, broadcast))
    number = session.execute(last).scalar_one() + 1
    described = [{"kind": a.kind.value, "code": a.code, "geometry": spec_of(a).geometry_json()} for a in areas]
    audience = Audience(broadcast_id=broadcast.id, number=number, areas=described, expected=expected, count=0, wave=1, sharing_address=0)
    session.add(audience)
    session.flush()
    broadcast.audience_id = audience.id
    return audience


def _copy_audience(session: Session, broadcast: Broadcast, audience: Audience) -> None:
    """A correction submitted anew goes to the list that was made for it at first."""
    first = select(Audience.id).where(Audience.broadcast_id == broadcast.id, Audience.frozen_at.is_not(None)).order_by(Audience.number)
    copy_members(session, audience, select(AudienceMember.id).where(AudienceMember.audience_id == first.limit(1).scalar_subquery()))


def _submitted(session: Session, broadcast: Broadcast, audience: Audience, actor: Actor) -> None:
    """The texts and the hash that an approval will name; the country rules have the last word."""
    session.refresh(audience)
    _check_countries(session, broadcast, country_counts(session, audience.id))
    texts = rules.all_variants(broadcast.texts)
    session.execute(delete(BroadcastText).where(BroadcastText.broadcast_id == broadcast.id))
    rows = [{"broadcast_id": broadcast.id, "language": lang, "variant": v, "body": body} for (lang, v), body in texts.items()]
    session.execute(insert(BroadcastText), rows)
    broadcast.content_hash = rules.content_hash(_submission(broadcast, audience, texts))
    broadcast.state = rules.next_state(broadcast.state, Move.FROZEN)
    session.flush()
    _log(session, broadcast, actor, "broadcast.submitted", audience=audience.number, count=audience.count, hash=broadcast.content_hash)
    publish(session, "broadcast.submitted", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)


def _submission(broadcast: Broadcast, audience: Audience, texts: Mapping[Any, str]) -> rules.Submission:
    return rules.Submission(
        broadcast_id=broadcast.id,
        incident_id=broadcast.incident_id,
        msg_type=broadcast.msg_type,
        references=broadcast.references,
        texts=texts,
        areas=audience.areas,
        list_ids=broadcast.list_ids,
        channels=[Channel(channel) for channel in broadcast.channels],
        validity_seconds=broadcast.validity_seconds,
        resend_unknown=ResendUnknown(broadcast.resend_unknown),
        audience_number=audience.number,
        audience_count=audience.count,
    )


def _check_countries(session: Session, broadcast: Broadcast, number_countries: Iterable[str | None]) -> None:
    """Refuse at once what a country's network would block later, with the reason per language."""
    countries, book = [country for country in number_countries if country], load_book(session)
    for language, body in broadcast.texts.items():
        for problem in book.check_text(body, countries):
            if problem.is_blocking:
                names = {code: place_name(problem.number_country, code) for code in rules.LANGUAGES}
                words = problem.words(names)
                country = problem.number_country
                raise InvalidError(f"text_{problem.fault}", words["en"], field=f"texts.{language}", message=words, number_country=country)


def _check_decider(session: Session, actor: Actor, broadcast: Broadcast) -> None:
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


def _void(broadcast: Broadcast) -> None:
    broadcast.content_hash = broadcast.approved_by = broadcast.approved_via = broadcast.approved_at = None
    broadcast.submitted_by = broadcast.submitted_at = None


def _touch(session: Session, broadcast: Broadcast, actor: Actor) -> None:
    broadcast.version += 1
    _hand(session, broadcast, actor)
    session.flush()


def _hand(session: Session, broadcast: Broadcast, actor: Actor) -> None:
    if actor.staff_id is not None:
        values = {"broadcast_id": broadcast.id, "staff_id": actor.staff_id}
        session.execute(insert(BroadcastHand).values(**values).on_conflict_do_nothing())


def _log(session: Session, broadcast: Broadcast, actor: Actor, action: str, **detail: Any) -> None:
    subject = ("broadcast", broadcast.id)
    record(session, actor=actor, action=action, incident_id=broadcast.incident_id, subject=subject, detail=detail)
