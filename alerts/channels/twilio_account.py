"""One account at Twilio, as its senders share it: credentials, connections, how an answer reads, how a list is read."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from alerts.channels.answers import EXPIRED, NOT_NOW_CODES, REGION_CODES, is_listed, parse_retry_after, twilio_answer
from alerts.channels.country_rules import SMS, number_country
from alerts.channels.ports import Accepted, FoundMessage, Rejected, Transient, Unknown, Verdict
from alerts.channels.rule_book import current_book
from alerts.channels.wire import Wire, WireAnswer

API = "2010-04-01"
LONGEST_VALIDITY_SECONDS = 36_000
LOOKUP_PAGE_SIZE = 50
LOOKUP_MOST_PAGES = 4
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, kw_only=True)
class TwilioConfig:
    """One account and one sender: a number or sender id (`from_`), or a messaging service, or a service with a number of it."""

    account_sid: str
    auth_token: str = field(repr=False)
    from_: str = ""
    messaging_service_sid: str = ""
    base_url: str = "https://api.twilio.com"
    timeout_seconds: float = 15.0
    connections: int = 128

    def __post_init__(self) -> None:
        if not (self.from_ or self.messaging_service_sid):
            raise ValueError("Twilio needs a sender: a number, a sender id or a messaging service")


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One row of a list of Twilio's: when it was created, and all its fields as they came."""

    created_at: datetime
    fields: Mapping[str, Any]

    def found(self) -> FoundMessage:
        """The row as evidence for an attempt."""
        error = self.fields.get("error_code")
        sid, status = str(self.fields["sid"]), str(self.fields["status"])
        return FoundMessage(sid, status, self.created_at, None if error is None else str(error))


class TwilioAccount:
    """Create calls and lists of one resource (`Messages`, `Calls`). Its connections open in the loop of the first call."""

    def __init__(self, config: TwilioConfig, *, resource: str, channel: str) -> None:
        self._channel = channel
        self._base = URL(config.base_url.rstrip("/"))
        self._url = URL(f"{self._base}/{API}/Accounts/{config.account_sid}/{resource}.json")
        self._rows = resource.lower()
        credentials = base64.b64encode(f"{config.account_sid}:{config.auth_token}".encode()).decode()
        self._wire = Wire(
            {"Authorization": f"Basic {credentials}", "Accept": "application/json"},
            connections=config.connections,
            timeout_seconds=config.timeout_seconds,
        )

    async def create(self, fields: Sequence[tuple[str, str]], *, to_e164: str) -> Accepted:
        """One create call. Raises Transient, Rejected or Unknown; see `read_create_answer`."""
        answer = await self._wire.post(self._url, urlencode(fields).encode(), headers=FORM)
        return self.read(answer, to_e164=to_e164)

    def read(self, answer: WireAnswer, *, to_e164: str) -> Accepted:
        """What the answer to a create call for this number means. Raises Transient, Rejected or Unknown."""
        return read_create_answer(answer, is_region_served=lambda: self._is_served(to_e164))

    async def list_to(self, to: str, *, created_after: datetime) -> list[ListedRow]:
        """What was sent to this address at or after the moment given, newest first.

        The list is asked for by `To` alone: one by date sent (or started) leaves out what is accepted and not yet on
        its way, which is exactly what a look-up is for. Raises Transient when the list cannot be read now.
        """
        found: list[ListedRow] = []
        url: URL | None = self._url.with_query(To=to, PageSize=str(LOOKUP_PAGE_SIZE))
        for _ in range(LOOKUP_MOST_PAGES):
            if url is None:
                break
            page = await self._page(url)
            rows = [ListedRow(_created_at(row), row) for row in page.get(self._rows) or ()]
            found += [row for row in rows if row.created_at >= created_after and row.fields.get("direction") != "inbound"]
            is_far_enough = any(row.created_at < created_after for row in rows)
            url = None if is_far_enough else self._next(page)
        return found

    async def close(self) -> None:
        await self._wire.close()

    def _is_served(self, to_e164: str) -> bool:
        """Where Twilio carries no text, for good, it carries nothing else either; the channel may have a rule of its own."""
        country, book = number_country(to_e164) or "", current_book()
        return all(book.is_served(country, channel=channel) for channel in {SMS, self._channel})

    async def _page(self, url: URL) -> Mapping[str, Any]:
        try:
            answer = await self._wire.get(url)
        except Unknown as error:
            raise Transient(error.code) from error
        if answer.status != 200:
            raise Transient(_code_of(answer), retry_after=parse_retry_after(answer.retry_after))
        return answer.body

    def _next(self, page: Mapping[str, Any]) -> URL | None:
        """The next page, if it is on the same server: our credentials go nowhere else."""
        uri = page.get("next_page_uri")
        if not isinstance(uri, str) or not uri:
            return None
        url = self._base.join(URL(uri, encoded=True))
        return url if url.origin() == self._base.origin() else None


def read_create_answer(answer: WireAnswer, *, is_region_served: Callable[[], bool] = lambda: True) -> Accepted:
    """What the answer to a create call means. 2xx with an id: accepted. 429: not now. 4xx: no. All else: unknown."""
    status = answer.status
    if 200 <= status < 300:
        return _accepted(answer)
    if not 400 <= status < 500 or status == 408:
        raise Unknown(f"http_{status}")
    code = _code_of(answer)
    if code in NOT_NOW_CODES or (status == 429 and not is_listed(code)):
        raise Transient(code, retry_after=parse_retry_after(answer.retry_after))
    if status == 401:
        raise Rejected(code, verdict=Verdict.STOP_ALL)
    served = code not in REGION_CODES or is_region_served()
    raise twilio_answer(code, is_region_served=served).refusal(code)


def check_validity(seconds: int) -> None:
    """Raises Rejected for a message whose time is over: surely not sent, by us."""
    if seconds < 1:
        raise EXPIRED.refusal("expired")


def validity_field(seconds: int) -> tuple[str, str]:
    """How long Twilio may keep trying, within what it accepts."""
    return "ValidityPeriod", str(min(seconds, LONGEST_VALIDITY_SECONDS))


def _accepted(answer: WireAnswer) -> Accepted:
    sid = answer.body.get("sid")
    if not isinstance(sid, str) or not sid:
        raise Unknown("unreadable_answer")
    return Accepted(sid, str(answer.body.get("status") or "queued"))


def _code_of(answer: WireAnswer) -> str:
    code = answer.body.get("code")
    return str(code) if isinstance(code, int | str) and code else f"http_{answer.status}"


def _created_at(row: Mapping[str, Any]) -> datetime:
    try:
        return parsedate_to_datetime(row["date_created"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError) as error:
        raise Transient("unreadable_list") from error
