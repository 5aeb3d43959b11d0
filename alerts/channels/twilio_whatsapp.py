"""WhatsApp by Twilio's Messages API: one template that WhatsApp approved beforehand, its places filled, to one number.

To somebody who wrote to us within the last day also words of our own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from alerts.channels.ports import Accepted, FoundMessage, WhatsAppMessage, WhatsAppReply
from alerts.channels.twilio_account import TwilioAccount, TwilioConfig, check_validity, validity_field

PREFIX = "whatsapp:"


class TwilioWhatsApp:
    """The WhatsApp port over Twilio. Its sender is a number (`from_`) that WhatsApp knows as ours."""

    name = "whatsapp"
    channel = "whatsapp"

    def __init__(self, config: TwilioConfig) -> None:
        if not config.from_:
            raise ValueError("WhatsApp needs a number of its own as the sender")
        self._account = TwilioAccount(config, resource="Messages", channel=self.channel)
        self.sender = PREFIX + config.from_

    async def send(self, message: WhatsAppMessage | WhatsAppReply) -> Accepted:
        """Hand one filled template, or one reply, to Twilio. Raises Transient, Rejected or Unknown."""
        check_validity(message.validity_seconds)
        return await self._account.create(self._fields(message), to_e164=message.to_e164)

    async def find_sent(self, message: WhatsAppMessage, *, created_after: datetime) -> tuple[FoundMessage, ...]:
        """`find_by_to` for a message of this sender."""
        values = message.variables.values()
        return await self.find_by_to(message.to_e164, values=values, from_=self.sender, created_after=created_after)

    async def find_by_to(self, to_e164: str, *, values: Collection[str], from_: str, created_after: datetime) -> tuple[FoundMessage, ...]:
        """Messages of this sender to this number in which every value stands, newest first.

        The template's words are kept by Twilio, so what was filled in (the person's own link among it) is what tells
        one message from another. Raises Transient when the list cannot be read now. Finding none proves nothing.
        """
        rows = await self._account.list_to(PREFIX + to_e164, created_after=created_after)
        return tuple(row.found() for row in rows if _is_same(row.fields, values=values, from_=from_ or self.sender))

    async def close(self) -> None:
        await self._account.close()

    def _fields(self, message: WhatsAppMessage | WhatsAppReply) -> list[tuple[str, str]]:
        return [
            ("To", PREFIX + message.to_e164),
            ("From", self.sender),
            *_content(message),
            ("StatusCallback", message.status_callback),
            validity_field(message.validity_seconds),
        ]


def _content(message: WhatsAppMessage | WhatsAppReply) -> list[tuple[str, str]]:
    if isinstance(message, WhatsAppReply):
        return [("Body", message.text)]
    return [("ContentSid", message.content_sid), ("ContentVariables", json.dumps(dict(message.variables), ensure_ascii=False))]


def _is_same(row: Mapping[str, Any], *, values: Collection[str], from_: str) -> bool:
    body = " ".join(str(row.get("body") or "").split())
    return row.get("from") == from_ and all(" ".join(value.split()) in body for value in values)
