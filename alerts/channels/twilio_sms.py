"""Twilio's Messages API: send one text, and look for one whose answer was lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts.channels.answers import EXPIRED
from alerts.channels.http_pool import Result
from alerts.channels.ports import Accepted, FoundMessage, Rejected, SmsMessage, Transient, Unknown
from alerts.channels.twilio_account import TwilioAccount, TwilioConfig
from alerts.channels.twilio_many import Target, TwilioMany
from alerts.channels.wire import WireAnswer


class TwilioSms:
    """The SMS port over Twilio. Build it anywhere; its connections open in the loop of the first call."""

    name = "twilio"
    channel = "sms"

    def __init__(self, config: TwilioConfig) -> None:
        self._account = TwilioAccount(config, resource="Messages", channel=self.channel)
        self._many = TwilioMany(
            Target(
                base_url=config.base_url,
                account_sid=config.account_sid,
                auth_token=config.auth_token,
                sender_fields=_sender_fields(config),
                timeout_seconds=config.timeout_seconds,
                connections=config.connections,
            )
        )
        self.sender = config.from_ or config.messaging_service_sid
        """What a look-up compares: the number or sender id, else the messaging service."""

    async def send(self, message: SmsMessage) -> Accepted:
        """Hand one text to Twilio. Raises Transient, Rejected or Unknown."""
        [answer] = await self.send_many([message], until=math.inf)
        if isinstance(answer, Accepted):
            return answer
        raise answer or Transient("not_begun")

    async def send_many(self, messages: Sequence[SmsMessage], *, until: float) -> list[Accepted | Exception | None]:
        """Hand texts over, each at most once; an answer for each, in order. None: not begun before `until` (monotonic seconds).

        A text whose time is over is refused here.
        """
        results = iter(await self._many.post([message for message in messages if message.validity_seconds >= 1], until=until))
        return [self._read(next(results), message) if message.validity_seconds >= 1 else EXPIRED.refusal("expired") for message in messages]

    async def find_sent(self, message: SmsMessage, *, created_after: datetime) -> tuple[FoundMessage, ...]:
        """`find_by_to` for a message of this sender."""
        return await self.find_by_to(message.to_e164, body=message.body, from_=message.from_, created_after=created_after)

    async def find_by_to(self, to_e164: str, *, body: str, from_: str, created_after: datetime) -> tuple[FoundMessage, ...]:
        """Messages to this number, of this text and sender, newest first, created at or after the moment given.

        Raises Transient when the list cannot be read now. Finding none proves nothing. An empty `from_` means this
        port's own sender.
        """
        sender = from_ or self.sender
        rows = await self._account.list_to(to_e164, created_after=created_after)
        return tuple(row.found() for row in rows if _is_same(row.fields, body=body, from_=sender))

    async def close(self) -> None:
        await self._many.close()
        await self._account.close()

    def _read(self, result: Result, message: SmsMessage) -> Accepted | Exception | None:
        if not isinstance(result, WireAnswer):
            return result
        try:
            return self._account.read(result, to_e164=message.to_e164)
        except (Transient, Rejected, Unknown) as error:
            return error


def _sender_fields(config: TwilioConfig) -> list[tuple[str, str]]:
    fields = [("From", config.from_), ("MessagingServiceSid", config.messaging_service_sid)]
    return [(name, value) for name, value in fields if value]


def _is_same(row: Mapping[str, Any], *, body: str, from_: str) -> bool:
    """Same text and sender: carriers cut blanks at the ends, so both sides are cut before comparing."""
    return str(row.get("body") or "").strip() == body.strip() and from_ in (row.get("from"), row.get("messaging_service_sid"))
