"""Where the staff can be reached, and who is on duty: set by administrators, addresses also by the person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import time
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from alerts.channels.push_services import EndpointPolicy
from alerts.citizens.rules import fold_email, mask_phone, parse_browser, parse_email, parse_phone
from alerts.kit import audit
from alerts.kit.actor import Actor, Via
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import ConflictError, InvalidError, NotFoundError
from alerts.kit.i18n import find_zone
from alerts.missions.models import Mission
from alerts.notices.models import Duty, StaffContact
from alerts.notices.rules import CONTACTS_MAX, ContactKind
from alerts.staff.access import may
from alerts.staff.models import Staff
from alerts.staff.queries import get_staff
from alerts.staff.rules import Permission, Role, mission_problem

TABLE = "staff_contact"
TOKEN_LENGTH = range(20, 4097)
ROSTER_MAX = 50
NUMBERS = frozenset({ContactKind.PHONE, ContactKind.WHATSAPP})


@dataclass(frozen=True)
class NewContact:
    """An address as a person or a device gives it. `p256dh` and `auth` are the browser's keys, for Web Push alone."""

    kind: ContactKind
    address: str = field(repr=False)
    p256dh: str = field(default="", repr=False)
    auth: str = field(default="", repr=False)


@dataclass(frozen=True)
class Place:
    """What decides how an address is read: numbers without + are of `home_country`; `policy` says which push services there are."""

    home_country: str
    policy: EndpointPolicy


@dataclass(frozen=True)
class DutyLine:
    """One person of a roster, in its order. `hours` are local times in `zone`, over midnight if the second is earlier; None: always."""

    staff_id: UUID
    is_on: bool = True
    hours: tuple[time, time] | None = None
    zone: str = "Asia/Jakarta"


def check_own_or_managed(actor: Actor, staff_id: UUID) -> None:
    """Addresses are one's own, or an administrator's matter; for everybody else there is no such account."""
    is_own = actor.staff_id == staff_id
    if not (is_own or actor.via is Via.SYSTEM or may(actor, Permission.MANAGE_STAFF)):
        raise NotFoundError("staff_not_found", "There is no such account.")


def add_contact(session: Session, keyring: Keyring, *, actor: Actor, staff_id: UUID, command: NewContact, place: Place) -> StaffContact:
    """A new address of an account; the same one again is the one that is there. A device that another account had moves here.

    Raises InvalidError naming `address`, `p256dh` or `auth`; ConflictError when the account has enough of this kind.
    """
    check_own_or_managed(actor, staff_id)
    get_staff(session, staff_id)
    session.execute(select(Staff.id).where(Staff.id == staff_id).with_for_update())
    address, country = _read(command, place)
    index = keyring.blind_index(f"{command.kind}:{address}")
    mine = select(StaffContact).where(StaffContact.staff_id == staff_id, StaffContact.retired_at.is_(None))
    known = session.scalar(mine.where(StaffContact.address_index == index))
    if known is not None and command.kind is not ContactKind.WEB_PUSH:
        return known
    if known is None and len(session.scalars(mine.where(StaffContact.kind == command.kind)).all()) >= CONTACTS_MAX[command.kind]:
        raise ConflictError("too_many_contacts", "This account has enough addresses of this kind: take one away first.")
    if command.kind in (ContactKind.PUSH, ContactKind.WEB_PUSH):
        _retire(session, StaffContact.address_index == index)
    contact = _sealed(session, keyring, command, address)
    contact.staff_id, contact.address_index, contact.number_country = staff_id, index, country
    session.add(contact)
    session.flush()
    session.refresh(contact)
    audit.record(session, actor=actor, action="staff.contact_added", subject=("staff", staff_id), detail={"kind": command.kind.value})
    return contact


def remove_contact(session: Session, *, actor: Actor, staff_id: UUID, contact_id: UUID) -> None:
    """Take an address away: nothing more is sent to it. Safe to repeat. Raises NotFoundError for what is not this account's."""
    check_own_or_managed(actor, staff_id)
    contact = session.get(StaffContact, contact_id)
    if contact is None or contact.staff_id != staff_id:
        raise NotFoundError("contact_not_found", "There is no such address.")
    if contact.retired_at is None:
        _retire(session, StaffContact.id == contact_id)
        detail = {"kind": contact.kind.value}
        audit.record(session, actor=actor, action="staff.contact_removed", subject=("staff", staff_id), detail=detail)


def retire_contact(session: Session, contact_id: UUID) -> None:
    """The push service says that the device is gone."""
    _retire(session, StaffContact.id == contact_id)


def open_contact(keyring: Keyring, contact_id: UUID, address_enc: bytes, *, column: str = "address_enc") -> str:
    """The address itself (or a browser's key). Raises UndecipherableError."""
    return keyring.decrypt(address_enc, table=TABLE, column=column, row=contact_id)


def hint_of(keyring: Keyring, contact: StaffContact) -> str:
    """Enough to recognise an address by: the ends of a number, the mailbox's first letter, a push service's host."""
    address = open_contact(keyring, contact.id, contact.address_enc)
    if contact.kind in NUMBERS:
        return mask_phone(address)
    if contact.kind is ContactKind.EMAIL:
        box, _, domain = address.rpartition("@")
        return f"{box[:1]}•••@{domain}"
    return address.split("/")[2] if contact.kind is ContactKind.WEB_PUSH else f"•••{address[-4:]}"


def set_roster(session: Session, *, actor: Actor, role: Role, mission_code: str | None, lines: Sequence[DutyLine]) -> None:
    """Who is first and who deputises for a role, in this order, in place of the roster before.

    Everybody on it has that role (a deputy must be able to do what the page asks for) and, for a mission's, that mission.
    Raises InvalidError naming the line.
    """
    problem = mission_problem(role, mission_code)
    if problem:
        raise InvalidError(problem, "A mission's role needs its mission, and no other role has one.", field="mission_code")
    if mission_code and session.get(Mission, mission_code) is None:
        raise InvalidError("mission_unknown", "There is no such mission.", field="mission_code")
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"duty:{role}:{mission_code}"))))
    for number, line in enumerate(lines):
        _check_line(session, role, mission_code, line, field=f"people.{number}")
    if len({line.staff_id for line in lines}) != len(lines):
        raise InvalidError("person_twice", "A person stands in a roster once.", field="people")
    session.execute(delete(Duty).where(Duty.role == role, Duty.mission_code.is_not_distinct_from(mission_code)))
    if lines:
        session.execute(insert(Duty), [_row(role, mission_code, number, line) for number, line in enumerate(lines, start=1)])
    detail = {"people": [str(line.staff_id) for line in lines]}
    audit.record(session, actor=actor, action="duty.changed", subject=("duty", f"{role}:{mission_code or ''}"), detail=detail)


def _row(role: Role, mission_code: str | None, position: int, line: DutyLine) -> dict[str, object]:
    begins, ends = line.hours or (None, None)
    who: dict[str, object] = {"role": role, "mission_code": mission_code, "staff_id": line.staff_id, "position": position}
    return who | {"is_on": line.is_on, "hours_from": begins, "hours_until": ends, "zone": line.zone}


def _check_line(session: Session, role: Role, mission_code: str | None, line: DutyLine, *, field: str) -> None:
    staff = session.get(Staff, line.staff_id)
    if staff is None or staff.role is not role or staff.mission_code != mission_code:
        raise InvalidError("not_of_this_role", "Somebody on a roster has its role and its mission.", field=f"{field}.staff_id")
    if find_zone(line.zone) is None:
        raise InvalidError("zone_unknown", "This is no time zone, such as Asia/Jakarta.", field=f"{field}.zone")
    if line.hours and line.hours[0] == line.hours[1]:
        raise InvalidError("hours_empty", "Hours begin and end at different times; leave both out for always.", field=f"{field}.hours")


def _read(command: NewContact, place: Place) -> tuple[str, str | None]:
    """The address in its one form, and a number's country."""
    if command.kind in NUMBERS:
        number = parse_phone(command.address, default_region=place.home_country, field="address")
        return number.e164, number.country
    readers: dict[ContactKind, Callable[[NewContact, Place], str]] = {
        ContactKind.EMAIL: _read_email,
        ContactKind.PUSH: _read_token,
        ContactKind.WEB_PUSH: _read_endpoint,
    }
    return readers[command.kind](command, place), None


def _read_email(command: NewContact, _: Place) -> str:
    return fold_email(parse_email(command.address, field="address"))


def _read_token(command: NewContact, _: Place) -> str:
    token = command.address.strip()
    if len(token) not in TOKEN_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidError("token_malformed", "This is not the token of a device.", field="address")
    return token


def _read_endpoint(command: NewContact, place: Place) -> str:
    endpoint = command.address.strip()
    fault = place.policy.registering_fault(endpoint)
    if fault is not None:
        raise InvalidError(fault.value, "This is not the address of a push service that we know.", field="address")
    return parse_browser(endpoint, command.p256dh, command.auth).endpoint


def _sealed(session: Session, keyring: Keyring, command: NewContact, address: str) -> StaffContact:
    row = new_id(session)

    def seal(plain: str, column: str) -> bytes:
        return keyring.encrypt(plain, table=TABLE, column=column, row=row)

    contact = StaffContact(id=row, kind=command.kind, address_enc=seal(address, "address_enc"))
    if command.kind is ContactKind.WEB_PUSH:
        contact.p256dh_enc, contact.auth_enc = seal(command.p256dh, "p256dh_enc"), seal(command.auth, "auth_enc")
    return contact


def _retire(session: Session, which: object) -> None:
    gone = update(StaffContact).where(which, StaffContact.retired_at.is_(None))  # type: ignore[arg-type]
    session.execute(gone.values(retired_at=func.now()))
