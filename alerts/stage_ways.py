"""Ways of a stage besides texts and push: what a process must be told to send by the sandbox's other doors, and who reads there."""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from alerts.channels.outlets import endpoint_policy
from alerts.citizens.addresses import register_browser
from alerts.citizens.models import Citizen
from alerts.citizens.rules import parse_browser
from alerts.kit.actor import SYSTEM
from alerts.kit.db import Sessions, begin
from alerts.kit.p256 import SECRET_BYTES, encode_base64url
from alerts.notices.contacts import NewContact, Place, add_contact
from alerts.notices.rules import ContactKind
from alerts.sandbox.browsers import browser_of
from alerts.sandbox.second import DESCRIPTION
from alerts.sandbox.second import PATH as SECOND_PATH
from alerts.settings import Settings
from alerts.staff.models import Staff

OWN_NUMBERS = MappingProxyType({"sms": "+60123456780", "sms2": "+628123456780", "whatsapp": "+60123456781", "voice": "+60123456782"})
"""Our own ends at the sandbox, for round trips: numbers of nobody's, that answer whatever they get."""
OWN_BROWSER, OWN_TOKEN, OWN_MAILBOX = "our-own-browser", "our-own-device-token", "ujung@example.org"
LANGUAGES = ("id", "en")
VARIANTS = ("plain", "link")


def ways_environment(ways: tuple[str, ...], *, carrier: str, mail_port: int) -> dict[str, str]:
    """The settings of these ways at the sandbox carrier, with secrets made up for the run. Raises KeyError for no way of ours."""
    settings: dict[str, str] = {}
    for way in ways:
        settings |= WAYS[way](carrier, mail_port)
    return settings


def own_ends_environment(environment: Mapping[str, str], *, carrier: str) -> dict[str, str]:
    """The settings with which every sender of a stage is tried there and back: our own ends are the sandbox's."""
    keys = browser_of(environment["SIAGA_TWILIO_AUTH_TOKEN"], OWN_BROWSER).keys
    ends = {**OWN_NUMBERS, "push": OWN_TOKEN, "email": OWN_MAILBOX}
    ends["web_push"] = json.dumps({"endpoint": f"{carrier}/push/{OWN_BROWSER}", "keys": dict(keys)})
    return {f"SIAGA_SYNTHETIC_{name.upper()}": written for name, written in ends.items()} | {
        "SIAGA_SYNTHETIC_REPLIES": "sms,whatsapp,voice",
        "SIAGA_SYNTHETIC_CHECK_SECONDS": "1",
    }


def own_ends_rules() -> list[dict[str, str]]:
    """How the sandbox's plan has our own ends answer."""
    return [{"channel": channel, "suffix": number[-7:], "reply": "1"} for channel, number in OWN_NUMBERS.items()]


def _web_push(carrier: str, mail_port: int) -> dict[str, str]:  # noqa: ARG001  (one form for all)
    key = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(SECRET_BYTES)
    return {"SIAGA_WEB_PUSH_PRIVATE_KEY": encode_base64url(key), "SIAGA_WEB_PUSH_SUBJECT": "mailto:siaga@example.org"}


def _whatsapp(carrier: str, mail_port: int) -> dict[str, str]:  # noqa: ARG001
    sids = {language: {variant: "HX" + secrets.token_hex(16) for variant in VARIANTS} for language in LANGUAGES}
    return {"SIAGA_WHATSAPP_FROM": "+15005550007", "SIAGA_WHATSAPP_CONTENT_SIDS": json.dumps(sids)}


def _email(carrier: str, mail_port: int) -> dict[str, str]:  # noqa: ARG001
    group = {"HOST": "127.0.0.1", "PORT": str(mail_port), "TLS": "none", "FROM": "siaga@example.org"}
    return {f"SIAGA_EMAIL_{name}": value for name, value in group.items()}


def _voice(carrier: str, mail_port: int) -> dict[str, str]:  # noqa: ARG001
    return {"SIAGA_VOICE_FROM": "+15005550008"}


def _second_sms(carrier: str, mail_port: int) -> dict[str, str]:  # noqa: ARG001
    group = {
        "URL": f"{carrier}{SECOND_PATH}",
        "DESCRIPTION": json.dumps(dict(DESCRIPTION)),
        "FROM": "SIAGA",
        "SECRET": secrets.token_hex(16),
        "RECEIPT_SECRET": secrets.token_hex(16),
    }
    return {f"SIAGA_SMS2_{name}": value for name, value in group.items()}


WAYS: Mapping[str, Callable[[str, int], dict[str, str]]] = MappingProxyType(
    {"web_push": _web_push, "whatsapp": _whatsapp, "email": _email, "voice": _voice, "sms2": _second_sms}
)
ALL_WAYS = tuple(WAYS)


def enter_browsers(settings: Settings, sessions: Sessions, file: Path, *, carrier_url: str) -> int:
    """The browsers of an invented register (its column `browser_id`) for its people; the count. They are the sandbox's."""
    with file.open(encoding="utf-8", newline="") as rows:
        wanted = {row["external_id"]: row["browser_id"] for row in csv.DictReader(rows) if row.get("browser_id")}
    with begin(sessions) as session:
        found = session.execute(select(Citizen.external_id, Citizen.id).where(Citizen.external_id.in_(wanted))).all()
        for external_id, citizen_id in found:
            browser_id = wanted[external_id]
            keys = browser_of(settings.twilio.auth_token.get_secret_value(), browser_id).keys
            browser = parse_browser(f"{carrier_url}/push/{browser_id}", keys["p256dh"], keys["auth"])
            register_browser(session, settings.keyring, citizen_id=citizen_id, browser=browser, actor=SYSTEM)
    return len(found)


def enter_phones(settings: Settings, sessions: Sessions, own: Mapping[str, str] | None = None) -> dict[str, str]:
    """A telephone for everybody of the staff, so that pages ring somewhere: numbers by username, of which some are given (`own`)."""
    place = Place(settings.home_country, endpoint_policy(settings))
    with begin(sessions) as session:
        staff = session.execute(select(Staff.id, Staff.username).order_by(Staff.id)).all()
        numbers = {row.username: f"+6281170{number:06}" for number, row in enumerate(staff, start=1)} | dict(own or {})
        for staff_id, username in staff:
            command = NewContact(ContactKind.PHONE, numbers[username])
            add_contact(session, settings.keyring, actor=SYSTEM, staff_id=staff_id, command=command, place=place)
    return numbers
