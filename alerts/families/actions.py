"""Use cases of families' enquiries. None commits; each writes the history and the log, and publishes `enquiry.changed`.

None of them says anything of the person sought: that is for the person's own record (`alerts.people`).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from alerts.checkins.cases.queries import find_owner_of_place
from alerts.checkins.cases.rules import Owner
from alerts.checkins.rules import Channel, Contact, check_contact
from alerts.citizens.finding import fingerprints
from alerts.citizens.rules import find_phone
from alerts.families import rules
from alerts.families.matching import Sought, asked_before
from alerts.families.models import Enquiry, EnquiryCall, EnquiryEntry
from alerts.families.queries import claim_both, claim_case, claim_enquiry, get_enquiry, list_calls, tells_now
from alerts.families.rules import EnquiryState, EntryKind
from alerts.families.schemas import CallBackIn, EnquiryIn, EnquiryMove, PermissionIn, Recognition
from alerts.incidents.models import Incident
from alerts.incidents.queries import find_citizen_id, get_open_incident
from alerts.incidents.rules import check_moment, is_bound_to_mission
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from alerts.kit.outbox import publish
from alerts.kit.text import clean
from alerts.missions.queries import find_mission
from alerts.people.queries import get_person
from alerts.places import checked_place

HOME = "ID"


@dataclass(frozen=True, slots=True)
class Logged:
    """A call that was written down, and the enquiry that it made or joined."""

    enquiry: Enquiry
    call: EnquiryCall
    is_joined: bool


@dataclass(frozen=True, slots=True)
class Line:
    """What goes into one line of the history."""

    to_state: EnquiryState | None = None
    to_mission: str | None = None
    other_id: UUID | None = None
    call_id: UUID | None = None
    tells: tuple[str, ...] = ()
    contact: Contact | None = None
    note: str | None = None


def log_call(session: Session, *, actor: Actor, keyring: Keyring, incident_id: UUID, command: EnquiryIn) -> Logged:
    """Write down a call. It joins the enquiry that it names, or this caller's earlier one about surely the same person; else it makes one.

    What the caller said is kept with the call, whatever it joins.

    Staff of a mission make enquiries that their mission has; the ministry's go to whoever answers for the place.
    404: an incident or enquiry that the actor may not know of. 409: a closed incident. 422: no name, an unknown place, a moment ahead.
    """
    incident = get_open_incident(session, incident_id, actor)
    if command.last_contact_at is not None:
        check_moment(command.last_contact_at, db_now(session), field="last_contact_at")
    sought = _sought(keyring, incident.id, command)
    into = _join_target(session, actor, keyring, sought=sought, joins=command.joins)
    enquiry = into or _open(session, actor, keyring, incident=incident, sought=sought, about=_with_number(command))
    call = _add_call(session, actor, keyring, enquiry=enquiry, sought=sought, command=command)
    enquiry.last_call_at = call.at
    if into is not None:
        enquiry.version += 1
        if enquiry.state is EnquiryState.CLOSED:
            _move(session, actor, keyring, enquiry, EnquiryState.OPEN)
    session.flush()
    session.refresh(enquiry)
    _tell(session, actor, enquiry, action="enquiry.logged", detail={"is_joined": into is not None, "owner": enquiry.owner_mission})
    return Logged(enquiry, call, into is not None)


def move_enquiry(session: Session, *, actor: Actor, keyring: Keyring, enquiry_id: UUID, command: EnquiryMove) -> Enquiry:
    """Take it on, put it back, or close it. 409: the state forbids it."""
    enquiry = claim_enquiry(session, enquiry_id, actor)
    rules.check_move(enquiry.state, command.to)
    _move(session, actor, keyring, enquiry, command.to, note=command.note)
    return _changed(session, actor, enquiry, EntryKind.MOVED)


def note_enquiry(session: Session, *, actor: Actor, keyring: Keyring, enquiry_id: UUID, note: str) -> Enquiry:
    """Add words for the colleagues."""
    enquiry = claim_enquiry(session, enquiry_id, actor)
    _add(session, actor, keyring, enquiry, EntryKind.NOTED, Line(note=note))
    return _changed(session, actor, enquiry, EntryKind.NOTED)


def assign_enquiry(session: Session, *, actor: Actor, keyring: Keyring, enquiry_id: UUID, mission_code: str | None) -> Enquiry:
    """Give it to another mission, or (null) to the ministry; whoever is on duty there is paged. 403: staff of a mission.

    422 names `mission_code` where there is no such mission.
    """
    enquiry = claim_enquiry(session, enquiry_id, actor)
    if is_bound_to_mission(actor):
        raise ForbiddenError("ministry_assigns", "The ministry decides which mission has an enquiry.")
    if mission_code is not None and find_mission(session, mission_code) is None:
        raise InvalidError("unknown_mission", "There is no mission of this code.", field="mission_code")
    enquiry.owner_mission, enquiry.is_owner_assumed, enquiry.owned_at = mission_code, False, db_now(session)
    enquiry.is_handed_over = True
    if enquiry.state is EnquiryState.IN_HAND:
        _move(session, actor, keyring, enquiry, EnquiryState.OPEN)
    _add(session, actor, keyring, enquiry, EntryKind.ASSIGNED, Line(to_mission=mission_code))
    return _changed(session, actor, enquiry, EntryKind.ASSIGNED)


def join_enquiries(session: Session, *, actor: Actor, keyring: Keyring, enquiry_id: UUID, into: UUID) -> Enquiry:
    """This enquiry is about the same person as that one, which has the case from now on. 409: they cannot be one.

    A closed case opens again for a question that was not closed: its caller waits.
    """
    enquiry, target, joined_before = claim_both(session, actor, enquiry_id, into)
    are_of_one = enquiry.incident_id == target.incident_id
    rules.check_join(enquiry.id, target.id, are_of_one_incident=are_of_one, is_joined=bool(enquiry.joined_into or target.joined_into))
    for joined in (enquiry, *joined_before):
        joined.joined_into = target.id
    _add(session, actor, keyring, enquiry, EntryKind.JOINED, Line(other_id=target.id))
    _changed(session, actor, enquiry, EntryKind.JOINED)
    target.last_call_at = max(target.last_call_at, enquiry.last_call_at)
    if target.state is EnquiryState.CLOSED and enquiry.state is not EnquiryState.CLOSED:
        _move(session, actor, keyring, target, EnquiryState.OPEN)
    return _changed(session, actor, target, EntryKind.JOINED)


def separate_enquiry(session: Session, *, actor: Actor, keyring: Keyring, enquiry_id: UUID) -> Enquiry:
    """It was about somebody else after all. 409: it belongs to none."""
    enquiry = claim_enquiry(session, enquiry_id, actor)
    if enquiry.joined_into is None:
        raise ConflictError("not_joined", "This enquiry belongs to no other.")
    other, enquiry.joined_into = enquiry.joined_into, None
    _wait(session, actor, enquiry)
    _add(session, actor, keyring, enquiry, EntryKind.SEPARATED, Line(other_id=other))
    return _changed(session, actor, enquiry, EntryKind.SEPARATED)


def recognise(session: Session, *, actor: Actor, keyring: Keyring, enquiry_id: UUID, command: Recognition) -> Enquiry:
    """Staff recognised who is sought, or take that back. What was allowed for another person is no longer told. 404: unknown."""
    enquiry = claim_enquiry(session, enquiry_id, actor)
    if command.person_id is not None and get_person(session, command.person_id, actor).incident_id != enquiry.incident_id:
        raise NotFoundError("person_not_found", "There is no such person.")
    if command.citizen_id is not None and find_citizen_id(session, actor, enquiry.incident_id, citizen_id=command.citizen_id) is None:
        raise NotFoundError("citizen_not_found", "The register knows no such citizen.", field="citizen_id")
    is_another = (enquiry.citizen_id, enquiry.person_id) != (command.citizen_id, command.person_id)
    if is_another and (enquiry.citizen_id or enquiry.person_id):
        _add(session, actor, keyring, enquiry, EntryKind.PERMITTED, Line())
    enquiry.citizen_id, enquiry.person_id = command.citizen_id, command.person_id
    _add(session, actor, keyring, enquiry, EntryKind.RECOGNISED, Line(other_id=command.person_id or command.citizen_id))
    return _changed(session, actor, enquiry, EntryKind.RECOGNISED)


def permit(session: Session, *, actor: Actor, keyring: Keyring, enquiry_id: UUID, command: PermissionIn) -> Enquiry:
    """What the person allowed us to tell, to whom of us, when and how. 409: nobody has recognised the person. 422: no contact."""
    enquiry = claim_enquiry(session, enquiry_id, actor)
    contact = command.contact.to_contact() if command.contact else None
    if command.tells and enquiry.citizen_id is None and enquiry.person_id is None:
        raise ConflictError("not_recognised", "First say who the person sought is.")
    if command.tells and contact is None:
        raise InvalidError(
            "contact_needed", "Only the person themselves allows it: say who spoke with them, when and how.", field="contact"
        )
    check_contact(contact, Channel.STAFF, db_now(session))
    line = Line(tells=tuple(sorted(set(command.tells))), contact=contact, note=command.message)
    _add(session, actor, keyring, enquiry, EntryKind.PERMITTED, line)
    return _changed(session, actor, enquiry, EntryKind.PERMITTED)


def record_call_back(session: Session, *, actor: Actor, keyring: Keyring, enquiry_id: UUID, call_id: UUID, command: CallBackIn) -> Enquiry:
    """The caller was called back and told what may be told. 409: something else may be told now than the caller thinks."""
    enquiry = claim_enquiry(session, enquiry_id, actor)
    if call_id not in {call.id for call in list_calls(session, enquiry)}:
        raise NotFoundError("call_not_found", "This enquiry has no such call.")
    if (allowed := tells_now(session, enquiry)) != tuple(each for each in rules.Tell if each in command.told):
        raise ConflictError("may_tell_changed", "What may be told has changed: read it again.", tells=list(allowed))
    line = Line(call_id=call_id, tells=tuple(allowed), note=command.note)
    _add(session, actor, keyring, enquiry, EntryKind.TOLD, line)
    return _changed(session, actor, enquiry, EntryKind.TOLD)


def _sought(keyring: Keyring, incident_id: UUID, command: EnquiryIn) -> Sought:
    """Whom the caller asks after. 422: no name, an unknown place."""
    name = clean(command.sought_name, rules.NAME_MAX)
    if name is None:
        raise InvalidError("name_missing", "Say whom the caller asks after.", field="sought_name")
    numbers = (_index(keyring, command.sought_phone), _index(keyring, command.caller_phone))
    return Sought(incident_id, name, checked_place(command.place_code), *numbers)


def _open(session: Session, actor: Actor, keyring: Keyring, *, incident: Incident, sought: Sought, about: str | None) -> Enquiry:
    desk = _desk_of(actor)
    owner = Owner(desk) if desk else find_owner_of_place(session, incident_id=incident.id, place=sought.place_code)
    enquiry = Enquiry(
        id=new_id(session),
        incident_id=incident.id,
        status=incident.status,
        sought_sounds=fingerprints(keyring, sought.name),
        sought_phone_index=sought.phone_index,
        place_code=sought.place_code,
        owner_mission=owner.mission_code,
        is_owner_assumed=owner.is_assumed,
        is_handed_over=owner.mission_code != desk,
    )
    enquiry.sought_name_enc = keyring.encrypt(sought.name, table="enquiry", column="sought_name_enc", row=enquiry.id)
    if about is not None:
        enquiry.about_enc = keyring.encrypt(about, table="enquiry", column="about_enc", row=enquiry.id)
    session.add(enquiry)
    session.flush()
    return enquiry


def _add_call(session: Session, actor: Actor, keyring: Keyring, *, enquiry: Enquiry, sought: Sought, command: EnquiryIn) -> EnquiryCall:
    call = EnquiryCall(id=new_id(session), enquiry_id=enquiry.id, reference=rules.new_reference(), taken_by=actor.key)
    call.relation, call.last_contact_at = command.relation, command.last_contact_at
    call.caller_phone_index, call.sought_phone_index, call.place_code = sought.caller_index, sought.phone_index, sought.place_code
    sealed = {
        "sought_name_enc": sought.name,
        "about_enc": _with_number(command),
        "caller_name_enc": clean(command.caller_name, rules.NAME_MAX),
        "caller_phone_enc": clean(command.caller_phone, 60),
        "last_contact_enc": clean(command.last_contact, rules.WORDS_MAX),
    }
    for column, written in sealed.items():
        if written is not None:
            setattr(call, column, keyring.encrypt(written, table="enquiry_call", column=column, row=call.id))
    session.add(call)
    session.flush()
    session.refresh(call)
    return call


def _join_target(session: Session, actor: Actor, keyring: Keyring, *, sought: Sought, joins: UUID | None) -> Enquiry | None:
    """The enquiry that was named; else the one in which this caller asked after surely the same person. All else a person decides."""
    if joins is not None:
        named = get_enquiry(session, joins, actor)
        if named.incident_id != sought.incident_id:
            raise NotFoundError("enquiry_not_found", "There is no such enquiry.", field="joins")
        return claim_case(session, named.joined_into or named.id, actor)
    if sought.caller_index is None:
        return None
    before = asked_before(session, keyring, actor, sought)
    return claim_case(session, before[0], actor) if len(before) == 1 else None


def _move(session: Session, actor: Actor, keyring: Keyring, enquiry: Enquiry, to: EnquiryState, *, note: str | None = None) -> None:  # noqa: PLR0917
    enquiry.state, enquiry.state_at, enquiry.acting_by = to, db_now(session), actor.key
    if to is EnquiryState.OPEN:
        _wait(session, actor, enquiry)
    _add(session, actor, keyring, enquiry, EntryKind.MOVED, Line(to_state=to, note=note))


def _wait(session: Session, actor: Actor, enquiry: Enquiry) -> None:
    """From now on it waits anew for its owner, who is told unless this is their own desk's doing."""
    enquiry.owned_at = db_now(session)
    enquiry.is_handed_over = enquiry.is_handed_over or enquiry.owner_mission != _desk_of(actor)


def _desk_of(actor: Actor) -> str | None:
    """The mission of whose staff the actor is; None: the ministry."""
    return actor.mission_code if is_bound_to_mission(actor) else None


def _add(session: Session, actor: Actor, keyring: Keyring, enquiry: Enquiry, kind: EntryKind, line: Line) -> None:  # noqa: PLR0917
    entry = EnquiryEntry(id=new_id(session), enquiry_id=enquiry.id, kind=kind, actor=actor.key, call_id=line.call_id)
    entry.to_state, entry.to_mission, entry.other_id, entry.tells = line.to_state, line.to_mission, line.other_id, list(line.tells)
    if line.contact is not None:
        entry.contacted_by, entry.contacted_at, entry.contact_how = line.contact.who, line.contact.when, line.contact.how
    note = clean(line.note, rules.WORDS_MAX)
    if note is not None:
        entry.note_enc = keyring.encrypt(note, table="enquiry_entry", column="note_enc", row=entry.id)
    session.add(entry)
    session.flush()


def _changed(session: Session, actor: Actor, enquiry: Enquiry, kind: EntryKind) -> Enquiry:
    enquiry.version += 1
    session.flush()
    session.refresh(enquiry)
    _tell(session, actor, enquiry, action="enquiry.changed", detail={"kind": kind, "state": enquiry.state, "owner": enquiry.owner_mission})
    return enquiry


def _tell(session: Session, actor: Actor, enquiry: Enquiry, *, action: str, detail: dict[str, object]) -> None:
    subject = ("enquiry", enquiry.id)
    audit.record(session, actor=actor, action=action, incident_id=enquiry.incident_id, subject=subject, detail=detail)
    publish(session, "enquiry.changed", enquiry_id=enquiry.id, incident_id=enquiry.incident_id)


def _index(keyring: Keyring, written: str | None) -> bytes | None:
    """The fingerprint of a number; a home number may lack its country. What is no number is known by its digits."""
    if not written:
        return None
    number = find_phone(written, [HOME])
    digits = "".join(letter for letter in written if letter.isdigit())
    return keyring.blind_index(number.e164 if number else digits) if number or digits else None


def _with_number(command: EnquiryIn) -> str | None:
    """What is known of the person sought, with their number: it is not looked for only, but also dialled."""
    return clean("\n".join(each for each in (command.about, command.sought_phone) if each), rules.WORDS_MAX)
