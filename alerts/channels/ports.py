"""What the fan-out asks of a carrier, and the three ways in which a carrier may not say yes.

The adapters are async: they live in a worker's one long-lived event loop, made after fork. They never retry:
the delivery table owns every retry, so that an attempt is exactly one request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

# A look-up accepts messages created this long before our intent: clocks differ, and providers cut to whole seconds.
LOOK_BACK = timedelta(seconds=60)
LINK_PLACE = "{link}"
"""Where a text has room for each person's own link."""


class Verdict(StrEnum):
    """Why a provider refused."""

    BAD_NUMBER = "bad_number"
    OPTED_OUT = "opted_out"
    NO_PERMISSION = "no_permission"
    UNSUPPORTED_COUNTRY = "unsupported_country"
    SENDER_BACKOFF = "sender_backoff"
    DEAD_TOKEN = "dead_token"  # noqa: S105  (a verdict, not a secret)
    CONTENT = "content"
    STOP_ALL = "stop_all"
    OTHER = "other"


class Step(StrEnum):
    """What the fan-out does after a no, in an answer or in a receipt. Paging means: tell the staff on duty, once, not per message."""

    STOP_NUMBER = "stop_number"
    RECORD_OPT_OUT = "record_opt_out"
    PAGE_AND_KEEP_QUEUED = "page_and_keep_queued"
    BACK_OFF_SENDER = "back_off_sender"
    RESEND_ONCE_LATER = "resend_once_later"
    DO_NOT_REPEAT_TEXT = "do_not_repeat_text"
    EXPIRE = "expire"
    STOP_ALL_AND_PAGE = "stop_all_and_page"
    PRUNE_TOKEN = "prune_token"  # noqa: S105  (a step, not a secret)
    FAIL_ON_CHANNEL = "fail_on_channel"
    FAIL_AND_ALARM = "fail_and_alarm"


USUAL_STEPS: Mapping[Verdict, Step] = MappingProxyType(
    {
        Verdict.BAD_NUMBER: Step.STOP_NUMBER,
        Verdict.OPTED_OUT: Step.RECORD_OPT_OUT,
        Verdict.NO_PERMISSION: Step.PAGE_AND_KEEP_QUEUED,
        Verdict.UNSUPPORTED_COUNTRY: Step.FAIL_ON_CHANNEL,
        Verdict.SENDER_BACKOFF: Step.BACK_OFF_SENDER,
        Verdict.DEAD_TOKEN: Step.PRUNE_TOKEN,
        Verdict.CONTENT: Step.DO_NOT_REPEAT_TEXT,
        Verdict.STOP_ALL: Step.STOP_ALL_AND_PAGE,
        Verdict.OTHER: Step.FAIL_AND_ALARM,
    }
)
"""The step of a verdict where no row of a table names another. What nobody understands is alarmed."""


class ReportedState(StrEnum):
    """How far a provider says a message got; the words of the delivery states of the same name."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"


class Transient(Exception):  # noqa: N818  (one of the three answers, not an error of ours)
    """Surely not sent: nothing left this machine, or the provider said "not now".

    `retry_after` is in seconds where the provider named a wait, otherwise None.
    """

    def __init__(self, code: str, *, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class Rejected(Exception):  # noqa: N818
    """Surely not sent, and never will be by this request: `verdict` says why, `step` what to do, `code` is the provider's own."""

    def __init__(self, code: str, *, verdict: Verdict, step: Step | None = None) -> None:
        super().__init__(f"{code} ({verdict})")
        self.code = code
        self.verdict = verdict
        self.step = step or USUAL_STEPS[verdict]


class Unknown(Exception):  # noqa: N818
    """Bytes left and no clear answer came: the message may have been sent. Only evidence resolves it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsMessage:
    """One text to one number. `validity_seconds`: how long the carrier may keep trying.

    `text` is what many messages share, with LINK_PLACE where each has its own `link`; an adapter may prepare it once.
    `from_`: the number or name registered for the number's country, where it is not the usual one.
    """

    attempt_id: str
    to_e164: str = field(repr=False)
    text: str = field(repr=False)
    link: str = field(default="", repr=False)
    from_: str = ""
    status_callback: str = field(repr=False)
    validity_seconds: int

    @property
    def body(self) -> str:
        """What the person reads."""
        return self.text.replace(LINK_PLACE, self.link)


WHATSAPP_SESSION_SECONDS = 24 * 3600
"""WhatsApp's customer service window. Later only a template that it approved may go."""


class Priority(StrEnum):
    """HIGH wakes a sleeping phone; it is for alerts, not for news."""

    HIGH = "high"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMessage:
    """One notification to one device. `data` carries what the app needs, as strings; `link` there is the citizen's page."""

    attempt_id: str
    token: str = field(repr=False)
    title: str = field(repr=False)
    body: str = field(repr=False)
    data: Mapping[str, str] = field(repr=False)
    ttl_seconds: int
    priority: Priority = Priority.HIGH
    is_quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPushMessage:
    """One sealed notification to one browser. `payload` is JSON for the service worker; the keys are the browser's own."""

    attempt_id: str
    endpoint: str = field(repr=False)
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)
    payload: bytes = field(repr=False)
    ttl_seconds: int
    priority: Priority = Priority.HIGH


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatsAppMessage:
    """One approved template to one number: `variables` fill the places that WhatsApp approved beforehand, nothing else."""

    attempt_id: str
    to_e164: str = field(repr=False)
    content_sid: str
    variables: Mapping[str, str] = field(repr=False)
    status_callback: str = field(repr=False)
    validity_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatsAppReply:
    """Free words to somebody who wrote to us by WhatsApp: allowed for `WHATSAPP_SESSION_SECONDS` after their last message."""

    attempt_id: str
    to_e164: str = field(repr=False)
    text: str = field(repr=False)
    status_callback: str = field(repr=False)
    validity_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailMessage:
    """One mail to one address. `message_id` is ours, without angle brackets, and names the attempt."""

    attempt_id: str
    message_id: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceMessage:
    """One call that reads the text in a language and takes 1 (safe) or 2 (need help) by keypress at `answer_url`.

    `question` is asked in place of that one, where the key means something else (a page to staff).
    """

    attempt_id: str
    to_e164: str = field(repr=False)
    text: str = field(repr=False)
    language: str
    answer_url: str = field(repr=False)
    status_callback: str = field(repr=False)
    question: str = ""


Message = SmsMessage | PushMessage | WebPushMessage | WhatsAppMessage | WhatsAppReply | EmailMessage | VoiceMessage


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken the message over. `raw_status` is its own word."""

    provider_id: str
    raw_status: str


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message that the provider lists: evidence for an attempt whose answer was lost.

    Two attempts with the same text to the same number look alike: a caller leaves out the provider ids it already knows.
    """

    provider_id: str
    raw_status: str
    created_at: datetime
    error_code: str | None


class Sender(Protocol):
    """One way out: a provider's account or number for one channel. `send` returns, or raises Transient, Rejected or Unknown.

    `name` stands in the log of windows and in reports (`twilio`, `fcm`); `channel` is a word of the messages' channels.
    """

    @property
    def name(self) -> str: ...

    @property
    def channel(self) -> str: ...

    async def send(self, message: Any) -> Accepted: ...

    async def close(self) -> None: ...


class SmsPort(Protocol):
    """A way to send texts. `send` returns, or raises exactly Transient, Rejected or Unknown."""

    @property
    def sender(self) -> str:
        """Who the texts come from, as a look-up must name it."""
        ...

    async def send(self, message: SmsMessage) -> Accepted: ...

    async def find_by_to(self, to_e164: str, *, body: str, from_: str, created_after: datetime) -> tuple[FoundMessage, ...]:
        """Messages to this number with this text and sender, newest first. Finding none proves nothing.

        Pass the time of the intent less `LOOK_BACK` as `created_after`.
        """
        ...

    async def close(self) -> None: ...


class PushPort(Protocol):
    """A way to reach an app. `send` returns, or raises exactly Transient, Rejected or Unknown."""

    async def send(self, message: PushMessage) -> Accepted: ...

    async def close(self) -> None: ...
