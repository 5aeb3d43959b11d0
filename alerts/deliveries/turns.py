"""Batches that wait for their pace take turns in one process: while one waits, a batch of another lane goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

log = structlog.get_logger()
LANES_AT_ONCE = 32
LOOK_SECONDS = 0.25
"""How often something else is looked for while all that there is waits."""


class Work(Protocol):
    """A batch under way. `run` yields the seconds that it has to wait."""

    def run(self) -> Iterator[float]: ...

    def give_back_soon(self) -> None:
        """Begin nothing more."""


W = TypeVar("W", bound=Work)


@dataclass
class _Turn(Generic[W]):
    work: W
    steps: Iterator[float]
    due_at: float = 0.0


def take_turns(first: W, find_other: Callable[[Sequence[W]], W | None], *, idle_seconds: float) -> None:
    """Run `first` to its end, and others while it waits. `find_other` gets what waits now and finds something else, or None.

    After `idle_seconds` in which nothing could be done all are given back. A fault of another is not the first one's; after
    one of the first, or of `find_other`, the others are given back too, and it is raised.
    """
    waiting = _wait(first, is_first=True)
    try:
        _take_turns(first, waiting, find_other, idle_seconds=idle_seconds)
    except Exception:
        for turn in waiting:
            _give_back(turn)
        raise


def _take_turns(first: W, waiting: list[_Turn[W]], find_other: Callable[[Sequence[W]], W | None], *, idle_seconds: float) -> None:
    idle = 0.0
    while waiting:
        now, turn = time.monotonic(), min(waiting, key=lambda each: each.due_at)
        if turn.due_at <= now:
            waiting.remove(turn)
            waiting += _go_on(turn, is_first=turn.work is first)
        elif len(waiting) < LANES_AT_ONCE and (other := find_other([each.work for each in waiting])) is not None:
            waiting += _wait(other, is_first=False)
        elif idle >= idle_seconds:
            for each in waiting:
                each.work.give_back_soon()
                each.due_at = 0.0
        else:
            seconds = min(turn.due_at - now, LOOK_SECONDS)
            time.sleep(seconds)
            idle += seconds


def _give_back(turn: _Turn[W]) -> None:
    turn.work.give_back_soon()
    while _go_on(turn, is_first=False):
        pass


def _wait(work: W, *, is_first: bool) -> list[_Turn[W]]:
    return _go_on(_Turn(work, work.run()), is_first=is_first)


def _go_on(turn: _Turn[W], *, is_first: bool) -> list[_Turn[W]]:
    """Up to its next wait; empty at its end."""
    try:
        seconds = next(turn.steps, None)
    except Exception as error:
        if is_first:
            raise
        # No trace: it could show what a message was made of. Its claim ends with its lease, and then its own task fails by it.
        log.error("batch.failed", kind=type(error).__name__)  # noqa: TRY400
        return []
    if seconds is None:
        return []
    turn.due_at = time.monotonic() + seconds
    return [turn]
