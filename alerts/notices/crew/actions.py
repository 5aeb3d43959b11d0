"""Calling the crew of an incident: who is called, deputies after a while, and what they answer. None commits but the clock's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from alerts.kit import audit
from alerts.kit.actor import SYSTEM, Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin
from alerts.kit.errors import InvalidError
from alerts.kit.i18n import find_zone, translator
from alerts.kit.outbox import publish
from alerts.notices.contacts import DutyLine
from alerts.notices.crew.models import CrewAnswer, CrewCall, CrewDuty, CrewSlot
from alerts.notices.crew.queries import get_call, is_one_of, list_for, list_recent_calls
from alerts.notices.crew.rules import (
    BARE,
    CALL,
    KEYS,
    KIND,
    NAMES,
    OF_MINISTRY,
    ROSTERED,
    SUBJECT,
    Answer,
    AnswerWay,
    Function,
    read_answer,
)
from alerts.notices.models import Notice
from alerts.notices.posting import Configured, Post, post
from alerts.notices.queries import list_phone_owners
from alerts.notices.rules import ACTUAL, TITLE_MAX, Candidate, channels_of
from alerts.staff.models import Staff
from alerts.staff.rules import MISSION_ROLES, Role
from alerts.staff.sign_in import actor_of


@dataclass(frozen=True, slots=True)
class CallOut:
    """Whom an incident needs. `title` empty: a locked phone says no more (quiet). `present`: who opened it, and so is there."""

    incident_id: UUID
    title: str
    path: str
    status: str = ACTUAL
    is_quiet: bool = False
    present: UUID | None = None
    missions: Sequence[str] = field(default_factory=tuple)
    neighbours: Sequence[str] = field(default_factory=tuple)


def start_callout(session: Session, wanted: CallOut) -> None:
    """Write down which functions are to be found; the clock calls at once.

    Safe to repeat: a function is looked for once, and its next calls are as quiet as the incident is now. After `stop_callout`
    everybody is called anew. Whoever calls holds the incident against closing.
    """
    places: list[tuple[Function, str | None, Sequence[str]]] = [(function, None, ()) for function in OF_MINISTRY]
    places += [(Function.HEAD_OF_MISSION, code, (code,)) for code in wanted.missions]
    places += [(Function.NEIGHBOUR, None, wanted.neighbours)] if wanted.neighbours else []
    common = {"incident_id": wanted.incident_id, "status": wanted.status, "is_quiet": wanted.is_quiet, "path": wanted.path}
    common |= {"present": wanted.present, "round": _round_of(session, wanted.incident_id)}
    rows = [
        common | {"function": function, "mission_code": code, "mission_codes": list(codes), "texts": _texts(function, wanted.title)}
        for function, code, codes in places
    ]
    statement = upsert(CrewSlot)
    changed = {name: getattr(statement.excluded, name) for name in ("is_quiet", "texts")}
    session.execute(statement.on_conflict_do_update(constraint="uq_crew_slot_place", set_=changed), rows)
    publish(session, "crew.wanted", incident_id=wanted.incident_id)


def call_due(sessions: Sessions, *, configured: Configured, deputy_seconds: float) -> int:
    """Call the next person of every function that is due, each in a transaction of its own; how many were looked at."""
    count = 0
    while True:
        with begin(sessions) as session:
            due = select(CrewSlot).where(CrewSlot.next_at <= db_now(session)).order_by(CrewSlot.next_at).limit(1)
            slot = session.scalars(due.with_for_update(skip_locked=True)).first()
            if slot is None:
                return count
            _call_next(session, slot, configured, deputy_seconds)
            count += 1


def answer_call(session: Session, *, actor: Actor, call_id: UUID, answer: Answer, way: AnswerWay = AnswerWay.PAGE) -> CrewCall:
    """Say whether one is coming. The same again changes nothing; another answer holds from now on.

    Who cannot is followed by the next deputy at once, unless the calling was stopped. NotFoundError for a call that is not one's own.
    """
    call, slot = get_call(session, call_id, actor.staff_id)
    newest = session.scalars(select(CrewAnswer).where(CrewAnswer.call_id == call.id).order_by(CrewAnswer.id.desc()).limit(1)).first()
    if newest is not None and newest.answer is answer:
        return call
    _say(session, actor, slot, call, answer=answer, way=way)
    if answer is Answer.COMING:
        slot.next_at = None
        session.execute(text(CANCEL_QUEUED), {"kind": KIND, "calls": [str(call.id)]})
    elif slot.stopped_at is None and not _is_somebody_on(session, slot) and _is_last(session, slot, call):
        slot.next_at = db_now(session)
        publish(session, "crew.wanted", incident_id=slot.incident_id)
    session.flush()
    return call


def answer_by_call(session: Session, notice: Notice, *, key: str) -> tuple[str, str]:
    """The key pressed in a call: what the voice says then, and in which language. Another key changes nothing."""
    words, answer = translator(notice.language), KEYS.get(key)
    staff = session.get_one(Staff, notice.staff_id)
    if answer is None or not staff.is_active:
        return words.gettext("Please open the page."), notice.language
    answer_call(session, actor=actor_of(staff, Via.LINK), call_id=UUID(notice.subject_id), answer=answer, way=AnswerWay.VOICE)
    said = {Answer.COMING: words.gettext("Recorded: you are coming."), Answer.CANNOT: words.gettext("Recorded: you cannot come.")}
    return said[answer], notice.language


def answer_by_text(session: Session, keyring: Keyring, *, number: str, status: str, text: str, may_be_bare: bool) -> UUID | None:
    """A text from a duty phone that is nothing but an answer to a call of its owner's; the incident, None for any other text.

    `may_be_bare`: whether a lone digit may be taken for it; a citizen's "2" is a call for help.
    """
    answer = read_answer(text)
    if answer is None or (text.strip(" .,!") in BARE and not may_be_bare):
        return None
    owners = {owner.staff.id: owner.staff for owner in list_phone_owners(session, keyring, number, roles=frozenset(Role))}
    recent = list_recent_calls(session, list(owners), status=status)
    if not recent:
        return None
    incident_id = recent[0][1].incident_id
    for call, slot in recent:
        if slot.incident_id == incident_id:
            actor = actor_of(owners[call.staff_id], Via.LINK)
            answer_call(session, actor=actor, call_id=call.id, answer=answer, way=AnswerWay.SMS)
    return incident_id


def stop_callout(session: Session, incident_id: UUID) -> None:
    """Call nobody further, whatever is answered later: the incident is closed. What is not handed over yet is not sent."""
    running = select(CrewSlot).where(CrewSlot.incident_id == incident_id, CrewSlot.stopped_at.is_(None)).order_by(CrewSlot.id)
    slots = session.scalars(running.with_for_update().execution_options(populate_existing=True)).all()
    for slot in slots:
        slot.next_at, slot.stopped_at = None, db_now(session)
    session.flush()
    calls = session.scalars(select(CrewCall.id).where(CrewCall.slot_id.in_([slot.id for slot in slots])))
    session.execute(text(CANCEL_QUEUED), {"kind": KIND, "calls": [str(each) for each in calls]})


def set_crew_roster(session: Session, *, actor: Actor, function: Function, lines: Sequence[DutyLine]) -> None:
    """Who is first and who deputises for a function, in place of the roster before. Staff of the ministry only.

    Raises InvalidError naming the line.
    """
    if function not in ROSTERED:
        raise InvalidError("not_rostered", "This function is found by its role and that role's roster.", field="function")
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"crew:{function}"))))
    for number, line in enumerate(lines):
        _check_line(session, line, field=f"people.{number}")
    if len({line.staff_id for line in lines}) != len(lines):
        raise InvalidError("person_twice", "A person stands in a roster once.", field="people")
    session.execute(delete(CrewDuty).where(CrewDuty.function == function))
    if lines:
        session.execute(insert(CrewDuty), [_row(function, number, line) for number, line in enumerate(lines, start=1)])
    detail = {"people": [str(line.staff_id) for line in lines]}
    audit.record(session, actor=actor, action="duty.changed", subject=("duty", function.value), detail=detail)


def _round_of(session: Session, incident_id: UUID) -> int:
    """Which opening of the incident this is: the one that runs, or the next after those that were stopped."""
    query = select(func.max(CrewSlot.round), func.bool_or(CrewSlot.stopped_at.is_(None))).where(CrewSlot.incident_id == incident_id)
    number, is_running = session.execute(query).one()
    return number if is_running else (number or 0) + 1


def _call_next(session: Session, slot: CrewSlot, configured: Configured, deputy_seconds: float) -> None:
    """The next person, with everything that can reach them at once; nobody left ends the looking."""
    called = list(session.scalars(select(CrewCall).where(CrewCall.slot_id == slot.id).order_by(CrewCall.id)))
    if not called and slot.present is not None and is_one_of(session, slot, slot.present):
        call = _add_call(session, slot, slot.present, None)
        actor = actor_of(session.get_one(Staff, slot.present), Via.SESSION)
        _say(session, actor, slot, call, answer=Answer.COMING, way=AnswerWay.OPENED)
        slot.next_at = None
        return
    for candidate in list_for(session, slot):
        ways = channels_of(candidate, configured(slot.status), is_quiet=slot.is_quiet)
        if ways and candidate.staff_id not in {call.staff_id for call in called}:
            call = _add_call(session, slot, candidate.staff_id, called[-1].id if called else None)
            post(session, _post_of(slot, call, candidate), candidate, ways)
            slot.next_at = db_now(session) + timedelta(seconds=deputy_seconds)
            return
    slot.next_at = None
    publish(session, "crew.changed", incident_id=slot.incident_id)


def _add_call(session: Session, slot: CrewSlot, staff_id: UUID, before: UUID | None) -> CrewCall:
    call = CrewCall(slot_id=slot.id, staff_id=staff_id, deputy_of=before)
    session.add(call)
    session.flush()
    detail = {"function": slot.function.value, "mission": slot.mission_code, "person": str(staff_id)}
    audit.record(session, actor=SYSTEM, action="crew.called", incident_id=slot.incident_id, subject=(SUBJECT, call.id), detail=detail)
    publish(session, "crew.changed", incident_id=slot.incident_id)
    return call


def _say(session: Session, actor: Actor, slot: CrewSlot, call: CrewCall, *, answer: Answer, way: AnswerWay) -> None:
    session.add(CrewAnswer(call_id=call.id, answer=answer, way=way))
    session.flush()
    detail = {"function": slot.function.value, "mission": slot.mission_code, "way": way.value}
    action = {Answer.COMING: "crew.coming", Answer.CANNOT: "crew.cannot"}[answer]
    audit.record(session, actor=actor, action=action, incident_id=slot.incident_id, subject=(SUBJECT, call.id), detail=detail)
    publish(session, "crew.changed", incident_id=slot.incident_id)


def _is_last(session: Session, slot: CrewSlot, call: CrewCall) -> bool:
    """Whether nobody was called after: otherwise the clock of the last one runs."""
    newest = select(CrewCall.id).where(CrewCall.slot_id == slot.id).order_by(CrewCall.id.desc()).limit(1)
    return slot.next_at is None or session.scalar(newest) == call.id


def _is_somebody_on(session: Session, slot: CrewSlot) -> bool:
    newest = (
        select(CrewAnswer.answer)
        .join(CrewCall, CrewCall.id == CrewAnswer.call_id)
        .where(CrewCall.slot_id == slot.id)
        .ext(distinct_on(CrewAnswer.call_id))
        .order_by(CrewAnswer.call_id, CrewAnswer.id.desc())
    )
    return Answer.COMING in set(session.scalars(newest))


def _post_of(slot: CrewSlot, call: CrewCall, candidate: Candidate) -> Post:
    return Post(
        kind=KIND,
        subject=(SUBJECT, call.id),
        texts=slot.texts,
        path=slot.path,
        status=slot.status,
        is_quiet=slot.is_quiet and candidate.is_of_mission,
    )


def _texts(function: Function, title: str) -> Mapping[str, str]:
    texts = {}
    for lang in ("id", "en"):
        words = translator(lang)
        shown = title[:TITLE_MAX] or words.gettext("an incident, open the page")
        texts[lang] = words.gettext(CALL, title=shown, function=NAMES[function][lang])
    return texts


def _check_line(session: Session, line: DutyLine, *, field: str) -> None:
    staff = session.get(Staff, line.staff_id)
    if staff is None or staff.role in MISSION_ROLES:
        raise InvalidError("not_of_ministry", "On the ministry's rosters stand accounts of the ministry.", field=f"{field}.staff_id")
    if find_zone(line.zone) is None:
        raise InvalidError("zone_unknown", "This is no time zone, such as Asia/Jakarta.", field=f"{field}.zone")
    if line.hours and line.hours[0] == line.hours[1]:
        raise InvalidError("hours_empty", "Hours begin and end at different times; leave both out for always.", field=f"{field}.hours")


def _row(function: Function, position: int, line: DutyLine) -> dict[str, object]:
    begins, ends = line.hours or (None, None)
    who: dict[str, object] = {"function": function, "staff_id": line.staff_id, "position": position}
    return who | {"is_on": line.is_on, "hours_from": begins, "hours_until": ends, "zone": line.zone}


CANCEL_QUEUED = """
UPDATE notice SET state = 'cancelled', state_at = clock_timestamp()
WHERE id IN (
    SELECT id FROM notice WHERE kind = :kind AND subject_id = ANY(:calls) AND state = 'queued' ORDER BY id FOR UPDATE
)
"""
