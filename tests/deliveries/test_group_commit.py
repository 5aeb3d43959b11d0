"""Group commit: nothing is answered before it is written, a busy door writes in bulk, a failure reaches every waiter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from alerts.kit.group_commit import TOGETHER_MAX, WAITING_MAX, DoorBusyError, GroupCommit


def test_what_comes_during_a_flush_is_written_together() -> None:
    flushed: list[list[int]] = []

    def flush(items: Sequence[int]) -> list[int]:
        flushed.append(list(items))
        return [item * 2 for item in items]

    async def scene() -> list[int]:
        door = GroupCommit(flush, name="test", rest_seconds=0.001)
        try:
            return await asyncio.gather(*(door.add(number) for number in range(TOGETHER_MAX + 5)))
        finally:
            door.close()

    assert asyncio.run(scene()) == [number * 2 for number in range(TOGETHER_MAX + 5)]
    assert [len(items) for items in flushed] == [TOGETHER_MAX, 5]


def test_a_quiet_door_does_not_wait() -> None:
    async def scene() -> list[int]:
        door: GroupCommit[int, int] = GroupCommit(list, name="test", rest_seconds=60)
        try:
            return [await door.add(1)]
        finally:
            door.close()

    assert asyncio.run(asyncio.wait_for(scene(), timeout=10)) == [1]


def test_a_failed_flush_is_told_to_all_and_the_next_goes_well() -> None:
    def flush(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise ValueError("not written")
        return list(items)

    async def scene() -> None:
        door = GroupCommit(flush, name="test")
        try:
            told = await asyncio.gather(*(door.add(number) for number in (0, 1)), return_exceptions=True)
            assert [type(each) for each in told] == [ValueError, ValueError]
            assert await door.add(2) == 2
        finally:
            door.close()

    asyncio.run(scene())


def test_a_door_that_cannot_keep_up_says_so_and_keeps_what_it_took() -> None:
    may_write = threading.Event()

    def flush(items: Sequence[int]) -> list[int]:
        may_write.wait(20)
        return list(items)

    async def scene() -> list[int]:
        door = GroupCommit(flush, name="slow")
        waiting = [asyncio.ensure_future(door.add(0))]
        await asyncio.sleep(0)  # the first is being written; all others gather
        waiting += [asyncio.ensure_future(door.add(number)) for number in range(1, WAITING_MAX + 1)]
        await asyncio.sleep(0)
        with pytest.raises(DoorBusyError) as refused:
            await door.add(-1)
        assert refused.value.status == 503
        assert refused.value.headers["Retry-After"] == "5"
        may_write.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(scene()) == list(range(WAITING_MAX + 1))
