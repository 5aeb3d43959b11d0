"""Opening a row, giving it back, and writing down how a call ended. None commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.deliveries.call_list import rules
from alerts.deliveries.call_list.models import CallOutcome, CallRow
from alerts.deliveries.call_list.queries import claim_row, find_gap, get_member
from alerts.deliveries.call_list.rules import Claim, Outcome
from alerts.incidents.queries import get_open_incident
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import ConflictError
from alerts.kit.outbox import publish
from alerts.kit.text import clean

NOTE_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended. `again_seconds`: the first wait after no answer."""

    outcome: Outcome
    again_seconds: float
    has_contact: bool = False
    call_back_at: datetime | None = None
    note: str | None = None


def open_row(session: Session, *, actor: Actor, member_id: int, lease_seconds: float) -> CallRow:
    """Take a row to call this person: for `lease_seconds` nobody else may. The log says who saw the numbers.

    404: another mission's person. 409: closed incident, somebody else has it, the person answered since, or calling is over.
    """
    member, broadcast = get_member(session, member_id, actor)
    get_open_incident(session, broadcast.incident_id)
    values = {"incident_id": broadcast.incident_id, "citizen_id": member.citizen_id, "member_id": member.id}
    session.execute(insert(CallRow).values(**values).on_conflict_do_nothing(index_elements=["incident_id", "citizen_id"]))
    row = claim_row(session, broadcast.incident_id, member.citizen_id)
    assert row is not None
    now = db_now(session)
    rules.check_free(_claim_of(row), actor.key, now)
    if find_gap(session, row) is None:
        raise ConflictError("no_call_needed", "This person was reached, or is still being tried by message.")
    row.member_id, row.claimed_by, row.claimed_until = member.id, actor.key, now + timedelta(seconds=lease_seconds)
    row.done_at = None
    _log(session, actor, row, action="call.opened")
    return row


def release_row(session: Session, *, actor: Actor, member_id: int) -> CallRow:
    """Give an open row back without a call. 409: it is not this caller's."""
    row = get_mine(session, actor=actor, member_id=member_id)
    row.claimed_by = row.claimed_until = None
    _log(session, actor, row, action="call.released")
    return row


def record_outcome(session: Session, *, actor: Actor, keyring: Keyring, member_id: int, ended: Ended) -> CallRow:
    """Write down how the call ended, and when to try again. The check-in of somebody who was reached is the caller's to write.

    409: the row is not open for this caller. 422: `rules.check_outcome`.
    """
    row, now = get_mine(session, actor=actor, member_id=member_id), db_now(session)
    rules.check_outcome(ended.outcome, has_contact=ended.has_contact, call_back_at=ended.call_back_at, now=now)
    _, broadcast = get_member(session, row.member_id, actor)
    outcome = CallOutcome(
        id=new_id(session),
        call_row_id=row.id,
        broadcast_id=broadcast.id,
        mission_code=actor.mission_code,
        outcome=ended.outcome,
        caller=actor.key,
        call_back_at=ended.call_back_at,
    )
    note = clean(ended.note, NOTE_CHARACTERS)
    if note is not None:
        outcome.note_enc = keyring.encrypt(note, table="call_outcome", column="note_enc", row=outcome.id)
    session.add(outcome)
    row.tries, row.last_outcome, row.last_at = row.tries + 1, ended.outcome, now
    again, at = ended.again_seconds, ended.call_back_at
    row.next_try_at = rules.next_try_at(ended.outcome, tries=row.tries, again_seconds=again, call_back_at=at, now=now)
    row.done_at = None if row.next_try_at is not None else now
    if ended.outcome in rules.REACHED:
        row.urgent_at = None  # who was spoken to needs no reading any more
    row.claimed_by = row.claimed_until = None
    _log(session, actor, row, action="call.recorded", outcome=ended.outcome)
    publish(session, "call.recorded", incident_id=row.incident_id, broadcast_id=broadcast.id)
    return row


def keep_listed(session: Session, *, incident_id: UUID, citizen_id: UUID, member_id: int) -> None:
    """Somebody wrote what may be a call for help, and nobody has read it: whatever else they answered, they are to be called."""
    values = {"incident_id": incident_id, "citizen_id": citizen_id, "member_id": member_id, "urgent_at": func.clock_timestamp()}
    statement = insert(CallRow).values(**values)
    again = {"urgent_at": statement.excluded.urgent_at, "next_try_at": None}
    session.execute(statement.on_conflict_do_update(index_elements=["incident_id", "citizen_id"], set_=again))


def let_go(session: Session, *, incident_id: UUID, citizen_id: UUID) -> None:
    """All that this person wrote has been read: from now on they stand on the list only for what `keep_listed` does not concern."""
    mine = (CallRow.incident_id == incident_id, CallRow.citizen_id == citizen_id, CallRow.urgent_at.is_not(None))
    session.execute(update(CallRow).where(*mine).values(urgent_at=None))


def get_mine(session: Session, *, actor: Actor, member_id: int) -> CallRow:
    """The row that this caller has open, locked; 409 when it is not open, or another's."""
    member, broadcast = get_member(session, member_id, actor)
    row = claim_row(session, broadcast.incident_id, member.citizen_id)
    rules.check_mine(_claim_of(row) if row else None, actor.key, db_now(session))
    assert row is not None
    return row


def _claim_of(row: CallRow) -> Claim | None:
    return Claim(row.claimed_by, row.claimed_until) if row.claimed_by is not None and row.claimed_until is not None else None


def _log(session: Session, actor: Actor, row: CallRow, *, action: str, **detail: object) -> None:
    session.flush()
    subject: tuple[str, UUID] = ("call_row", row.id)
    audit.record(session, actor=actor, action=action, incident_id=row.incident_id, subject=subject, detail=detail)
