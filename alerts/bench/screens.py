"""Thousands of open screens: a process that holds so many event streams over raw sockets and notes when each had each version.

Orders are JSON lines on standard input, answers JSON lines on standard output; it ends with its input. Times are of the
machine's monotonic clock, so whoever gives the orders may compare them with its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

TOGETHER, TAIL = 100, 24
EVENT_END = b"\n\n"
VERSION = re.compile(rb"\nid: (\d+)\n")
PATIENCE_SECONDS = 60.0


class Screen(asyncio.Protocol):
    """One stream. Of what comes only the newest whole event's version is kept."""

    def __init__(self, request: bytes) -> None:
        self._request, self._read, self._tail, self._octets = request, -1, b"", 0
        self._transport: asyncio.WriteTransport | None = None
        self.version, self.at, self.event_octets, self.went_back = -1, 0.0, 0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._octets += len(data)
        seen = self._tail + data
        found = VERSION.findall(seen)  # a whole line: what follows its digits in another piece may be digits too
        if found:
            self._read = int(found[-1])
        self._tail = seen[-TAIL:]
        if seen.removesuffix(b"\r\n").endswith(EVENT_END):  # in a chunk of its own, or not
            self.went_back += self._read < self.version
            if self._read > self.version:
                self.version, self.at = self._read, time.monotonic()
            self.event_octets, self._octets = self._octets, 0

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Wall:
    """All screens."""

    def __init__(self) -> None:
        self._screens: list[Screen] = []

    async def open(self, url: str, key: str, count: int) -> dict[str, Any]:
        """Open so many streams, some at a time; gives when all had their first version."""
        where = urlsplit(url)
        host, port = where.hostname or "127.0.0.1", where.port or 80
        request = f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {key}\r\nAccept: text/event-stream\r\n\r\n"
        loop, began = asyncio.get_running_loop(), time.monotonic()
        for first in range(0, count, TOGETHER):
            size = min(TOGETHER, count - first)
            made = [loop.create_connection(lambda: Screen(request.encode()), host, port) for _ in range(size)]
            new = [screen for _, screen in await asyncio.gather(*made)]
            self._screens += new
            await self._until(lambda new=new: all(screen.version >= 0 for screen in new))
        return {"seconds": time.monotonic() - began, "newest": max(screen.version for screen in self._screens)}

    async def wait(self, above: int) -> dict[str, Any]:
        """Until every screen has a version above this one; when each had it, in seconds of the monotonic clock, in order."""
        await self._until(lambda: all(screen.version > above for screen in self._screens))
        return {"times": sorted(screen.at for screen in self._screens), "newest": max(screen.version for screen in self._screens)}

    def close(self) -> dict[str, Any]:
        """Hang up everywhere."""
        for screen in self._screens:
            screen.close()
        last = [screen.event_octets for screen in self._screens]
        went_back = sum(screen.went_back for screen in self._screens)
        self._screens = []
        return {"event_octets": sum(last) / max(1, len(last)), "went_back": went_back}

    async def _until(self, is_so: Any) -> None:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > ends_at:
                raise TimeoutError("some screens did not get the version")
            await asyncio.sleep(0.01)


async def main() -> None:
    """Obey until the input ends."""
    wall, reader = Wall(), asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        match order["do"]:
            case "open":
                answer = await wall.open(order["url"], order["key"], order["count"])
            case "wait":
                answer = await wall.wait(order["above"])
            case _:
                answer = wall.close()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
