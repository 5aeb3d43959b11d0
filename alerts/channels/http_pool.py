"""Many small POSTs to one provider, each exactly once, and of each the knowledge whether a byte of it left.

The clients that we know are made for something else: libcurl silently repeats a POST when a kept connection turns out
to be dead, aiohttp spends twice our whole budget per message (docs/adr). Parsing is httptools'; ours is the one rule:
once a request was given to a connection that stands, whatever goes wrong is "unknown", and nothing is ever repeated.

No task and no timer per message: connections take the next request when they are done with the one before.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
from pydantic_core import from_json

from alerts.channels.ports import Transient, Unknown
from alerts.channels.wire import CONNECT_MOST_SECONDS, CONNECT_SHARE, KEEPALIVE_SECONDS, WireAnswer

LOOK_SECONDS = 0.2
ANSWER_BYTES_MAX = 1_000_000
Result = WireAnswer | Transient | Unknown | None


@dataclass(eq=False)
class _Run:
    """One call's requests. `left` counts those without a result; `until` is monotonic: after it none is begun."""

    requests: Sequence[bytes]
    until: float
    results: list[Result]
    left: int
    done: asyncio.Future[None] = field(repr=False)

    def settle(self, index: int, result: Result) -> None:
        self.results[index] = result
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


class HttpPool:
    """Kept-alive HTTP/1.1 connections to one origin. Belongs to the loop that first uses it."""

    def __init__(self, origin: str, *, connections: int, timeout_seconds: float) -> None:
        parts = urlsplit(origin)
        self._host, self._is_tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._limit, self._timeout = connections, timeout_seconds
        self._connect_seconds = min(CONNECT_MOST_SECONDS, timeout_seconds * CONNECT_SHARE)
        self._tls = ssl.create_default_context() if self._is_tls else None
        self._waiting: deque[tuple[_Run, int]] = deque()
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._connecting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    @property
    def host_header(self) -> str:
        """What the Host line of a request must say."""
        default = 443 if self._is_tls else 80
        return self._host if self._port == default else f"{self._host}:{self._port}"

    async def post_many(self, requests: Sequence[bytes], *, until: float) -> list[Result]:
        """Send whole requests (head and body), each at most once; a result for each, in order.

        An answer; Transient (no connection: no byte left); Unknown (bytes left, no whole answer within the time); or
        None: not begun before `until` (monotonic seconds).
        """
        if not requests:
            return []
        run = _Run(requests, until, [None] * len(requests), len(requests), asyncio.get_running_loop().create_future())
        self._waiting.extend((run, index) for index in range(len(requests)))
        self._feed()
        self._keep_watch()
        await run.done
        return run.results

    async def close(self) -> None:
        """End all connections; what is under way becomes unknown."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for task in list(self._tasks):
            task.cancel()
        for connection in list(self._open):
            connection.abort()
        while self._waiting:
            run, index = self._waiting.popleft()
            run.settle(index, None)
        await asyncio.sleep(0)

    def next_request(self) -> tuple[_Run, int] | None:
        """The next request that may still begin."""
        now = time.monotonic()
        while self._waiting:
            run, index = self._waiting.popleft()
            if now < run.until:
                return run, index
            run.settle(index, None)
        return None

    def is_free(self, connection: _Connection) -> None:
        """A connection has answered and may be used again."""
        work = self.next_request()
        if work is None:
            self._idle.append(connection)
        else:
            connection.begin(*work, deadline=time.monotonic() + self._timeout)

    def is_gone(self, connection: _Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._feed()

    def _feed(self) -> None:
        """Give waiting requests to idle connections (the one used last first), and open as many as are missing."""
        while self._idle and self._waiting:
            connection = self._idle.pop()
            if connection.is_fresh():
                self.is_free(connection)
            else:
                connection.abort()
        missing = min(len(self._waiting), self._limit - len(self._open)) - self._connecting
        for _ in range(missing):
            self._connecting += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        """Open one connection; while that fails, each failure is one request's answer: surely not sent."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                try:
                    opening = loop.create_connection(lambda: _Connection(self), self._host, self._port, ssl=self._tls)
                    _, connection = await asyncio.wait_for(opening, self._connect_seconds)
                except (OSError, TimeoutError, ssl.SSLError) as error:
                    self._fail_one(error)
                else:
                    self._open.add(connection)
                    self._connecting -= 1
                    self.is_free(connection)
                    return
            self._connecting -= 1
        except BaseException:
            self._connecting -= 1
            raise

    def _fail_one(self, error: Exception) -> None:
        work = self.next_request()
        if work is not None:
            run, index = work
            run.settle(index, Transient(f"no_connection:{type(error).__name__}"))

    def _keep_watch(self) -> None:
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """One clock for all: ends connections whose answer is overdue, and settles what may no longer begin."""
        self._watch = None
        now = time.monotonic()
        for connection in list(self._open):
            connection.check(now)
        kept = self.next_request()
        if kept is not None:
            self._waiting.appendleft(kept)
            self._feed()
        if self._waiting or any(connection.is_busy for connection in self._open):
            self._keep_watch()


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, pool: HttpPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._run: _Run | None = None
        self._index = 0
        self._deadline = 0.0
        self._idle_since = time.monotonic()
        self._body: list[bytes] = []
        self._size = 0
        self._retry_after: str | None = None

    @property
    def is_busy(self) -> bool:
        return self._run is not None

    def is_fresh(self) -> bool:
        """Used so lately that the other side will hardly be closing it just now."""
        return self._transport is not None and not self._transport.is_closing() and time.monotonic() - self._idle_since < KEEPALIVE_SECONDS

    def begin(self, run: _Run, index: int, *, deadline: float) -> None:
        """From here on the request may have been sent."""
        self._run, self._index, self._deadline = run, index, deadline
        assert self._transport is not None
        self._transport.write(run.requests[index])

    def check(self, now: float) -> None:
        if self._run is not None and now >= self._deadline:
            self._settle(Unknown("no_answer:TimeoutError"))
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(Unknown(f"no_answer:{type(exc).__name__ if exc else 'closed'}"))
        self._transport = None
        self._pool.is_gone(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._settle(Unknown("unreadable_answer"))
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 11 and name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= ANSWER_BYTES_MAX:
            self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # an interim answer: the real one follows
        if self._run is None:  # an answer that nobody asked for: whatever comes next could not be told apart
            self.abort()
            return
        self._settle(WireAnswer(status, self._retry_after, _as_mapping(b"".join(self._body))))
        self._body, self._size, self._retry_after = [], 0, None
        self._idle_since = time.monotonic()
        if self._parser.should_keep_alive() and self._transport is not None and not self._transport.is_closing():
            self._pool.is_free(self)
        elif self._transport is not None:
            self._transport.close()

    def _settle(self, result: Result) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.settle(self._index, result)


def request_head(pool: HttpPool, target: str, headers: Mapping[str, str]) -> Callable[[bytes], bytes]:
    """A function that puts the same head and the right length before a body. Raises ValueError for a line break."""
    lines = [f"POST {target} HTTP/1.1", f"Host: {pool.host_header}", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header holds a line break")
    head = ("\r\n".join(lines) + "\r\nContent-Length: ").encode("latin-1")
    return lambda body: b"%b%d\r\n\r\n%b" % (head, len(body), body)


def _as_mapping(raw: bytes) -> Mapping[str, Any]:
    try:
        value = from_json(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
