"""The limits beside which the fan-out is measured, each in a process of its own.

`lean`: one aiohttp session that posts a finished body again and again, and does nothing else: no database, no text, no
record. `raw`: bare sockets, the least that Python can do; it shows how much the benchmark's carrier takes at all.
Reads a task as JSON from standard input and writes `{"seconds": …, "cpu_seconds": …}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from base64 import b64decode
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import uvloop
from yarl import URL

from alerts.bench.carrier import HEAD_END


@dataclass(frozen=True)
class Task:
    """So many posts of one request, over so many connections."""

    url: str
    head: bytes
    body: bytes
    count: int
    connections: int

    @classmethod
    def read(cls, text: str) -> Task:
        """From the JSON that the benchmark wrote."""
        given: dict[str, Any] = json.loads(text)
        return cls(given["url"], b64decode(given["head"]), b64decode(given["body"]), given["count"], given["connections"])

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request that say who asks and in what form; the client adds the rest itself."""
        lines = (line.decode().partition(": ") for line in self.head.split(b"\r\n")[1:])
        return {name: value for name, _, value in lines if name.lower() in ("authorization", "content-type", "accept")}

    @property
    def path(self) -> str:
        """What the request asks for."""
        return self.head.split(b" ", 2)[1].decode()


async def lean(task: Task) -> None:
    """Post by aiohttp."""
    left = iter(range(task.count))
    connector = aiohttp.TCPConnector(limit=task.connections)
    url, body = URL(task.url + task.path), task.body
    async with aiohttp.ClientSession(connector=connector, headers=task.headers, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post() -> None:
            for _ in left:
                async with session.post(url, data=body) as answer:
                    await answer.read()

        await asyncio.gather(*(post() for _ in range(task.connections)))


async def raw(task: Task) -> None:
    """Post by bare sockets: the next request goes out when an answer has come in."""
    done = asyncio.get_running_loop().create_future()
    count = [task.count, task.count]
    request = task.head + HEAD_END + task.body

    class Caller(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without saying so
            self.ask()

        def ask(self) -> None:
            if count[0] > 0:
                count[0] -= 1
                self.transport.write(request)

        def data_received(self, _: bytes) -> None:
            count[1] -= 1
            if count[1] == 0:
                done.set_result(None)
            self.ask()

    host, port = URL(task.url).host or "", URL(task.url).port or 80
    loop = asyncio.get_running_loop()
    for _ in range(min(task.connections, task.count)):
        await loop.create_connection(Caller, host, port)
    await done


def main() -> None:
    """Do the task of standard input in the way that the first argument names."""
    task, way = Task.read(sys.stdin.read()), {"lean": lean, "raw": raw}[sys.argv[1]]
    began, used = time.perf_counter(), time.process_time()
    uvloop.run(way(task))
    figures = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - used}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
