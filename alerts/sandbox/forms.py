"""The shapes that senders read: Twilio's message and error, FCM's answer and error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlencode

from alerts.sandbox.plan import Channel

API_VERSION = "2010-04-01"
_ENCODER = json.JSONEncoder(separators=(",", ":"))
ONE_PART_UNITS, MANY_PARTS_UNITS = 70, 67

# Twilio's words are not ours: code → HTTP status and a sentence of our own.
TWILIO_ERRORS: Mapping[str, tuple[int, str]] = {
    "20001": (400, "A parameter is not valid"),
    "20003": (401, "The account or its token is not right"),
    "20404": (404, "There is no such resource"),
    "20429": (429, "Too many requests"),
    "10004": (429, "Too many calls are under way"),
    "12100": (400, "What the call has to say cannot be read"),
    "21201": (400, "A number to call is required"),
    "21205": (400, "Say what the call is to do"),
    "21211": (400, "The number in To is not valid"),
    "21213": (400, "A number that the call comes from is required"),
    "21215": (403, "Calling the region of this number is not permitted"),
    "21217": (400, "The number does not look valid"),
    "21408": (400, "Sending to the region of this number is not permitted"),
    "21602": (400, "A body is required"),
    "21603": (400, "A sender is required"),
    "21604": (400, "A recipient is required"),
    "21609": (400, "The status callback is not a usable address"),
    "21610": (400, "The recipient has opted out"),
    "21611": (429, "The sender has too many messages in its queue"),
    "21614": (400, "The number is not a mobile number"),
    "21617": (400, "The body is too long"),
    "21655": (400, "The template is not valid"),
    "21656": (400, "The template's values are not valid"),
    "63003": (400, "WhatsApp does not know the number"),
    "63007": (400, "The sender is none of this channel"),
    "63018": (429, "The sender's rate is exceeded"),
}
SERVER_ERROR = (500, "Something failed here")

# FCM's errorCode → HTTP status and RPC status.
FCM_ERRORS: Mapping[str, tuple[int, str]] = {
    "UNREGISTERED": (404, "NOT_FOUND"),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED"),
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT"),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED"),
    "UNAVAILABLE": (503, "UNAVAILABLE"),
    "INTERNAL": (500, "INTERNAL"),
    "UNAUTHENTICATED": (401, "UNAUTHENTICATED"),
}


@dataclass(slots=True)
class Message:
    """A text or a call that the carrier has accepted. Phone numbers and bodies stay in memory, never in the journal."""

    sid: str
    attempt: str
    to: str = field(repr=False)
    sender: str
    service: str | None
    body: str = field(repr=False)
    callback: str = field(repr=False)
    created_at: datetime
    channel: Channel = Channel.SMS
    status: str = "queued"
    error_code: int | None = None
    sent_at: datetime | None = None
    updated_at: datetime | None = None


def message_form(message: Message, account: str) -> dict[str, object]:
    """The message resource as Twilio's API answers it."""
    uri = f"/{API_VERSION}/Accounts/{account}/Messages/{message.sid}"
    return {
        "account_sid": account,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": format_datetime(message.created_at),
        "date_sent": message.sent_at and format_datetime(message.sent_at),
        "date_updated": format_datetime(message.updated_at or message.created_at),
        "direction": "outbound-api",
        "error_code": message.error_code,
        "error_message": None,
        "from": message.sender or None,
        "messaging_service_sid": message.service,
        "num_media": "0",
        "num_segments": str(_segments(message.body)),
        "price": None,
        "price_unit": None,
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def page_form(
    rows: Sequence[Mapping[str, object]], account: str, query: Mapping[str, str], *, resource: str, page: int, size: int
) -> dict[str, object]:
    """One page of a list, newest first; `rows` is the whole result, `resource` its name (`Messages`, `Calls`)."""
    path = f"/{API_VERSION}/Accounts/{account}/{resource}.json"
    start = page * size
    shown = rows[start : start + size]

    def uri(number: int) -> str:
        token = {"PageToken": f"PA{shown[-1]['sid']}"} if number > page and shown else {}
        return f"{path}?{urlencode({**query, 'PageSize': size, 'Page': number, **token})}"

    return {
        resource.lower(): list(shown),
        "page": page,
        "page_size": size,
        "start": start,
        "end": start + max(len(shown) - 1, 0),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "previous_page_uri": uri(page - 1) if page else None,
        "next_page_uri": uri(page + 1) if len(rows) > start + size else None,
    }


def twilio_error(code: str) -> tuple[int, dict[str, object]]:
    """HTTP status and body of a refusal."""
    status, sentence = TWILIO_ERRORS.get(code, (400, "Refused"))
    more = f"https://www.twilio.com/docs/errors/{code}"
    return status, {"code": int(code), "message": sentence, "more_info": more, "status": status}


def fcm_error(code: str) -> tuple[int, dict[str, object]]:
    """HTTP status and body of a refusal."""
    status, rpc_status = FCM_ERRORS.get(code, FCM_ERRORS["INVALID_ARGUMENT"])
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    return status, {"error": {"code": status, "message": "refused by the sandbox", "status": rpc_status, "details": [detail]}}


def receipt_form(message: Message, account: str, *, status: str, error_code: str) -> dict[str, str]:
    """The fields of a status callback."""
    form = {
        "AccountSid": account,
        "ApiVersion": API_VERSION,
        "From": message.sender,
        "MessageSid": message.sid,
        "MessageStatus": status,
        "SmsSid": message.sid,
        "SmsStatus": status,
        "To": message.to,
    }
    if message.service:
        form["MessagingServiceSid"] = message.service
    if error_code:
        form["ErrorCode"] = error_code
    return form


def reply_form(message: Message, account: str, *, sid: str, words: str) -> dict[str, str]:
    """The fields of an inbound message: the person who got `message` writes back."""
    return inbound_form(account, sid=sid, sender=message.to, to=message.sender, words=words)


def inbound_form(account: str, *, sid: str, sender: str, to: str, words: str) -> dict[str, str]:
    """The fields of an inbound message."""
    return {
        "AccountSid": account,
        "ApiVersion": API_VERSION,
        "Body": words,
        "From": sender,
        "MessageSid": sid,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "To": to,
    }


def as_json(value: Mapping[str, object]) -> bytes:
    return _ENCODER.encode(value).encode()


def _segments(body: str) -> int:
    """A rough count, on the safe side for anything beyond ASCII; nobody is billed here."""
    one, many = (160, 153) if body.isascii() else (ONE_PART_UNITS, MANY_PARTS_UNITS)
    return 1 if len(body) <= one else -(-len(body) // many)
