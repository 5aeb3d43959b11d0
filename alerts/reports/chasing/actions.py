"""What people say of a mission's clock: snoozed, covered by another, taken on, asked again. None commits.

Each word is a row, a line in the log, and `chase.changed`: the clock then asks, or stops asking.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.incidents.queries import find_involvement, get_open_incident
from alerts.incidents.standing_in import bring_in, send_home
from alerts.kit.actor import Actor
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.errors import InvalidError
from alerts.kit.outbox import publish
from alerts.missions.queries import find_mission
from alerts.missions.rules import MissionState
from alerts.reports.chasing.models import ChaseWord
from alerts.reports.chasing.queries import Key, Owed, covers_of, get_owed
from alerts.reports.chasing.rules import Pace, Word, check_acknowledge, check_cover, check_resume, check_snooze
from alerts.reports.chasing.schemas import CoverIn, SnoozeIn


def acknowledge(session: Session, key: Key, *, actor: Actor, pace: Pace) -> Owed:
    """Somebody has it: nobody is asked for a set time, then again. 409 where no report is overdue; 404 for another's mission."""
    owed = _claim(session, key, actor, pace)
    check_acknowledge(owed.state)
    return _say(session, actor, owed, pace, word=Word.ACKNOWLEDGED, until=db_now(session) + pace.acknowledged)


def snooze(session: Session, key: Key, *, actor: Actor, command: SnoozeIn, pace: Pace) -> Owed:
    """Nobody is asked for so long, with a reason. 422: longer than the settings allow. 409: covered by another."""
    owed = _claim(session, key, actor, pace)
    length = timedelta(minutes=command.minutes)
    check_snooze(length, owed.state, pace)
    return _say(session, actor, owed, pace, word=Word.SNOOZED, until=db_now(session) + length, reason=command.reason)


def cover(session: Session, key: Key, *, actor: Actor, command: CoverIn, pace: Pace) -> Owed:
    """Another mission reports for this one, and is asked instead. One that is not involved yet is brought in.

    422: no such mission, itself, or one that does not work. 409: one that is itself covered.
    """
    owed = _claim(session, key, actor, pace)
    check_cover(owed.key[1], command.mission_code, covers_of(session, owed.key[0]))
    mission = find_mission(session, command.mission_code)
    if mission is None or mission.state is MissionState.SUSPENDED:
        raise InvalidError("no_working_mission", "There is no working mission of this code.", field="mission_code")
    _end_cover(session, owed)
    bring_in(session, owed.involved, mission_code=mission.code, report_due=pace.first)
    return _say(session, actor, owed, pace, word=Word.COVERED, covered_by=mission.code, reason=command.reason)


def resume(session: Session, key: Key, *, actor: Actor, pace: Pace) -> Owed:
    """The mission is asked again as its clock says. 409 where nothing keeps it from being asked."""
    owed = _claim(session, key, actor, pace)
    check_resume(owed.standing, owed.state)
    _end_cover(session, owed)
    return _say(session, actor, owed, pace, word=Word.RESUMED)


def _claim(session: Session, key: Key, actor: Actor, pace: Pace) -> Owed:
    """One word at a time, and none while the clock decides; not in a closed incident."""
    get_open_incident(session, key[0], actor)
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('chase'))"))
    return get_owed(session, key, actor=actor, pace=pace)


def _end_cover(session: Session, owed: Owed) -> None:
    """Whoever stood in for this mission alone, and has no place of its own here, is released."""
    held = owed.standing.cover
    if held is None or held.covered_by is None:
        return
    incident_id, code = owed.key
    others = {by for mission, by in covers_of(session, incident_id).items() if mission != code}
    row = find_involvement(session, incident_id, held.covered_by)
    if row is not None and held.covered_by not in others:
        send_home(session, row)


def _say(session: Session, actor: Actor, owed: Owed, pace: Pace, *, word: Word, **values: Any) -> Owed:
    incident_id, code = owed.key
    due_at = owed.clock.due_at if owed.clock else None
    row = ChaseWord(incident_id=incident_id, status=owed.incident.status, mission_code=code, word=word, due_at=due_at, by=actor.key)
    for name, value in values.items():
        setattr(row, name, value)
    session.add(row)
    session.flush()
    detail = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
    record(session, actor=actor, action=f"chase.{word}", incident_id=incident_id, subject=("mission", code), detail=detail)
    publish(session, "chase.changed", incident_id=incident_id)
    return get_owed(session, owed.key, actor=actor, pace=pace)
