"""Group commit: nothing is answered before it is written, a busy door writes in bulk, a failure reaches every waiter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from alerts.kit.group_commit import TOGETHER_MAX, GroupCommit


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
