"""The carrier's own record: one JSON line per event, appended, and on disk before the sender hears "accepted".

Lines are written together: while one fsync runs, the next lines gather, and one fsync covers them all.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LINGER_SECONDS = 0.05
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class JournalBrokenError(Exception):
    """A line could not be written or synced: from now on nothing may be accepted."""


class Journal:
    """Append-only JSON lines. `durable` answers once the line is on disk; `note` writes it soon, with the others."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lines: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._is_flushing = False
        self._is_broken = False
        self._is_lingering = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._tasks: set[asyncio.Task[None]] = set()
        self.syncs = 0

    async def durable(self, event: Mapping[str, object]) -> None:
        """Append one line and wait for the fsync that covers it. Raises JournalBrokenError."""
        if self._is_broken:
            raise JournalBrokenError
        self._lines.append(_line(event))
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._start()
        await waiter

    def note(self, event: Mapping[str, object]) -> None:
        """Append one line within `LINGER_SECONDS`; nobody waits for it."""
        self._lines.append(_line(event))
        if not (self._is_flushing or self._is_lingering):
            self._is_lingering = True
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._start)

    async def close(self) -> None:
        """Write what is left and close the file."""
        while self._tasks:
            await asyncio.gather(*self._tasks)
        if self._lines and not self._is_broken:
            self._write(b"".join(self._lines))
            self._lines = []
        self._is_broken = True  # a timer that comes late finds nothing to do
        self._thread.shutdown()
        os.close(self._file)

    def _start(self) -> None:
        self._is_lingering = False
        if self._lines and not self._is_flushing and not self._is_broken:
            self._is_flushing = True
            task = asyncio.get_running_loop().create_task(self._flush())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._lines:
                lines, waiting = self._lines, self._waiting
                self._lines, self._waiting = [], []
                await self._flush_one(loop, b"".join(lines), waiting)
        finally:
            self._is_flushing = False

    async def _flush_one(self, loop: asyncio.AbstractEventLoop, data: bytes, waiting: list[asyncio.Future[None]]) -> None:
        try:
            await loop.run_in_executor(self._thread, self._write, data)
        except OSError:
            self._is_broken = True
            self._lines.clear()
            waiting += self._waiting
            self._waiting = []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_exception(JournalBrokenError()) if self._is_broken else waiter.set_result(None)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        os.fsync(self._file)
        self.syncs += 1


def _line(event: Mapping[str, object]) -> bytes:
    return _ENCODER.encode(event).encode() + b"\n"
