"""Twilio's Messages API: send one text, look for one whose answer was lost, and check who signed a webhook."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from twilio.request_validator import RequestValidator
from yarl import URL

from alerts.channels.answers import NOT_NOW_CODES, TWILIO_ANSWERS, parse_retry_after, twilio_answer
from alerts.channels.country_rules import is_number_served
from alerts.channels.http_pool import Result
from alerts.channels.ports import Accepted, FoundMessage, Rejected, SmsMessage, Transient, Unknown, Verdict
from alerts.channels.twilio_many import Account, TwilioMany
from alerts.channels.wire import Wire, WireAnswer

if TYPE_CHECKING:
    from starlette.datastructures import FormData

LOOKUP_PAGE_SIZE = 50
LOOKUP_MOST_PAGES = 4


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


class TwilioSms:
    """The SMS port over Twilio. Build it anywhere; its connections open in the loop of the first call."""

    name = "twilio"
    channel = "sms"

    def __init__(self, config: TwilioConfig) -> None:
        self._config = config
        self._base = URL(config.base_url.rstrip("/"))
        self._messages = URL(f"{self._base}/2010-04-01/Accounts/{config.account_sid}/Messages.json")
        self._sender = _sender_fields(config)
        credentials = base64.b64encode(f"{config.account_sid}:{config.auth_token}".encode()).decode()
        account = Account(
            base_url=config.base_url,
            account_sid=config.account_sid,
            auth_token=config.auth_token,
            sender_fields=self._sender,
            timeout_seconds=config.timeout_seconds,
            connections=config.connections,
        )
        self._many = TwilioMany(account)
        self._wire = Wire(
            {"Authorization": f"Basic {credentials}", "Accept": "application/json"},
            connections=config.connections,
            timeout_seconds=config.timeout_seconds,
        )

    @property
    def sender(self) -> str:
        """What a look-up compares: the number or sender id, else the messaging service."""
        return self._config.from_ or self._config.messaging_service_sid

    async def send(self, message: SmsMessage) -> Accepted:
        """Hand one text to Twilio. Raises Transient, Rejected or Unknown; see reading of the answer below."""
        [answer] = await self.send_many([message], until=math.inf)
        if isinstance(answer, Accepted):
            return answer
        raise answer or Transient("not_begun")

    async def send_many(self, messages: Sequence[SmsMessage], *, until: float) -> list[Accepted | Exception | None]:
        """Hand texts over, each at most once. None: not begun before `until` (monotonic seconds)."""
        results = await self._many.post(messages, until=until)
        return [_read(result, message) for result, message in zip(results, messages, strict=True)]

    async def find(self, message: SmsMessage, *, created_after: datetime) -> tuple[FoundMessage, ...]:
        """What Twilio lists of this very message; see `find_by_to`."""
        return await self.find_by_to(message.to_e164, body=message.body, from_=self.sender, created_after=created_after)

    async def find_by_to(self, to_e164: str, *, body: str, from_: str, created_after: datetime) -> tuple[FoundMessage, ...]:
        """Messages to this number, of this text and sender, newest first, created at or after the moment given.

        The list is asked for by `To` alone: one by DateSent leaves out what is accepted and not yet sent, which is
        exactly what a look-up is for. Raises Transient when the list cannot be read now. Finding none proves nothing.
        An empty `from_` means this port's own sender.
        """
        sender = from_ or self.sender
        found: list[FoundMessage] = []
        url: URL | None = self._messages.with_query(To=to_e164, PageSize=str(LOOKUP_PAGE_SIZE))
        for _ in range(LOOKUP_MOST_PAGES):
            if url is None:
                break
            page = await self._page(url)
            rows = [(_created_at(row), row) for row in page.get("messages") or ()]
            found += [_found(row, at) for at, row in rows if at >= created_after and _is_same(row, body=body, from_=sender)]
            is_far_enough = any(at < created_after for at, _ in rows)
            url = None if is_far_enough else self._next(page)
        return tuple(found)

    async def close(self) -> None:
        await self._many.close()
        await self._wire.close()

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


def _read(result: Result, message: SmsMessage) -> Accepted | Exception | None:
    """An answer of the wire as the port says it."""
    if not isinstance(result, WireAnswer):
        return result
    try:
        return read_create_answer(result, is_region_served=lambda: is_number_served(message.to_e164))
    except (Transient, Rejected, Unknown) as error:
        return error


def read_create_answer(answer: WireAnswer, *, is_region_served: Callable[[], bool] = lambda: True) -> Accepted:
    """What the answer to a create call means. 2xx with an id: accepted. 429: not now. 4xx: no. All else: unknown."""
    status = answer.status
    if 200 <= status < 300:
        return _accepted(answer)
    if not 400 <= status < 500 or status == 408:
        raise Unknown(f"http_{status}")
    code = _code_of(answer)
    if code in NOT_NOW_CODES or (status == 429 and code not in TWILIO_ANSWERS):
        raise Transient(code, retry_after=parse_retry_after(answer.retry_after))
    if status == 401:
        raise Rejected(code, verdict=Verdict.STOP_ALL)
    served = code != "21408" or is_region_served()
    raise Rejected(code, verdict=twilio_answer(code, is_region_served=served).verdict)


class WebhookCheck:
    """Whether a form really comes from Twilio: by the *configured* public address, never by the Host header.

    `tokens` holds the account's token and, while it is being changed, the one before. Empty tokens are left out.
    """

    def __init__(self, public_url: str, tokens: Sequence[str]) -> None:
        self._public_url = public_url.rstrip("/")
        self._validators = [RequestValidator(token) for token in tokens if token]

    def is_genuine(self, path_and_query: str, form: FormData, signature: str | None) -> bool:
        """True if any token signed this address with exactly these fields (SHA-1 form, fixed by configuration).

        Twilio always posts fields: an empty form (a JSON body, say) is refused, because its content would not be
        covered by the signature; so is a file, which Twilio never sends.
        """
        if not signature or not form or any(not isinstance(value, str) for _, value in form.multi_items()):
            return False
        url = self._public_url + path_and_query
        return any(validator.validate(url, form, signature) for validator in self._validators)


def _sender_fields(config: TwilioConfig) -> list[tuple[str, str]]:
    fields = [("From", config.from_), ("MessagingServiceSid", config.messaging_service_sid)]
    return [(name, value) for name, value in fields if value]


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


def _is_same(row: Mapping[str, Any], *, body: str, from_: str) -> bool:
    """Same text and sender, and ours: carriers cut blanks at the ends, so both sides are cut before comparing."""
    if row.get("direction") == "inbound" or str(row.get("body") or "").strip() != body.strip():
        return False
    return from_ in (row.get("from"), row.get("messaging_service_sid"))


def _found(row: Mapping[str, Any], created_at: datetime) -> FoundMessage:
    error = row.get("error_code")
    return FoundMessage(str(row["sid"]), str(row["status"]), created_at, None if error is None else str(error))
