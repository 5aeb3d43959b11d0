"""Twilio's adapter at the wire: what it sends, and that "surely not sent" is said only when no byte left."""

from __future__ import annotations

import asyncio
import base64
import math
import socket
import ssl
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alerts.channels.ports import Accepted, Rejected, Transient, Unknown
from alerts.channels.twilio_sms import TwilioSms
from tests.channels.peer import BODY, SHORT_SECONDS, SID, TO, Peer, config, hang, http, message, peer, replying, send
from tests.sandbox.world import ACCOUNT, SENDER, TOKEN, World, closing, play


def test_the_request_is_the_one_twilio_documents() -> None:
    async def scene() -> bytes:
        async def answer(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await one.read(reader)
            writer.write(http("201 Created", {"sid": SID, "status": "queued"}))
            await writer.drain()

        async with peer(answer) as (one, url), closing(port := TwilioSms(config(url))):
            got = await port.send(message(body="Gempa & susulan: 1+1=2 €", validity_seconds=99_999))
            assert got == Accepted(SID, "queued")
        assert len(one.requests) == 1
        return one.requests[0]

    head, _, body = asyncio.run(scene()).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1"
    assert "Authorization: Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode() in lines
    assert "Content-Type: application/x-www-form-urlencoded" in lines
    assert parse_qsl(body.decode(), strict_parsing=True) == [
        ("To", TO),
        ("From", SENDER),
        ("Body", "Gempa & susulan: 1+1=2 €"),
        ("StatusCallback", "https://siaga.test/s/a1.x"),
        ("ValidityPeriod", "36000"),
        ("SmartEncoded", "false"),
    ]


@pytest.mark.parametrize(
    ("changes", "senders"),
    [
        ({"from_": "", "messaging_service_sid": "MG" + "1" * 32}, {"MessagingServiceSid": "MG" + "1" * 32}),
        ({"messaging_service_sid": "MG" + "1" * 32}, {"From": SENDER, "MessagingServiceSid": "MG" + "1" * 32}),
    ],
)
def test_senders(changes: dict[str, str], senders: dict[str, str]) -> None:
    form = dict(parse_qsl(TwilioSms(config("http://127.0.0.1", **changes))._many.form(message()).decode()))
    assert {name: value for name, value in form.items() if name in ("From", "MessagingServiceSid")} == senders


def test_a_sender_is_required_and_secrets_are_not_printed() -> None:
    with pytest.raises(ValueError, match="sender"):
        config("http://127.0.0.1", from_="")
    assert TOKEN not in repr(config("http://127.0.0.1"))
    assert TO not in repr(message())
    assert BODY not in repr(message())


def test_what_is_no_longer_valid_is_not_sent() -> None:
    async def scene() -> None:
        async with closing(port := TwilioSms(config("http://127.0.0.1:1"))):
            with pytest.raises(Rejected) as caught:
                await port.send(message(validity_seconds=0))
        assert caught.value.code == "expired"

    asyncio.run(scene())


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_nobody_listens() -> None:
    with pytest.raises(Transient, match="no_connection:ConnectionRefusedError"):
        asyncio.run(send(f"http://127.0.0.1:{free_port()}"))


def test_the_name_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(Transient, match="no_connection:gaierror"):
        asyncio.run(send("http://carrier.invalid"))


def test_tls_is_not_spoken_there() -> None:
    async def answer(_: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def scene() -> None:
        async with peer(answer) as (_, url):
            await send(url.replace("http:", "https:"))

    with pytest.raises(Transient, match="no_connection"):
        asyncio.run(scene())


def test_the_tls_handshake_never_ends() -> None:
    async def answer(_: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async def scene() -> None:
        async with peer(answer) as (_, url):
            await send(url.replace("http:", "https:"), timeout_seconds=SHORT_SECONDS)

    with pytest.raises(Transient, match="no_connection:TimeoutError"):
        asyncio.run(scene())


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    async def scene() -> list[bytes]:
        seen: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.read(100))

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=self_signed(tmp_path))
        try:
            with pytest.raises(Transient, match="no_connection:SSLCertVerificationError"):
                await send(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        finally:
            server.close()
        return seen

    assert b"".join(asyncio.run(scene())) == b""


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_what_found_no_place_in_time_was_not_begun() -> None:
    async def scene() -> None:
        async with peer(hang) as (one, url), closing(port := TwilioSms(config(url, connections=1, timeout_seconds=SHORT_SECONDS))):
            got = await port.send_many([message(), message()], until=time.monotonic() + SHORT_SECONDS / 2)
            assert [type(answer).__name__ for answer in got] == ["Unknown", "NoneType"]
            assert len(one.requests) == 1

    asyncio.run(scene())


def test_of_many_only_those_still_valid_are_sent() -> None:
    async def scene() -> None:
        answer = replying(http("201 Created", {"sid": SID, "status": "queued"}))
        async with peer(answer) as (one, url), closing(port := TwilioSms(config(url, connections=1))):
            got = await port.send_many([message(validity_seconds=0), message(), message(validity_seconds=-1)], until=math.inf)
            assert [type(each).__name__ for each in got] == ["Rejected", "Accepted", "Rejected"]
            assert len(one.requests) == 1

    asyncio.run(scene())


async def close_after(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one.read(reader)


async def close_at_once(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    one.requests.append(b"")


async def reset(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one.read(reader)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(hang, id="never answers"),
        pytest.param(close_after, id="hangs up after reading"),
        pytest.param(close_at_once, id="hangs up at once"),
        pytest.param(reset, id="resets"),
        pytest.param(replying(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"), id="answer cut short"),
        pytest.param(replying(b"HTTP/1.1 201 Cr"), id="head cut short"),
        pytest.param(replying(b"hello\r\n\r\n"), id="no HTTP"),
        pytest.param(replying(http("201 Created", b"<html>")), id="created, but what"),
        pytest.param(replying(http("201 Created", {"status": "queued"})), id="created without an id"),
        pytest.param(replying(http("500 Oops", {"code": 20500})), id="500"),
        pytest.param(replying(http("502 Bad Gateway", b"")), id="502"),
        pytest.param(replying(http("503 Unavailable", {}, "Retry-After: 5")), id="503 with Retry-After"),
        pytest.param(replying(http("504 Timeout", b"")), id="504"),
        pytest.param(replying(http("408 Timeout", b"")), id="408"),
        pytest.param(replying(http("307 Elsewhere", b"", "Location: http://127.0.0.1:1/")), id="redirect"),
    ],
)
def test_once_bytes_left_only_a_clear_answer_counts(answer: Any) -> None:
    async def scene() -> Peer:
        async with peer(answer) as (one, url):
            with pytest.raises(Unknown):
                await send(url, timeout_seconds=SHORT_SECONDS)
            return one

    one = asyncio.run(scene())
    assert (one.connections, len(one.requests)) == (1, 1), "an attempt is one request: never retried, never redirected"


def test_429_is_surely_not_sent() -> None:
    async def scene(raw: bytes) -> Transient:
        async with peer(replying(raw)) as (_, url):
            with pytest.raises(Transient) as caught:
                await send(url)
            return caught.value

    assert asyncio.run(scene(http("429 Slow", {"code": 20429}, "Retry-After: 7"))).retry_after == 7
    assert asyncio.run(scene(http("429 Slow", b""))).retry_after is None


def test_a_loop_that_is_cancelled_is_cancelled() -> None:
    """Cancelling is no answer of the provider: the caller's intent stays, and becomes unknown."""

    async def scene() -> None:
        async with peer(hang) as (one, url):
            task = asyncio.create_task(send(url, timeout_seconds=30))
            await asyncio.wait_for(one.is_asked.wait(), 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scene())


QUIET = {"rules": [{"receipts": "missing"}, {"suffix": "9", "first": 1, "fault": "error_but_sent"}], "receipt_seconds": [60, 60]}


def test_one_port_lives_as_long_as_its_loop(tmp_path: Path) -> None:
    async def scene(w: World) -> None:
        port = w.sms()
        await port.send(w.text("a1"))
        await port.close()
        await port.send(w.text("a2"))
        await port.close()
        assert w.carrier.stats()["accepted"] == 2

    play(scene, tmp_path / "log", plan=QUIET)
