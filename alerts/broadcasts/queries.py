"""Named reads of messages, their texts, lists and members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.audience import count_selected_outside, select_people
from alerts.broadcasts.models import Audience, AudienceMember, Broadcast, BroadcastHand
from alerts.broadcasts.rules import Purpose, State, all_variants
from alerts.broadcasts.schemas import BroadcastView, TextView
from alerts.channels.ports import LINK_PLACE
from alerts.channels.texts import measure
from alerts.incidents.models import IncidentArea
from alerts.incidents.queries import get_incident, list_areas, list_list_ids
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import InvalidError, NotFoundError
from alerts.kit.http import Paging, etag_of

LINK_SAMPLE = "0" * 8 + "." + "0" * 22
"""A link as long as a real one: member numbers of eight base62 digits are enough for 200 trillion."""


def get_broadcast(session: Session, broadcast_id: UUID, actor: Actor | None = None) -> Broadcast:
    """One message; NotFoundError where there is none, or its incident is not the actor's to see."""
    broadcast = session.get(Broadcast, broadcast_id)
    if broadcast is None:
        raise NotFoundError("broadcast_not_found", "there is no such message")
    if actor is not None:
        get_incident(session, broadcast.incident_id, actor)
    return broadcast


def claim_broadcast(session: Session, broadcast_id: UUID, actor: Actor | None = None) -> Broadcast:
    """The same, locked until the transaction ends."""
    get_broadcast(session, broadcast_id, actor)
    statement = select(Broadcast).where(Broadcast.id == broadcast_id).with_for_update().execution_options(populate_existing=True)
    return session.execute(statement).scalar_one()


def list_broadcasts(session: Session, incident_id: UUID, page: Paging) -> list[Broadcast]:
    """Messages of an incident, newest first, one more than asked for."""
    query = select(Broadcast).where(Broadcast.incident_id == incident_id).order_by(Broadcast.id.desc()).limit(page.limit + 1)
    return list(session.scalars(query.where(Broadcast.id < page.cursor) if page.cursor else query))


def hands_of(session: Session, broadcast_id: UUID) -> set[UUID]:
    """Everyone who created, edited or submitted any version."""
    return set(session.scalars(select(BroadcastHand.staff_id).where(BroadcastHand.broadcast_id == broadcast_id)))


def list_successors(session: Session, broadcast_id: UUID, *, purposes: Sequence[Purpose] = tuple(Purpose)) -> list[Broadcast]:
    """Messages that refer to this one, oldest first."""
    query = select(Broadcast).where(Broadcast.references.contains([broadcast_id]), Broadcast.purpose.in_(purposes))
    return list(session.scalars(query.order_by(Broadcast.id)))


def list_repeats(session: Session, broadcast_id: UUID) -> list[Broadcast]:
    """What only repeats the message (reminders, "still valid"), and what repeats that; each after what it refers to."""
    found = list_successors(session, broadcast_id, purposes=(Purpose.FOLLOW_UP, Purpose.STILL_VALID))
    return [each for repeat in found for each in (repeat, *list_repeats(session, repeat.id))]


def claim_chain(session: Session, broadcast_id: UUID) -> Broadcast:
    """The message, locked, and before it what it only repeats, the first of all first: in the order in which a cancel locks."""
    *_, broadcast = [claim_broadcast(session, each) for each in list_chain(session, broadcast_id)]
    return broadcast


def is_corrected(session: Session, broadcast_id: UUID) -> bool:
    """Whether a correction of this message, or of what it only repeats, went out or is asked for.

    One that was refused, or withdrawn in time, is none.
    """
    is_standing = Broadcast.state.in_((State.FREEZING, State.SUBMITTED, State.APPROVED)) | Broadcast.released_at.is_not(None)
    about = (Broadcast.references.overlap(list_chain(session, broadcast_id)), Broadcast.purpose == Purpose.ALERT)
    return session.execute(select(Broadcast.id).where(*about, is_standing).limit(1)).first() is not None


def list_chain(session: Session, broadcast_id: UUID) -> list[UUID]:
    """The message and what it only repeats, the first of all first."""
    chain = f"WITH RECURSIVE {REPEATED.format(message='CAST(:broadcast AS uuid)')} SELECT id FROM repeated ORDER BY depth DESC, id"  # noqa: S608
    return list(session.scalars(text(chain), {"broadcast": broadcast_id}))


REPEATED = """
repeated AS (
    SELECT {message} AS id, 0 AS depth
    UNION SELECT u.id, s.depth + 1 FROM repeated s JOIN broadcast r ON r.id = s.id CROSS JOIN unnest(r."references") AS u(id)
    WHERE r.purpose IN ('follow_up', 'still_valid'))
"""
"""A message, and what it only repeats: the original of a reminder, also of a reminder of a reminder."""


def promised_at(broadcast: Broadcast) -> datetime | None:
    """When the next message is promised, by the clock in which the text says it."""
    if broadcast.next_message_at is None:
        return None
    return broadcast.next_message_at.astimezone(timezone(timedelta(minutes=broadcast.next_message_offset or 0)))


def list_waves(session: Session, broadcast_id: UUID) -> list[Audience]:
    """The frozen lists of latecomers, in order."""
    query = select(Audience).where(Audience.broadcast_id == broadcast_id, Audience.wave > 1)
    return list(session.scalars(query.order_by(Audience.wave)))


def areas_of(session: Session, broadcast: Broadcast) -> list[IncidentArea]:
    """The incident's current areas that the message names; all when it names neither areas nor lists."""
    return pick_areas(session, broadcast.incident_id, broadcast.area_ids, is_for_lists=bool(broadcast.list_ids))


def pick_areas(session: Session, incident_id: UUID, area_ids: Sequence[UUID], *, is_for_lists: bool = False) -> list[IncidentArea]:
    """The named areas of an incident; InvalidError for an area that is not one of its current ones."""
    current = {area.id: area for area in list_areas(session, incident_id)}
    unknown = [area_id for area_id in area_ids if area_id not in current]
    if unknown:
        raise InvalidError("unknown_area", f"{unknown[0]} is not a current area of this incident", field="area_ids")
    if area_ids:
        return [current[area_id] for area_id in area_ids]
    return [] if is_for_lists else list(current.values())


def lists_of(session: Session, broadcast: Broadcast) -> list[UUID]:
    """The lists that the message goes to; all of the incident's when it names neither areas nor lists."""
    if broadcast.area_ids or broadcast.list_ids:
        return list(broadcast.list_ids)
    return list_list_ids(session, broadcast.incident_id)


def find_audience(session: Session, broadcast: Broadcast) -> Audience | None:
    """The frozen list that the message now stands on."""
    return session.get(Audience, broadcast.audience_id) if broadcast.audience_id is not None else None


def find_member(session: Session, number: int) -> AudienceMember | None:
    """A member by the number that a citizen's link carries."""
    return session.get(AudienceMember, number)


def find_newest_member(session: Session, citizen_id: UUID, incident_ids: Sequence[UUID]) -> AudienceMember | None:
    """The citizen's newest membership among the incidents' released messages."""
    query = (
        select(AudienceMember)
        .join(Broadcast, Broadcast.id == AudienceMember.broadcast_id)
        .where(AudienceMember.citizen_id == citizen_id, Broadcast.incident_id.in_(incident_ids), Broadcast.approved_at.is_not(None))
    )
    return session.scalars(query.order_by(AudienceMember.id.desc()).limit(1)).first()


def count_more_since(session: Session, broadcast: Broadcast) -> int:
    """How many match now who were not there when the list was frozen."""
    audience = find_audience(session, broadcast)
    if audience is None or broadcast.references:
        return 0
    select_people(session, areas_of(session, broadcast), lists_of(session, broadcast), status=broadcast.status)
    return count_selected_outside(session, audience)


def country_counts(session: Session, audience_id: int) -> dict[str, int]:
    """Members who get a text by their first way or may get one by a later, by the number's country: a person may stand under two."""
    return {row.country or "": row.people for row in session.execute(text(TEXTED_COUNTRIES), {"audience": audience_id})}


TEXTED_COUNTRIES = """
SELECT country, count(DISTINCT id) AS people FROM (
    SELECT id, number_country AS country FROM audience_member WHERE audience_id = :audience AND channel = 'sms'
    UNION ALL
    SELECT m.id, way ->> 2 FROM audience_member m, jsonb_array_elements(m.further_ways) AS way
    WHERE m.audience_id = :audience AND m.further_ways <> '[]' AND way ->> 0 = 'sms') t
GROUP BY country ORDER BY people DESC
"""


def broadcast_etag(broadcast: Broadcast) -> str:
    """What an edit must name in If-Match."""
    return etag_of("broadcast", broadcast.id, broadcast.version, broadcast.state.value)


def present(session: Session, broadcast: Broadcast, public_url: str, *, with_since: bool = False) -> BroadcastView:
    """The wire form, with every text as it would leave."""
    audience = find_audience(session, broadcast)
    is_waiting = broadcast.state is State.SUBMITTED
    values: dict[str, Any] = {name: getattr(broadcast, name) for name in BroadcastView.model_fields if hasattr(broadcast, name)}
    values["next_message_at"] = promised_at(broadcast)
    values["hold_seconds_left"] = hold_seconds_left(session, broadcast)
    values["variants"] = list_texts(
        rules.with_promise(broadcast.texts, values["next_message_at"]),
        public_url,
        is_exercise=broadcast.status is Status.EXERCISE,
        code=public_code(broadcast),
    )
    values["audience_number"] = audience.number if audience else None
    values["audience_count"] = audience.count if audience and audience.frozen_at else None
    values["audience_expected"] = audience.expected if audience else None
    values["sharing_address"] = audience.sharing_address if audience else None
    values["words_barred"] = audience.words_barred if audience else None
    values["sharing_ways"] = audience.sharing_ways if audience else None
    values["audience_more_since"] = count_more_since(session, broadcast) if with_since and is_waiting else None
    return BroadcastView(**values, etag=broadcast_etag(broadcast))


def present_in_list(session: Session, broadcast: Broadcast, public_url: str) -> BroadcastView:
    """The same for a list: what a restricted message says is in no list."""
    view = present(session, broadcast, public_url)
    if not broadcast.is_restricted:
        return view
    return view.model_copy(update={"texts": {}, "variants": [], "still_valid_texts": None})


def hold_seconds_left(session: Session, broadcast: Broadcast) -> int | None:
    """Whole seconds until a held message goes out by itself; None when it is not held."""
    if broadcast.state is not State.HELD or broadcast.hold_until is None:
        return None
    return max(0, ceil((broadcast.hold_until - db_now(session)).total_seconds()))


def valid_seconds_left(session: Session, broadcast: Broadcast) -> int:
    """Whole seconds for which an approved message still holds, by the database's clock; 0: over, or never approved."""
    if broadcast.approved_at is None:
        return 0
    ends_at = broadcast.approved_at + timedelta(seconds=broadcast.validity_seconds)
    return max(0, int((ends_at - db_now(session)).total_seconds()))


def link_of(public_url: str, token: str, *, is_exercise: bool) -> str:
    """The address of a citizen's page; an exercise's lies with the exercises, and neither opens the other."""
    return f"{public_url.rstrip('/')}{'/exercise' if is_exercise else ''}/i/{token}"


def public_code(broadcast: Broadcast) -> str:
    """By which anybody can ask the public page whether a message is ours; our own tests of the chain have none."""
    return "" if broadcast.purpose is Purpose.SYNTHETIC else broadcast.alert_code


def list_texts(texts: Mapping[str, str], public_url: str, *, is_exercise: bool = False, code: str = rules.CODE_SAMPLE) -> list[TextView]:
    """Every text with its segments, counted with a link of the real length; before there is a message, with a sample of its code."""
    link = link_of(public_url, LINK_SAMPLE, is_exercise=is_exercise)
    views = []
    for (language, variant), body in all_variants(texts, code=code).items():
        size = measure(body.replace(LINK_PLACE, link))
        views.append(
            TextView(
                language=language,
                variant=variant,
                body=body,
                encoding=size.encoding.value,
                segments=size.segments,
                units=size.units,
            )
        )
    return views
