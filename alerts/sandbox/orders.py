"""What a sender asks for, read from its request and checked for form, as the carriers check it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, parse_qsl
from xml.etree import ElementTree as ET

from alerts.sandbox.outbound import is_allowed
from alerts.sandbox.plan import Channel

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
TEMPLATE = re.compile(r"HX[0-9a-fA-F]{32}")
WHATSAPP = "whatsapp:"
LONGEST_BODY = 1600
LONGEST_TWIML = 4000
LONGEST_VALIDITY_SECONDS = 36_000


@dataclass(frozen=True, slots=True)
class Order:
    """A text or a call that somebody wants. `to` and `sender` are as the carrier shows them (`whatsapp:+62…`).

    `body` is what is read: a text, a template's values, or what a call has to say as TwiML.
    """

    to: str = field(repr=False)
    sender: str
    service: str | None
    body: str = field(repr=False)
    callback: str = field(repr=False)
    channel: Channel = Channel.SMS

    @property
    def number(self) -> str:
        """The bare number, by which a plan goes."""
        return self.to.removeprefix(WHATSAPP)


@dataclass(frozen=True, slots=True)
class PushOrder:
    """A notification that somebody wants sent."""

    token: str
    data: dict[str, str]


def read_message_order(body: bytes, callback_hosts: frozenset[str]) -> Order | str:
    """The order in a create call's form for a text or a WhatsApp template, or the code of what is wrong with it."""
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        validity = int(form.get("ValidityPeriod", LONGEST_VALIDITY_SECONDS))
    except (UnicodeDecodeError, ValueError):
        return "20001"
    to, text, callback = form.get("To", ""), form.get("Body", ""), form.get("StatusCallback", "")
    sender, service = form.get("From", ""), form.get("MessagingServiceSid")
    is_whatsapp = to.startswith(WHATSAPP)
    if is_whatsapp:
        text = _values(form)
    faults = {
        "21604": not to,
        "21211": not E164.fullmatch(to.removeprefix(WHATSAPP)),
        "21603": not (sender or service),
        "63007": is_whatsapp != sender.startswith(WHATSAPP),
        "21655": is_whatsapp and not TEMPLATE.fullmatch(form.get("ContentSid", "")),
        "21656": is_whatsapp and text == NOT_VALUES,
        "21602": not text and not is_whatsapp,
        "21617": len(text) > LONGEST_BODY,
        "20001": not 1 <= validity <= LONGEST_VALIDITY_SECONDS,
        "21609": bool(callback) and not is_allowed(callback, callback_hosts),
    }
    fault = next((code for code, is_so in faults.items() if is_so), None)
    return fault or Order(to, sender, service, text, callback, Channel.WHATSAPP if is_whatsapp else Channel.SMS)


def read_call_order(body: bytes, callback_hosts: frozenset[str]) -> Order | str:
    """The order in a create call's form for a call, or the code of what is wrong with it."""
    try:
        form = {name: values[-1] for name, values in parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True).items()}
    except (UnicodeDecodeError, ValueError):
        return "20001"
    to, sender, twiml, callback = (form.get(name, "") for name in ("To", "From", "Twiml", "StatusCallback"))
    faults = {
        "21201": not to,
        "21211": not E164.fullmatch(to),
        "21213": not sender,
        "21205": not twiml,
        "12100": len(twiml) > LONGEST_TWIML or not is_twiml(twiml),
        "21609": bool(callback) and not is_allowed(callback, callback_hosts),
    }
    fault = next((code for code, is_so in faults.items() if is_so), None)
    return fault or Order(to, sender, None, twiml, callback, Channel.VOICE)


def read_push(body: bytes) -> PushOrder | None:
    """The token and data of a send call; None where FCM would find fault."""
    try:
        message = json.loads(body)["message"]
        token, data = message["token"], message.get("data", {})
    except (ValueError, KeyError, TypeError):
        return None
    is_good = isinstance(token, str) and token and isinstance(data, dict) and all(isinstance(v, str) for v in data.values())
    return PushOrder(token, data) if is_good else None


def is_twiml(text: str) -> bool:
    """Whether a call can go by it."""
    try:
        return _parsed(text).tag == "Response"
    except ET.ParseError:
        return False


def find_gather(twiml: str) -> str | None:
    """Where the key that is pressed goes, if a key is asked for."""
    if not is_twiml(twiml):
        return None
    gather = _parsed(twiml).find("Gather")
    return None if gather is None else gather.get("action") or None


def _parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own product's words, to a carrier on the same machine


NOT_VALUES = "\x00"


def _values(form: dict[str, str]) -> str:
    """A template's values as one reads them: its own words are with the carrier, not here."""
    try:
        values = json.loads(form.get("ContentVariables") or "{}")
    except ValueError:
        return NOT_VALUES
    is_good = isinstance(values, dict) and all(isinstance(value, str) for value in values.values())
    return " ".join(values.values()) if is_good else NOT_VALUES
