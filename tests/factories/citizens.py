"""Invented people in the register, for tests."""

from __future__ import annotations

from itertools import count
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.citizens.actions import register_device
from alerts.citizens.models import Citizen, Phone
from alerts.citizens.rules import CitizenClass, find_phone, fold_name
from alerts.kit.crypto import Keyring

_numbers = count(1)


def make_citizen(
    session: Session, keyring: Keyring, *, phones: tuple[str, ...] | None = None, device: str | None = None, **fields: object
) -> Citizen:
    """A resident of Türkiye with one Indonesian number, unless told otherwise. `device`: a push token."""
    number = next(_numbers)
    name = str(fields.pop("name", f"Warga Contoh {number}"))
    citizen_id = _new_id(session)
    values: dict[str, object] = {"external_id": f"UJI-{number}", "language": "id", "class_": CitizenClass.RESIDENT, "country_iso2": "TR"}
    citizen = Citizen(
        id=citizen_id,
        name_enc=keyring.encrypt(name, table="citizen", column="name_enc", row=citizen_id),
        name_index=keyring.blind_index(fold_name(name)),
        **(values | fields),
    )
    session.add(citizen)
    session.flush()
    for position, written in enumerate(phones if phones is not None else (f"+62812{number:08}",), start=1):
        make_phone(session, keyring, citizen_id, written, position)
    if device is not None:
        register_device(session, keyring, citizen_id=citizen_id, token=device)
    return citizen


def make_phone(session: Session, keyring: Keyring, citizen_id: UUID, written: str, position: int = 1) -> Phone:
    """One number of a person; an unusable one is kept as written."""
    found, phone_id = find_phone(written, ["ID"]), _new_id(session)
    number = found.e164 if found else written
    phone = Phone(id=phone_id, citizen_id=citizen_id, position=position, is_valid=found is not None)
    phone.e164_enc = keyring.encrypt(number, table="phone", column="e164_enc", row=phone_id)
    phone.e164_index = keyring.blind_index(number)
    phone.number_country = found.country if found else None
    session.add(phone)
    session.flush()
    return phone


def _new_id(session: Session) -> UUID:
    return session.execute(select(func.uuidv7())).scalar_one()
