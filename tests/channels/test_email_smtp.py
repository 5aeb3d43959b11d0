"""Mail: no header but ours, one mail at a time by connections that are kept, and clear answers only."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import default as policy
from typing import Any

import pytest

from alerts.channels.email_smtp import EmailSmtp, SmtpConfig, write_mail
from alerts.channels.ports import Accepted, EmailMessage, Rejected, Transient, Unknown, Verdict
from alerts.settings_groups import MailTls
from tests.channels.peer import SHORT_SECONDS
from tests.sandbox.world import closing

FROM = "Siaga <siaga@kemlu.example>"
TO = "warga@example.org"
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Language"),
}
BODY = "Gempa kuat. Jauhi gedung retak.\n.\nİstanbul: 112\n"


def config(port: int, **changes: Any) -> SmtpConfig:
    fields = {"host": "127.0.0.1", "port": port, "from_": FROM, "tls": MailTls.NONE, "timeout_seconds": 20.0}
    return SmtpConfig(**(fields | changes))


def message(**changes: Any) -> EmailMessage:
    fields = {
        "attempt_id": "6401-1",
        "message_id": "6401-1.abc@kemlu.example",
        "to": TO,
        "subject": "Peringatan: gempa di Hatay",
        "body": BODY,
        "language": "id",
    }
    return EmailMessage(**(fields | changes))


class Server:
    """A mail server that says what the test wants: a reply per command, `None` for cutting the line, "" for silence."""

    def __init__(self, **replies: str | None) -> None:
        self.replies: dict[str, str | None] = {
            "hello": "220 peer ready",
            "EHLO": "250 peer",
            "MAIL": "250 2.1.0 Ok",
            "RCPT": "250 2.1.5 Ok",
            "DATA": "354 go on",
            "content": "250 2.0.0 Ok: queued as 4F1D2",
            "RSET": "250 2.0.0 Ok",
            "QUIT": "221 bye",
            **replies,
        }
        self.connections = 0
        self.commands: list[str] = []
        self.contents: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._say("hello", writer)
            while line := await reader.readline():
                self.commands.append(line.decode().strip())
                word = self.commands[-1][:4].upper()
                await self._say(word, writer)
                if word == "DATA" and (self.replies["DATA"] or "").startswith("354"):
                    self.contents.append((await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n"))
                    await self._say("content", writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _say(self, at: str, writer: asyncio.StreamWriter) -> None:
        reply = self.replies.get(at, "500 what?")
        if reply is None:
            writer.transport.abort()
            raise ConnectionResetError
        if reply:
            writer.write(reply.encode() + b"\r\n")
            await writer.drain()


@asynccontextmanager
async def mail_server(**replies: str | None) -> AsyncIterator[tuple[Server, int]]:
    one = Server(**replies)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    try:
        yield one, server.sockets[0].getsockname()[1]
    finally:
        server.close()


def play(scene: Callable[[Server, int], Any], **replies: str | None) -> None:
    async def run() -> None:
        async with mail_server(**replies) as (one, port):
            await scene(one, port)

    asyncio.run(run())


def test_a_mail_is_what_it_should_be() -> None:
    async def scene(one: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port))):
            assert await mail.send(message()) == Accepted("6401-1.abc@kemlu.example 4F1D2", "accepted")
        assert "MAIL FROM:<siaga@kemlu.example>" in one.commands
        assert "RCPT TO:<warga@example.org>" in one.commands
        got = message_from_bytes(one.contents[0].replace(b"\r\n..", b"\r\n."), policy=policy)
        assert (got["From"], got["To"]) == (FROM, TO)
        assert got["Subject"] == "Peringatan: gempa di Hatay"
        assert got["Message-ID"] == "<6401-1.abc@kemlu.example>"
        assert (got["Auto-Submitted"], got["Content-Language"]) == ("auto-generated", "id")
        assert (got.get_content_type(), got.get_content_charset()) == ("text/plain", "utf-8")
        assert got["Date"].datetime.tzinfo is not None
        assert got.get_content().replace("\r\n", "\n") == BODY

    play(scene)


def test_a_server_that_names_no_place_in_its_queue() -> None:
    async def scene(_: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port))):
            assert (await mail.send(message())).provider_id == "6401-1.abc@kemlu.example"

    play(scene, content="250 fine")


@pytest.mark.parametrize(
    "subject",
    [
        "Gempa\r\nBcc: orang@example.org",
        "Gempa\nBcc: orang@example.org",
        "Gempa\r\n\r\nisi lain",
        "Gempa\u2028Bcc: x@example.org",
        "a\x00b\x0bc",
    ],
)
def test_a_subject_never_becomes_a_header(subject: str) -> None:
    raw = write_mail(message(subject=subject), from_=FROM)
    got = message_from_bytes(raw, policy=policy)
    assert set(got.keys()) == HEADERS
    assert len(got.keys()) == len(HEADERS)
    assert got["Bcc"] is None
    assert got.get_content().replace("\r\n", "\n") == BODY
    assert raw.isascii()


@pytest.mark.parametrize(
    "to",
    [
        "",
        "warga",
        "warga@example.org, lain@example.org",
        "warga@example.org\r\nBcc: lain@example.org",
        "warga@example.org\n",
        "<warga@example.org>",
        "wärga@example.org",
        "warga@exämple.org",
        "w arga@example.org",
        "warga@example.org> SIZE=1",
    ],
)
def test_what_is_no_address_goes_nowhere(to: str) -> None:
    async def scene(one: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port))):
            with pytest.raises(Rejected) as caught:
                await mail.send(message(to=to))
        assert (caught.value.verdict, one.connections) == (Verdict.BAD_NUMBER, 0)

    play(scene)


@pytest.mark.parametrize("message_id", ["", "x", "a b@c", "a@c\r\nBcc: x@y", "<a@c>"])
def test_a_message_id_is_one_word(message_id: str) -> None:
    with pytest.raises(Rejected, match="message_id"):
        write_mail(message(message_id=message_id), from_=FROM)


NOT_NOW: list[dict[str, str | None]] = [
    {"hello": "421 too busy"},
    {"hello": None},
    {"EHLO": None},
    {"MAIL": "451 4.7.1 later"},
    {"MAIL": None},
    {"RCPT": "450 4.2.1 later"},
    {"RCPT": None},
    {"RCPT": ""},
    {"DATA": "451 later"},
    {"content": "452 4.3.1 no room"},
]


@pytest.mark.parametrize("replies", NOT_NOW, ids=str)
def test_until_the_server_says_yes_it_is_surely_not_sent(replies: dict[str, str | None]) -> None:
    async def scene(_: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port, timeout_seconds=SHORT_SECONDS))):
            with pytest.raises(Transient):
                await mail.send(message())

    play(scene, **replies)


@pytest.mark.parametrize("replies", [{"content": None}, {"content": ""}, {"content": "what"}, {"content": "299 hm"}], ids=str)
def test_once_the_content_has_left_only_the_servers_word_counts(replies: dict[str, str | None]) -> None:
    async def scene(one: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port, timeout_seconds=SHORT_SECONDS))):
            with pytest.raises(Unknown):
                await mail.send(message())
        assert len(one.contents) == 1

    play(scene, **replies)


REFUSALS: list[tuple[dict[str, str | None], str, Verdict]] = [
    ({"RCPT": "550 5.1.1 no such user"}, "smtp_550_5.1.1", Verdict.BAD_NUMBER),
    ({"RCPT": "550 no such user"}, "smtp_550", Verdict.BAD_NUMBER),
    ({"RCPT": "551 not here"}, "smtp_551", Verdict.BAD_NUMBER),
    ({"RCPT": "553 bad name"}, "smtp_553", Verdict.BAD_NUMBER),
    ({"RCPT": "550 5.2.1 disabled"}, "smtp_550_5.2.1", Verdict.BAD_NUMBER),
    ({"RCPT": "552 5.2.2 full"}, "smtp_552_5.2.2", Verdict.OTHER),
    ({"RCPT": "554 5.7.1 relay denied"}, "smtp_554_5.7.1", Verdict.OTHER),
    ({"RCPT": "530 sign in"}, "smtp_530", Verdict.STOP_ALL),
    ({"MAIL": "550 5.1.8 who are you"}, "smtp_550_5.1.8", Verdict.STOP_ALL),
    ({"hello": "554 no service for you"}, "smtp_554", Verdict.STOP_ALL),
    ({"content": "554 5.7.1 looks like spam"}, "smtp_554_5.7.1", Verdict.CONTENT),
    ({"content": "552 5.3.4 too large"}, "smtp_552_5.3.4", Verdict.CONTENT),
    ({"content": "550 5.1.1 no such user"}, "smtp_550_5.1.1", Verdict.BAD_NUMBER),
    ({"content": "554 no"}, "smtp_554", Verdict.CONTENT),
]


@pytest.mark.parametrize(("replies", "code", "verdict"), REFUSALS, ids=str)
def test_a_clear_no(replies: dict[str, str | None], code: str, verdict: Verdict) -> None:
    async def scene(_: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port))):
            with pytest.raises(Rejected) as caught:
                await mail.send(message())
        assert (caught.value.code, caught.value.verdict) == (code, verdict)

    play(scene, **replies)


def test_one_connection_carries_many_and_a_refused_recipient_spoils_nothing() -> None:
    async def scene(one: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port, connections=1))):
            await mail.send(message())
            one.replies["RCPT"] = "550 5.1.1 no such user"
            with pytest.raises(Rejected):
                await mail.send(message())
            one.replies["RCPT"] = "250 Ok"
            await asyncio.gather(*(mail.send(message()) for _ in range(3)))
        assert (one.connections, len(one.contents)) == (1, 4)

    play(scene)


def test_a_connection_that_went_away_is_opened_anew_without_a_second_mail() -> None:
    async def scene(one: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port))):
            await mail.send(message())
            one.replies["RSET"] = None
            await mail.send(message())
        assert (one.connections, len(one.contents)) == (2, 2)

    play(scene)


def test_after_a_lost_answer_the_connection_is_not_used_again() -> None:
    async def scene(one: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port, connections=1, timeout_seconds=SHORT_SECONDS))):
            one.replies["content"] = ""
            with pytest.raises(Unknown):
                await mail.send(message())
            one.replies["content"] = "250 Ok"
            await mail.send(message())
        assert one.connections == 2

    play(scene)


def test_whoever_is_cancelled_leaves_no_half_used_connection() -> None:
    async def scene(one: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port, connections=1))):
            one.replies["RCPT"] = ""
            task = asyncio.create_task(mail.send(message()))
            async with asyncio.timeout(SHORT_SECONDS):
                while not any(command.startswith("RCPT") for command in one.commands):  # noqa: ASYNC110 - the peer keeps a list
                    await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            one.replies["RCPT"] = "250 Ok"
            await mail.send(message())
        assert (one.connections, len(one.contents)) == (2, 1)

    play(scene)


def test_without_the_protection_that_is_asked_for_nothing_is_said() -> None:
    async def scene(one: Server, port: int) -> None:
        async with closing(mail := EmailSmtp(config(port, tls=MailTls.STARTTLS, username="u", password="geheim"))):
            with pytest.raises(Transient):
                await mail.send(message())
        assert not any("AUTH" in command or "MAIL" in command for command in one.commands)

    play(scene)


def test_nothing_listens_means_surely_not_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))

        async def scene() -> None:
            async with closing(mail := EmailSmtp(config(free.getsockname()[1]))):
                with pytest.raises(Transient, match="no_connection"):
                    await mail.send(message())

        asyncio.run(scene())


def test_a_sender_needs_an_address_and_secrets_are_not_printed() -> None:
    with pytest.raises(ValueError, match="address"):
        config(25, from_="Siaga")
    shown = repr(config(25, password="geheim")) + repr(message())
    for secret in ("geheim", TO, "Gempa", "gempa"):
        assert secret not in shown
