"""Named reads of the register, and what the worker opens at the moment of sending."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.citizens.audience import (
    ClassCount,
    RegisterCounts,
    in_areas,
    register_counts,
)
from alerts.citizens.models import Citizen, Device, EmailAddress, ImportRow, ImportRun, OptChange, Phone, WebPushSubscription
from alerts.citizens.rules import DEVICE_LIVE_DAYS, Browser, CitizenClass, RowOutcome
from alerts.kit.crypto import Keyring
from alerts.kit.errors import NotFoundError

__all__ = [
    "DEVICE_LIVE_DAYS",
    "ClassCount",
    "RegisterCounts",
    "count_phones_and_devices",
    "find_by_external_id",
    "find_by_phone",
    "find_by_phone_index",
    "find_email",
    "get_citizen",
    "get_import",
    "in_areas",
    "list_browsers",
    "list_import_rows",
    "list_imports",
    "names_of",
    "open_e164",
    "open_email",
    "open_name",
    "open_subscription",
    "open_token",
    "opt_changes_of",
    "register_counts",
]


def find_by_phone(session: Session, keyring: Keyring, e164: str) -> list[Citizen]:
    """Everybody who has this number now; several share one at times. Without the merged, and without the made-up."""
    return find_by_phone_index(session, keyring.blind_index(e164))


def find_by_phone_index(session: Session, e164_index: bytes) -> list[Citizen]:
    """`find_by_phone` for a number that is known by its fingerprint only."""
    holders = select(Phone.citizen_id).where(Phone.e164_index == e164_index, Phone.retired_at.is_(None))
    is_person = (Citizen.merged_into.is_(None), Citizen.class_ != CitizenClass.SYNTHETIC)
    query = select(Citizen).where(Citizen.id.in_(holders), *is_person).order_by(Citizen.id)
    return list(session.scalars(query))


def find_by_external_id(session: Session, external_id: str) -> Citizen | None:
    """The person that an import knows by this id."""
    return session.scalar(select(Citizen).where(Citizen.external_id == external_id))


def get_citizen(session: Session, citizen_id: UUID) -> Citizen:
    """One person. Raises NotFoundError, also for somebody who was found to be another and merged."""
    citizen = session.get(Citizen, citizen_id)
    if citizen is None or citizen.merged_into is not None or citizen.class_ is CitizenClass.SYNTHETIC:
        raise NotFoundError("no_such_citizen", "there is no such person in the register")
    return citizen


def list_browsers(session: Session, citizen_id: UUID) -> list[WebPushSubscription]:
    """The browsers in use by one person, the newest first."""
    mine = (WebPushSubscription.citizen_id == citizen_id, WebPushSubscription.retired_at.is_(None))
    return list(session.scalars(select(WebPushSubscription).where(*mine).order_by(WebPushSubscription.id.desc())))


def find_email(session: Session, citizen_id: UUID) -> EmailAddress | None:
    """Where a person reads mail now, sealed; or None."""
    return session.scalar(select(EmailAddress).where(EmailAddress.citizen_id == citizen_id, EmailAddress.retired_at.is_(None)))


def count_phones_and_devices(session: Session, citizen_id: UUID) -> tuple[int, int]:
    """How many usable numbers and apps a person has now."""
    phones = select(func.count()).where(Phone.citizen_id == citizen_id, Phone.retired_at.is_(None), Phone.is_valid)
    devices = select(func.count()).where(Device.citizen_id == citizen_id, Device.retired_at.is_(None))
    return session.scalar(phones) or 0, session.scalar(devices) or 0


def names_of(session: Session, keyring: Keyring, citizen_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Names in clear, for those who may see persons; never to be logged."""
    rows = session.execute(select(Citizen.id, Citizen.name_enc).where(Citizen.id.in_(list(citizen_ids))))
    return {row.id: open_name(keyring, row.id, row.name_enc) for row in rows}


def open_e164(keyring: Keyring, phone_id: UUID, e164_enc: bytes) -> str:
    """A number in clear, for the moment of sending. Needs the id of the row that the bytes come from."""
    return keyring.decrypt(e164_enc, table="phone", column="e164_enc", row=phone_id)


def open_token(keyring: Keyring, device_id: UUID, token_enc: bytes) -> str:
    """A push token in clear, for the moment of sending. Needs the id of the row that the bytes come from."""
    return keyring.decrypt(token_enc, table="device", column="token_enc", row=device_id)


def open_subscription(keyring: Keyring, row_id: UUID, *, endpoint_enc: bytes, p256dh_enc: bytes, auth_enc: bytes) -> Browser:
    """A browser's subscription in clear, for the moment of sending. Needs the id of the row that the bytes come from."""
    return Browser(
        endpoint=keyring.decrypt(endpoint_enc, table="web_push_subscription", column="endpoint_enc", row=row_id),
        p256dh=keyring.decrypt(p256dh_enc, table="web_push_subscription", column="p256dh_enc", row=row_id),
        auth=keyring.decrypt(auth_enc, table="web_push_subscription", column="auth_enc", row=row_id),
    )


def open_email(keyring: Keyring, email_id: UUID, address_enc: bytes) -> str:
    """A mail address in clear, for the moment of sending. Needs the id of the row that the bytes come from."""
    return keyring.decrypt(address_enc, table="email_address", column="address_enc", row=email_id)


def open_name(keyring: Keyring, citizen_id: UUID, name_enc: bytes) -> str:
    """A person's name in clear, for those who may see persons; never to be logged."""
    return keyring.decrypt(name_enc, table="citizen", column="name_enc", row=citizen_id)


def opt_changes_of(session: Session, citizen_id: UUID) -> list[OptChange]:
    """Every opting out and in of one person, newest first."""
    return list(session.scalars(select(OptChange).where(OptChange.citizen_id == citizen_id).order_by(OptChange.id.desc())))


def get_import(session: Session, run_id: UUID) -> ImportRun:
    """One reading of a file. Raises NotFoundError."""
    run = session.get(ImportRun, run_id)
    if run is None:
        raise NotFoundError("no_such_import", "there is no such import")
    return run


def list_imports(session: Session, *, before: UUID | None, limit: int) -> list[ImportRun]:
    """Imports, newest first."""
    query = select(ImportRun).order_by(ImportRun.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(ImportRun.id < before)))


def list_import_rows(
    session: Session, run_id: UUID, *, after: int = 0, limit: int = 50, outcome: RowOutcome | None = None
) -> list[ImportRow]:
    """The rows of one import in the order of the file, from the line behind `after`."""
    query = select(ImportRow).where(ImportRow.run_id == run_id, ImportRow.line > after)
    if outcome is not None:
        query = query.where(ImportRow.outcome == outcome)
    return list(session.scalars(query.order_by(ImportRow.line).limit(limit)))
