"""A call that ended: its outcome, and the check-in of somebody who was reached, in one transaction. Commits nothing."""

from __future__ import annotations

from sqlalchemy.orm import Session

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.rules import Answer, Channel
from alerts.deliveries.call_list.actions import Ended, record_outcome
from alerts.deliveries.call_list.models import CallRow
from alerts.deliveries.call_list.rules import Outcome
from alerts.inbox.calling.schemas import CallEnd
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring

ANSWERS = {Outcome.REACHED_SAFE: Answer.SAFE, Outcome.REACHED_NEED_HELP: Answer.NEED_HELP}


def end_call(session: Session, *, actor: Actor, keyring: Keyring, member_id: int, command: CallEnd, again_seconds: float) -> CallRow:
    """Write down how the call ended. *Reached* becomes a check-in with contact made; a need for help raises its case at once."""
    has_contact = command.contact is not None
    ended = Ended(command.outcome, again_seconds, has_contact, command.call_back_at, command.note)
    row = record_outcome(session, actor=actor, keyring=keyring, member_id=member_id, ended=ended)
    answer = ANSWERS.get(command.outcome)
    if answer is not None and command.contact is not None:
        contact = command.contact.to_contact()
        new = NewCheckin(row.incident_id, row.citizen_id, answer, Channel.STAFF, contact=contact, note=command.note)
        record_checkin(session, actor=actor, keyring=keyring, new=new)
    return row
