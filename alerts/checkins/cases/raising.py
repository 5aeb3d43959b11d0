"""How a call for help becomes a case with an owner: in the transaction that writes the claim. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from alerts.checkins.cases import rules
from alerts.checkins.cases.models import HelpCase, HelpCaseEntry
from alerts.checkins.cases.queries import claim_case, claim_current_case, find_owner, find_owners
from alerts.checkins.cases.rules import CURRENT, CaseState, EntryKind, Heard, Owner
from alerts.checkins.models import Checkin
from alerts.checkins.rules import Answer, Contact
from alerts.incidents.queries import get_incident, statuses_of
from alerts.incidents.rules import Status
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id, new_ids
from alerts.kit.outbox import publish, publish_all
from alerts.kit.text import clean


@dataclass(frozen=True, slots=True)
class Unknown:
    """Who asks outside of any check-in: the number they wrote from, the message, and the person if the register knows them."""

    sender: str
    sender_index: bytes
    message_id: UUID
    incident_id: UUID | None = None
    citizen_id: UUID | None = None
    status: Status = Status.ACTUAL


@dataclass(frozen=True, slots=True)
class Call:
    """A call for help of somebody who has no case yet, and what they said it by. `status`: the incident's, unless it is given.

    `id`: the case's, where something is sealed in it already, or whoever calls has one at hand.
    """

    actor: Actor
    incident_id: UUID | None
    citizen_id: UUID | None
    checkin_id: UUID | None = None
    message_id: UUID | None = None
    status: Status | None = None
    id: UUID | None = None
    sender_index: bytes | None = None
    sender_enc: bytes | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What goes into one line of the history."""

    checkin_id: UUID | None = None
    message_id: UUID | None = None
    to_state: CaseState | None = None
    to_mission: str | None = None
    contact: Contact | None = None
    note: str | None = None


def hear_checkin(session: Session, *, actor: Actor, keyring: Keyring, checkin: Checkin) -> HelpCase | None:
    """What a new answer does to the person's call for help: raise it, add to it, stand beside it, or close it.

    One current case per citizen and incident, whatever comes twice or at once. Publishes `case.raised` or `case.changed`.
    """
    if checkin.citizen_id is None:
        return None
    case = claim_current_case(session, incident_id=checkin.incident_id, citizen_id=checkin.citizen_id)
    heard = rules.hear(checkin.answer, checkin.rung, contacted_at=checkin.contacted_at, last_call_at=case.last_call_at if case else None)
    if heard is Heard.RAISES:
        return raise_all(session, [Call(actor, checkin.incident_id, checkin.citizen_id, checkin_id=checkin.id)])[0]
    if case is not None and heard is not None:
        _apply(session, actor, keyring, case=case, checkin=checkin, heard=heard)
    return case


def hear_unknown(session: Session, *, actor: Actor, keyring: Keyring, unknown: Unknown) -> HelpCase:
    """The same for a sender whom nobody knows, or nobody had asked: one current case per person or number, and incident."""
    incident_id, citizen_id, index = unknown.incident_id, unknown.citizen_id, unknown.sender_index
    case = claim_current_case(session, incident_id=incident_id, citizen_id=citizen_id, sender_index=index)
    if case is not None:
        case.last_call_at, case.says_safe_at = db_now(session), None
        if unknown.status is Status.ACTUAL:
            case.status = Status.ACTUAL  # whoever also asks by the number that is meant, means it
        add_entry(session, actor, keyring, case=case, kind=EntryKind.CLAIM, said=Said(message_id=unknown.message_id))
        return case
    case_id = new_id(session)
    sealed = keyring.encrypt(unknown.sender, table="help_case", column="sender_enc", row=case_id)
    who = Call(
        actor,
        incident_id,
        citizen_id,
        message_id=unknown.message_id,
        status=unknown.status,
        id=case_id,
        sender_index=index,
        sender_enc=sealed,
    )
    return raise_all(session, [who])[0]


def raise_all(session: Session, calls: Sequence[Call]) -> list[HelpCase]:
    """A new case for each call, with its owner and its history. Nobody of them has one: the caller holds their locks."""
    owners = find_owners(session, [(call.incident_id, call.citizen_id) for call in calls])
    statuses = statuses_of(session, [call.incident_id for call in calls if call.incident_id and not call.status])
    spare = iter(new_ids(session, sum(call.id is None for call in calls)))
    ids = [call.id or next(spare) for call in calls]
    rows = [_case_row(*each, statuses) for each in zip(calls, ids, owners, strict=True)]
    cases = list(session.scalars(insert(HelpCase).returning(HelpCase, sort_by_parameter_order=True), rows))
    raised = list(zip(cases, calls, strict=True))
    session.execute(insert(HelpCaseEntry), [_raised_row(*each) for each in raised])
    audit.record_all(session, [audit.line(actor=call.actor, **_told(case, "case.raised", EntryKind.RAISED)) for case, call in raised])
    publish_all(session, "case.raised", [_event(case) for case in cases])
    return cases


def identify(session: Session, *, actor: Actor, keyring: Keyring, case_id: UUID, incident_id: UUID, citizen_id: UUID) -> HelpCase:
    """A person has found out who asks: the case becomes theirs, with the owner of their place.

    Where they have a current case of their own already, both stay open: only a person who made contact closes one.
    """
    case = claim_case(session, case_id)
    if case.citizen_id is not None or case.state not in CURRENT:
        return case
    other = claim_current_case(session, incident_id=incident_id, citizen_id=citizen_id)
    if other is not None:
        add_entry(session, actor, keyring, case=other, kind=EntryKind.CLAIM, said=Said(message_id=case.first_message_id))
        return case
    owner = find_owner(session, incident_id=incident_id, citizen_id=citizen_id)
    case.incident_id, case.citizen_id = incident_id, citizen_id
    case.status = get_incident(session, incident_id).status
    if case.owner_mission != owner.mission_code:
        case.owner_mission, case.is_owner_assumed, case.owned_at = owner.mission_code, owner.is_assumed, db_now(session)
    add_entry(session, actor, keyring, case=case, kind=EntryKind.ASSIGNED, said=Said(to_mission=owner.mission_code))
    return case


def add_entry(session: Session, actor: Actor, keyring: Keyring, *, case: HelpCase, kind: EntryKind, said: Said) -> None:
    """Write one line of the history, raise the version, log it, and publish `case.changed`."""
    entry = HelpCaseEntry(
        id=new_id(session),
        case_id=case.id,
        kind=kind,
        actor=actor.key,
        checkin_id=said.checkin_id,
        message_id=said.message_id,
        to_state=said.to_state,
        to_mission=said.to_mission,
    )
    if said.contact is not None:
        entry.contacted_by, entry.contacted_at, entry.contact_how = said.contact.who, said.contact.when, said.contact.how
    note = clean(said.note, rules.NOTE_CHARACTERS)
    if note is not None:
        entry.note_enc = keyring.encrypt(note, table="help_case_entry", column="note_enc", row=entry.id)
    session.add(entry)
    case.version = (case.version or 0) + 1
    session.flush()
    session.refresh(case)
    _tell(session, actor, case, kind)


def move(session: Session, actor: Actor, keyring: Keyring, *, case: HelpCase, to: CaseState, said: Said) -> None:
    """Set the state, by whom and when; the caller has checked that it may be."""
    case.state, case.state_at, case.acting_by = to, db_now(session), actor.key
    add_entry(session, actor, keyring, case=case, kind=EntryKind.MOVED, said=said)


def _case_row(call: Call, case_id: UUID, owner: Owner, statuses: Mapping[UUID, Status]) -> dict[str, Any]:
    status = call.status or (statuses[call.incident_id] if call.incident_id else Status.ACTUAL)
    return {
        "id": case_id,
        "incident_id": call.incident_id,
        "status": status,
        "citizen_id": call.citizen_id,
        "sender_index": call.sender_index,
        "sender_enc": call.sender_enc,
        "owner_mission": owner.mission_code,
        "is_owner_assumed": owner.is_assumed,
        "first_checkin_id": call.checkin_id,
        "first_message_id": call.message_id,
    }


def _raised_row(case: HelpCase, call: Call) -> dict[str, Any]:
    said = {"checkin_id": call.checkin_id, "message_id": call.message_id}
    return said | {"case_id": case.id, "kind": EntryKind.RAISED, "actor": call.actor.key}


def _apply(session: Session, actor: Actor, keyring: Keyring, *, case: HelpCase, checkin: Checkin, heard: Heard) -> None:
    if heard is Heard.CLOSES:
        assert checkin.contacted_by is not None and checkin.contacted_at is not None and checkin.contact_how is not None  # noqa: PT018
        contact = Contact(checkin.contacted_by, checkin.contacted_at, checkin.contact_how)
        said = Said(checkin_id=checkin.id, to_state=CaseState.RESOLVED, contact=contact)
        move(session, actor, keyring, case=case, to=CaseState.RESOLVED, said=said)
        return
    if heard is Heard.SAYS_SAFE:
        case.says_safe_at = checkin.received_at
    elif checkin.answer is Answer.NEED_HELP:
        case.last_call_at, case.says_safe_at = checkin.received_at, None
    kind = EntryKind.SAYS_SAFE if heard is Heard.SAYS_SAFE else EntryKind.CLAIM
    add_entry(session, actor, keyring, case=case, kind=kind, said=Said(checkin_id=checkin.id))


def _tell(session: Session, actor: Actor, case: HelpCase, kind: EntryKind) -> None:
    audit.record(session, actor=actor, **_told(case, "case.changed", kind))
    publish(session, "case.changed", **_event(case))


def _told(case: HelpCase, action: str, kind: EntryKind) -> dict[str, Any]:
    detail = {"kind": kind, "state": case.state, "owner": case.owner_mission}
    return {"action": action, "incident_id": case.incident_id, "subject": ("help_case", case.id), "detail": detail}


def _event(case: HelpCase) -> dict[str, UUID | str | None]:
    return {"case_id": case.id, "incident_id": case.incident_id, "mission_code": case.owner_mission}
