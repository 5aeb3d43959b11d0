"""E-mail by SMTP: one mail to one address, and the line that everything depends on: had its content begun to leave?

Until the content leaves, nothing is sent whatever breaks. Once it does, only the server's own yes or no counts: a
connection lost then is "may have been sent", because the server may have taken the mail and lost the answer.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from email.message import EmailMessage as Mail
from email.policy import SMTP as MAIL_POLICY
from email.utils import format_datetime, localtime, parseaddr

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from alerts.channels.answers import SMTP_SENDER, smtp_answer
from alerts.channels.ports import Accepted, EmailMessage, Rejected, Transient, Unknown, Verdict
from alerts.kit.text import visible
from alerts.settings_groups import MailTls

ADDRESS = re.compile(r"[^\s@<>,;:()\"\\\[\]]{1,64}@[A-Za-z0-9.-]{1,255}")
MESSAGE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*@[A-Za-z0-9.-]+")
ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
QUEUE_ID = re.compile(r"(?:queued as|id=)\s*<?([\w.@+/=-]{1,120})", re.IGNORECASE)
CLOSING = 421
WIRE_POLICY = MAIL_POLICY.clone(cte_type="7bit")


@dataclass(frozen=True, kw_only=True)
class SmtpConfig:
    """One mail server and the account we have there. `from_` is an address, or a name with the address in angle brackets."""

    host: str
    port: int
    from_: str
    tls: MailTls = MailTls.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)
    timeout_seconds: float = 20.0
    connections: int = 4
    ca_path: str = ""

    def __post_init__(self) -> None:
        if not ADDRESS.fullmatch(self.from_address):
            raise ValueError("mail needs an address that it comes from")

    @property
    def from_address(self) -> str:
        """The bare address, for the envelope."""
        return parseaddr(self.from_)[1]


@dataclass(slots=True)
class _Stage:
    """How far one handing-over has come."""

    is_content_leaving: bool = False


class EmailSmtp:
    """The way to mailboxes. Build it anywhere; a few connections open in the loop of the first calls, and are kept.

    Each is used for one mail at a time and asked (`RSET`) before it is used again; one that does not answer is opened
    anew, which is no retry: nothing had left by it.
    """

    name = "email"
    channel = "email"

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._idle: list[SMTP] = []
        self._places = asyncio.Semaphore(config.connections)

    async def send(self, message: EmailMessage) -> Accepted:
        """Hand one mail to our server. Raises Transient, Rejected or Unknown."""
        content = write_mail(message, from_=self._config.from_)
        stage = _Stage()
        async with self._places:
            try:
                async with asyncio.timeout(self._config.timeout_seconds):
                    reply = await self._hand_over(message.to, content, stage)
            except SMTPResponseException as error:
                raise _refusal(error, stage) from error
            except (SMTPException, OSError, TimeoutError) as error:
                name = type(error).__name__
                raise (Unknown(f"no_answer:{name}") if stage.is_content_leaving else Transient(f"no_connection:{name}")) from error
        queue_id = QUEUE_ID.search(reply)
        return Accepted(f"{message.message_id} {queue_id[1]}" if queue_id else message.message_id, "accepted")

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _hand_over(self, to: str, content: bytes, stage: _Stage) -> str:
        """MAIL, RCPT and DATA by one connection; the server's last words."""
        client = await self._client()
        is_in_order = False
        try:
            await client.mail(self._config.from_address)
            await client.rcpt(to)
            stage.is_content_leaving = True
            reply = await client.data(content)
            is_in_order = True
        except SMTPResponseException as error:
            is_in_order = 400 <= error.code < 600 and error.code != CLOSING
            raise
        finally:
            if is_in_order and client.is_connected:
                self._idle.append(client)
            else:
                client.close()
        return reply.message

    async def _client(self) -> SMTP:
        """A connection that is signed in and has no mail begun."""
        while self._idle:
            kept = self._idle.pop()
            try:
                await kept.rset()
            except (SMTPException, OSError):
                kept.close()
            except BaseException:
                kept.close()
                raise
            else:
                return kept
        return await self._connect()

    async def _connect(self) -> SMTP:
        config = self._config
        client = SMTP(
            hostname=config.host,
            port=config.port,
            username=config.username or None,
            password=config.password or None,
            local_hostname=config.from_address.partition("@")[2],
            timeout=config.timeout_seconds,
            use_tls=config.tls is MailTls.IMPLICIT,
            start_tls=config.tls is MailTls.STARTTLS,
            cert_bundle=config.ca_path or None,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client


def write_mail(message: EmailMessage, *, from_: str) -> bytes:
    """The mail as it goes out: plain text, UTF-8 in seven bits. No field of the message can become a header of its own.

    Raises Rejected for an address or a message id that is none.
    """
    if not (message.to.isascii() and ADDRESS.fullmatch(message.to)):
        raise Rejected("address_unreadable", verdict=Verdict.BAD_NUMBER)
    if not MESSAGE_ID.fullmatch(message.message_id):
        raise Rejected("message_id_unreadable", verdict=Verdict.OTHER)
    mail = Mail(policy=WIRE_POLICY)
    mail["From"], mail["To"] = from_, message.to
    mail["Subject"] = " ".join(visible(message.subject).split())
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = f"<{message.message_id}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body, charset="utf-8")
    if message.language.isascii() and message.language.isalpha():
        mail["Content-Language"] = message.language
    return mail.as_bytes()


def _refusal(error: SMTPResponseException, stage: _Stage) -> Transient | Rejected | Unknown:
    """What a server's answer means: 4xx not now, 5xx no. An answer that is neither, where one was due, says nothing."""
    found = ENHANCED.match(error.message)
    enhanced = found[1] if found else ""
    code = f"smtp_{error.code}{f'_{enhanced}' if enhanced else ''}"
    if 400 <= error.code < 500:
        return Transient(code)
    is_content = stage.is_content_leaving
    if not 500 <= error.code < 600:
        return Unknown(code) if is_content else Transient(code)
    if isinstance(error, SMTPAuthenticationError) or not (is_content or isinstance(error, SMTPRecipientRefused)):
        return SMTP_SENDER.refusal(code)
    return smtp_answer(error.code, enhanced, is_of_address=not is_content).refusal(code)
