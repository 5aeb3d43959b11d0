"""Who waits leaves the process to others, a fault of another is nobody else's, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from alerts.deliveries.turns import take_turns


@dataclass
class Batch:
    """So many waits of so many seconds, each turn written down; `fails` at its first."""

    name: str
    log: list[str]
    waits: int = 0
    seconds: float = 0.0
    fails: bool = False
    is_over: bool = field(default=False)

    def run(self) -> Iterator[float]:
        if self.fails:
            raise RuntimeError(self.name)
        for _ in range(self.waits):
            if self.is_over:
                break
            self.log.append(self.name)
            yield self.seconds
        self.log.append(f"{self.name} ends")

    def give_back_soon(self) -> None:
        self.is_over = True


def run(first: Batch, *others: Batch, idle_seconds: float = 60) -> list[str]:
    left = list(others)

    def find(waiting: Sequence[Batch]) -> Batch | None:
        return left.pop(0) if left else None

    take_turns(first, find, idle_seconds=idle_seconds)
    return first.log


def test_others_go_on_while_one_waits_and_its_turn_comes_again() -> None:
    log: list[str] = []
    assert run(Batch("slow", log, waits=2, seconds=0.05), Batch("a", log), Batch("b", log)) == [
        "slow",
        "a ends",
        "b ends",
        "slow",
        "slow ends",
    ]


def test_who_does_not_wait_looks_for_nobody() -> None:
    log: list[str] = []
    assert run(Batch("quick", log), Batch("other", log)) == ["quick ends"]


def test_a_fault_of_another_is_not_the_first_ones() -> None:
    log: list[str] = []
    assert run(Batch("slow", log, waits=1, seconds=0.01), Batch("bad", log, fails=True))[-1] == "slow ends"
    with pytest.raises(RuntimeError, match="first"):
        run(Batch("first", log, fails=True))


def test_a_fault_of_the_first_or_of_finding_gives_the_others_back() -> None:
    class Fails(Batch):
        def run(self) -> Iterator[float]:
            yield 0.02
            raise RuntimeError(self.name)

    log: list[str] = []
    with pytest.raises(RuntimeError, match="first"):
        run(Fails("first", log), Batch("other", log, waits=9, seconds=30))
    assert log == ["other", "other ends"]

    def find(waiting: Sequence[Batch]) -> Batch | None:
        raise LookupError

    with pytest.raises(LookupError):
        take_turns(slow := Batch("slow", log, waits=9, seconds=30), find, idle_seconds=60)
    assert (slow.is_over, log[-1]) == (True, "slow ends")


def test_where_nothing_can_be_done_all_are_given_back() -> None:
    log: list[str] = []
    done = run(Batch("slow", log, waits=1000, seconds=30), Batch("slower", log, waits=1000, seconds=40), idle_seconds=0.01)
    assert sorted(done[-2:]) == ["slow ends", "slower ends"]
    assert len(done) == 4
