"""What staff do with a call for help. None commits; each writes the history and the log, and publishes `case.changed`."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.cases import rules
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.queries import claim_case
from alerts.checkins.cases.raising import Said, add_entry, move
from alerts.checkins.cases.rules import CLOSED, CURRENT, CaseState, EntryKind
from alerts.checkins.cases.schemas import CaseMove
from alerts.checkins.rules import Answer, Channel, Contact, check_contact
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.missions.queries import find_mission


def move_case(session: Session, *, actor: Actor, keyring: Keyring, case_id: UUID, command: CaseMove) -> HelpCase:
    """Acknowledge, help, resolve or refer. Closing needs a contact made after the last call for help.

    *Resolved* writes "safe, contact made" for a person of the register. 404: none that the actor may see. 409: the state
    forbids it. 422: no contact, one that lies ahead, or one from before the call; *referred* without saying to whom.
    """
    case = claim_case(session, case_id, actor)
    contact = None if command.contact is None else command.contact.to_contact()
    rules.check_move(case.state, command.to, contact)
    if command.to is CaseState.REFERRED and command.note is None:
        raise InvalidError("referred_to_missing", "Say to whom the person was referred.", field="note")
    if contact is not None:
        check_contact(contact, Channel.STAFF, db_now(session))
    if contact is not None and command.to in CLOSED:
        rules.check_contact_after_call(contact, case.last_call_at)
    said = Said(to_state=command.to, contact=contact, note=command.note)
    move(session, actor, keyring, case=case, to=command.to, said=said)
    if command.to is CaseState.RESOLVED:
        _record_safe(session, actor, keyring, case=case, contact=contact)
    return case


def note_case(session: Session, *, actor: Actor, keyring: Keyring, case_id: UUID, note: str) -> HelpCase:
    """Add words for the colleagues; whoever writes them is taken for the one who acts. Also on a closed case."""
    case = claim_case(session, case_id, actor)
    if case.state in CURRENT:
        case.acting_by = actor.key
    add_entry(session, actor, keyring, case=case, kind=EntryKind.NOTE, said=Said(note=note))
    return case


def assign_case(session: Session, *, actor: Actor, keyring: Keyring, case_id: UUID, mission_code: str | None) -> HelpCase:
    """Give the case to another mission, or (null) to the ministry. 403: staff of a mission. 409: closed. 422: no such mission."""
    case = claim_case(session, case_id, actor)
    if is_bound_to_mission(actor):
        raise ForbiddenError("ministry_assigns", "The ministry decides which mission has a call for help.")
    if case.state not in CURRENT:
        raise ConflictError(f"case_{case.state}", "This call for help is not in a state that allows this.", state=case.state.value)
    if mission_code is not None and find_mission(session, mission_code) is None:
        raise InvalidError("unknown_mission", "There is no mission of this code.", field="mission_code")
    case.owner_mission, case.is_owner_assumed, case.owned_at = mission_code, False, db_now(session)
    add_entry(session, actor, keyring, case=case, kind=EntryKind.ASSIGNED, said=Said(to_mission=mission_code))
    return case


def _record_safe(session: Session, actor: Actor, keyring: Keyring, *, case: HelpCase, contact: Contact | None) -> None:
    if case.citizen_id is None or case.incident_id is None:
        return
    new = NewCheckin(case.incident_id, case.citizen_id, Answer.SAFE, Channel.STAFF, contact=contact)
    record_checkin(session, actor=actor, keyring=keyring, new=new)
