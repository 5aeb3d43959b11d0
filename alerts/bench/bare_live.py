"""The limit of a live page: an asyncio server that writes the same bytes to every open socket when it is told to, and nothing else."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: keep-alive\r\n\r\n"
DONE = b"HTTP/1.1 204 No Content\r\n\r\n"
WATCHERS: set[asyncio.WriteTransport] = set()
NEWEST = [b"id: 0\n\n"]


class Line(asyncio.Protocol):
    """A watcher (GET), or whoever has something new to show (POST with the event as its body)."""

    def __init__(self) -> None:
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        WATCHERS.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        head, end, body = self._waiting.partition(b"\r\n\r\n")
        if not end:
            return
        if head.startswith(b"GET"):
            self._waiting = b""
            WATCHERS.add(self._transport)
            self._transport.write(HEAD + NEWEST[0])
        elif len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            self._waiting, NEWEST[0] = b"", body
            self._transport.write(DONE)
            for watcher in WATCHERS:
                watcher.write(body)


async def main(port: int) -> None:
    """Until it is killed."""
    server = await asyncio.get_running_loop().create_server(Line, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
