"""Made-up citizens at our own addresses, to whom a sender is tried. They live nowhere, and nothing counts them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, text
from sqlalchemy.orm import Session

from alerts.citizens.models import Citizen, Device, EmailAddress, Phone, WebPushSubscription
from alerts.citizens.rules import NOWHERE, CitizenClass, DevicePlatform, find_phone, fold_email, parse_browser, parse_email
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import InvalidError
from alerts.settings_groups import SUBSCRIPTION

PHONE_CHANNELS = frozenset({"sms", "whatsapp", "voice"})
TABLES = {"push": "device", "web_push": "web_push_subscription", "email": "email_address"}


def make_synthetic_citizen(session: Session, keyring: Keyring, *, label: str) -> UUID:
    """A new one; the label is what stands where others have a name."""
    citizen_id = new_id(session)
    citizen = Citizen(
        id=citizen_id,
        name_enc=keyring.encrypt(label, table="citizen", column="name_enc", row=citizen_id),
        name_index=keyring.blind_index(f"synthetic:{label}"),
        language="id",
        class_=CitizenClass.SYNTHETIC,
        country_iso2=NOWHERE,
    )
    session.add(citizen)
    session.flush()
    return citizen_id


def address_index(keyring: Keyring, channel: str, written: str) -> bytes:
    """The fingerprint of one of our addresses, as a message that comes in from it has it. 422 for what is no address."""
    return keyring.blind_index(_canonical(channel, written))


def set_synthetic_address(session: Session, keyring: Keyring, *, citizen_id: UUID, channel: str, written: str) -> UUID:
    """This made-up citizen's one address from now on; its row's id. 422 for what is no address."""
    table = "phone" if channel in PHONE_CHANNELS else TABLES[channel]
    session.execute(text(f"UPDATE {table} SET retired_at = now() WHERE citizen_id = :id AND retired_at IS NULL"), {"id": citizen_id})  # noqa: S608
    row_id = new_id(session)
    model, values = _sealed(keyring, channel, written, row_id)
    session.execute(insert(model).values(id=row_id, citizen_id=citizen_id, **values))
    return row_id


def country_of(channel: str, written: str) -> str | None:
    """The country of one of our numbers; None for what is not a number."""
    found = find_phone(written, []) if channel in PHONE_CHANNELS else None
    return found.country if found else None


def _sealed(keyring: Keyring, channel: str, written: str, row_id: UUID) -> tuple[type[Any], dict[str, Any]]:
    value, index = _canonical(channel, written), address_index(keyring, channel, written)

    def seal(clear: str, table: str, column: str) -> bytes:
        return keyring.encrypt(clear, table=table, column=column, row=row_id)

    if channel in PHONE_CHANNELS:
        sealed = {"e164_enc": seal(value, "phone", "e164_enc"), "e164_index": index, "number_country": country_of(channel, written)}
        return Phone, sealed | {"position": 1, "is_valid": True}
    if channel == "push":
        sealed = {"token_enc": seal(value, "device", "token_enc"), "token_index": index}
        return Device, sealed | {"platform": DevicePlatform.FCM, "last_seen_at": func.now()}
    if channel == "email":
        return EmailAddress, {"address_enc": seal(parse_email(written), "email_address", "address_enc"), "address_index": index}
    given = SUBSCRIPTION.validate_json(written)
    browser = parse_browser(given.endpoint, given.keys.p256dh, given.keys.auth)
    parts = {"endpoint_enc": browser.endpoint, "p256dh_enc": browser.p256dh, "auth_enc": browser.auth}
    return WebPushSubscription, {
        **{column: seal(clear, "web_push_subscription", column) for column, clear in parts.items()},
        "endpoint_index": index,
    }


def _canonical(channel: str, written: str) -> str:
    if channel in PHONE_CHANNELS:
        found = find_phone(written, [])
        if found is None:
            raise InvalidError("phone_invalid", f"SIAGA_SYNTHETIC_{channel.upper()} is not a number with its country code")
        return found.e164
    if channel == "email":
        return fold_email(parse_email(written))
    return SUBSCRIPTION.validate_json(written).endpoint if channel == "web_push" else written
