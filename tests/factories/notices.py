"""Addresses and rosters of staff for tests."""

from __future__ import annotations

from itertools import count

from sqlalchemy.orm import Session

from alerts.channels.push_services import EndpointPolicy
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring
from alerts.notices.contacts import DutyLine, NewContact, Place, add_contact, set_roster
from alerts.notices.models import StaffContact
from alerts.notices.rules import ContactKind
from alerts.staff.models import Staff
from tests.factories.staff import make_staff

PLACE = Place("ID", EndpointPolicy(is_rehearsal=True))
_numbers = count(1)


def make_contact(session: Session, keyring: Keyring, staff: Staff, kind: str = "phone", address: str = "") -> StaffContact:
    """An address of an account: a fresh Indonesian number, device or mailbox unless told otherwise."""
    number = next(_numbers)
    phone = f"+62811{7_000_000 + number}"
    fresh = {"phone": phone, "whatsapp": phone, "push": f"device-of-staff-{number:08}", "email": f"petugas{number}@example.org"}
    command = NewContact(ContactKind(kind), address or fresh[kind])
    return add_contact(session, keyring, actor=SYSTEM, staff_id=staff.id, command=command, place=PLACE)


def make_reachable(session: Session, keyring: Keyring, role: str, *kinds: str, **fields: object) -> Staff:
    """An account with a phone (or with addresses of these kinds)."""
    staff = make_staff(session, role, **fields)
    for kind in kinds or ("phone",):
        make_contact(session, keyring, staff, kind)
    return staff


def make_roster(session: Session, *people: Staff) -> None:
    """These people, in this order, for the role (and mission) that they all have."""
    lines = [DutyLine(staff.id) for staff in people]
    set_roster(session, actor=SYSTEM, role=people[0].role, mission_code=people[0].mission_code, lines=lines)
