"""Messages to staff, and pages that repeat until somebody acts.

`start_paging` and `stop_paging` are for every slice above: in the transaction of what happened, or from a task. The clock
rings a round (`ring_due`); a round is one transaction that moves the page on and writes its messages, so two workers never
ring the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.kit.actor import SYSTEM, Actor, Via
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.db import Sessions, begin
from alerts.kit.errors import AppError, ConflictError, ForbiddenError, NotFoundError
from alerts.kit.i18n import translator
from alerts.kit.outbox import publish
from alerts.notices.alarms import raise_alarm
from alerts.notices.models import Notice, Paging
from alerts.notices.posting import Configured, Post, post
from alerts.notices.queries import get_paging, list_candidates
from alerts.notices.rules import (
    ACTUAL,
    AlarmKind,
    Candidate,
    PageStep,
    StopReason,
    channels_of,
    ladder,
    people_of_round,
    people_of_step,
    step_at,
    with_ministry,
)
from alerts.staff.models import Staff
from alerts.staff.rules import Role
from alerts.staff.sign_in import actor_of

SETTLED_AT_ONCE = 200
StillWaits = Callable[[Session, Paging], bool]
"""Whether what a page is about still waits for somebody; asked before each round, by the slice that knows."""
Plan = Sequence[PageStep]
"""The steps of a kind of page, in order; the last one repeats with one more deputy each time."""


@dataclass(frozen=True)
class PagingStart:
    """A page to begin. `texts` in id and en, without personal data; `path` is the page of ours that it points at.

    `version` tells one submission of the same subject from the next; `excluded` are people who must not be asked.
    """

    kind: str
    subject: tuple[str, object]
    role: Role
    texts: Mapping[str, str]
    path: str
    mission_code: str | None = None
    incident_id: UUID | None = None
    status: str = ACTUAL
    version: str = ""
    is_quiet: bool = False
    excluded: Iterable[UUID] = field(default_factory=tuple)


def start_paging(session: Session, start: PagingStart) -> UUID | None:
    """Page the first of a role at once, and on until somebody acts; the id, or None where this very page was begun before.

    A page for an older version of the same subject is stopped. Safe to repeat: a page that somebody stopped stays so.
    """
    subject_kind, subject_id = start.subject[0], str(start.subject[1])
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"paging:{start.kind}:{subject_id}"})
    same = select(Paging.id).where(Paging.kind == start.kind, Paging.subject_id == subject_id, Paging.version == start.version)
    if session.scalar(same.limit(1)) is not None:
        return None
    stop_paging(session, subject=start.subject, reason=StopReason.SUPERSEDED, kind=start.kind)
    values: dict[str, Any] = {"kind": start.kind, "subject_kind": subject_kind, "subject_id": subject_id, "version": start.version}
    values |= {"incident_id": start.incident_id, "status": start.status, "role": start.role, "mission_code": start.mission_code}
    values |= {"texts": dict(start.texts), "path": start.path, "excluded": list(start.excluded), "is_quiet": start.is_quiet}
    paging_id: UUID = session.execute(insert(Paging).values(**values).returning(Paging.id)).scalar_one()
    record(session, actor=SYSTEM, action="paging.started", incident_id=start.incident_id, subject=(subject_kind, subject_id))
    publish(session, "paging.started", paging_id=paging_id)
    return paging_id


def stop_paging(
    session: Session,
    *,
    subject: tuple[str, object],
    reason: StopReason = StopReason.DONE,
    kind: str | None = None,
    by: UUID | None = None,
) -> int:
    """End the open pages about something; what is not handed over yet is not sent. The count, 0 where there was none."""
    which = [Paging.subject_kind == subject[0], Paging.subject_id == str(subject[1]), Paging.stopped_at.is_(None)]
    open_ones = select(Paging).where(*which, *([Paging.kind == kind] if kind else [])).order_by(Paging.id).with_for_update()
    stopped = session.scalars(open_ones.execution_options(populate_existing=True)).all()
    for paging in stopped:
        _stop(session, paging, reason, by)
    return len(stopped)


def acknowledge_paging(session: Session, *, actor: Actor, paging_id: UUID) -> Paging:
    """Somebody says "I have it", and nobody is paged any further. It takes the role that was asked for.

    Raises ConflictError when it had stopped for another reason; saying it twice is fine.
    """
    paging = get_paging(session, paging_id, actor, is_locked=True)
    if actor.staff_id in paging.excluded:
        raise ForbiddenError("own_work", "Somebody else must take this on: you cannot decide on your own work.")
    if paging.stopped_at is not None:
        if paging.stop_reason is StopReason.ACKNOWLEDGED:
            return paging
        raise ConflictError("paging_stopped", "This page has stopped already: there is nothing left to take on.")
    _stop(session, paging, StopReason.ACKNOWLEDGED, actor.staff_id)
    mine = update(Notice).where(Notice.paging_id == paging.id, Notice.staff_id == actor.staff_id)
    session.execute(mine.values(acknowledged_at=paging.stopped_at))
    subject = (paging.subject_kind, paging.subject_id)
    record(session, actor=actor, action="paging.acknowledged", incident_id=paging.incident_id, subject=subject)
    publish(session, "paging.acknowledged", paging_id=paging.id)
    return paging


def acknowledge_by_call(session: Session, notice_id: UUID, *, takes_it_on: bool) -> tuple[str, str]:
    """The key pressed in a call about a page: what the voice says then, and in which language.

    NotFoundError for no such message. A key that says nothing changes nothing; neither does one that comes too late.
    """
    notice = session.get(Notice, notice_id)
    if notice is None:
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    words = translator(notice.language)
    if not takes_it_on:
        return words.gettext("You have not taken it on. You will be called again."), notice.language
    staff = session.get_one(Staff, notice.staff_id)
    if notice.paging_id is None or not staff.is_active:
        return words.gettext("Please open the page."), notice.language
    try:
        acknowledge_paging(session, actor=actor_of(staff, Via.LINK), paging_id=notice.paging_id)
    except AppError:
        return words.gettext("This has been dealt with already."), notice.language
    return words.gettext("Recorded: you take it on. Please open the page."), notice.language


def ring_due(
    sessions: Sessions,
    *,
    configured: Configured,
    repeat_seconds: float,
    checks: Mapping[str, StillWaits],
    at_once: Collection[str] = (),
    plans: Mapping[str, Plan] = MappingProxyType({}),
) -> int:
    """Ring every page that is due, each in a transaction of its own; the number of rounds rung.

    `at_once`: kinds of pages that nobody's turn is waited for: deputies are paged together with the first. `plans`: kinds that go
    by steps, each with its own people, ways and wait.
    """
    rung = 0
    while True:
        with begin(sessions) as session:
            paging = _claim_due(session)
            if paging is None:
                return rung
            if not _is_needed(session, paging, checks):
                continue
            if paging.kind in plans:
                _ring_by_steps(session, paging, plans[paging.kind], configured)
            else:
                _ring(session, paging, configured=configured, repeat_seconds=repeat_seconds, is_at_once=paging.kind in at_once)
            rung += 1


def settle(session: Session, checks: Mapping[str, StillWaits], *, at_most: int = SETTLED_AT_ONCE) -> int:
    """Stop open pages whose matter was decided (approved, rejected, edited, cancelled …); the count.

    All of them while there are few; of very many `at_most`, others each time, so that a second's turn is never longer than that.
    Each is asked about again before its next round in any case.
    """
    ended = 0
    open_ones = select(Paging.id).where(Paging.stopped_at.is_(None), Paging.kind.in_(list(checks)))
    some = session.scalars(open_ones.order_by(func.random()).limit(at_most)).all()
    chosen = select(Paging).where(Paging.id.in_(some), Paging.stopped_at.is_(None)).order_by(Paging.id)
    for paging in session.scalars(chosen.with_for_update(skip_locked=True).execution_options(populate_existing=True)).all():
        if not checks[paging.kind](session, paging):
            _stop(session, paging, StopReason.DONE, None)
            ended += 1
    return ended


def _claim_due(session: Session) -> Paging | None:
    """The page that waits longest, locked; another worker passes it over."""
    due = select(Paging).where(Paging.stopped_at.is_(None), Paging.next_at <= db_now(session)).order_by(Paging.next_at)
    return session.scalars(due.limit(1).with_for_update(skip_locked=True)).first()


def _is_needed(session: Session, paging: Paging, checks: Mapping[str, StillWaits]) -> bool:
    """Whether the matter still waits for somebody; if not, the page stops."""
    check = checks.get(paging.kind)
    if check is not None and not check(session, paging):
        _stop(session, paging, StopReason.DONE, None)
        return False
    return True


def _ring(session: Session, paging: Paging, *, configured: Configured, repeat_seconds: float, is_at_once: bool) -> None:
    """One round."""
    now = db_now(session)
    paging.level += 1
    paging.next_at = now + timedelta(seconds=repeat_seconds)
    rungs = _rungs(session, paging, configured)
    for candidate, is_new in people_of_round(rungs, paging.level, is_quiet=paging.is_quiet, is_at_once=is_at_once):
        ways = channels_of(candidate, configured(paging.status), is_quiet=paging.is_quiet, is_new=is_new)
        quiet = paging.is_quiet and candidate.is_of_mission
        post(session, _post_of(paging, repeat_seconds, is_quiet=quiet), candidate, ways)
    session.flush()
    if not rungs and paging.status == ACTUAL:
        raise_alarm(session, kind=AlarmKind.NOBODY_TO_PAGE, sender=_who(paging), count=1)


def _ring_by_steps(session: Session, paging: Paging, plan: Plan, configured: Configured) -> None:
    """The next step that has somebody to ask. A quiet page calls nobody at a mission, and goes on to the step after a call at once."""
    is_alone = True
    while is_alone:
        paging.level += 1
        step, deputies = step_at(plan, paging.level)
        have = configured(paging.status)
        rungs = _ladder(session, paging, configured, role=step.role, mission_code=None if step.is_ministry else paging.mission_code)
        for candidate, is_new in people_of_step(rungs, deputies, is_quiet=paging.is_quiet):
            ways = [way for way in channels_of(candidate, have, is_quiet=paging.is_quiet, is_new=is_new) if way[1] in step.ways]
            quiet = paging.is_quiet and candidate.is_of_mission
            is_alone = not post(session, _post_of(paging, step.seconds, is_quiet=quiet), candidate, ways) and is_alone
        if paging.level >= len(plan):
            break
    paging.next_at = db_now(session) + timedelta(seconds=step.seconds)
    session.flush()
    if is_alone and not rungs and paging.status == ACTUAL:
        raise_alarm(session, kind=AlarmKind.NOBODY_TO_PAGE, sender=f"{step.role.value} {paging.mission_code or ''}".strip(), count=1)


def _rungs(session: Session, paging: Paging, configured: Configured) -> list[Candidate]:
    """Whom this page can ask, in order: only people with a way that has a sender. After a mission's own, the ministry's."""
    own = _ladder(session, paging, configured, role=paging.role, mission_code=paging.mission_code)
    if paging.mission_code is None:
        return own
    return with_ministry(own, _ladder(session, paging, configured, role=Role.DUTY_OFFICER, mission_code=None))


def _ladder(session: Session, paging: Paging, configured: Configured, *, role: Role, mission_code: str | None) -> list[Candidate]:
    candidates = list_candidates(session, role, mission_code)
    reachable = [each for each in candidates if channels_of(each, configured(paging.status), is_quiet=paging.is_quiet)]
    return ladder(reachable, excluded=paging.excluded, now=db_now(session))


def _post_of(paging: Paging, repeat_seconds: float, *, is_quiet: bool) -> Post:
    """A message of a round lives until the next one takes its place."""
    return Post(
        kind=paging.kind,
        subject=(paging.subject_kind, paging.subject_id),
        texts=paging.texts,
        path=paging.path,
        status=paging.status,
        is_quiet=is_quiet,
        lives_seconds=repeat_seconds,
        paging=(paging.id, paging.level),
    )


def _who(paging: Paging) -> str:
    return f"{paging.role.value} {paging.mission_code}" if paging.mission_code else paging.role.value


def _stop(session: Session, paging: Paging, reason: StopReason, by: UUID | None) -> None:
    paging.stopped_at, paging.next_at = db_now(session), None
    paging.stop_reason, paging.stopped_by = reason, by
    session.flush()
    session.execute(text(CANCEL_QUEUED), {"paging": paging.id})


CANCEL_QUEUED = """
UPDATE notice SET state = 'cancelled', state_at = clock_timestamp()
WHERE id IN (SELECT id FROM notice WHERE paging_id = :paging AND state = 'queued' ORDER BY id FOR UPDATE)
"""
