"""Named reads: who may be paged, rosters, addresses, what needs a person now, and how far messages to staff have come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, text
from sqlalchemy.orm import Session

from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import rows_of
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging as Page
from alerts.notices.models import Alarm, Duty, Notice, Paging, StaffContact
from alerts.notices.rules import Candidate, Contact, ContactKind, ladder_key
from alerts.staff.models import Staff
from alerts.staff.rules import Role

GONE_ON_TO = frozenset({Role.DUTY_OFFICER.value, Role.HEAD_OF_MISSION.value})
"""Roles that a page for somebody else may reach in the end; whoever it reached may take it on."""


@dataclass(frozen=True, slots=True)
class PhoneOwner:
    """An account, the contact by which a number is its phone, and its place in the roster."""

    staff: Staff
    contact_id: UUID
    candidate: Candidate


def list_contacts(session: Session, staff_id: UUID) -> Sequence[StaffContact]:
    """The current addresses of an account, oldest first: the first number is the one to call first."""
    mine = select(StaffContact).where(StaffContact.staff_id == staff_id, StaffContact.retired_at.is_(None))
    return session.scalars(mine.order_by(StaffContact.id)).all()


def list_duty(session: Session, role: Role, mission_code: str | None) -> Sequence[Duty]:
    """The roster of a role, the first one first."""
    lines = select(Duty).where(Duty.role == role, Duty.mission_code.is_not_distinct_from(mission_code))
    return session.scalars(lines.order_by(Duty.position)).all()


def list_candidates(session: Session, role: Role, mission_code: str | None) -> list[Candidate]:
    """Every active account of the role (and mission), with its place in the roster and its current addresses."""
    duty = (Duty.staff_id == Staff.id) & (Duty.role == role) & Duty.mission_code.is_not_distinct_from(mission_code)
    rows = session.execute(
        select(Staff.id, Staff.language, Duty.position, Duty.is_on, Duty.hours_from, Duty.hours_until, Duty.zone)
        .join(Duty, duty, isouter=True)
        .where(Staff.is_active, Staff.role == role, Staff.mission_code.is_not_distinct_from(mission_code))
    ).all()
    contacts = contacts_of(session, [row.id for row in rows])
    return [
        Candidate(
            staff_id=row.id,
            position=row.position,
            is_on=row.is_on is not False,
            hours=(row.hours_from, row.hours_until) if row.hours_from is not None else None,
            zone=row.zone or "Asia/Jakarta",
            language=row.language,
            is_of_mission=mission_code is not None,
            contacts=contacts[row.id],
        )
        for row in rows
    ]


def list_phone_owners(session: Session, keyring: Keyring, number: str, *, roles: Collection[Role]) -> list[PhoneOwner]:
    """Whose duty phone a number is, among active accounts of these roles: who is on duty first, then by the roster."""
    index = keyring.blind_index(f"{ContactKind.PHONE}:{number}")
    duty = (Duty.staff_id == Staff.id) & (Duty.role == Staff.role) & Duty.mission_code.is_not_distinct_from(Staff.mission_code)
    query = (
        select(Staff, StaffContact.id, Duty)
        .join(StaffContact, StaffContact.staff_id == Staff.id)
        .join(Duty, duty, isouter=True)
        .where(StaffContact.address_index == index, StaffContact.kind == ContactKind.PHONE, StaffContact.retired_at.is_(None))
        .where(Staff.is_active, Staff.role.in_(roles))
    )
    now = db_now(session)
    owners = [PhoneOwner(staff, contact_id, _line_of(staff, line)) for staff, contact_id, line in session.execute(query)]
    return sorted(owners, key=lambda each: ladder_key(each.candidate, now))


def get_paging(session: Session, paging_id: UUID, actor: Actor, *, is_locked: bool = False) -> Paging:
    """A page that concerns the actor's role (and mission); NotFoundError for any other."""
    paging = session.get(Paging, paging_id, with_for_update=is_locked, populate_existing=is_locked)
    if paging is None or not is_for(session, paging, actor):
        raise NotFoundError("paging_not_found", "There is no such page.")
    return paging


def is_for(session: Session, paging: Paging, actor: Actor) -> bool:
    """Whether the page asks for somebody of the actor's role and mission, or has gone on to the ministry and reached this actor."""
    return session.scalar(select(Paging.id).where(Paging.id == paging.id, _concerns(actor))) is not None


def list_pagings(session: Session, actor: Actor, page: Page, *, only_open: bool = True, status: str | None = None) -> list[Paging]:
    """Pages that are for this actor (`is_for`), newest first, one more than asked for."""
    mine = select(Paging).where(_concerns(actor))
    mine = mine.where(Paging.stopped_at.is_(None)) if only_open else mine
    mine = mine.where(Paging.status == status) if status else mine
    mine = mine.where(Paging.id < page.cursor) if page.cursor else mine
    return list(session.scalars(mine.order_by(Paging.id.desc()).limit(page.limit + 1)))


def list_alarms(session: Session, page: Page, *, only_open: bool = True) -> list[Alarm]:
    """Alarms, newest first, one more than asked for."""
    alarms = select(Alarm).where(Alarm.acknowledged_at.is_(None)) if only_open else select(Alarm)
    alarms = alarms.where(Alarm.id < page.cursor) if page.cursor else alarms
    return list(session.scalars(alarms.order_by(Alarm.id.desc()).limit(page.limit + 1)))


def find_open_paging(session: Session, subject: tuple[str, object], actor: Actor) -> Paging | None:
    """The open page about something that the actor could take on."""
    about = (Paging.subject_kind == subject[0], Paging.subject_id == str(subject[1]), Paging.stopped_at.is_(None))
    found = session.scalars(select(Paging).where(*about).order_by(Paging.id.desc())).all()
    return next((each for each in found if is_for(session, each, actor) and actor.staff_id not in each.excluded), None)


def states_of(session: Session, paging_ids: Iterable[UUID]) -> dict[UUID, dict[str, int]]:
    """How many messages of each page stand where."""
    counted: dict[UUID, dict[str, int]] = defaultdict(dict)
    for row in rows_of(session.execute(text(STATES), {"pagings": list(paging_ids)})):
        counted[row["paging_id"]][row["state"]] = row["n"]
    return counted


def backlog(session: Session) -> dict[str, float]:
    """For monitoring: ages in seconds, and counts, of what waits for a person or for a carrier."""
    return {key: float(value or 0) for key, value in session.execute(text(BACKLOG)).mappings().one().items()}


def open_alarms(session: Session) -> list[dict[str, Any]]:
    """For a doctor: kind, sender, count and age of what nobody has taken on."""
    return rows_of(session.execute(text(OPEN_ALARMS)))


def _concerns(actor: Actor) -> ColumnElement[bool]:
    """Pages for the actor's role and mission, and those of a mission that have gone on to its head or to the ministry."""
    own = and_(Paging.role == actor.role, Paging.mission_code.is_not_distinct_from(actor.mission_code))
    if actor.role not in GONE_ON_TO:
        return own
    was_told = exists().where(Notice.paging_id == Paging.id, Notice.staff_id == actor.staff_id)
    of_mission = Paging.mission_code.is_not(None) if actor.mission_code is None else Paging.mission_code == actor.mission_code
    return or_(own, and_(of_mission, was_told))


def _line_of(staff: Staff, line: Duty | None) -> Candidate:
    if line is None:
        return Candidate(staff.id, language=staff.language, is_of_mission=staff.mission_code is not None)
    hours = (line.hours_from, line.hours_until) if line.hours_from is not None and line.hours_until is not None else None
    is_of_mission = staff.mission_code is not None
    return Candidate(staff.id, line.position, line.is_on, hours, line.zone, language=staff.language, is_of_mission=is_of_mission)


def contacts_of(session: Session, staff_ids: Sequence[UUID]) -> dict[UUID, list[Contact]]:
    """The current addresses of accounts, oldest first."""
    found: dict[UUID, list[Contact]] = defaultdict(list)
    current = select(StaffContact.staff_id, StaffContact.id, StaffContact.kind).where(
        StaffContact.staff_id.in_(staff_ids), StaffContact.retired_at.is_(None)
    )
    for row in session.execute(current.order_by(StaffContact.id)):
        found[row.staff_id].append(Contact(row.id, row.kind))
    return found


STATES = "SELECT paging_id, state, count(*) AS n FROM notice WHERE paging_id = ANY(:pagings) GROUP BY 1, 2"

BACKLOG = """
SELECT
    (SELECT count(*) FROM alarm WHERE acknowledged_at IS NULL) AS open_alarms,
    (SELECT count(*) FROM paging WHERE stopped_at IS NULL) AS open_pagings,
    (SELECT extract(epoch FROM clock_timestamp() - min(started_at)) FROM paging WHERE stopped_at IS NULL) AS paging_age_seconds,
    (SELECT extract(epoch FROM clock_timestamp() - min(next_at)) FROM paging
        WHERE stopped_at IS NULL AND next_at < clock_timestamp()) AS paging_late_seconds,
    (SELECT extract(epoch FROM clock_timestamp() - min(due_at)) FROM notice
        WHERE state = 'queued' AND due_at < clock_timestamp()) AS notice_age_seconds,
    (SELECT count(*) FROM notice WHERE state = 'unknown' AND created_at > now() - interval '1 day') AS unknown_notices
"""

OPEN_ALARMS = """
SELECT kind, sender, count, extract(epoch FROM clock_timestamp() - first_at)::bigint AS age_seconds
FROM alarm WHERE acknowledged_at IS NULL ORDER BY first_at
"""
