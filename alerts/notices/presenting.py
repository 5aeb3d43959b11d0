"""The wire forms of addresses, rosters, pages and alarms, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.http import etag_of
from alerts.notices.contacts import hint_of
from alerts.notices.models import Alarm, Paging
from alerts.notices.queries import list_candidates, list_contacts, list_duty, states_of
from alerts.notices.rules import Candidate, alarm_texts, is_on_duty, ready_text
from alerts.notices.schemas import AlarmView, ContactList, ContactView, DutyPersonView, DutyView, HoursView, PagingView
from alerts.staff.queries import names_of
from alerts.staff.rules import Role


def present_contacts(session: Session, keyring: Keyring, staff_id: UUID) -> ContactList:
    """The current addresses of an account, masked."""
    return ContactList(
        items=[
            ContactView(
                id=each.id,
                kind=each.kind,
                hint=hint_of(keyring, each),
                number_country=each.number_country,
                created_at=each.created_at,
            )
            for each in list_contacts(session, staff_id)
        ]
    )


def present_duty(session: Session, role: Role, mission_code: str | None) -> DutyView:
    """The roster as it stands at this moment. Its ETag is over what one sets, not over the hour."""
    lines = list_duty(session, role, mission_code)
    candidates = {each.staff_id: each for each in list_candidates(session, role, mission_code)}
    names, now = names_of(session, [line.staff_id for line in lines]), db_now(session)
    people = [
        DutyPersonView(
            staff_id=line.staff_id,
            display_name=names[line.staff_id],
            position=line.position,
            is_on=line.is_on,
            is_on_now=line.staff_id in candidates and is_on_duty(candidates[line.staff_id], now),
            is_reachable=bool(candidates.get(line.staff_id, Candidate(line.staff_id)).contacts),
            hours=HoursView(begin=line.hours_from, until=line.hours_until) if line.hours_from and line.hours_until else None,
            zone=line.zone,
        )
        for line in lines
    ]
    listed = {line.staff_id for line in lines}
    parts = [(line.staff_id, line.is_on, line.hours_from, line.hours_until, line.zone) for line in lines]
    etag = etag_of("duty", role.value, mission_code, *parts)
    return DutyView(role=role, mission_code=mission_code, people=people, others=len(candidates.keys() - listed), etag=etag)


def present_pagings(session: Session, pagings: Sequence[Paging], language: str) -> list[PagingView]:
    """Pages with how far their messages have come."""
    states = states_of(session, [paging.id for paging in pagings])
    own = ("text", "messages")
    return [
        PagingView(
            **{name: getattr(paging, name) for name in PagingView.model_fields if name not in own},
            text=ready_text(paging.texts[language], status=paging.status),
            messages=states[paging.id],
        )
        for paging in pagings
    ]


def present_alarm(alarm: Alarm, language: str) -> AlarmView:
    """An alarm in the reader's language."""
    text = alarm_texts(alarm.kind, sender=alarm.sender, count=alarm.count)[language]
    return AlarmView(**{name: getattr(alarm, name) for name in AlarmView.model_fields if name != "text"}, text=text)
