"""Named reads of the inbox, and whom a number belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember
from alerts.broadcasts.queries import find_newest_member
from alerts.citizens.models import Citizen, Phone
from alerts.inbox.models import InboundMessage
from alerts.inbox.rules import Flag, State, Understood
from alerts.inbox.schemas import MessageView
from alerts.incidents.queries import is_for_mission, list_open_incidents
from alerts.incidents.rules import Status, is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.errors import NotFoundError
from alerts.kit.text import visible

SEALED = {"sender": "from_enc", "text": "body_enc", "name": "name_enc", "place": "place_enc"}
CALLS = (Understood.URGENT_UNREAD, Understood.NEED_HELP)
FOR_A_PERSON = (Understood.URGENT_UNREAD, Understood.UNCLEAR)


def get_message(session: Session, message_id: UUID, actor: Actor) -> InboundMessage:
    """The message; 404 when there is none that this actor may see."""
    row = session.scalars(select(InboundMessage).where(InboundMessage.id == message_id, visible_to(actor))).one_or_none()
    return _found(row)


def claim_message(session: Session, message_id: UUID, actor: Actor | None = None) -> InboundMessage:
    """The same, locked."""
    query = select(InboundMessage).where(InboundMessage.id == message_id).with_for_update()
    if actor is not None:
        query = query.where(visible_to(actor))
    return _found(session.scalars(query.execution_options(populate_existing=True)).one_or_none())


@dataclass(frozen=True, slots=True)
class TrayCounts:
    """Messages that wait for a person, how many of them are or may be calls for help, and how many of those nobody has read."""

    waiting: int
    calls: int
    urgent: int


def list_tray(
    session: Session, actor: Actor, *, limit: int, incident_id: UUID | None = None, status: Status | None = None
) -> list[InboundMessage]:
    """What waits for a person: calls for help first, then the oldest; what a program may have filled in comes last."""
    is_program = literal(Flag.PERHAPS_A_PROGRAM.value) == func.any(InboundMessage.flags)
    is_call = InboundMessage.understood.in_(CALLS)
    first = case((is_program, 2), (is_call, 0), else_=1)
    query = select(InboundMessage).where(*_of(actor, incident_id, status)).order_by(first, InboundMessage.id)
    return list(session.scalars(query.limit(limit)))


def count_tray(session: Session, actor: Actor, *, incident_id: UUID | None = None, status: Status | None = None) -> TrayCounts:
    """How much waits for this reader; of one incident or of all, of one status or of both."""
    calls, urgent = func.count().filter(InboundMessage.understood.in_(CALLS)), func.count().filter(is_urgent_unread())
    query = select(func.count(), calls, urgent).select_from(InboundMessage).where(*_of(actor, incident_id, status))
    waiting, calling, unread = session.execute(query).one()
    return TrayCounts(waiting, calling, unread)


def is_urgent_unread() -> ColumnElement[bool]:
    """The condition on messages that may call for help and that nobody has read."""
    waits = InboundMessage.state.in_((State.MATCHED, State.UNMATCHED))
    return and_(waits, InboundMessage.understood == Understood.URGENT_UNREAD)


def find_member_of(session: Session, from_index: bytes, citizens: Sequence[Citizen], status: Status) -> AudienceMember | None:
    """Whose answer it is: the newest member of an open incident's message among the people of this number.

    Of that status alone: what is written to the number of exercises answers no alert, and nothing else answers an exercise.

    Several people may share a number; then it must have been *one* of them whom we texted there.
    """
    incident_ids = [incident.id for incident in list_open_incidents(session) if incident.status is status]
    found = [find_newest_member(session, citizen.id, incident_ids) for citizen in citizens]
    members = [member for member in found if member is not None]
    if len(members) > 1:
        phones = set(session.scalars(select(Phone.id).where(Phone.e164_index == from_index)))
        members = [member for member in members if member.phone_id in phones]
    return members[0] if len(members) == 1 else None


def present_message(row: InboundMessage, keyring: Keyring | None) -> MessageView:
    """The message as the wire shows it; text and sender only with a keyring."""
    values = {name: getattr(row, name) for name in MessageView.model_fields if name not in SEALED}
    view = MessageView.model_validate(values | {"flags": [Flag(flag) for flag in row.flags]})
    if keyring is not None:
        for name, column in SEALED.items():
            if getattr(row, column) is not None:
                setattr(view, name, visible(open_field(row, column, keyring)))
    return view


def open_field(row: InboundMessage, column: str, keyring: Keyring) -> str:
    """One enciphered column, in clear."""
    return keyring.decrypt(getattr(row, column), table="inbound_message", column=column, row=row.id)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition under which this actor may read a message: of a mission, its own people's and what it was given."""
    if not is_bound_to_mission(actor):
        return InboundMessage.id.is_not(None)
    code = actor.mission_code or ""
    own = is_for_mission(code, citizen_id=InboundMessage.citizen_id, incident_id=InboundMessage.incident_id)
    return or_(own, InboundMessage.mission_code == code)


def _found(row: InboundMessage | None) -> InboundMessage:
    if row is None:
        raise NotFoundError("message_not_found", "There is no such message.")
    return row


def _of(actor: Actor, incident_id: UUID | None, status: Status | None) -> list[ColumnElement[bool]]:
    wanted = [_waits(), visible_to(actor)]
    if incident_id is not None:
        wanted.append(InboundMessage.incident_id == incident_id)
    if status is not None:
        wanted.append(InboundMessage.status == status)
    return wanted


def _waits() -> ColumnElement[bool]:
    needs_reading = and_(InboundMessage.state == State.MATCHED, InboundMessage.understood.in_(FOR_A_PERSON))
    # An opt-out of a number that nobody has is done by the carrier: nothing is left for a person to do.
    nobody = and_(InboundMessage.state == State.UNMATCHED, InboundMessage.understood != Understood.OPT_OUT)
    return or_(needs_reading, nobody)
