"""The storm door for answers by link: a country answers within the same minutes, and each waits until theirs is written.

The handler hands in what came and waits; one flusher reads, decides and writes for all that has gathered, in one transaction
(`kit.group_commit`). What each answer does is what it would do alone: the same answer again changes nothing, and a call for
help has its case, with an owner, in the same transaction. Where a group fails, each of it is tried alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from alerts.checkins.actions import LinkHolder, actor_of_link, holder_of_row
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.queries import find_current_case
from alerts.checkins.cases.raising import Call, hear_checkin, raise_all
from alerts.checkins.cases.rules import CURRENT
from alerts.checkins.models import Checkin
from alerts.checkins.queries import BY_CITIZEN
from alerts.checkins.rules import NOTE_CHARACTERS, Answer
from alerts.checkins.schemas import LinkAnswer
from alerts.incidents.rules import Claim, Status
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, array_of, begin
from alerts.kit.group_commit import GroupCommit
from alerts.kit.ids import MemberToken, is_member_token_valid, parse_member_token
from alerts.kit.text import clean
from alerts.missions.queries import mission_names

TOGETHER_MAX = 250
"""Each person's answers are locked against another process's: so many locks at once fit Postgres' own table of them."""
PASSING = frozenset({"40P01", "40001", "55P03"})
"""What is soon over: a deadlock, a serialization failure, a lock that somebody else holds."""


class Knock(NamedTuple):
    """An answer as it came: the link's token, the world of the page, the form."""

    token: str
    status: Status
    form: LinkAnswer


@dataclass(frozen=True, slots=True)
class Noted:
    """What was written, or had been already. `case` is the call for help that is open now, `owner` its mission's name."""

    holder: LinkHolder
    answer: Answer
    received_at: datetime
    case: HelpCase | None = None
    owner: str | None = None


class Refused(NamedTuple):
    """This one could not be written, and why."""

    error: Exception


Heard = Noted | Refused | None
Door = GroupCommit[Knock, Heard]


def door_of(state: Any) -> Door:
    """The web process's own (`state`: of its application), made when the first answer comes."""
    if not hasattr(state, "checkin_door"):
        state.checkin_door = make_door(state.sessions, state.settings.keyring)
    door: Door = state.checkin_door
    return door


def make_door(sessions: Sessions, keyring: Keyring) -> Door:
    """Gives for each answer what was noted, or None for a link that is not one."""
    return GroupCommit(lambda knocks: hear_all(sessions, keyring, knocks), name="checkins", together_max=TOGETHER_MAX)


def hear_all(sessions: Sessions, keyring: Keyring, knocks: Sequence[Knock]) -> list[Heard]:
    """All in one transaction; if that fails, each in one of its own, so that nobody pays for another's.

    While the database is away nobody is tried alone: everybody is told at once to come again.
    """
    try:
        return _hear_together(sessions, keyring, knocks)
    except Exception as error:  # noqa: BLE001 - its caller is told, whatever it was
        if len(knocks) == 1 or _is_away(error):
            return [Refused(error) for _ in knocks]
    return [heard for knock in knocks for heard in hear_all(sessions, keyring, [knock])]


def _hear_together(sessions: Sessions, keyring: Keyring, knocks: Sequence[Knock]) -> list[Heard]:
    """One transaction; once more if somebody else's locks were in the way."""
    for tries_left in (1, 0):
        try:
            with begin(sessions) as session:
                session.execute(LOCK_TIMEOUT)
                return _hear(session, keyring, knocks)
        except DBAPIError as error:
            if not tries_left or getattr(error.orig, "sqlstate", None) not in PASSING:
                raise
    raise AssertionError("the last try returns or raises")


def _is_away(error: Exception) -> bool:
    """Whether there was no connection, or it broke: nothing of one answer's own."""
    if isinstance(error, PoolTimeoutError):
        return True
    return isinstance(error, DBAPIError) and (error.connection_invalidated or getattr(error.orig, "sqlstate", None) is None)


def _hear(session: Session, keyring: Keyring, knocks: Sequence[Knock]) -> list[Heard]:
    tokens = [parse_member_token(knock.token) for knock in knocks]
    members = _lock_members(session, tokens)
    holders = [_holder(keyring, members, knock, token) for knock, token in zip(knocks, tokens, strict=True)]
    heard: list[Heard] = [None] * len(knocks)
    left = [place for place, holder in enumerate(holders) if holder is not None]
    while left:  # somebody who answered twice in a group, by one link or by two, is heard twice, in turn
        turn = {(holders[place].incident_id, holders[place].citizen_id): place for place in reversed(left)}  # type: ignore[union-attr]
        places = sorted(turn.values())
        for place, noted in zip(places, _note(session, keyring, [(holders[p], knocks[p].form) for p in places]), strict=True):  # type: ignore[misc]
            heard[place] = noted
        left = [place for place in left if heard[place] is None]
    return heard


def _lock_members(session: Session, tokens: Iterable[MemberToken | None]) -> dict[int, Row[Any]]:
    numbers = sorted({token.number for token in tokens if token is not None})
    return {row.id: row for row in session.execute(LOCK_MEMBERS, {"numbers": array_of(numbers)})}


def _holder(keyring: Keyring, members: dict[int, Row[Any]], knock: Knock, token: MemberToken | None) -> LinkHolder | None:
    row = members.get(token.number) if token else None
    if token is None or row is None or not is_member_token_valid(keyring.link, token, row.link_generation):
        return None
    return holder_of_row(row, knock.status)


def _note(session: Session, keyring: Keyring, said: Sequence[tuple[LinkHolder, LinkAnswer]]) -> list[Noted]:
    """One answer of each person: written, unless it says nothing new."""
    before = {row.member_id: row for row in session.execute(BEFORE, _people(holder for holder, _ in said))}
    new = [_new(holder, form, before[holder.member_id]) for holder, form in said]
    new = [each for each in new if not _is_known(before[each.holder.member_id], each, keyring)]
    times = _write(session, keyring, new)
    cases = _hear_cases(session, keyring, new, before)
    told = [holder for holder, form in said if form.answer is Answer.NEED_HELP or before[holder.member_id].has_case]
    cases |= _open_cases(session, [holder for holder in told if holder.member_id not in cases])
    names = _owner_names(session, cases.values())
    heard = []
    for holder, form in said:
        last, case = before[holder.member_id], cases.get(holder.member_id)
        owner = names.get(case.owner_mission) if case and case.owner_mission else None
        heard.append(Noted(holder, form.answer, times.get(last.new_id, last.received_at), case, owner))
    return heard


class _New(NamedTuple):
    """An answer to be written, by the id that it will have, and that of the case which it may raise."""

    holder: LinkHolder
    form: LinkAnswer
    id: UUID
    case_id: UUID
    note: str | None


def _new(holder: LinkHolder, form: LinkAnswer, last: Row[Any]) -> _New:
    return _New(holder, form, last.new_id, last.case_id, clean(form.note, NOTE_CHARACTERS))


def _is_known(last: Row[Any], new: _New, keyring: Keyring) -> bool:
    """Whether the newest answer of this link says the same already."""
    if last.answer != new.form.answer:
        return False
    if new.note is None or last.note_enc is None:
        return new.note is None
    return new.note == keyring.decrypt(last.note_enc, table="checkin", column="note_enc", row=last.id)


def _write(session: Session, keyring: Keyring, new: Sequence[_New]) -> dict[UUID, datetime]:
    """The rows, in the order in which they came, and the event of each; when each was written."""
    if not new:
        return {}
    holders = [each.holder for each in new]
    notes = [each.note and keyring.encrypt(each.note, table="checkin", column="note_enc", row=each.id).hex() for each in new]
    values = _people(holders) | {
        "ids": array_of(each.id for each in new),
        "answers": array_of(each.form.answer.value for each in new),
        "channels": array_of(each.form.channel.value for each in new),
        "notes": array_of(notes),
        "actors": array_of(actor_of_link(holder.member_id).key for holder in holders),
        "rung": Claim.REPORTED.value,
    }
    return {row.id: row.received_at for row in session.execute(WRITE, values)}


def _hear_cases(session: Session, keyring: Keyring, new: Sequence[_New], before: Mapping[int, Row[Any]]) -> dict[int, HelpCase]:
    """What new answers do to calls for help; the cases that are new, by member. Whoever has one open adds to its own history."""
    ids = sorted(each.id for each in new if before[each.holder.member_id].has_case)
    for row in session.scalars(select(Checkin).where(Checkin.id.in_(ids)).order_by(Checkin.id)) if ids else ():
        hear_checkin(session, actor=actor_of_link(row.member_id or 0), keyring=keyring, checkin=row)
    return _raise_cases(session, [each for each in new if each.form.answer is Answer.NEED_HELP and each.id not in ids])


def _raise_cases(session: Session, calls: Sequence[_New]) -> dict[int, HelpCase]:
    """The new cases, by member. Each person's lock is held since their members were."""
    if not calls:
        return {}
    raised = raise_all(session, [_call(each) for each in calls])
    return {each.holder.member_id: case for each, case in zip(calls, raised, strict=True)}


def _call(new: _New) -> Call:
    """A link is of its incident's world: its token opens no other (`_holder`)."""
    holder = new.holder
    status = Status.EXERCISE if holder.is_exercise else Status.ACTUAL
    who = actor_of_link(holder.member_id), holder.incident_id, holder.citizen_id
    return Call(*who, checkin_id=new.id, status=status, id=new.case_id)


def _open_cases(session: Session, holders: Iterable[LinkHolder]) -> dict[int, HelpCase]:
    found = {holder.member_id: find_current_case(session, holder.incident_id, holder.citizen_id) for holder in holders}
    return {member: case for member, case in found.items() if case is not None}


def _owner_names(session: Session, cases: Iterable[HelpCase | None]) -> dict[str, str]:
    owners = {case.owner_mission for case in cases if case and case.owner_mission}
    return mission_names(session, owners) if owners else {}


def _people(holders: Iterable[LinkHolder]) -> dict[str, str]:
    people = list(holders)
    return {
        "members": array_of(each.member_id for each in people),
        "citizens": array_of(each.citizen_id for each in people),
        "incidents": array_of(each.incident_id for each in people),
    }


LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '2s'")
"""One person's lock, held elsewhere, must not hold up everybody's door."""

# By one lock per person and incident, in one order everywhere: that of their call for help (`cases.queries.claim_current_case`).
LOCK_MEMBERS = text("""
SELECT p.*, pg_advisory_xact_lock(p.key) FROM (
    SELECT m.id, m.citizen_id, m.language, m.link_generation, b.incident_id, b.status, b.state, b.purpose,
        hashtextextended(concat('case:', b.incident_id, ':', m.citizen_id), 0) AS key
    FROM unnest(CAST(:numbers AS bigint[])) n JOIN audience_member m ON m.id = n JOIN broadcast b ON b.id = m.broadcast_id
    ORDER BY key OFFSET 0) p
""")

BEFORE = text("""
SELECT n.member_id, l.id, l.answer, l.received_at, l.note_enc, uuidv7() AS new_id, uuidv7() AS case_id, EXISTS (
    SELECT FROM help_case h WHERE h.citizen_id = n.citizen_id AND h.incident_id = n.incident_id AND h.state = ANY (:current)) AS has_case
FROM unnest(CAST(:members AS bigint[]), CAST(:citizens AS uuid[]), CAST(:incidents AS uuid[])) n(member_id, citizen_id, incident_id)
LEFT JOIN LATERAL (SELECT c.id, c.answer, c.received_at, c.note_enc FROM checkin c
    WHERE c.member_id = n.member_id AND c.channel = ANY (:by_citizen) ORDER BY c.id DESC LIMIT 1) l ON true
""").bindparams(current=sorted(CURRENT), by_citizen=list(BY_CITIZEN))

# The row itself is the record of what a citizen says; the log of actions holds what staff and clients do.
WRITE = text("""
WITH written AS (
    INSERT INTO checkin (id, incident_id, citizen_id, answer, channel, rung, member_id, note_enc, recorded_by)
    SELECT n.id, n.incident_id, n.citizen_id, n.answer, n.channel, :rung, n.member_id, decode(n.note, 'hex'), n.actor
    FROM unnest(CAST(:ids AS uuid[]), CAST(:incidents AS uuid[]), CAST(:citizens AS uuid[]), CAST(:members AS bigint[]),
        CAST(:answers AS text[]), CAST(:channels AS text[]), CAST(:notes AS text[]), CAST(:actors AS text[]))
        AS n(id, incident_id, citizen_id, member_id, answer, channel, note, actor)
    RETURNING id, incident_id, citizen_id, member_id, answer, received_at
), told AS (
    INSERT INTO outbox_event (name, payload)
    SELECT 'checkin.recorded', jsonb_build_object('checkin_id', id, 'citizen_id', citizen_id, 'incident_id', incident_id,
        'member_id', member_id, 'answer', answer, 'ends_steps', true) FROM written
)
SELECT id, received_at FROM written
""")
