"""Named reads of answers: what a person sees, and what the live figures are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from alerts.broadcasts.models import AudienceMember, Broadcast
from alerts.checkins.models import Checkin
from alerts.checkins.rules import Answer, Channel, Standing, ends_steps
from alerts.checkins.schemas import CheckinView
from alerts.incidents.queries import is_for_mission
from alerts.incidents.rules import Claim, is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging

AT_LEAST_CONTACT = (Claim.CONTACT_MADE, Claim.VERIFIED)
BY_CITIZEN = (Channel.LINK, Channel.APP)


@dataclass(frozen=True, slots=True)
class SafeCounts:
    """People, not messages, by where each stands. `answered` is the sum of safe, need_help and other.

    `safe_contact_made` is the part of `safe` whom staff reached; `need_help_says_safe` is the part of
    `need_help` who said "safe" later themselves: a claim that nobody has checked.
    """

    answered: int
    safe: int
    safe_contact_made: int
    need_help: int
    need_help_says_safe: int
    other: int


def get_checkin(session: Session, checkin_id: UUID, actor: Actor) -> Checkin:
    """The answer; 404 when there is none, or it is another mission's."""
    row = session.scalars(select(Checkin).where(Checkin.id == checkin_id, visible_to(actor))).one_or_none()
    if row is None:
        raise NotFoundError("checkin_not_found", "There is no such check-in.")
    return row


def list_checkins(
    session: Session, actor: Actor, page: Paging, *, incident_id: UUID | None = None, answer: Answer | None = None
) -> list[Checkin]:
    """Up to `limit + 1` answers that the actor may see, newest first."""
    query = select(Checkin).where(visible_to(actor))
    if page.cursor is not None:
        query = query.where(Checkin.id < page.cursor)
    if incident_id is not None:
        query = query.where(Checkin.incident_id == incident_id)
    if answer is not None:
        query = query.where(Checkin.answer == answer)
    return list(session.scalars(query.order_by(Checkin.id.desc()).limit(page.limit + 1)))


def find_last_of_member(session: Session, member_id: int, *, channels: Sequence[Channel] = BY_CITIZEN) -> Checkin | None:
    """The newest answer given by this member's link or app, or by other channels."""
    query = select(Checkin).where(Checkin.member_id == member_id, Checkin.channel.in_(channels))
    return session.scalars(query.order_by(Checkin.id.desc()).limit(1)).one_or_none()


def safe_counts(session: Session, incident_id: UUID, known_at: datetime | None = None) -> SafeCounts:
    """How many people stand where, of the answers known by `known_at` (default: all)."""
    each = _per_person(incident_id, known_at).subquery()
    is_safe, needs = each.c.standing == Standing.SAFE, each.c.standing == Standing.NEED_HELP
    counts = session.execute(
        select(
            func.count(),
            func.count().filter(is_safe),
            func.count().filter(is_safe, each.c.confirmed_at.is_not(None)),
            func.count().filter(needs),
            func.count().filter(needs, each.c.safe_at > each.c.help_at),
            func.count().filter(each.c.standing == Standing.OTHER),
        ).select_from(each)
    ).one()
    return SafeCounts(*counts)


def standings_at(incident_id: UUID, known_at: datetime | None = None, *, citizen_ids: Sequence[UUID] | None = None) -> Subquery:
    """One row (`citizen_id`, `standing`) per person who answered by then: to be joined with whomever a question is about.

    `citizen_ids`: of these few alone, which is quick however many answered.
    """
    each = _per_person(incident_id, known_at)
    return (each if citizen_ids is None else each.where(Checkin.citizen_id.in_(citizen_ids))).subquery()


def present_checkin(row: Checkin, keyring: Keyring | None) -> CheckinView:
    """The answer as the wire shows it; its note only with a keyring."""
    view = CheckinView.model_validate(row)
    if row.note_enc is not None and keyring is not None:
        view.note = keyring.decrypt(row.note_enc, table="checkin", column="note_enc", row=row.id)
    return view


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition on `checkin` under which this actor may see it: of a mission, only its own people's."""
    if not is_bound_to_mission(actor):
        return Checkin.id.is_not(None)
    return is_for_mission(actor.mission_code or "", citizen_id=Checkin.citizen_id, incident_id=Checkin.incident_id)


def count_claims(session: Session, broadcast: Broadcast, at: datetime) -> int:
    """People of a message's lists who said something by a way that proves nothing (`rules.ends_steps`), and by no other."""
    claims = [channel for channel in Channel if not ends_steps(channel)]
    other = aliased(Checkin)
    known = (other.incident_id == Checkin.incident_id, other.citizen_id == Checkin.citizen_id, other.received_at <= at)
    is_on_list = exists().where(AudienceMember.citizen_id == Checkin.citizen_id, AudienceMember.broadcast_id == broadcast.id)
    query = select(func.count(Checkin.citizen_id.distinct())).where(
        Checkin.incident_id == broadcast.incident_id,
        Checkin.channel.in_(claims),
        Checkin.received_at <= at,
        is_on_list,
        ~exists().where(*known, other.channel.not_in(claims)),
    )
    return session.execute(query).scalar_one()


def _per_person(incident_id: UUID, known_at: datetime | None) -> Select[Any]:
    """One row per person: the times that `rules.standing` goes by, and its result. The same rule, in SQL."""
    confirmed = and_(Checkin.answer == Answer.SAFE, Checkin.rung.in_(AT_LEAST_CONTACT))
    help_at = func.max(Checkin.received_at).filter(Checkin.answer == Answer.NEED_HELP)
    safe_at = func.max(Checkin.received_at).filter(Checkin.answer == Answer.SAFE)
    confirmed_at = func.max(Checkin.received_at).filter(confirmed)
    still_needs = and_(help_at.is_not(None), or_(confirmed_at.is_(None), confirmed_at <= help_at))
    standing = case((still_needs, Standing.NEED_HELP), (safe_at.is_not(None), Standing.SAFE), else_=Standing.OTHER)
    query = select(
        Checkin.citizen_id,
        help_at.label("help_at"),
        safe_at.label("safe_at"),
        confirmed_at.label("confirmed_at"),
        standing.label("standing"),
    ).where(Checkin.incident_id == incident_id, Checkin.citizen_id.is_not(None))
    if known_at is not None:
        query = query.where(Checkin.received_at <= known_at)
    return query.group_by(Checkin.citizen_id)
