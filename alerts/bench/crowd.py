"""Everybody answers at once: a process that posts one form to each link of a file, over raw sockets, as fast as the door takes them.

Its last line on standard output is its figures as JSON; its own processor time is counted as nobody's.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from alerts.bench.poster import Line, Tally

REQUEST = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"


class Crowd:
    """So many connections, each with one answer under way, until everybody has answered."""

    def __init__(self, url: str, answers: list[tuple[str, str]]) -> None:
        where = urlsplit(url)
        self._host, self._port = where.hostname or "127.0.0.1", where.port or 80
        host = f"{self._host}:{self._port}".encode()
        self._requests = deque(REQUEST % (path.encode(), host, len(body), body.encode()) for path, body in answers)
        self._left = len(self._requests)
        self._done = asyncio.Event()
        self.tally = Tally()

    async def run(self, connections: int) -> dict[str, Any]:
        """Ask everything; the figures."""
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(lambda: Line(self), self._host, self._port) for _ in range(connections)]
        self.tally = Tally()
        for _, line in made:
            self._ask(line)
        await self._done.wait()
        for transport, _ in made:
            transport.close()
        return self.tally.figures()

    def on_answer(self, line: Line, status: bytes, seconds: float) -> None:
        """One has its answer: the next."""
        self.tally.note(status, seconds)
        self._end_one()
        self._ask(line)

    def on_lost(self, _: Line, *, was_asked: bool) -> None:
        """The door hung up."""
        if was_asked:
            self.tally.statuses["lost"] += 1
            self._end_one()

    def _ask(self, line: Line) -> None:
        if self._requests:
            line.ask(self._requests.popleft())

    def _end_one(self) -> None:
        self._left -= 1
        if not self._left:
            self._done.set()


def main(url: str, file: str, connections: str) -> None:
    """`file` holds a path and a body per line, with a tab between."""
    lines = Path(file).read_text(encoding="ascii").splitlines()
    answers = [(path, body) for path, _, body in (line.partition("\t") for line in lines)]
    sys.stdout.write(json.dumps(uvloop.run(Crowd(url, answers).run(int(connections)))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
