"""Another carrier of texts, with a dialect of its own: JSON, other names, other words, receipts that it signs itself.

It is the one that docs/sms-provider.md describes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from alerts.sandbox.forms import Message, as_json
from alerts.sandbox.orders import LONGEST_BODY, Order
from alerts.sandbox.outbound import Post, is_allowed
from alerts.sandbox.plan import Channel

PATH = "/lintas/v2/texts"
# How it speaks, for `SIAGA_SMS2_DESCRIPTION` of a process that is to send by it.
DESCRIPTION: Mapping[str, Any] = {
    "name": "lintas",
    "method": "POST",
    "format": "json",
    "fields": {
        "to": "recipient",
        "from": "sender",
        "text": "/content/text",
        "callback": "/notify/url",
        "validity": "lifetime",
        "reference": "reference",
    },
    "constants": {"class": "transactional"},
    "number_form": "digits",
    "validity_unit": "minutes",
    "auth": {"kind": "header", "header": "X-Api-Key"},
    "answers": {
        "id": "/message/id",
        "code": "outcome",
        "success": ["TAKEN"],
        "not_now": ["BUSY"],
        "verdicts": {"BAD-NUMBER": "bad_number", "BLOCKED": "opted_out", "NO-ROUTE": "unsupported_country", "NO-KEY": "stop_all"},
    },
    "receipts": {
        "format": "json",
        "status": "/message/state",
        "id": "/message/id",
        "code": "/message/reason",
        "states": {"EN-ROUTE": "sent", "ARRIVED": "delivered", "LOST": "undelivered", "DROPPED": "failed"},
        "auth": "hmac",
        "header": "X-Lintas-Signature",
        "encoding": "hex",
    },
    "countries": ["ID", "IR", "SY"],
    "rate_per_second": 50,
}
KEY_HEADER = "X-Api-Key"
SIGNATURE_HEADER = "X-Lintas-Signature"
NUMBER = re.compile(r"[1-9][0-9]{6,14}")
LONGEST_LIFETIME_MINUTES = 600

STATES: Mapping[str, str] = {"sent": "EN-ROUTE", "delivered": "ARRIVED", "undelivered": "LOST", "failed": "DROPPED"}
# A plan's refusal in this carrier's words; a word of its own stays.
OUTCOMES: Mapping[str, str] = {
    "21211": "BAD-NUMBER",
    "21217": "BAD-NUMBER",
    "21614": "BAD-NUMBER",
    "21610": "BLOCKED",
    "21408": "NO-ROUTE",
    "20429": "BUSY",
    "20003": "NO-KEY",
}
STATUSES: Mapping[str, int] = {"BUSY": 429, "NO-KEY": 401}


def read_second_order(body: bytes, callback_hosts: frozenset[str]) -> Order | str:
    """The order in a request, or the outcome that is answered instead."""
    try:
        asked = json.loads(body)
        to, sender, text = asked["recipient"], asked["sender"], asked["content"]["text"]
        callback, lifetime = asked.get("notify", {}).get("url", ""), asked.get("lifetime", 1)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "BAD-REQUEST"
    faults = {
        "BAD-REQUEST": not all(isinstance(word, str) and word for word in (to, sender, text)) or not isinstance(callback, str),
        "BAD-NUMBER": not NUMBER.fullmatch(str(to)),
        "BAD-TEXT": len(str(text)) > LONGEST_BODY,
        "BAD-LIFETIME": not isinstance(lifetime, int) or not 1 <= lifetime <= LONGEST_LIFETIME_MINUTES,
        "BAD-NOTIFY": bool(callback) and not is_allowed(str(callback), callback_hosts),
    }
    fault = next((outcome for outcome, is_so in faults.items() if is_so), None)
    return fault or Order(f"+{to}", sender, None, text, callback, Channel.SECOND_SMS)


def second_accepted(message: Message) -> tuple[int, dict[str, object]]:
    """Status and body of an acceptance."""
    return 202, {"outcome": "TAKEN", "message": {"id": message.sid, "parts": 1}}


def second_refusal(code: str) -> tuple[int, dict[str, object]]:
    """Status and body of a refusal, from a plan's code or from this carrier's own word."""
    outcome = OUTCOMES.get(code, code)
    return STATUSES.get(outcome, 422), {"outcome": outcome}


def second_receipt(message: Message, secret: str, *, status: str, code: str) -> Post:
    """A receipt as this carrier posts it."""
    content: dict[str, Any] = {"message": {"id": message.sid, "state": STATES[status], "reason": code or None}}
    body = as_json(content)
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signature}
    return Post(message.callback, {}, "receipt", is_signed=False, sealed=(body, headers))
