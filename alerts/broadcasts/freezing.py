"""What every message goes through on its way to a decision: its row, the hands that touched it, its list, and its exact words.

Shared by the actions of this slice and of those above; each of them decides what is allowed, none of this does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.audience import select_people, spec_of
from alerts.broadcasts.models import Audience, Broadcast, BroadcastHand, BroadcastText
from alerts.broadcasts.queries import areas_of, country_counts, lists_of, promised_at, public_code
from alerts.broadcasts.rules import Channel, Move, MsgType, Purpose, ResendUnknown, State
from alerts.channels.country_rules import SMS
from alerts.channels.rule_book import Outlet
from alerts.channels.rule_book_outlets import SenderSets
from alerts.country_rules.queries import load_book
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import Status, manners_of
from alerts.kit.actor import Actor
from alerts.kit.audit import record
from alerts.kit.errors import InvalidError
from alerts.kit.outbox import publish
from alerts.places.names import place_name


def new_broadcast(incident: Incident, actor: Actor, texts: dict[str, str]) -> Broadcast:
    """A draft with what the incident's severity asks for. Not yet added."""
    manners = manners_of(is_quiet=incident.is_quiet)
    resend = rules.default_resend(severity=incident.severity.value, urgency=incident.urgency.value)
    return Broadcast(
        incident_id=incident.id,
        status=incident.status,
        msg_type=MsgType.ALERT,
        purpose=Purpose.ALERT,
        texts=texts,
        references=[],
        area_ids=[],
        list_ids=[],
        channels=[channel.value for channel in rules.ALL_WAYS],
        validity_seconds=rules.default_validity_seconds(incident.severity.value),
        resend_unknown=resend if manners.may_repeat else ResendUnknown.NEVER,
        is_restricted=incident.is_quiet,
        created_by=actor.staff_id,
        state=State.DRAFT,
    )


def add_broadcast(session: Session, broadcast: Broadcast, actor: Actor, action: str) -> None:
    """Store it, with its first hand and a line in the log."""
    session.add(broadcast)
    session.flush()
    add_hand(session, broadcast, actor)
    log_action(session, broadcast, actor, action)


def ready_texts(texts: Mapping[str, str], incident: Incident) -> dict[str, str]:
    """Both languages, checked, and marked where the incident is an exercise."""
    return rules.check_texts(texts, is_exercise=incident.status is Status.EXERCISE)


def touch(session: Session, broadcast: Broadcast, actor: Actor) -> None:
    """Another version, by this hand."""
    broadcast.version += 1
    add_hand(session, broadcast, actor)
    session.flush()


def add_hand(session: Session, broadcast: Broadcast, actor: Actor) -> None:
    """Whoever touched any version; never taken back."""
    if actor.staff_id is not None:
        values = {"broadcast_id": broadcast.id, "staff_id": actor.staff_id}
        session.execute(insert(BroadcastHand).values(**values).on_conflict_do_nothing())


def log_action(session: Session, broadcast: Broadcast, actor: Actor, action: str, **detail: Any) -> None:
    """A line in the log of actions on the incident."""
    subject = ("broadcast", broadcast.id)
    record(session, actor=actor, action=action, incident_id=broadcast.incident_id, subject=subject, detail=detail)


def ways_of(session: Session, broadcast: Broadcast, configured: SenderSets) -> tuple[Outlet, ...]:
    """The senders that may be used: of the message's status and of the channels that it names, as far as the incident's manners allow."""
    incident = get_incident(session, broadcast.incident_id)
    return ways_allowed(incident, configured, broadcast.channels)


def ways_allowed(incident: Incident, configured: SenderSets, channels: Collection[str]) -> tuple[Outlet, ...]:
    """The senders for a message about an incident by these channels."""
    allowed = set(channels) - manners_of(is_quiet=incident.is_quiet).barred_channels
    return tuple(each for each in configured.outlets(is_exercise=incident.status is Status.EXERCISE) if each.channel in allowed)


def open_audience(session: Session, broadcast: Broadcast, *, expected: int | None = None) -> Audience:
    """The next numbered list of this message, still empty. Without `expected` it gathers the people whom it will hold."""
    areas = [] if broadcast.references else areas_of(session, broadcast)
    if expected is None:
        lists = lists_of(session, broadcast)
        expected = 0 if broadcast.references else select_people(session, areas, lists, status=broadcast.status)
    described = [{"kind": a.kind.value, "code": a.code, "geometry": spec_of(a).geometry_json()} for a in areas]
    audience = add_audience(session, broadcast, areas=described, expected=expected, wave=1)
    broadcast.audience_id = audience.id
    return audience


def add_audience(session: Session, broadcast: Broadcast, *, areas: list[dict[str, Any]], expected: int, wave: int) -> Audience:
    """An empty list with the next number of its message."""
    last = select(func.coalesce(func.max(Audience.number), 0)).where(Audience.broadcast_id == broadcast.id)
    number = session.execute(last).scalar_one() + 1
    audience = Audience(
        broadcast_id=broadcast.id,
        number=number,
        areas=areas,
        expected=expected,
        count=0,
        wave=wave,
        sharing_address=0,
        sharing_ways=0,
        words_barred=0,
        needs_approval=False,
    )
    session.add(audience)
    session.flush()
    return audience


def freeze_words(session: Session, broadcast: Broadcast, audience: Audience, outlets: Sequence[Outlet] = ()) -> None:
    """The very texts that will leave, and the hash that a decision names; the country rules of these senders have the last word.

    Without senders nothing is refused: the list was made without the ways that these words may not go (`ways_barred`).
    """
    session.refresh(audience)
    spoken = rules.with_promise(broadcast.texts, promised_at(broadcast))
    if outlets:
        check_countries(session, spoken, country_counts(session, audience.id), outlets)
    texts = rules.all_variants(spoken, code=public_code(broadcast))
    later = rules.all_variants(broadcast.texts, code=public_code(broadcast)) if spoken != broadcast.texts else {}
    session.execute(delete(BroadcastText).where(BroadcastText.broadcast_id == broadcast.id))
    rows = [{"language": lang, "variant": v, "body": body, "later_body": later.get((lang, v))} for (lang, v), body in texts.items()]
    session.execute(insert(BroadcastText), [row | {"broadcast_id": broadcast.id} for row in rows])
    broadcast.content_hash = rules.content_hash(replace(_submission(broadcast, audience, texts), later_texts=later))


def ask_for_approval(session: Session, broadcast: Broadcast, audience: Audience, *, actor: Actor, configured: SenderSets) -> None:
    """The list is frozen and the words are fixed: a second person is asked."""
    freeze_words(session, broadcast, audience, ways_of(session, broadcast, configured))
    broadcast.state = rules.next_state(broadcast.state, Move.FROZEN)
    session.flush()
    about = {"audience": audience.number, "count": audience.count, "hash": broadcast.content_hash}
    log_action(session, broadcast, actor, "broadcast.submitted", **about)
    publish(session, "broadcast.submitted", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)


def ways_barred(session: Session, broadcast: Broadcast, outlets: Sequence[Outlet]) -> list[str]:
    """Ways (`channel:country`) by which the words of a message would be blocked: what cannot be mended any more goes without them."""
    spoken = rules.with_promise(broadcast.texts, promised_at(broadcast))
    return [f"{SMS}:{country}" for country in load_book(session).barred_by_words(spoken.values(), outlets)]


def check_countries(session: Session, texts: Mapping[str, str], number_countries: Iterable[str | None], outlets: Sequence[Outlet]) -> None:
    """Refuse at once what a country's network would block later, by the rules of every sender that may carry it there."""
    countries, book = [country for country in number_countries if country], load_book(session)
    for language, body in texts.items():
        for problem in book.check_text(body, countries, outlets=outlets):
            if problem.is_blocking:
                names = {code: place_name(problem.number_country, code) for code in rules.LANGUAGES}
                words = problem.words(names)
                country = problem.number_country
                raise InvalidError(f"text_{problem.fault}", words["en"], field=f"texts.{language}", message=words, number_country=country)


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
        purpose=broadcast.purpose,
        next_message_at=broadcast.next_message_at,
        next_message_every_minutes=broadcast.next_message_every_minutes,
        still_valid_texts=broadcast.still_valid_texts,
    )
