"""Many small writes, one commit: a handler hands in its item and waits; one flusher writes all that has gathered.

For doors through which storms come (receipts, check-ins). Nothing is answered before it is durable. The first item is
written at once, and while one flush runs, the next items gather: a quiet door is quick and a busy one commits in bulk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Generic, TypeVar

from alerts.kit.errors import AppError

Item = TypeVar("Item")
Result = TypeVar("Result")
TOGETHER_MAX = 1000
WAITING_MAX = 20_000


class DoorBusyError(AppError):
    """More waits than can be written soon: the caller shall come again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class GroupCommit(Generic[Item, Result]):
    """`flush` writes a list of items in one transaction and returns a result for each, in order; it runs in a thread of its own.

    `rest_seconds`: the least time between two flushes of a busy door, where nobody minds so short a wait. A commit costs
    nearly the same for one item as for twenty. `together_max`: no more in one transaction.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        name: str,
        rest_seconds: float = 0,
        together_max: int = TOGETHER_MAX,
    ) -> None:
        self._flush, self._rest_seconds, self._together_max = flush, rest_seconds, together_max
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Wait until the item is committed; its result. Raises what the flush raised, or DoorBusyError."""
        if len(self._waiting) >= WAITING_MAX:
            raise DoorBusyError("door_busy", "too much is coming in at once; come again", retry_after=5)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = loop.create_task(self._run())
        return await future

    def close(self) -> None:
        """Let the thread end. What is waiting is still written."""
        self._thread.shutdown(wait=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._together_max], self._waiting[self._together_max :]
                await self._write(batch)
                if self._rest_seconds and len(self._waiting) < self._together_max:
                    await asyncio.sleep(self._rest_seconds)
        finally:
            self._task = None

    async def _write(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        items = [item for item, _ in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._thread, self._flush, items)
        except Exception as error:  # noqa: BLE001 - every waiter is told what went wrong, whatever it was
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():  # the caller may have gone away
                future.set_result(result)
