"""Addresses of staff: read in any form, kept sealed; rosters of people who can do what a page asks for."""

from __future__ import annotations

from datetime import time

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring, UndecipherableError
from alerts.kit.errors import ConflictError, InvalidError, NotFoundError
from alerts.kit.p256 import encode_base64url
from alerts.notices.contacts import DutyLine, NewContact, add_contact, hint_of, open_contact, remove_contact, set_roster
from alerts.notices.models import StaffContact
from alerts.notices.queries import list_contacts, list_duty
from alerts.notices.rules import ContactKind
from alerts.staff.models import Staff
from alerts.staff.rules import Role
from tests.factories.notices import PLACE, make_contact
from tests.factories.staff import make_actor, make_staff

POINT = encode_base64url(
    bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
)
SECRET = encode_base64url(bytes(16))
ENDPOINT = "http://127.0.0.1:9/push/abc"


def add(session: Session, keyring: Keyring, staff: Staff, command: NewContact) -> StaffContact:
    return add_contact(session, keyring, actor=SYSTEM, staff_id=staff.id, command=command, place=PLACE)


@pytest.mark.parametrize("written", ["08117000999", "+62 811-7000-999", "＋６２８１１７０００９９９", "(0811) 7000 999", "+628117000999"])
def test_a_number_in_any_form_is_one_number(session: Session, keyring: Keyring, written: str) -> None:
    staff = make_staff(session)
    contact = add(session, keyring, staff, NewContact(ContactKind.PHONE, written))
    again = add(session, keyring, staff, NewContact(ContactKind.PHONE, "+628117000999"))
    assert again.id == contact.id
    assert open_contact(keyring, contact.id, contact.address_enc) == "+628117000999"
    assert contact.number_country == "ID"
    assert hint_of(keyring, contact) == "+62•••999"


@pytest.mark.parametrize(
    ("kind", "address", "field"),
    [
        ("phone", "1234567890123456789", "address"),
        ("phone", "+62 0000", "address"),
        ("phone", "abc", "address"),
        ("phone", "+62811\x00", "address"),
        ("email", "tanpa-at", "address"),
        ("email", "a@b@c", "address"),
        ("push", "short", "address"),
        ("push", "x" * 30 + " y", "address"),
        ("push", "x" * 5000, "address"),
        ("web_push", "ftp://127.0.0.1/x", "address"),
        ("web_push", "https://intern.example/x", "address"),
        ("web_push", ENDPOINT, "keys.p256dh"),
    ],
)
def test_what_is_no_address_is_refused_by_its_field(session: Session, keyring: Keyring, kind: str, address: str, field: str) -> None:
    staff = make_staff(session)
    with pytest.raises(InvalidError) as refused:
        add(session, keyring, staff, NewContact(ContactKind(kind), address))
    assert refused.value.field == field
    assert list_contacts(session, staff.id) == []


def test_what_is_stored_shows_nothing_and_opens_in_its_place_alone(session: Session, keyring: Keyring) -> None:
    staff = make_staff(session)
    browser = add(session, keyring, staff, NewContact(ContactKind.WEB_PUSH, ENDPOINT, POINT, SECRET))
    mail = add(session, keyring, staff, NewContact(ContactKind.EMAIL, "Petugas@Example.org"))
    assert open_contact(keyring, mail.id, mail.address_enc).lower() == "petugas@example.org"
    assert hint_of(keyring, mail).startswith("p•••@")
    assert hint_of(keyring, browser) == "127.0.0.1:9"
    stored = session.execute(text("SELECT staff_contact::text FROM staff_contact")).scalars().all()
    assert not [row for row in stored if "example.org" in row or "127.0.0.1" in row or POINT in row]
    assert open_contact(keyring, browser.id, browser.p256dh_enc, column="p256dh_enc") == POINT
    with pytest.raises(UndecipherableError):
        open_contact(keyring, mail.id, browser.address_enc)


def test_a_device_belongs_to_who_had_it_last_and_a_duty_phone_to_several(session: Session, keyring: Keyring) -> None:
    one, other = make_staff(session), make_staff(session)
    for staff in (one, other):
        make_contact(session, keyring, staff, "push", "one-device-of-two-people")
        make_contact(session, keyring, staff, "phone", "+628117000555")
    assert [contact.kind for contact in list_contacts(session, one.id)] == ["phone"]
    assert {contact.kind for contact in list_contacts(session, other.id)} == {"push", "phone"}


def test_an_account_has_a_few_addresses_of_a_kind_and_not_more(session: Session, keyring: Keyring) -> None:
    staff = make_staff(session)
    for _ in range(3):
        make_contact(session, keyring, staff)
    with pytest.raises(ConflictError):
        make_contact(session, keyring, staff)


def test_addresses_are_ones_own_or_an_administrators_matter(session: Session, keyring: Keyring) -> None:
    staff, stranger, manager = make_staff(session), make_actor(session, "duty_officer"), make_actor(session, "administrator")
    contact = make_contact(session, keyring, staff)
    with pytest.raises(NotFoundError):
        remove_contact(session, actor=stranger, staff_id=staff.id, contact_id=contact.id)
    with pytest.raises(NotFoundError):
        remove_contact(session, actor=stranger, staff_id=stranger.staff_id, contact_id=contact.id)  # type: ignore[arg-type]
    remove_contact(session, actor=manager, staff_id=staff.id, contact_id=contact.id)
    remove_contact(session, actor=manager, staff_id=staff.id, contact_id=contact.id)
    assert list_contacts(session, staff.id) == []
    logged = session.execute(text("SELECT action, detail::text FROM action_log WHERE action LIKE 'staff.contact%' ORDER BY id")).all()
    assert [row[0] for row in logged] == ["staff.contact_added", "staff.contact_removed"]
    assert "811" not in "".join(row[1] for row in logged)


def test_a_roster_is_kept_in_its_order_and_replaced_as_a_whole(session: Session) -> None:
    people = [make_staff(session, "approver") for _ in range(3)]
    lines = [DutyLine(people[2].id, hours=(time(22), time(6)), zone="Asia/Tokyo"), DutyLine(people[0].id, is_on=False)]
    set_roster(session, actor=SYSTEM, role=Role.APPROVER, mission_code=None, lines=lines)
    assert [(line.staff_id, line.position, line.is_on) for line in list_duty(session, Role.APPROVER, None)] == [
        (people[2].id, 1, True),
        (people[0].id, 2, False),
    ]
    set_roster(session, actor=SYSTEM, role=Role.APPROVER, mission_code=None, lines=[DutyLine(people[1].id)])
    assert [line.staff_id for line in list_duty(session, Role.APPROVER, None)] == [people[1].id]


@pytest.mark.parametrize(
    ("role", "mission", "line", "field"),
    [
        ("approver", "kbri-ankara", {}, "mission_code"),
        ("mission_staff", None, {}, "mission_code"),
        ("mission_staff", "kbri-atlantis", {}, "mission_code"),
        ("duty_officer", None, {}, "people.0.staff_id"),
        ("approver", None, {"zone": "Asia/Atlantis"}, "people.0.zone"),
        ("approver", None, {"hours": (time(8), time(8))}, "people.0.hours"),
        ("approver", None, "twice", "people"),
    ],
)
def test_a_roster_that_cannot_work_is_refused_by_its_line(
    session: Session, role: str, mission: str | None, line: object, field: str
) -> None:
    staff = make_staff(session, "approver")
    lines = [DutyLine(staff.id, **line)] if isinstance(line, dict) else [DutyLine(staff.id), DutyLine(staff.id)]
    with pytest.raises(InvalidError) as refused:
        set_roster(session, actor=SYSTEM, role=Role(role), mission_code=mission, lines=lines)
    assert refused.value.field == field
