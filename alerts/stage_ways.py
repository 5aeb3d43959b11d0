"""Ways of a stage besides texts and push: what a process must be told to send by the sandbox's other doors."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec

from alerts.kit.p256 import SECRET_BYTES, encode_base64url
from alerts.sandbox.second import DESCRIPTION
from alerts.sandbox.second import PATH as SECOND_PATH

LANGUAGES = ("id", "en")
VARIANTS = ("plain", "link")


def ways_environment(ways: tuple[str, ...], *, carrier: str, mail_port: int) -> dict[str, str]:
    """The settings of these ways at the sandbox carrier, with secrets made up for the run. Raises KeyError for no way of ours."""
    settings: dict[str, str] = {}
    for way in ways:
        settings |= WAYS[way](carrier, mail_port)
    return settings


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
