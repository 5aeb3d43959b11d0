"""Named reads of the crew: rosters, who may be called for a function, and who is on at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from alerts.kit.clock import db_now
from alerts.kit.errors import NotFoundError
from alerts.kit.http import etag_of
from alerts.notices.crew.models import CrewAnswer, CrewCall, CrewDuty, CrewSlot
from alerts.notices.crew.rules import OF_MINISTRY, ROSTERED, Called, Function, Standing, State, role_of, standing_of, states_of
from alerts.notices.crew.schemas import CrewCallView, CrewRosterView, CrewView
from alerts.notices.queries import contacts_of, list_candidates
from alerts.notices.rules import Candidate, is_on_duty, ladder
from alerts.notices.schemas import DutyPersonView, HoursView
from alerts.staff.models import Staff
from alerts.staff.queries import names_of
from alerts.staff.rules import Role

RECENT_DAYS = 2


@dataclass(frozen=True, slots=True)
class SlotNow:
    """A function of an incident as it stood at a moment, with its calls in order and how each stood."""

    slot: CrewSlot
    calls: Sequence[Called]
    states: Sequence[State]

    @property
    def standing(self) -> Standing:
        return standing_of(self.states)

    @property
    def since(self) -> datetime | None:
        """When somebody said that they are coming."""
        coming = [call.answered_at for call, state in zip(self.calls, self.states, strict=True) if state is State.COMING]
        return min((at for at in coming if at), default=None)


def list_roster(session: Session, function: Function) -> Sequence[CrewDuty]:
    """The roster of a function, the first one first."""
    return session.scalars(select(CrewDuty).where(CrewDuty.function == function).order_by(CrewDuty.position)).all()


def list_for(session: Session, slot: CrewSlot) -> list[Candidate]:
    """Who may be called for a function, in order: by the hours of their roster, then the rest of it, then others of the role."""
    now = db_now(session)
    if slot.function in OF_MINISTRY:
        return ladder(_of_ministry(session, slot.function), excluded=(), now=now)
    pairs = [(role, code) for code in slot.mission_codes for role in (Role.HEAD_OF_MISSION, Role.MISSION_STAFF)]
    return [each for role, code in pairs for each in ladder(list_candidates(session, role, code), excluded=(), now=now)]


def is_one_of(session: Session, slot: CrewSlot, staff_id: UUID) -> bool:
    """Whether the person belongs to the function, with or without an address."""
    if slot.function in OF_MINISTRY:
        return any(each.staff_id == staff_id for each in _of_ministry(session, slot.function))
    staff = session.get(Staff, staff_id)
    return staff is not None and staff.mission_code in slot.mission_codes


def get_call(session: Session, call_id: UUID, staff_id: UUID | None) -> tuple[CrewCall, CrewSlot]:
    """One's own call, with its function locked; NotFoundError for anybody else's."""
    call = session.get(CrewCall, call_id)
    if call is None or call.staff_id != staff_id:
        raise NotFoundError("call_not_found", "There is no such call.")
    slot = session.get_one(CrewSlot, call.slot_id, with_for_update=True, populate_existing=True)
    return call, slot


def list_recent_calls(session: Session, staff_ids: Sequence[UUID], *, status: str) -> list[tuple[CrewCall, CrewSlot]]:
    """The calls of these accounts in the last two days, newest first: later nobody waits for an answer.

    Nobody waits either for an answer to what was asked before the incident was closed and opened again.
    """
    recent = CrewCall.called_at > func.now() - func.make_interval(0, 0, 0, RECENT_DAYS)
    later = aliased(CrewSlot)
    is_past = exists().where(later.incident_id == CrewSlot.incident_id, later.round > CrewSlot.round)
    query = select(CrewCall, CrewSlot).join(CrewSlot, CrewSlot.id == CrewCall.slot_id)
    query = query.where(CrewCall.staff_id.in_(staff_ids), CrewSlot.status == status, recent, ~is_past).order_by(CrewCall.id.desc())
    return [(call, slot) for call, slot in session.execute(query)]


def list_own_calls(session: Session, staff_id: UUID, *, status: str) -> list[tuple[CrewSlot, Called, State]]:
    """One's own recent calls and how each stands, newest first."""
    found = list_recent_calls(session, [staff_id], status=status)
    calls = _calls(session, [slot.id for _, slot in found], db_now(session))
    own = []
    for call, slot in found:
        now = _now(slot, calls[slot.id], is_past=False)
        own += [(slot, each, state) for each, state in zip(now.calls, now.states, strict=True) if each.id == call.id]
    return own


def list_slots(session: Session, incident_id: UUID, *, known_at: datetime | None = None) -> list[SlotNow]:
    """Every function of an incident since it was last opened, and who was on by `known_at` (default: now)."""
    by = known_at or db_now(session)
    then = (CrewSlot.incident_id == incident_id, CrewSlot.opened_at <= by)
    newest = select(func.max(CrewSlot.round)).where(*then).scalar_subquery()
    slots = session.scalars(select(CrewSlot).where(*then, CrewSlot.round == newest)).all()
    calls = _calls(session, [slot.id for slot in slots], by)
    order = list(Function)
    found = [_now(slot, calls.get(slot.id, []), is_past=known_at is not None) for slot in slots]
    return sorted(found, key=lambda each: (order.index(each.slot.function), each.slot.mission_code or ""))


def present_crew(session: Session, incident_id: UUID) -> list[CrewView]:
    """Who is on, by function, with names."""
    slots = list_slots(session, incident_id)
    names = names_of(session, {call.staff_id for each in slots for call in each.calls})
    return [
        CrewView(
            function=each.slot.function,
            mission_code=each.slot.mission_code,
            standing=each.standing,
            next_call_at=each.slot.next_at,
            calls=[_call_view(call, state, names) for call, state in zip(each.calls, each.states, strict=True)],
        )
        for each in slots
    ]


def present_roster(session: Session, function: Function) -> CrewRosterView:
    """A function's roster at this moment; its ETag is over what one sets."""
    lines, now = list_roster(session, function), db_now(session)
    candidates = {each.staff_id: each for each in _rostered(session, function)}
    names = names_of(session, [line.staff_id for line in lines])
    people = [
        DutyPersonView(
            staff_id=line.staff_id,
            display_name=names[line.staff_id],
            position=line.position,
            is_on=line.is_on,
            is_on_now=line.staff_id in candidates and is_on_duty(candidates[line.staff_id], now),
            is_reachable=line.staff_id in candidates and bool(candidates[line.staff_id].contacts),
            hours=HoursView(begin=line.hours_from, until=line.hours_until) if line.hours_from and line.hours_until else None,
            zone=line.zone,
        )
        for line in lines
    ]
    parts = [(line.staff_id, line.is_on, line.hours_from, line.hours_until, line.zone) for line in lines]
    return CrewRosterView(function=function, people=people, etag=etag_of("crew", function.value, *parts))


def _of_ministry(session: Session, function: Function) -> list[Candidate]:
    rostered = _rostered(session, function) if function in ROSTERED else []
    if rostered or function in (Function.SPOKESMAN, Function.MINISTER_AIDE):
        return rostered
    return list_candidates(session, role_of(function), None)


def _rostered(session: Session, function: Function) -> list[Candidate]:
    query = (
        select(CrewDuty, Staff.language).join(Staff, Staff.id == CrewDuty.staff_id).where(CrewDuty.function == function, Staff.is_active)
    )
    rows = session.execute(query).all()
    contacts = contacts_of(session, [row.CrewDuty.staff_id for row in rows])
    return [
        Candidate(
            staff_id=line.staff_id,
            position=line.position,
            is_on=line.is_on,
            hours=(line.hours_from, line.hours_until) if line.hours_from is not None and line.hours_until is not None else None,
            zone=line.zone,
            language=language,
            contacts=contacts[line.staff_id],
        )
        for line, language in rows
    ]


def _calls(session: Session, slot_ids: Sequence[UUID], by: datetime) -> dict[UUID, list[Called]]:
    newest = (
        select(CrewAnswer)
        .where(CrewAnswer.answered_at <= by)
        .ext(distinct_on(CrewAnswer.call_id))
        .order_by(CrewAnswer.call_id, CrewAnswer.id.desc())
        .subquery()
    )
    query = select(CrewCall, newest.c.answer, newest.c.answered_at, newest.c.way).join(
        newest, newest.c.call_id == CrewCall.id, isouter=True
    )
    query = query.where(CrewCall.slot_id.in_(slot_ids), CrewCall.called_at <= by).order_by(CrewCall.id)
    found: dict[UUID, list[Called]] = {}
    for call, answer, answered_at, way in session.execute(query):
        found.setdefault(call.slot_id, []).append(Called(call.id, call.staff_id, call.called_at, answer, answered_at, way))
    return found


def _now(slot: CrewSlot, calls: Sequence[Called], *, is_past: bool) -> SlotNow:
    # Of the past nobody knows whether the clock had given up by then: who was last called counts as being called.
    return SlotNow(slot, calls, states_of(calls, is_over=slot.next_at is None and not is_past))


def _call_view(call: Called, state: State, names: dict[UUID, str]) -> CrewCallView:
    return CrewCallView(
        id=call.id,
        staff_id=call.staff_id,
        display_name=names.get(call.staff_id, ""),
        state=state,
        called_at=call.called_at,
        answered_at=call.answered_at,
        way=call.way,
    )
