"""The carrier's other half: a process that posts receipts, signed as Twilio signs them, at a held rate.

It asks the benchmark's carrier for callback addresses and posts `delivered` to each, over raw sockets, so that it costs
little beside what is measured; its own processor time is printed and counted as nobody's. Orders are JSON lines on
standard input, figures JSON lines on standard output; it ends with its input.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import quote, unquote_to_bytes, urlsplit

import uvloop

TICK_SECONDS = 0.005
DEBT_SECONDS = 1.0
CONNECTIONS = 256
QUEUE_LOW = 1000
QUIET_SECONDS = 1.0
TOKEN_VARIABLE, ACCOUNT_VARIABLE = "SIAGA_TWILIO_AUTH_TOKEN", "SIAGA_TWILIO_ACCOUNT_SID"
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
REQUEST = (
    b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: %b\r\n"
    b"User-Agent: TwilioProxy/1.1\r\nContent-Length: %d\r\n\r\n%b"
)


class Signer:
    """Writes the request of a receipt: all fields that Twilio posts, and its signature over address and fields."""

    def __init__(self, token: str, account: str) -> None:
        self._key = hmac.new(token.encode(), digestmod=hashlib.sha1)
        self._account = account

    def request(self, sid: bytes, address: bytes) -> bytes:
        """The bytes of one receipt. `address` is the whole URL."""
        fields = {
            "AccountSid": self._account,
            "ApiVersion": "2010-04-01",
            "From": "+15005550006",
            "MessageSid": sid.decode(),
            "MessageStatus": "delivered",
            "SmsSid": sid.decode(),
            "SmsStatus": "delivered",
            "To": "+628120000000",
        }
        mac = self._key.copy()
        mac.update(address + "".join(name + value for name, value in fields.items()).encode())
        body = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()
        host, slash, path = address.partition(b"//")[2].partition(b"/")
        return REQUEST % (slash + path, host, base64.b64encode(mac.digest()), len(body), body)


class Asker(Protocol):
    """Whoever asks by lines: told of each answer and of each line that is lost."""

    def on_answer(self, line: Line, status: bytes, seconds: float) -> None: ...
    def on_lost(self, line: Line, *, was_asked: bool) -> None: ...


class Tally:
    """What was answered since it was made."""

    def __init__(self) -> None:
        self.began = self._until = time.perf_counter()
        self._cpu = time.process_time()
        self._seconds: list[float] = []
        self.statuses: Counter[str] = Counter()

    def note(self, status: bytes, seconds: float) -> None:
        """One answer."""
        self._until = time.perf_counter()
        self._seconds.append(seconds)
        self.statuses[status.decode("latin-1")] += 1

    def figures(self) -> dict[str, Any]:
        """Count, rate, latency in milliseconds, statuses, and our own processor seconds."""
        ordered, seconds = sorted(self._seconds), max(1e-6, self._until - self.began)
        marks = {
            f"p{mark}": round(ordered[min(len(ordered) - 1, len(ordered) * mark // 100)] * 1000, 2) for mark in (50, 95, 99) if ordered
        }
        answered = len(ordered)
        return {
            "answered": answered,
            "per_second": answered / seconds,
            "latency_ms": marks,
            "statuses": dict(self.statuses),
            "cpu_seconds": time.process_time() - self._cpu,
        }


class Line(asyncio.Protocol):
    """One kept-alive connection with one request under way."""

    def __init__(self, post: Asker) -> None:
        self._post, self._waiting, self._asked_at = post, b"", 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without saying so

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._post.on_lost(self, was_asked=bool(self._asked_at))

    def ask(self, request: bytes) -> None:
        """Send one request."""
        if self._transport is not None:
            self._asked_at = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        end = self._waiting.find(HEAD_END)
        if end < 0 or len(self._waiting) < end + len(HEAD_END) + _length_of(self._waiting[:end]):
            return
        status, self._waiting = self._waiting[9:12], b""
        asked_at, self._asked_at = self._asked_at, 0.0
        self._post.on_answer(self, status, time.perf_counter() - asked_at)


@dataclass
class Order:
    """What is to be done now. `rate` None: as fast as the door takes them. `has_repeats`: rather again than fewer."""

    rate: float | None
    has_repeats: bool = False


class Post:
    """All connections to one door, and what was answered."""

    def __init__(self, carrier: str, signer: Signer) -> None:
        self._carrier, self._signer = urlsplit(carrier), signer
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._posted: deque[tuple[bytes, bytes]] = deque(maxlen=5000)
        self._free: list[Line] = []
        self._lines = self._busy = 0
        self._order: Order | None = None
        self.reset()

    def reset(self) -> None:
        """Count anew from here."""
        self._tally, self._sent = Tally(), 0

    def begin(self, order: Order | None) -> None:
        """Change what is being done."""
        if order is None:
            self._queue.clear()
        self._order = order
        self.reset()

    def figures(self) -> dict[str, Any]:
        """Since the last reset."""
        return self._tally.figures()

    def on_answer(self, line: Line, status: bytes, seconds: float) -> None:
        """A line is free again."""
        self._tally.note(status, seconds)
        self._busy -= 1
        self._free.append(line)
        if self._order is not None and self._order.rate is None:
            self._post(1)

    def on_lost(self, line: Line, *, was_asked: bool) -> None:
        """The door hung up."""
        self._lines -= 1
        self._busy -= was_asked
        self._tally.statuses["lost"] += was_asked
        if line in self._free:
            self._free.remove(line)

    async def run(self) -> None:
        """Post what is due, tick by tick."""
        while True:
            order = self._order
            if order is not None:
                await self._fetch()
                if not self._sent and not self._queue and not order.has_repeats:
                    self._tally.began = time.perf_counter()  # there was nothing to post so far
                self._post(self._due(order))
            await asyncio.sleep(TICK_SECONDS)

    async def flood(self, address: str, different: int, count: int) -> None:
        """Flat out to the door at an address, with made-up ids."""
        numbers = (1 + place % different for place in range(count))
        self._queue.extend((b"SM%032x" % number, f"{address}/{number}".encode()) for number in numbers)
        await self._connect(urlsplit(address).port or 80)
        self.begin(Order(None))
        await self.rest()

    async def rest(self) -> None:
        """Until the carrier has told of nothing new for a while and everything is answered."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            if self._queue or self._busy:
                quiet_since = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)

    def _due(self, order: Order) -> int:
        if order.rate is None:
            return CONNECTIONS
        owed = order.rate * (time.perf_counter() - self._tally.began) - self._sent
        if owed > order.rate * DEBT_SECONDS:  # what could not be posted then is not made up for in one blow
            self._sent += int(owed - order.rate * DEBT_SECONDS)
        return int(owed)

    def _post(self, count: int) -> None:
        while count > 0 and self._free:
            item = self._next()
            if item is None:
                return
            count -= 1
            self._sent += 1
            self._busy += 1
            self._free.pop().ask(self._signer.request(*item))

    def _next(self) -> tuple[bytes, bytes] | None:
        if self._queue:
            item = self._queue.popleft()
        elif self._order is not None and self._order.has_repeats and self._posted:
            item = self._posted.popleft()
        else:
            return None
        self._posted.append(item)
        return item

    async def _fetch(self) -> None:
        """New callbacks from the carrier; the first address says where the door is."""
        if len(self._queue) >= QUEUE_LOW:
            return
        for line in (await _get(self._carrier.hostname or "", self._carrier.port or 80, "/told")).splitlines():
            sid, _, address = line.partition(b" ")
            self._queue.append((sid, unquote_to_bytes(address)))
        if self._queue and self._lines < CONNECTIONS:
            await self._connect(urlsplit(self._queue[0][1].decode()).port or 80)

    async def _connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        while self._lines < CONNECTIONS:
            _, line = await loop.create_connection(lambda: Line(self), "127.0.0.1", port)
            self._lines += 1
            self._free.append(line)


async def _get(host: str, port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await reader.readuntil(HEAD_END)
        return await reader.readexactly(_length_of(head[: -len(HEAD_END)]))
    finally:
        writer.close()


def _length_of(head: bytes) -> int:
    head = head.lower()
    start = head.find(LENGTH)
    return int(head[start + len(LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0


async def _obey(post: Post, order: dict[str, Any]) -> dict[str, Any]:
    """Do what one line asks for; its answer."""
    match order["do"]:
        case "post":
            post.begin(Order(order["rate"], order["has_repeats"]))
            return {}
        case "flood":
            await post.flood(order["address"], order["different"], order["count"])
            figures = post.figures()
            post.begin(None)
            return figures
        case "rest":
            figures = post.figures()
            post.begin(Order(order["rate"]))
            await post.rest()
            rest = post.figures()
            post.begin(None)
            return {"held": figures, "rest": rest}
        case _:
            figures = post.figures()
            post.begin(None)
            return figures


async def main(carrier: str) -> None:
    """Obey until the input ends."""
    post = Post(carrier, Signer(os.environ[TOKEN_VARIABLE], os.environ[ACCOUNT_VARIABLE]))
    work = asyncio.create_task(post.run())
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        answering = asyncio.create_task(_obey(post, json.loads(line)))
        await asyncio.wait([answering, work], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        sys.stdout.write(json.dumps(await answering) + "\n")
        sys.stdout.flush()
    work.cancel()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
