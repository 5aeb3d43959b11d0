"""Alarms: what went wrong with sending, told once per kind, sender and hour, and shown until somebody takes it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from alerts.kit.actor import Actor
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.errors import NotFoundError
from alerts.kit.outbox import publish
from alerts.notices.models import Alarm
from alerts.notices.posting import Configured, Post, post
from alerts.notices.queries import list_candidates
from alerts.notices.rules import ACTUAL, NOT_CALLED, AlarmKind, Channel, Kind, alarm_texts, channels_of, on_duty
from alerts.staff.rules import Role

log = structlog.get_logger()
TOLD = (Role.DUTY_OFFICER, Role.ADMINISTRATOR)
PAGE = "/duty"
SENDER_MAX = 80
ANY_SENDER = "SMS"
"""Filtering is counted over all senders of texts."""


def raise_alarm(session: Session, *, kind: AlarmKind, sender: str, count: int) -> UUID:
    """Note that something needs a person. An alarm of the same kind and sender that is still open grows instead."""
    sender = sender[:SENDER_MAX]
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"alarm:{kind}:{sender}"})
    alarm = session.scalar(select(Alarm).where(Alarm.kind == kind, Alarm.sender == sender, Alarm.acknowledged_at.is_(None)))
    if alarm is None:
        alarm = Alarm(kind=kind, sender=sender, count=0)
        session.add(alarm)
        session.flush()
        session.refresh(alarm)
    alarm.count, alarm.last_at = alarm.count + max(0, count), db_now(session)
    session.flush()
    publish(session, "alarm.raised", alarm_id=alarm.id)
    return alarm.id


def take_alarms(session: Session, payloads: Iterable[Mapping[str, Any]]) -> None:
    """Alarms as the fan-out published them (`kind`, `sender`, `count`). A word that we do not know is an alarm all the same."""
    for payload in payloads:
        word, count = str(payload.get("kind")), payload.get("count")
        if word not in set(AlarmKind):
            log.error("alarm.unknown_kind", kind=word[:40])
        kind = AlarmKind(word) if word in set(AlarmKind) else AlarmKind.OTHER
        raise_alarm(session, kind=kind, sender=str(payload.get("sender") or ANY_SENDER), count=count if isinstance(count, int) else 1)


def tell_alarms(session: Session, *, configured: Configured, again_seconds: float) -> int:
    """Page the duty officers and the administrators about open alarms, at most once per kind, sender and `again_seconds`.

    The count of alarms told of. One that somebody took on and that comes back within the time is shown, and not told again.
    """
    now = db_now(session)
    since = now - timedelta(seconds=again_seconds)
    told = 0
    for alarm in session.scalars(select(Alarm).where(Alarm.acknowledged_at.is_(None)).order_by(Alarm.id).with_for_update(skip_locked=True)):
        same = select(func.max(Alarm.paged_at)).where(Alarm.kind == alarm.kind, Alarm.sender == alarm.sender)
        last = session.scalar(same)
        # Open and silent for an hour is old news; open and still growing is told again.
        is_fresh = alarm.paged_at is None or alarm.last_at > alarm.paged_at
        if is_fresh and (last is None or last <= since):
            alarm.paged_at = now
            _tell(session, alarm, configured)
            told += 1
    session.flush()
    return told


def acknowledge_alarm(session: Session, *, actor: Actor, alarm_id: UUID) -> Alarm:
    """Somebody looks after it: it leaves the list. Saying it twice is fine; who said it first stays. NotFoundError for none."""
    alarm = session.get(Alarm, alarm_id, with_for_update=True)
    if alarm is None:
        raise NotFoundError("alarm_not_found", "There is no such alarm.")
    if alarm.acknowledged_at is None:
        alarm.acknowledged_at, alarm.acknowledged_by = db_now(session), actor.staff_id
        session.flush()
        detail = {"kind": alarm.kind.value, "sender": alarm.sender}
        record(session, actor=actor, action="alarm.acknowledged", subject=("alarm", alarm_id), detail=detail)
    return alarm


def _tell(session: Session, alarm: Alarm, configured: Configured) -> None:
    texts = alarm_texts(alarm.kind, sender=alarm.sender, count=alarm.count)
    said = Post(kind=Kind.ALARM, subject=("alarm", alarm.id), texts=texts, path=PAGE)
    for role in TOLD:
        for candidate in on_duty(list_candidates(session, role, None), db_now(session)):
            channels = configured(ACTUAL) - ({Channel.VOICE.value} if alarm.kind in NOT_CALLED else frozenset())
            post(session, said, candidate, channels_of(candidate, channels, is_quiet=False))
