"""Calls: what Twilio says of one, and how the person called takes it up and presses keys, as the plan has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Protocol

from alerts.sandbox.forms import API_VERSION, Message
from alerts.sandbox.orders import find_gather
from alerts.sandbox.outbound import Post

# The steps of every message in a call's words, and the event that each belongs to.
WORDS: Mapping[str, str] = {"queued": "queued", "sent": "in-progress", "delivered": "completed", "undelivered": "no-answer"}
TAKEN_UP = "sent"
MOST_QUESTIONS = 6


class Line(Protocol):
    """What a call needs of its carrier."""

    async def post(self, post: Post) -> tuple[bool, str]: ...

    def note_answer(self, attempt: str, words: str) -> None: ...


def call_form(message: Message, account: str) -> dict[str, object]:
    """The call resource as Twilio's API answers it."""
    uri = f"/{API_VERSION}/Accounts/{account}/Calls/{message.sid}"
    ended_at = message.updated_at if message.status in ("delivered", "undelivered") else None
    return {
        "account_sid": account,
        "answered_by": None,
        "api_version": API_VERSION,
        "caller_name": None,
        "date_created": format_datetime(message.created_at),
        "date_updated": format_datetime(message.updated_at or message.created_at),
        "direction": "outbound-api",
        "duration": "20" if message.status == "delivered" else None,
        "end_time": ended_at and format_datetime(ended_at),
        "forwarded_from": None,
        "from": message.sender,
        "from_formatted": message.sender,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": message.sid,
        "start_time": message.sent_at and format_datetime(message.sent_at),
        "status": WORDS[message.status],
        "subresource_uris": {"notifications": f"{uri}/Notifications.json"},
        "to": message.to,
        "to_formatted": message.to,
        "trunk_sid": None,
        "uri": f"{uri}.json",
    }


def call_status_form(message: Message, account: str, *, status: str) -> dict[str, str]:
    """The fields of a call's status callback."""
    return _fields(message, account) | {"CallStatus": WORDS[status]}


def keypress_form(message: Message, account: str, key: str) -> dict[str, str]:
    """The fields that tell which key was pressed; none was: no digits."""
    return _fields(message, account) | {"CallStatus": "in-progress", "FinishedOnKey": ""} | ({"Digits": key} if key else {})


async def press_keys(line: Line, message: Message, *, account: str, keys: str, seconds: float) -> None:
    """The person hears the question and presses one key after the other, as long as one is asked for.

    When the keys are used up and the voice still asks, nothing is pressed any more.
    """
    asks, left = find_gather(message.body), [*keys]
    for _ in range(MOST_QUESTIONS):
        if asks is None:
            return
        await asyncio.sleep(seconds)
        key = left.pop(0) if left else ""
        is_taken, answer = await line.post(Post(asks, keypress_form(message, account, key), "keypress"))
        asks = find_gather(answer) if is_taken else None
        if is_taken and key and asks is None:
            line.note_answer(message.attempt, key)


def _fields(message: Message, account: str) -> dict[str, str]:
    return {
        "AccountSid": account,
        "ApiVersion": API_VERSION,
        "CallSid": message.sid,
        "Called": message.to,
        "Caller": message.sender,
        "Direction": "outbound-api",
        "From": message.sender,
        "To": message.to,
    }
