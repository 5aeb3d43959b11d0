"""Who is still to be telephoned, and what became of calls. The list is derived from deliveries at the moment of asking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember, Broadcast
from alerts.citizens.models import Phone
from alerts.citizens.queries import names_of, open_e164
from alerts.deliveries.call_list.models import CallOutcome, CallRow
from alerts.deliveries.call_list.rules import Gap, Outcome
from alerts.deliveries.call_list.schemas import CallCounts, CallList, CallNote, CallRowView, OpenCallView
from alerts.incidents.queries import is_for_mission
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.db import rows_of
from alerts.kit.errors import NotFoundError


def list_calls(
    session: Session, incident_id: UUID, *, mission_code: str | None, broadcast_id: UUID | None, after_seconds: float, limit: int
) -> CallList:
    """Whom to call: who may have called for help, then those whose time has come, in the order in which messages go out: nearest
    to the danger first, then declared need. `mission_code`: its people only. `after_seconds`: how long silence lasts before
    somebody calls.
    """
    values = _values(incident_id, mission_code=mission_code, broadcast_id=broadcast_id, after_seconds=after_seconds)
    items = [CallRowView(**row) for row in rows_of(session.execute(text(LIST), values | {"limit": limit}))]
    return CallList(items=items, counts=count_calls(session, values))


def count_calls(session: Session, values: dict[str, Any]) -> CallCounts:
    """How many wait, by why, and how calls ended so far."""
    waiting = {Gap(row.gap): row.people for row in session.execute(text(COUNT_WAITING), values)}
    ended = session.execute(text(COUNT_OUTCOMES), values).all()
    outcomes = {Outcome(row.last_outcome): row.people for row in ended}
    return CallCounts(waiting=waiting, outcomes=outcomes, calls=sum(row.calls for row in ended))


def outcomes_of(session: Session, broadcast_id: UUID, *, at: datetime | None = None) -> dict[Outcome, int]:
    """People of one message by how the last call to them ended, until `at`: a series of its own beside reach."""
    rows = session.execute(text(OUTCOMES_OF_BROADCAST), {"broadcast": broadcast_id, "at": at})
    return {Outcome(row.outcome): row.people for row in rows}


def find_gap(session: Session, row: CallRow) -> Gap | None:
    """Why this person is to be called, or None: answered since, still being tried, or called to an end since their newest message."""
    values = _values(row.incident_id, mission_code=None, broadcast_id=None, after_seconds=0)
    values |= {"citizen": row.citizen_id, "done_at": row.done_at}
    found = session.execute(text(ONE), values).scalar_one_or_none()
    return Gap(found) if found else None


def get_member(session: Session, member_id: int, actor: Actor) -> tuple[AudienceMember, Broadcast]:
    """Whom a row is about, with the message; 404 for another mission's person."""
    query = select(AudienceMember, Broadcast).join(Broadcast, Broadcast.id == AudienceMember.broadcast_id)
    query = query.where(AudienceMember.id == member_id, Broadcast.released_at.is_not(None))
    if is_bound_to_mission(actor):
        code = actor.mission_code or ""
        query = query.where(is_for_mission(code, citizen_id=AudienceMember.citizen_id, incident_id=Broadcast.incident_id))
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFoundError("row_not_found", "There is no such person on the call list.")
    return found.AudienceMember, found.Broadcast


def claim_row(session: Session, incident_id: UUID, citizen_id: UUID) -> CallRow | None:
    """The row of this person, locked; None when nobody has opened it yet."""
    query = select(CallRow).where(CallRow.incident_id == incident_id, CallRow.citizen_id == citizen_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def present_open(session: Session, row: CallRow, member: AudienceMember, keyring: Keyring | None) -> OpenCallView:
    """An open row; name, numbers and notes only with a keyring."""
    names = ("incident_id", "citizen_id", "claimed_until", "tries", "last_outcome", "next_try_at", "done_at")
    values = {name: getattr(row, name) for name in names}
    view = OpenCallView(member_id=member.id, language=member.language, **values)
    view.history = [_note(each, keyring) for each in _outcomes(session, row.id)]
    if keyring is not None:
        view.name = names_of(session, keyring, [row.citizen_id]).get(row.citizen_id)
        view.numbers = _numbers(session, keyring, row.citizen_id)
    return view


def _values(incident_id: UUID, *, mission_code: str | None, broadcast_id: UUID | None, after_seconds: float) -> dict[str, Any]:
    return {"incident": incident_id, "mission": mission_code, "broadcast": broadcast_id, "after": after_seconds, "citizen": None}


def _outcomes(session: Session, row_id: UUID) -> Sequence[CallOutcome]:
    return session.scalars(select(CallOutcome).where(CallOutcome.call_row_id == row_id).order_by(CallOutcome.id)).all()


def _note(row: CallOutcome, keyring: Keyring | None) -> CallNote:
    note = CallNote(at=row.at, outcome=row.outcome, caller=row.caller)
    if row.note_enc is not None and keyring is not None:
        note.note = keyring.decrypt(row.note_enc, table="call_outcome", column="note_enc", row=row.id)
    return note


def _numbers(session: Session, keyring: Keyring, citizen_id: UUID) -> list[str]:
    query = select(Phone.id, Phone.e164_enc).where(Phone.citizen_id == citizen_id, Phone.retired_at.is_(None), Phone.is_valid)
    return [open_e164(keyring, row.id, row.e164_enc) for row in session.execute(query.order_by(Phone.position))]


# A person counts by the newest message that went to them. Silence begins a call only after the last way was tried (or the
# message is no longer valid) and then some; what is still being tried is nobody's call yet. Calls that ended before that
# message began to go to them say nothing of it: whoever it fails to reach is on the list again ("nothing new" asks for no
# answer, and brings nobody back). An unread message of theirs that may call for help keeps them there, though it is an answer.
_WAITING = """
WITH newest AS (
    SELECT DISTINCT ON (m.citizen_id) m.id, m.citizen_id, m.broadcast_id, m.unreachable, m.further_ways,
        b.released_at + make_interval(secs => b.validity_seconds) AS valid_until
    FROM audience_member m JOIN broadcast b ON b.id = m.broadcast_id
    WHERE b.incident_id = :incident AND b.released_at IS NOT NULL AND b.msg_type <> 'Cancel' AND b.state <> 'cancelled'
      AND b.purpose <> 'still_valid'
      AND (CAST(:broadcast AS uuid) IS NULL OR b.id = :broadcast) AND (CAST(:citizen AS uuid) IS NULL OR m.citizen_id = :citizen)
    ORDER BY m.citizen_id, m.id DESC
), stands AS (
    SELECT n.id, n.citizen_id, n.broadcast_id, n.unreachable IS NOT NULL AS is_unreachable,
        bool_or(d.answered_at IS NOT NULL) AS is_answered,
        (array_agg(d.state ORDER BY d.step DESC))[1] IN ('queued', 'sending') AS is_tried,
        bool_or(d.state IN ('accepted', 'sent', 'delivered')) AS is_out,
        bool_or(d.state = 'unknown') AS is_unknown,
        bool_or(d.state = 'undelivered') AS is_undelivered,
        bool_and(d.state = 'cancelled') AS is_cancelled, min(d.created_at) AS began_at,
        max(d.step) > jsonb_array_length(n.further_ways) OR n.valid_until < clock_timestamp() AS is_last,
        max(d.state_at) < clock_timestamp() - make_interval(secs => :after) AS is_silent
    FROM newest n JOIN delivery d ON d.member_id = n.id AND d.id BETWEEN n.id * 64 + 1 AND n.id * 64 + 63
    GROUP BY n.id, n.citizen_id, n.broadcast_id, n.unreachable, n.further_ways, n.valid_until
), waiting AS (
    SELECT s.id, s.citizen_id, s.broadcast_id, greatest(s.began_at, r.urgent_at) AS since, CASE
        WHEN r.urgent_at IS NOT NULL THEN 'urgent_unread'
        WHEN s.is_answered OR s.is_cancelled THEN NULL
        WHEN s.is_tried AND NOT s.is_unreachable THEN NULL
        WHEN s.is_out THEN CASE WHEN s.is_last AND s.is_silent THEN 'unanswered' END
        WHEN s.is_unreachable THEN 'unreachable'
        WHEN s.is_unknown THEN 'unknown'
        WHEN s.is_undelivered THEN 'undelivered'
        ELSE 'failed' END AS gap
    FROM stands s LEFT JOIN call_row r ON r.incident_id = :incident AND r.citizen_id = s.citizen_id
)"""

_PEOPLE = """
FROM waiting w JOIN citizen c ON c.id = w.citizen_id LEFT JOIN call_row r ON r.incident_id = :incident AND r.citizen_id = w.citizen_id
WHERE w.gap IS NOT NULL AND (r.done_at IS NULL OR r.done_at < w.since) AND c.died_at IS NULL AND c.merged_into IS NULL
  AND (CAST(:mission AS text) IS NULL OR EXISTS (
    SELECT FROM incident_mission i WHERE i.incident_id = :incident AND i.mission_code = :mission AND i.left_at IS NULL
      AND (c.province_code = ANY (i.places) OR c.country_iso2 = ANY (i.places))))
"""

LIST = f"""{_WAITING}
SELECT w.id AS member_id, w.broadcast_id, w.gap, coalesce(c.province_code, c.country_iso2) AS place, c.is_vulnerable,
    coalesce(r.tries, 0) AS tries, r.last_outcome, r.last_at, r.next_try_at AS due_at,
    CASE WHEN r.claimed_until > clock_timestamp() THEN r.claimed_by END AS claimed_by,
    CASE WHEN r.claimed_until > clock_timestamp() THEN r.claimed_until END AS claimed_until
{_PEOPLE}
ORDER BY w.gap <> 'urgent_unread', coalesce(r.next_try_at > clock_timestamp(), false), w.id LIMIT :limit
"""

COUNT_WAITING = f"{_WAITING} SELECT w.gap, count(*) AS people {_PEOPLE} GROUP BY w.gap"

ONE = f"{_WAITING} SELECT w.gap FROM waiting w WHERE CAST(:done_at AS timestamptz) IS NULL OR CAST(:done_at AS timestamptz) < w.since"  # noqa: S608 - our own words

COUNT_OUTCOMES = """
SELECT r.last_outcome, count(*) AS people, sum(r.tries) AS calls
FROM call_row r JOIN citizen c ON c.id = r.citizen_id
WHERE r.incident_id = :incident AND r.last_outcome IS NOT NULL
  AND (CAST(:broadcast AS uuid) IS NULL OR EXISTS (SELECT FROM call_outcome o WHERE o.call_row_id = r.id AND o.broadcast_id = :broadcast))
  AND (CAST(:mission AS text) IS NULL OR EXISTS (
    SELECT FROM incident_mission i WHERE i.incident_id = :incident AND i.mission_code = :mission AND i.left_at IS NULL
      AND (c.province_code = ANY (i.places) OR c.country_iso2 = ANY (i.places))))
GROUP BY r.last_outcome
"""

OUTCOMES_OF_BROADCAST = """
SELECT outcome, count(*) AS people FROM (
    SELECT DISTINCT ON (call_row_id) outcome FROM call_outcome
    WHERE broadcast_id = :broadcast AND at <= coalesce(CAST(:at AS timestamptz), clock_timestamp()) ORDER BY call_row_id, id DESC) AS last
GROUP BY outcome
"""
