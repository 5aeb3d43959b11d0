"""A server of raw bytes, and what the tests of the adapters send to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from alerts.channels.ports import Accepted, SmsMessage
from alerts.channels.twilio_account import TwilioConfig
from alerts.channels.twilio_sms import TwilioSms
from tests.sandbox.world import ACCOUNT, SENDER, TOKEN, closing

# Where the peer never answers. A third of it is for connecting, which a busy machine must manage in that time.
SHORT_SECONDS = 1.5
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SID = "SM" + "0" * 32
TO = "+628110000001"
BODY = "Gempa kuat. Menjauhlah dari bangunan."


def config(url: str, **changes: Any) -> TwilioConfig:
    fields = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from_": SENDER, "base_url": url, "timeout_seconds": 20.0}
    return TwilioConfig(**(fields | changes))


def message(*, body: str = BODY, **changes: Any) -> SmsMessage:
    fields = {"attempt_id": "a1", "to_e164": TO, "text": body, "status_callback": "https://siaga.test/s/a1.x", "validity_seconds": 600}
    return SmsMessage(**(fields | changes))


class Peer:
    """A server of raw bytes: counts connections and requests, and answers as the test says."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []
        self.is_asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.answer(reader, writer)
        finally:
            writer.close()

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        self.is_asked.set()
        return request


@asynccontextmanager
async def peer(answer: Callable[[Peer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[tuple[Peer, str]]:
    one = Peer(lambda reader, writer: answer(one, reader, writer))
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    try:
        yield one, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def http(status: str, body: object, *headers: str) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode() + raw


async def send(url: str, **changes: Any) -> Accepted:
    async with closing(port := TwilioSms(config(url, **changes))):
        return await port.send(message())


async def hang(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one.read(reader)
    await reader.read(-1)


def replying(raw: bytes) -> Any:
    async def answer(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one.read(reader)
        writer.write(raw)
        await writer.drain()

    return answer
