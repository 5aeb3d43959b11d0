"""Putting right what went out: a CAP Update or Cancel to exactly those who may have it, by the way that worked.

With words that two people prepared, one person does it with one click: the original is cancelled in the same transaction, so
that nothing keeps going out that must be corrected, and the correction is released as soon as its list is copied. With free
words the original gets no latecomers and no further steps while they wait for a second person, whose approval cancels it. The
original's row is locked first: every intent was committed before that, or finds it cancelled, so nobody slips between.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.actions import approve_broadcast, cancel_broadcast
from alerts.broadcasts.freezing import check_countries, ways_barred, ways_of
from alerts.broadcasts.models import Audience, Broadcast, MessageTemplate
from alerts.broadcasts.queries import claim_broadcast, claim_chain, get_broadcast, is_corrected
from alerts.broadcasts.rules import MsgType, Purpose
from alerts.broadcasts.rules import State as MessageState
from alerts.broadcasts.schemas import Approval, Correction
from alerts.broadcasts.successors import Successor, begin_list, finish_successor, start_successor
from alerts.broadcasts.template_rules import TemplateKind, check_usable
from alerts.broadcasts.templates import get_template
from alerts.channels.rule_book_outlets import SenderSets
from alerts.incidents.queries import get_open_incident
from alerts.kit.actor import Actor
from alerts.kit.errors import ConflictError, InvalidError
from alerts.kit.outbox import publish
from alerts.staff.access import check_session_actor

CORRECTED = "Dikoreksi / corrected"
KIND_OF = {MsgType.UPDATE: TemplateKind.UPDATE, MsgType.CANCEL: TemplateKind.CANCEL}


def correct_broadcast(
    session: Session,
    *,
    actor: Actor,
    broadcast_id: UUID,
    command: Correction,
    configured: SenderSets,
    freeze_at_once_max: int = rules.FREEZE_AT_ONCE_MAX,
) -> Broadcast:
    """An Update or Cancel to exactly those whom the original was handed over to, by the way that took it.

    Prepared words go out at once, and the original is cancelled; free ones wait for a second person. A large list is copied by a
    worker: the state is `freezing` until then. ConflictError: nobody has it yet, or free words while it is still going out.
    InvalidError: a country's network would block free words. Prepared ones go without the numbers that they may not go to: a wrong
    message harms everybody else meanwhile.
    """
    original = claim_broadcast(session, broadcast_id, actor)
    if original.released_at is None:
        raise ConflictError("not_released", "nobody has this message yet: edit or cancel it instead", state=original.state.value)
    incident = get_open_incident(session, original.incident_id, actor)
    template = _prepared(session, actor, command)
    if template is not None:
        if original.state is MessageState.APPROVED:
            cancel_broadcast(session, actor=actor, broadcast_id=original.id, reason=template.title)
    else:
        _check_all_out(session, original)
    said = Successor(msg_type=MsgType(command.msg_type), purpose=Purpose.ALERT, texts=_texts(command, template), template=template)
    correction = start_successor(session, actor=actor, incident=incident, original=original, said=said)
    expected = count_handed_over(session, original.id)
    audience = begin_list(session, correction, expected)
    if expected > freeze_at_once_max:
        if template is None:
            check_countries(session, correction.texts, _number_countries(session, original.id), ways_of(session, correction, configured))
        publish(session, "broadcast.copy_asked", broadcast_id=correction.id, audience_id=audience.id)
        return correction
    copy_handed_over(session, correction, audience, configured=configured)
    finish_successor(session, actor=actor, broadcast=correction, audience=audience, configured=configured)
    return correction


def freeze_copied(session: Session, *, actor: Actor, broadcast_id: UUID, audience_id: int, configured: SenderSets) -> bool:
    """The worker's half of a large correction or "still valid", or of one submitted anew. False when it was cancelled or done.

    ConflictError: free words, and the original is going out again (to latecomers, since the correction was refused before).
    """
    correction = claim_broadcast(session, broadcast_id)
    if correction.state is not MessageState.FREEZING or correction.audience_id != audience_id:
        return False
    if correction.approved_by is None:
        _check_all_out(session, get_broadcast(session, correction.references[0]))
    audience = session.get_one(Audience, audience_id)
    copy_handed_over(session, correction, audience, configured=configured)
    finish_successor(session, actor=actor, broadcast=correction, audience=audience, configured=configured)
    return True


def copy_handed_over(session: Session, successor: Broadcast, audience: Audience, *, configured: SenderSets) -> int:
    """The list of all waves' people who may have the original, each by the way that worked best; the count.

    Words that nobody can change any more go without the ways by which they would be blocked; free ones are refused instead.
    """
    values: dict[str, Any] = {"audience": audience.id, "broadcast": successor.id, "said": _said(session, successor.references[0])}
    is_fixed = successor.approved_by is not None
    values["barred"] = ways_barred(session, successor, ways_of(session, successor, configured)) if is_fixed else []
    return int(session.execute(text(COPY_WORKED), values).scalar_one())


def approve_message(session: Session, *, actor: Actor, broadcast_id: UUID, command: Approval) -> Broadcast:
    """Approve any message (see `approve_broadcast`); with a correction, what it corrects is cancelled.

    ConflictError where somebody got the original since a correction's list was made: then it is submitted anew. And for a
    reminder of what was corrected, or is about to be.
    """
    broadcast = get_broadcast(session, broadcast_id, actor)
    if broadcast.purpose is Purpose.FOLLOW_UP:
        claim_uncorrected(session, broadcast.references[0])
    if not broadcast.is_correction:
        return approve_broadcast(session, actor=actor, broadcast_id=broadcast_id, command=command)
    original = claim_broadcast(session, broadcast.references[0])
    correction = approve_broadcast(session, actor=actor, broadcast_id=broadcast_id, command=command)
    said = _said(session, original.id)
    for successor in said[1:]:
        claim_broadcast(session, successor)  # nobody is handed a reminder between this count and its cancel
    values = {"said": said, "audience": correction.audience_id}
    if missing := session.execute(text(COUNT_LEFT_OUT), values).scalar_one():
        raise ConflictError(
            "list_changed", "Others got the original since this list was made: submit the correction anew.", missing=missing
        )
    if original.state is MessageState.APPROVED:
        cancel_broadcast(session, actor=actor, broadcast_id=original.id, reason=CORRECTED)
    return correction


def count_handed_over(session: Session, broadcast_id: UUID) -> int:
    """Of how many people a carrier accepted the message or a repetition of it, or nobody knows: all of them may have read it."""
    return int(session.execute(text(COUNT_HANDED_OVER), {"said": _said(session, broadcast_id)}).scalar_one())


def claim_uncorrected(session: Session, broadcast_id: UUID) -> Broadcast:
    """The message, locked so that no correction of it, or of what it repeats, begins meanwhile; ConflictError where there is one."""
    original = claim_chain(session, broadcast_id)
    if is_corrected(session, broadcast_id):
        raise ConflictError("corrected", "This message was corrected, or is about to be: remind of the correction instead.")
    return original


def _said(session: Session, broadcast_id: UUID) -> list[UUID]:
    """The message first, then what only repeats it: whom the original failed to reach may have a reminder of it."""
    return list(session.scalars(text(SAID), {"original": broadcast_id}))


def _check_all_out(session: Session, original: Broadcast) -> None:
    """Nobody else is about to get it: nothing is queued, and every list that may go has been given to the workers."""
    if original.cancelled_at is None and session.execute(text(STILL_GOING_OUT), {"original": original.id}).scalar_one():
        raise ConflictError(
            "still_sending", "this message is still going out: cancel it first, then correct it", state=original.state.value
        )


def _number_countries(session: Session, broadcast_id: UUID) -> list[str | None]:
    return list(session.scalars(text(NUMBER_COUNTRIES), {"original": broadcast_id}))


def _prepared(session: Session, actor: Actor, command: Correction) -> MessageTemplate | None:
    if command.template_id is None:
        return None
    check_session_actor(actor)
    if command.texts is not None:
        raise InvalidError("words_twice", "Prepared words are sent as they are: give either a template or texts.", field="texts")
    template = get_template(session, command.template_id)
    check_usable(template.state, template.kind, [KIND_OF[MsgType(command.msg_type)]])
    return template


def _texts(command: Correction, template: MessageTemplate | None) -> dict[str, str]:
    if template is not None:
        return dict(template.texts)
    if command.texts is not None:
        return command.texts.model_dump()
    if command.msg_type is MsgType.UPDATE:
        raise InvalidError("text_missing", "an Update says something new: give its texts", field="texts")
    return dict(rules.CANCEL_TEXT)


STILL_GOING_OUT = """
SELECT EXISTS (SELECT FROM delivery_batch b JOIN delivery d ON d.batch_id = b.id WHERE b.broadcast_id = :original AND d.state = 'queued')
    OR EXISTS (SELECT FROM audience a JOIN broadcast m ON m.id = a.broadcast_id WHERE m.id = :original AND a.released_at IS NULL
               AND (a.id = m.audience_id OR a.wave > 1) AND (NOT a.needs_approval OR a.approved_at IS NOT NULL))
"""

NUMBER_COUNTRIES = """
SELECT DISTINCT number_country FROM delivery_batch WHERE broadcast_id = :original AND channel = 'sms' AND number_country <> ''
"""

SAID = """
WITH RECURSIVE said AS (
    SELECT CAST(:original AS uuid) AS id, 0 AS depth
    UNION SELECT n.id, s.depth + 1 FROM said s JOIN broadcast n ON s.id = ANY (n."references")
    WHERE n.purpose IN ('follow_up', 'still_valid'))
SELECT id FROM said ORDER BY depth, id
"""

_MAY_HAVE_IT = """
(d.accepted_at IS NOT NULL OR d.state = 'unknown'
    OR EXISTS (SELECT FROM send_window w WHERE w.closed_at IS NULL AND d.id = ANY (w.deliveries)))
"""

COUNT_HANDED_OVER = f"""
SELECT count(DISTINCT m.citizen_id) FROM delivery_batch b JOIN delivery d ON d.batch_id = b.id JOIN audience_member m ON m.id = d.member_id
WHERE b.broadcast_id = ANY (CAST(:said AS uuid[])) AND {_MAY_HAVE_IT}
"""  # noqa: S608 - our own words

COUNT_LEFT_OUT = f"""
{COUNT_HANDED_OVER}
  AND NOT EXISTS (SELECT FROM audience_member l WHERE l.audience_id = :audience AND l.citizen_id = m.citizen_id)
"""

# Once a person, whatever waves, steps and repeats there were. How well a way worked: delivered; taken and answered; taken; nobody knows;
# never tried; failed. An answer alone says little of a way: it is noted on every step that was begun. The best way comes first,
# the person's others after it: a correction that fails goes on by them.
COPY_WORKED = f"""
WITH tried AS MATERIALIZED (
    SELECT d.id, d.member_id, d.step, m.citizen_id, d.channel, d.address_id, d.number_country, {_MAY_HAVE_IT} AS may_have_it,
        CASE WHEN d.delivered_at IS NOT NULL THEN 0 WHEN d.state IN ('failed', 'undelivered') THEN 5 WHEN d.accepted_at IS NULL THEN 3
             WHEN d.answered_at IS NOT NULL THEN 1 ELSE 2 END AS place
    FROM delivery_batch b JOIN delivery d ON d.batch_id = b.id JOIN audience_member m ON m.id = d.member_id
    WHERE b.broadcast_id = ANY (CAST(:said AS uuid[]))
), places AS MATERIALIZED (
    SELECT member_id, array_agg(place ORDER BY step) AS of_steps FROM tried GROUP BY 1
), best AS (
    SELECT DISTINCT ON (citizen_id) * FROM tried WHERE may_have_it ORDER BY citizen_id, place, id DESC
), worked AS MATERIALIZED (
    SELECT b.member_id, b.citizen_id, m.language, w.ways -> 0 ->> 0 AS channel, CAST(w.ways -> 0 ->> 1 AS uuid) AS address_id,
        CASE WHEN w.ways IS NULL THEN b.number_country ELSE w.ways -> 0 ->> 2 END AS number_country, w.ways - 0 AS further_ways, w.is_barred
    FROM best b JOIN places p ON p.member_id = b.member_id JOIN audience_member m ON m.id = b.member_id
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_array(o.channel, o.address_id, o.country)
                         ORDER BY o.step <> b.step, coalesce(p.of_steps[o.step], 4), o.step)
                   FILTER (WHERE o.channel || ':' || coalesce(o.country, '') <> ALL (CAST(:barred AS text[]))) AS ways,
            bool_or(o.channel || ':' || coalesce(o.country, '') = ANY (CAST(:barred AS text[]))) AS is_barred
        FROM (SELECT 1 AS step, CAST(m.channel AS text) AS channel, CAST(m.address_id AS text) AS address_id, m.number_country AS country
              UNION ALL SELECT n + 1, way ->> 0, way ->> 1, way ->> 2
              FROM jsonb_array_elements(m.further_ways) WITH ORDINALITY AS f(way, n)) o) w
), kept AS (
    INSERT INTO audience_member (audience_id, broadcast_id, wave, citizen_id, phone_id, device_id, address_id, channel, unreachable,
        language, reason, number_country, further_ways)
    SELECT :audience, :broadcast, 1, citizen_id, CASE WHEN channel IN ('sms', 'whatsapp', 'voice') THEN address_id END,
        CASE WHEN channel = 'push' THEN address_id END, address_id, coalesce(channel, 'none'),
        CASE WHEN channel IS NULL THEN 'words_barred' END, language, 'got_the_original', number_country, coalesce(further_ways, '[]')
    FROM worked ORDER BY member_id RETURNING 1)
UPDATE audience SET frozen_at = clock_timestamp(), count = (SELECT count(*) FROM kept), expected = (SELECT count(*) FROM kept),
    words_barred = (SELECT count(*) FROM worked WHERE is_barred)
WHERE id = :audience RETURNING count
"""  # noqa: S608 - our own words
