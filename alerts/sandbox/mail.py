"""The mail server that the sandbox plays: takes mail for everybody, writes it down, and breaks off as planned.

Whom a mail belongs to is in its Message-ID, which is only known once its content is here; so everything, refusals
among it, is decided at the end of DATA. The library is one that the sender does not use.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as mail_policy
from typing import TYPE_CHECKING, Any, cast

from alerts.sandbox.carrier import Carrier
from alerts.sandbox.journal import JournalBrokenError
from alerts.sandbox.plan import Asked, Channel, Decision, Fault

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

LINK = re.compile(r"https?://\S+/i/\S+")
GONE = "421 4.3.0 closing"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as far as it matters here: whose it is, which attempt it names, which page it links to."""

    to: str = field(repr=False)
    data: Mapping[str, str] = field(repr=False)


class MailRoom:
    """What the SMTP protocol asks for, in the names that the library calls."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002  (the library's form)
        """Take the mail over, refuse it, or break off: by the plan."""
        if len(envelope.rcpt_tos) != 1:
            return "452 4.5.3 one recipient at a time"
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        letter = read_letter(str(envelope.rcpt_tos[0]), content)
        asked, decision = self._carrier.ask(Channel.EMAIL, letter.to.rpartition("@")[0])
        if decision.fault is Fault.THROTTLE:
            self._carrier.counts[f"{Channel.EMAIL}_throttled"] += 1
            return "451 4.7.1 too many messages, try again later"
        if decision.fault is Fault.REFUSE:
            return self._refuse(letter.data["attempt_id"], decision)
        if decision.fault in (Fault.ERROR_NOT_SENT, Fault.HANG_NOT_SENT, Fault.RESET_NOT_SENT):
            return await self._break_off(server, decision.fault)
        return await self._accept(server, letter, asked, decision)

    async def _accept(self, server: SMTP, letter: Letter, asked: Asked, decision: Decision) -> str:
        try:
            queue_id = await self._carrier.accept_push(letter.to, letter.data, asked, decision)
        except JournalBrokenError:
            return "451 4.3.0 the journal cannot be written"
        await asyncio.sleep(self._carrier.plan.latency_seconds)
        return await self._break_off(server, decision.fault) if decision.fault is not Fault.NONE else f"250 2.0.0 Ok: queued as {queue_id}"

    def _refuse(self, attempt: str, decision: Decision) -> str:
        code, _, enhanced = (decision.code or "550 5.1.1").partition(" ")
        self._carrier.note_refusal(Channel.EMAIL, attempt, code)
        return f"{code} {enhanced or '5.1.1'} refused by the sandbox"

    async def _break_off(self, server: SMTP, fault: Fault) -> str:
        """No answer: the line goes dead at once, or after a long silence."""
        self._carrier.counts[f"{Channel.EMAIL}_{fault}"] += 1
        transport = cast("asyncio.WriteTransport", server.transport)
        if fault in (Fault.HANG, Fault.HANG_NOT_SENT):
            await self._hang(transport)
        transport.abort()
        return GONE

    async def _hang(self, transport: asyncio.BaseTransport) -> None:
        until = asyncio.get_running_loop().time() + self._carrier.plan.hang_seconds
        while asyncio.get_running_loop().time() < until and not self._carrier.stopping.is_set():
            if transport.is_closing():
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def mail_serving(carrier: Carrier) -> AsyncIterator[None]:
    """The mail server under way, where the carrier's configuration asks for one; `carrier.mail_port` says where."""
    if carrier.config.smtp_port is None:
        yield
        return
    from aiosmtpd.smtp import SMTP  # not installed in production, where nobody plays a mail server

    logging.getLogger("mail.log").setLevel(logging.WARNING)  # it writes down every address
    room, options = MailRoom(carrier), _options(carrier)
    loop = asyncio.get_running_loop()

    def talk() -> SMTP:
        with warnings.catch_warnings():  # it would rather have TLS before a password: both ends are on this machine
            warnings.simplefilter("ignore", UserWarning)
            return SMTP(room, hostname="sandbox", loop=loop, ident="sandbox", **options)

    server = await loop.create_server(talk, carrier.config.host, carrier.config.smtp_port)
    carrier.mail_port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


def read_letter(to: str, content: bytes) -> Letter:
    mail = message_from_bytes(content, policy=mail_policy)
    return Letter(to, {"attempt_id": attempt_of_mail(str(mail["Message-ID"] or "")), "link": link_of(mail)})


def attempt_of_mail(message_id: str) -> str:
    """The attempt that a Message-ID names: what stands before the first dot or the @ (`<6401-1.…@example.org>`)."""
    return re.split(r"[.@]", message_id.strip().strip("<>"), maxsplit=1)[0]


def link_of(mail: EmailMessage) -> str:
    """The citizen's page that a mail names, or nothing."""
    part = mail.get_body(("plain",))
    found = LINK.search(part.get_content() if part is not None else "")
    return found[0] if found else ""


def _options(carrier: Carrier) -> dict[str, Any]:
    """Sign-in where a password is configured."""
    password = carrier.config.mail_password
    if not password:
        return {}
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def check(*given: object) -> AuthResult:
        """Server, session, envelope, mechanism, and what was shown."""
        shown = given[-1]
        is_good = isinstance(shown, LoginPassword) and hmac.compare_digest(shown.password, password.encode())
        return AuthResult(success=is_good, handled=False)

    return {"authenticator": check, "auth_required": True, "auth_require_tls": False}
