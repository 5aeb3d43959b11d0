"""The pace of sending: a window's tokens are taken, in one round trip, before its intent is committed.

Account, sender and the sender's country have a bucket each, shared by all worker processes through Valkey, whose clock
alone decides. Without Valkey each process keeps to its share of the same rates, and a while longer after its return: in
sum they never exceed a rate, but for a process that alone has lost sight of Valkey, which adds its share.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from typing import Any

from alerts.deliveries.buckets import (
    CLOSED_SECONDS_MAX,
    CLOSED_SECONDS_MIN,
    COST_MAX,
    LIMITS,
    Grant,
    Lane,
    Limit,
    OwnShare,
    Rates,
    Slow,
    keys_of,
    slowed,
)
from alerts.deliveries.shared import Shared, micros
from alerts.settings import Settings

KEEP_TO_SHARE = -1
REASONS = (None, *LIMITS, Limit.RETRY_AFTER)
SHARE_WAIT_SECONDS_MAX = 1.0


class Pacer:
    """Grants messages to this process's windows. Threads may share it. Build it after the fork."""

    def __init__(self, settings: Settings, shared: Shared) -> None:
        self._pace, self._shared = settings.pace, shared
        self._take, self._shrink, self._give = (shared.script(name) for name in ("take", "shrink", "give_back"))
        self._charge, self._shut = shared.script("charge"), shared.script("shut")
        self._lock = threading.Lock()
        self._own: OwnShare | None = None
        self._slow: dict[Lane, Slow] = {}
        self._untold: set[Lane] = set()
        self._shut_until: dict[tuple[str, str], float] = {}
        self._untold_shut: set[tuple[str, str]] = set()

    def take(self, lane: Lane, wanted: int, *, cost: int = 1) -> Grant:
        """Up to `wanted` messages of `cost` segments each, all of which may begin now, or how long to wait.

        Less than wanted may be granted, and nothing is granted that would only dribble. Call it outside a transaction;
        what is granted and not used goes back by `give_back`, or is lost.
        """
        if not 1 <= cost <= COST_MAX:
            raise ValueError(f"a message has 1 to {COST_MAX} segments, not {cost}")
        if wanted < 1:
            return Grant(0)
        lane = self._with_rates(lane)
        self._tell()
        shut = self._shut_by_us(lane)
        if shut > 0:
            return Grant(0, shut, Limit.RETRY_AFTER, is_shared=False)
        answer = self._shared.ask(partial(self._ask, lane, wanted, cost))
        if answer is None:
            return self._take_own(lane, wanted, cost=cost)
        count, wait, workers, limit, *slow = (int(value) for value in answer)
        self._shared.count(workers)
        self._learn(lane, slow)
        if count == KEEP_TO_SHARE:
            return self._take_own(lane, wanted, cost=cost)
        with self._lock:
            self._own = None
        return Grant(count, wait / 1e6, REASONS[limit])

    def shrink(self, lane: Lane, retry_after: float | None) -> None:
        """After a 429: this sender's country is shut for `retry_after` seconds (at least one), then at half its rate.

        The rate grows back within `regain_seconds`. All workers heed it; other countries do not notice.
        """
        lane, now = self._with_rates(lane), time.monotonic()
        with self._lock:
            base = self._own.flow(lane, now) * self._split() if self._own else 0.0
            before, regain = self._slow.get(lane), self._pace.regain_seconds
            self._slow[lane] = slowed(before, retry_after=retry_after or 0.0, base=base, now=now, regain_seconds=regain)
            self._untold.add(lane)
        self._tell()

    def shut(self, lane: Lane, seconds: float) -> None:
        """The lane's sender as a whole takes nothing more for so long (its own queue is full): no country of it, in no worker."""
        sender, until = (lane.account, lane.sender), time.monotonic() + min(max(seconds, CLOSED_SECONDS_MIN), CLOSED_SECONDS_MAX)
        with self._lock:
            self._shut_until[sender] = max(until, self._shut_until.get(sender, 0.0))
            self._untold_shut.add(sender)
        self._tell()

    def give_back(self, lane: Lane, count: int, *, cost: int = 1) -> None:
        """Put back messages that a shared grant allowed and that were not begun (the batch was at its end, or cancelled)."""
        if count > 0:
            lane = self._with_rates(lane)
            args = [count, cost, *_numbers(lane)]
            self._shared.ask(partial(self._give, keys=self._bucket_keys(lane), args=args))

    def charge(self, lane: Lane, *, cost: int = 1) -> None:
        """Take a message's tokens without asking: it goes ahead of the queue, and the queue waits for it.

        Without Valkey what this process charges counts in its own share alone.
        """
        lane = self._with_rates(lane)
        numbers = _numbers(lane)
        if not any(numbers):
            return
        told = self._shared.ask(lambda: (self._charge(keys=self._bucket_keys(lane), args=[1, cost, *numbers]),))
        with self._lock:
            if told is None and self._own is not None:
                self._own.charge(lane, cost=cost, share=1 / self._split(), now=time.monotonic())

    def _ask(self, lane: Lane, wanted: int, cost: int) -> Any:
        key, pace = self._shared.key, self._pace
        args: list[str | float] = [self._shared.name, micros(self._shared.life_seconds), wanted, cost]
        args += [micros(pace.burst_seconds), micros(pace.settle_seconds), micros(pace.regain_seconds), *_numbers(lane)]
        keys = [key("workers"), key("opened"), *self._slow_keys(lane), *self._bucket_keys(lane)]
        keys.append(key("shut", lane.account, lane.sender))
        return self._take(keys=keys, args=args)

    def _take_own(self, lane: Lane, wanted: int, *, cost: int) -> Grant:
        """Out of this process's own share. A long wait is cut short: Valkey may be back before it ends."""
        now = time.monotonic()
        with self._lock:
            if self._own is None:
                self._own = OwnShare(now, burst_seconds=self._pace.burst_seconds, regain_seconds=self._pace.regain_seconds)
            grant = self._own.take(lane, wanted, cost=cost, share=1 / self._split(), slow=self._slow_of(lane, now), now=now)
        return replace(grant, wait_seconds=min(grant.wait_seconds, SHARE_WAIT_SECONDS_MAX))

    def _split(self) -> int:
        """Into how many shares a rate is split while Valkey is lost."""
        return max(self._shared.workers, self._pace.processes)

    def _shut_by_us(self, lane: Lane) -> float:
        """Seconds for which a full sender, or a 429 that the others could not be told of, still shuts this lane."""
        with self._lock:
            slow = self._slow.get(lane) if lane in self._untold else None
            until = max(slow.closed_until if slow else 0.0, self._shut_until.get((lane.account, lane.sender), 0.0))
            return until - time.monotonic()

    def _slow_of(self, lane: Lane, now: float) -> Slow | None:
        slow = self._slow.get(lane)
        if slow is not None and slow.factor_at(now, self._pace.regain_seconds) >= 1:
            del self._slow[lane]
            self._untold.discard(lane)
            return None
        return slow

    def _learn(self, lane: Lane, slow: list[int]) -> None:
        """Keep what the shared state says of a lane, for the time when it cannot be asked."""
        factor, shut, base = slow[0] / 1e6, slow[1] / 1e6, slow[2] / 1e6
        with self._lock:
            if factor < 1:
                self._slow[lane] = Slow(factor, time.monotonic() + shut, base)
            else:
                self._slow.pop(lane, None)

    def _tell(self) -> None:
        """Tell the others of 429s and of full senders, now or as soon as Valkey is back."""
        with self._lock:
            shut = [(sender, self._shut_until[sender]) for sender in self._untold_shut]
        for sender, until in shut:
            left = micros(max(0.0, until - time.monotonic()))
            if left and self._shared.ask(partial(self._shut, keys=[self._shared.key("shut", *sender)], args=[left])) is None:
                return
            with self._lock:
                self._untold_shut.discard(sender)
        with self._lock:
            untold = [(lane, self._slow[lane]) for lane in self._untold if lane in self._slow]
        for lane, slow in untold:
            args = [micros(max(0.0, slow.closed_until - time.monotonic())), micros(self._pace.regain_seconds)]
            told: Any = self._shared.ask(partial(self._shrink, keys=self._slow_keys(lane), args=args))
            if told is None:
                return
            with self._lock:
                self._untold.discard(lane)
            self._learn(lane, [int(value) for value in told])

    def _with_rates(self, lane: Lane) -> Lane:
        """The lane with the settings' rates where the caller named none."""
        given, pace = lane.rates, self._pace
        account = pace.account_per_second if given.account is None else given.account
        sender = pace.sender_per_second if given.sender is None else given.sender
        country = pace.country_per_second if given.country is None else given.country
        return replace(lane, rates=Rates(account, sender, country))

    def _bucket_keys(self, lane: Lane) -> list[str]:
        return [self._shared.key(*parts) for parts in keys_of(lane)]

    def _slow_keys(self, lane: Lane) -> list[str]:
        return [self._shared.key(kind, lane.account, lane.sender, lane.number_country) for kind in ("slow", "flow")]


def _numbers(lane: Lane) -> list[float]:
    return [rate or 0.0 for rate in (lane.rates.account, lane.rates.sender, lane.rates.country)]
