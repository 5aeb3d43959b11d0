"""Twilio's create call for many messages at once: what they share is written and quoted once.

The text goes as approved (`SmartEncoded` off): nothing may be replaced on the way, and a look-up compares it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote_plus, urlencode

from alerts.channels.http_pool import HttpPool, Result, request_head
from alerts.channels.ports import LINK_PLACE, SmsMessage

LONGEST_VALIDITY_SECONDS = 36_000
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to post, as whom, and from which sender (`From`, `MessagingServiceSid`)."""

    base_url: str
    account_sid: str
    auth_token: str = field(repr=False)
    sender_fields: Sequence[tuple[str, str]]
    timeout_seconds: float
    connections: int


class TwilioMany:
    """Posts texts over kept connections. Belongs to the loop that first uses it."""

    def __init__(self, target: Target) -> None:
        self._pool = HttpPool(target.base_url, connections=target.connections, timeout_seconds=target.timeout_seconds)
        credentials = base64.b64encode(f"{target.account_sid}:{target.auth_token}".encode()).decode()
        headers = {
            "Authorization": f"Basic {credentials}",
            "Accept": "application/json",
            "Content-Type": FORM_TYPE,
        }
        self._request = request_head(self._pool, f"/2010-04-01/Accounts/{target.account_sid}/Messages.json", headers)
        self._sender = urlencode(target.sender_fields)

    async def post(self, messages: Sequence[SmsMessage], *, until: float) -> list[Result]:
        """A result for each message, in order; see `HttpPool.post_many`."""
        return await self._pool.post_many([self._request(self.form(message)) for message in messages], until=until)

    def form(self, message: SmsMessage) -> bytes:
        """The fields of one message."""
        before, place, after = _quoted_parts(message.text)
        body = f"{before}{_quoted_address(message.link)}{after}" if place else before
        validity = min(message.validity_seconds, LONGEST_VALIDITY_SECONDS)
        sender = _from(message.from_) if message.from_ else self._sender
        return (
            f"To={quote_plus(message.to_e164)}&{sender}&Body={body}&StatusCallback={_quoted_address(message.status_callback)}"
            f"&ValidityPeriod={validity}&SmartEncoded=false"
        ).encode()

    async def close(self) -> None:
        await self._pool.close()


@lru_cache(maxsize=256)
def _quoted_parts(text: str) -> tuple[str, str, str]:
    """What stands before the link, whether there is one, and what stands after it."""
    before, place, after = text.partition(LINK_PLACE)
    return quote_plus(before), place, quote_plus(after)


@lru_cache(maxsize=256)
def _from(sender: str) -> str:
    return urlencode([("From", sender)])


@lru_cache(maxsize=256)
def _quoted_base(base: str) -> str:
    return quote_plus(base)


def _quoted_address(address: str) -> str:
    """An address whose last part alone is different each time."""
    base, slash, token = address.rpartition("/")
    return _quoted_base(base + slash) + quote_plus(token)
