"""The chaser: one page per mission over all its open incidents, begun and ended by the clock and by what is filed.

`chase` is rung by events and by the clock; it decides by the tables alone and may be repeated. It writes down when it begins to
ask and when nobody need be asked any more, so that a sheet of any moment can say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident, IncidentMission
from alerts.incidents.rules import Status
from alerts.kit.actor import SYSTEM
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.i18n import JAKARTA, N_
from alerts.kit.outbox import publish
from alerts.missions.queries import mission_names
from alerts.notices.actions import PagingStart, start_paging, stop_paging
from alerts.notices.models import Paging
from alerts.notices.rules import Channel, PageStep, StopReason, in_both
from alerts.reports.chasing.models import ChaseWord
from alerts.reports.chasing.queries import IS_ASKED, Owed, list_owed
from alerts.reports.chasing.rules import Chaser, Pace, Word, word_due
from alerts.settings import Settings
from alerts.settings_groups import Chasing
from alerts.staff.rules import Role

KIND = "chase"
SUBJECT = "mission"
TASK = "reports.chase"
TITLES, TITLE_LETTERS = 2, 40
DUE = N_("SIAGA: the report of %(mission)s has been due since %(time)s WIB: %(titles)s. Report by page or LAPSIT.")
DUE_QUIETLY = N_("SIAGA: something is awaited from you since %(time)s WIB. Please open the page.")
NEWS = timedelta(days=1)
"""A page that somebody took on longer ago than this has long been noted."""
_QUICK = frozenset({Channel.PUSH, Channel.WEB_PUSH, Channel.SMS, Channel.EMAIL})
_ALL = _QUICK | {Channel.VOICE}


def pace_of(all_settings: Settings) -> Pace:
    """The waits of all clocks, as they are set."""
    settings = all_settings.chasing
    seconds = {"Extreme": settings.extreme_seconds, "Severe": settings.severe_seconds, "Moderate": settings.moderate_seconds}
    seconds |= {"Minor": settings.minor_seconds, "Unknown": settings.unknown_seconds}
    return Pace(
        first=timedelta(seconds=all_settings.live.report_due_seconds),
        by_severity={severity: timedelta(seconds=each) for severity, each in seconds.items()},
        acknowledged=timedelta(seconds=settings.acknowledged_seconds),
        snooze_max=timedelta(seconds=settings.snooze_max_seconds),
        promise_waits=settings.promise_waits,
    )


def plan_of(settings: Chasing) -> Sequence[PageStep]:
    """Duty phone by push and text, then by a call; the head of the mission; the ministry, and on until somebody has it."""
    return (
        PageStep(Role.MISSION_STAFF, _QUICK, settings.voice_after_seconds),
        PageStep(Role.MISSION_STAFF, frozenset({Channel.VOICE}), settings.head_after_seconds),
        PageStep(Role.HEAD_OF_MISSION, _ALL, settings.ministry_after_seconds),
        PageStep(Role.DUTY_OFFICER, _ALL, settings.repeat_seconds, is_ministry=True),
    )


def chase(session: Session, pace: Pace) -> int:
    """Ask whoever owes a report, leave alone whoever does not; how many missions are being asked."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('chase'))"))
    _note_taken_on(session, pace)
    due: dict[str, list[Owed]] = defaultdict(list)
    all_owed = list_owed(session, pace, db_now(session), IS_ASKED)
    if _end_lost_covers(session, all_owed):
        all_owed = list_owed(session, pace, db_now(session), IS_ASKED)
    for owed in all_owed:
        word = word_due(owed.state, owed.standing)
        if word is not None:
            _write(session, owed, word)
        if owed.state is Chaser.CHASING:
            due[page_name(*owed.chased_as)].append(owed)
    open_ones = _open_pagings(session)
    for name, group in due.items():
        _page(session, name, group, open_ones.get(name))
    for name in open_ones.keys() - due.keys():
        stop_paging(session, subject=(SUBJECT, name), kind=KIND, reason=StopReason.DONE)
    return len(due)


def page_name(status: Status, mission_code: str) -> str:
    """How a mission's page is called; that of its exercises is another."""
    return f"{mission_code} {status.value}"


def still_waits(session: Session, paging: Paging) -> bool:
    """Whether the mission is still being asked in any open incident."""
    mission_code, status = paging.subject_id.rsplit(" ", 1)
    now = db_now(session)
    # Only what is written down counts here: the waits of the clocks are not asked for.
    pace = Pace(timedelta(), {"": timedelta()}, timedelta(), timedelta())
    owed = list_owed(session, pace, now, IS_ASKED, IncidentMission.mission_code == mission_code, Incident.status == status)
    return any(each.standing.chased is not None for each in owed)


def _open_pagings(session: Session) -> dict[str, Paging]:
    query = select(Paging).where(Paging.kind == KIND, Paging.stopped_at.is_(None)).order_by(Paging.id).with_for_update()
    return {paging.subject_id: paging for paging in session.scalars(query.execution_options(populate_existing=True))}


def _page(session: Session, name: str, group: Sequence[Owed], current: Paging | None) -> None:
    """Begin to ask, or say from the next round on what came since; an escalation goes on where it is."""
    is_quiet = any(owed.incident.is_quiet for owed in group)
    texts = _texts(session, group, is_quiet=is_quiet)
    if current is not None:
        current.texts, current.is_quiet = texts, is_quiet
        session.flush()
        return
    status, mission_code = group[0].chased_as
    root = "/exercise" if status is Status.EXERCISE else ""
    start = PagingStart(
        kind=KIND,
        subject=(SUBJECT, name),
        version=db_now(session).isoformat(),
        role=Role.MISSION_STAFF,
        mission_code=mission_code,
        texts=texts,
        path=f"{root}/missions/board?mission={mission_code}",
        incident_id=group[0].incident.id,
        status=status.value,
        is_quiet=is_quiet,
    )
    start_paging(session, start)


def _texts(session: Session, group: Sequence[Owed], *, is_quiet: bool) -> dict[str, str]:
    """Since when, and of which incidents; of a quiet one a locked phone says nothing."""
    since = min(owed.clock.due_at for owed in group if owed.clock)
    time = f"{since.astimezone(JAKARTA):%H.%M}"
    if is_quiet:
        return in_both(DUE_QUIETLY, time=time)
    code = group[0].involved.mission_code
    titles = [owed.incident.title[:TITLE_LETTERS] for owed in group]
    more = f" +{len(titles) - TITLES}" if len(titles) > TITLES else ""
    return in_both(DUE, mission=mission_names(session, [code]).get(code, code), time=time, titles="; ".join(titles[:TITLES]) + more)


def _end_lost_covers(session: Session, all_owed: Sequence[Owed]) -> int:
    """A mission that stood in for another and is not in the incident any more is asked nothing: the other is asked itself again."""
    here = {owed.key for owed in all_owed}
    ended = 0
    for owed in all_owed:
        held = owed.standing.cover
        if held is not None and held.covered_by is not None and (owed.key[0], held.covered_by) not in here:
            _write(session, owed, Word.RESUMED)
            about: dict[str, Any] = {"incident_id": owed.key[0], "subject": ("mission", owed.key[1])}
            record(session, actor=SYSTEM, action="chase.resumed", **about, detail={"left": held.covered_by})
            ended += 1
    return ended


def _write(session: Session, owed: Owed, word: Word) -> None:
    due_at = owed.clock.due_at if owed.clock else None
    incident_id, code = owed.key
    session.add(ChaseWord(incident_id=incident_id, status=owed.incident.status, mission_code=code, word=word, due_at=due_at, by=SYSTEM.key))
    session.flush()
    publish(session, "chase.noted", incident_id=incident_id)


def _note_taken_on(session: Session, pace: Pace) -> None:
    """Whoever took a mission's page on (by page, or by a key in the call) has all that it was asked for."""
    is_noted = exists().where(ChaseWord.paging_id == Paging.id)
    taken = select(Paging).where(Paging.kind == KIND, Paging.stop_reason == StopReason.ACKNOWLEDGED, ~is_noted)
    recent = taken.where(Paging.stopped_at > db_now(session) - NEWS).order_by(Paging.id)
    pagings = session.scalars(recent).all()
    if not pagings:
        return
    owed = _by_name(list_owed(session, pace, db_now(session), IS_ASKED))
    for paging in pagings:
        for each in owed.get(paging.subject_id, ()):
            _take_on(session, each, paging, pace)


def _take_on(session: Session, owed: Owed, paging: Paging, pace: Pace) -> None:
    chased = owed.standing.chased
    if chased is None or paging.stopped_at is None or chased.known_at > paging.stopped_at:
        return
    incident_id, code = owed.key
    by = f"staff:{paging.stopped_by}"
    row = ChaseWord(incident_id=incident_id, status=owed.incident.status, mission_code=code, word=Word.ACKNOWLEDGED, by=by)
    row.until, row.paging_id = paging.stopped_at + pace.acknowledged, paging.id
    session.add(row)
    session.flush()
    publish(session, "chase.noted", incident_id=incident_id)


def _by_name(owed: Iterable[Owed]) -> Mapping[str, list[Owed]]:
    found: dict[str, list[Owed]] = defaultdict(list)
    for each in owed:
        found[page_name(*each.chased_as)].append(each)
    return found
