"""Computing a sheet anew and keeping it, and telling the screens that there is a new one.

`refresh` writes; it never commits. `refresh_one` and `refresh_all` are for tasks: a short transaction per
incident, then the wake-up, which may be lost without harm (screens also look for themselves).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import redis
import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts.incidents.queries import get_incident, list_open_incidents
from alerts.kit.clock import db_now
from alerts.kit.db import Sessions, begin
from alerts.kit.errors import AppError
from alerts.kit.outbox import publish
from alerts.live.briefing.actions import flag_stale
from alerts.live.counting import keep
from alerts.live.models import FigureMinute, LiveState, Snapshot
from alerts.live.queries import latest_snapshot, recount_sheet
from alerts.live.rules.changes import content_hash, content_of, main_figures
from alerts.live.schemas import AnswerSheet
from alerts.settings import Settings

NO_MORE_OFTEN = timedelta(milliseconds=200)
EVENT_RESTS, PROGRESS_RESTS = 4, 20
"""Under a storm of events a sheet is computed at most this often, and so many times the time it took lie between two: a large crisis
takes longer to count, and counting must leave the processors to sending. What is put off is the next sweep's."""
AT_LEAST_EVERY = timedelta(seconds=15)
"""Without any event a sheet is looked at this often: a figure turns stale and a mission late by mere time."""
PUBLISH_SECONDS = 0.5
log = structlog.get_logger()


def refresh(session: Session, incident_id: UUID, *, no_more_often: timedelta | None = None) -> int | None:
    """Compute the sheet of now; store a new version if more than ages changed, and write the minute series.

    Gives the new version's number, or None when nothing changed or the sheet was put off to the next sweep. `no_more_often`:
    by default what the last computation took decides.
    """
    state = _lock_state(session, incident_id)
    began = db_now(session)
    rest = _rest(state, EVENT_RESTS) if no_more_often is None else no_more_often
    if state.computed_at is not None and began - state.computed_at < rest:
        state.is_dirty = True
        return None
    sheet, counted = recount_sheet(session, get_incident(session, incident_id))
    keep(state, counted)
    state.computed_at, state.is_dirty, state.has_progress = db_now(session), False, False
    state.took_seconds = (state.computed_at - began).total_seconds()
    _write_minute(session, incident_id, sheet)
    version = _store(session, incident_id, sheet)
    if version is not None:
        flag_stale(session, incident_id, sheet)
    return version


def note_progress(session: Session, incident_ids: Collection[UUID]) -> None:
    """Sending went on: that can wait for its turn, unlike what somebody reports."""
    statement = update(LiveState).where(LiveState.incident_id.in_(sorted(incident_ids)), ~LiveState.has_progress)
    session.execute(statement.values(has_progress=True))


def note_changed(session: Session, incident_ids: Collection[UUID]) -> None:
    """Something happened in these: the next sweep computes their sheets, whatever becomes of whoever took the events."""
    rows = [{"incident_id": each, "is_dirty": True} for each in sorted(incident_ids)]
    if rows:
        statement = insert(LiveState).values(rows)
        session.execute(statement.on_conflict_do_update(index_elements=["incident_id"], set_={"is_dirty": True}))


def refresh_one(settings: Settings, sessions: Sessions, incident_id: UUID) -> int | None:
    """Refresh one incident in its own transaction and wake the screens after it has committed. Nobody looks at the synthetic one."""
    with begin(sessions) as session:
        version = None if get_incident(session, incident_id).is_synthetic else refresh(session, incident_id)
    if version is not None:
        announce(settings, incident_id, version)
    return version


def refresh_all(settings: Settings, sessions: Sessions) -> int:
    """Refresh every open incident that was put off or not looked at lately. Gives how many versions were made."""
    with begin(sessions) as session:
        due = _due(session)
    return refresh_each(settings, sessions, due)


def refresh_each(settings: Settings, sessions: Sessions, incident_ids: Iterable[UUID]) -> int:
    """Refresh each of these. One that cannot be computed is in the log, stays due, and holds up no other."""
    made = 0
    for incident_id in incident_ids:
        try:
            made += refresh_one(settings, sessions, incident_id) is not None
        except (AppError, SQLAlchemyError, ValueError) as error:
            log.error("live.refresh_failed", incident_id=str(incident_id), kind=type(error).__name__)  # noqa: TRY400 - a sheet holds names
    return made


def announce(settings: Settings, incident_id: UUID, version: int) -> None:
    """Wake the screens of an incident. A hint: losing it delays a screen, nothing more."""
    try:
        _client(settings.redis.url.get_secret_value()).publish(channel_of(settings, incident_id), str(version))
    except (redis.RedisError, OSError) as error:
        log.warning("live.wake_up_lost", incident_id=str(incident_id), kind=type(error).__name__)


def channel_of(settings: Settings, incident_id: UUID | str) -> str:
    """The channel on which the new versions of an incident are told."""
    return f"{settings.redis.prefix}live:{incident_id}"


def _lock_state(session: Session, incident_id: UUID) -> LiveState:
    """One computation of a sheet at a time; those who wait find it fresh."""
    session.execute(insert(LiveState).values(incident_id=incident_id).on_conflict_do_nothing())
    query = select(LiveState).where(LiveState.incident_id == incident_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _due(session: Session) -> list[UUID]:
    now = db_now(session)
    states = {state.incident_id: state for state in session.scalars(select(LiveState))}
    due = [incident.id for incident in list_open_incidents(session) if _is_due(states.get(incident.id), now)]
    closed = [state.incident_id for state in states.values() if _is_put_off(state, now) and state.incident_id not in due]
    return due + closed


def _is_due(state: LiveState | None, now: datetime) -> bool:
    return state is None or state.computed_at is None or now - state.computed_at >= AT_LEAST_EVERY or _is_put_off(state, now)


def _is_put_off(state: LiveState, now: datetime) -> bool:
    """Something happened that the sheet does not show, and it has rested long enough to be computed again."""
    rested = now - (state.computed_at or now)
    return (state.is_dirty and rested >= _rest(state, EVENT_RESTS)) or (state.has_progress and rested >= _rest(state, PROGRESS_RESTS))


def _rest(state: LiveState, times: int) -> timedelta:
    return min(AT_LEAST_EVERY, max(NO_MORE_OFTEN, timedelta(seconds=times * state.took_seconds)))


def _store(session: Session, incident_id: UUID, sheet: AnswerSheet) -> int | None:
    content = content_of(sheet)
    digest = content_hash(content)
    last = latest_snapshot(session, incident_id)
    if last is not None and last.content_hash == digest:
        return None
    version = last.version + 1 if last else 1
    content["version"] = version
    session.add(Snapshot(incident_id=incident_id, version=version, content_hash=digest, content=content))
    session.flush()
    publish(session, "sheet.changed", incident_id=incident_id)
    return version


def _write_minute(session: Session, incident_id: UUID, sheet: AnswerSheet) -> None:
    """The main figures at this minute; only those that differ from the last written value. What is gone is NULL, not what it was."""
    last = (
        select(FigureMinute.figure, FigureMinute.value)
        .where(FigureMinute.incident_id == incident_id)
        .ext(distinct_on(FigureMinute.figure))
        .order_by(FigureMinute.figure, FigureMinute.minute.desc())
    )
    known = {row.figure: row.value for row in session.execute(last)}
    figures: dict[str, int | None] = dict.fromkeys(known) | main_figures(sheet)
    minute = func.date_trunc("minute", sheet.known_at)
    rows = [
        {"incident_id": incident_id, "minute": minute, "figure": figure, "value": value}
        for figure, value in figures.items()
        if known.get(figure) != value
    ]
    for row in rows:
        statement = insert(FigureMinute).values(**row)
        keys = ["incident_id", "minute", "figure"]
        session.execute(statement.on_conflict_do_update(index_elements=keys, set_={"value": statement.excluded.value}))


@cache
def _client(url: str) -> redis.Redis:
    """One client per process; short timeouts, since a hint is not worth waiting for."""
    return redis.Redis.from_url(url, socket_timeout=PUBLISH_SECONDS, socket_connect_timeout=PUBLISH_SECONDS)
