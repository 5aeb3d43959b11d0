"""Token buckets by the generic cell rate algorithm, for a window of messages and three limits at once. Pure decisions.

A bucket is one number, its *theoretical arrival time*: when the bucket would be full again. Taking moves it ahead by
what was taken; nothing is granted that would move it further than the burst beyond now. A window takes from the
account, the sender and the sender's country together or from none, so that no bucket pays for another's refusal.
The shared form of the same decision is `lua/take.lua`; this one serves a worker that has lost sight of Valkey.
All times are in seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, floor

COST_MAX = 32
"""Segments of one message at most: bounds how far a bucket can ever be ahead, and with it what a clock stepped back may cost."""
ROUNDING = 1e-6
FACTOR_MIN = 1 / 64
CLOSED_SECONDS_MIN, CLOSED_SECONDS_MAX = 1.0, 3600.0


class Limit(StrEnum):
    """What held a window back."""

    ACCOUNT = "account"
    SENDER = "sender"
    COUNTRY = "country"
    RETRY_AFTER = "retry_after"


LIMITS = (Limit.ACCOUNT, Limit.SENDER, Limit.COUNTRY)


@dataclass(frozen=True, slots=True)
class Rates:
    """Segments per second; 0 is unlimited, None leaves it to the settings."""

    account: float | None = None
    sender: float | None = None
    country: float | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """What shares a pace: the numbers of one country, by one sender, on one account. Names of ours, never of persons."""

    account: str
    sender: str
    number_country: str
    rates: Rates = field(default=Rates(), compare=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """`count` messages may begin at once; when none may, ask again in `wait_seconds`, and `limit` says why.

    `is_shared` is false for a grant out of this worker's own share, while Valkey is lost.
    """

    count: int
    wait_seconds: float = 0.0
    limit: Limit | None = None
    is_shared: bool = True


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit as it stands: its theoretical arrival time, seconds per message, and how far ahead it may reach."""

    arrives_at: float
    each: float
    span: float

    def room(self, now: float) -> int:
        """Messages that may begin now."""
        return max(0, floor((self.span - (self.arrives_at - now)) / self.each + ROUNDING))

    def wait(self, now: float, count: int) -> float:
        """Seconds until so many may begin."""
        return max(0.0, (self.arrives_at - now) + count * self.each - self.span)

    @property
    def capacity(self) -> int:
        """Messages that may begin at once when nobody took any for a while."""
        return max(1, floor(self.span / self.each + ROUNDING))


def make_bucket(rate: float, *, cost: int, burst_seconds: float, arrives_at: float, not_before: float, now: float) -> Bucket:
    """The bucket of a limit (`rate` > 0). It is empty at `not_before`: nothing saved up from earlier is in it.

    One message always fits, however many segments it has and however slow the limit is: the bucket is then in debt.
    An arrival further ahead than any debt can be comes from a clock that was set back, and is cut.
    """
    each = cost / rate
    span = max(burst_seconds, each)
    arrives_at = min(arrives_at, now + max(burst_seconds, COST_MAX / rate))
    return Bucket(max(arrives_at, now, not_before + span), each, span)


def worthwhile(wanted: int, capacities: Sequence[int]) -> int:
    """The smallest grant that is worth a window: a quarter of the smallest bucket. Otherwise each window would have one message."""
    return max(1, min(wanted, *(ceil(capacity / 4) for capacity in capacities))) if capacities else max(1, wanted)


@dataclass(slots=True)
class Slow:
    """A lane that the carrier told to wait: shut until `closed_until`, then at `factor` of its rate, growing back evenly.

    `base` is the rate that is slowed where none is configured: what the lane did when the carrier complained.
    """

    factor: float
    closed_until: float
    base: float

    def factor_at(self, now: float, regain_seconds: float) -> float:
        """The share of the rate that is allowed now: half a rate lost is regained in half of `regain_seconds`."""
        return min(1.0, self.factor + max(0.0, now - self.closed_until) / regain_seconds)


def slowed(slow: Slow | None, *, retry_after: float, base: float, now: float, regain_seconds: float) -> Slow:
    """After a 429. Several windows are in flight and complain at once: while shut, they only shut it for longer."""
    closed_until = now + min(max(retry_after, CLOSED_SECONDS_MIN), CLOSED_SECONDS_MAX)
    if slow is None:
        return Slow(0.5, closed_until, max(base, 1.0))
    if now < slow.closed_until:
        return Slow(slow.factor, max(slow.closed_until, closed_until), slow.base)
    return Slow(max(FACTOR_MIN, slow.factor_at(now, regain_seconds) / 2), closed_until, slow.base)


class OwnShare:
    """The buckets of one worker that is alone: the configured rates divided by the number of workers.

    They begin empty: what the shared buckets had saved up may just have been spent by somebody.
    """

    def __init__(self, now: float, *, burst_seconds: float, regain_seconds: float) -> None:
        self._began_at, self._burst, self._regain = now, burst_seconds, regain_seconds
        self._arrivals: dict[tuple[str, ...], float] = {}
        self._flow: dict[Lane, tuple[int, int, int]] = {}

    def take(self, lane: Lane, wanted: int, *, cost: int, share: float, slow: Slow | None, now: float) -> Grant:
        """Take up to `wanted` messages of `cost` segments each from all three limits, or from none."""
        limits = self._limits(lane, cost=cost, share=share, slow=slow, now=now)
        buckets = [bucket for _, _, bucket in limits]
        least = worthwhile(wanted, [bucket.capacity for bucket in buckets])
        room = min([wanted, *(bucket.room(now) for bucket in buckets)])
        if room < least:
            limit, _, bucket = max(limits, key=lambda each: each[2].wait(now, least))
            is_shut = limit is Limit.COUNTRY and slow is not None and slow.closed_until > now
            return Grant(0, bucket.wait(now, least), Limit.RETRY_AFTER if is_shut else limit, is_shared=False)
        for _, key, bucket in limits:
            self._arrivals[key] = bucket.arrives_at + room * bucket.each
        self._count(lane, room * cost, now)
        return Grant(room, is_shared=False)

    def charge(self, lane: Lane, *, cost: int, share: float, now: float) -> None:
        """Take one message's segments from all limits, whether they are there or not."""
        for _, key, bucket in self._limits(lane, cost=cost, share=share, slow=None, now=now):
            self._arrivals[key] = bucket.arrives_at + bucket.each

    def flow(self, lane: Lane, now: float) -> float:
        """Segments that this worker's lane took in its best of this second and the one before."""
        second, count, before = self._flow.get(lane, (int(now), 0, 0))
        return float(max(count, before)) if int(now) - second <= 1 else 0.0

    def _count(self, lane: Lane, segments: int, now: float) -> None:
        second, count, before = self._flow.get(lane, (int(now), 0, 0))
        self._flow[lane] = (second, count + segments, before) if second == int(now) else (int(now), segments, count)

    def _limits(self, lane: Lane, *, cost: int, share: float, slow: Slow | None, now: float) -> list[tuple[Limit, tuple[str, ...], Bucket]]:
        rates = [lane.rates.account or 0.0, lane.rates.sender or 0.0, lane.rates.country or 0.0]
        begins = [self._began_at] * 3
        if slow is not None:
            rates[2] = (rates[2] or slow.base) * slow.factor_at(now, self._regain)
            begins[2] = max(begins[2], slow.closed_until)
        found = []
        for limit, key, rate, not_before in zip(LIMITS, keys_of(lane), rates, begins, strict=True):
            if rate:
                arrives_at = self._arrivals.get(key, now)
                made = make_bucket(
                    rate * share, cost=cost, burst_seconds=self._burst, arrives_at=arrives_at, not_before=not_before, now=now
                )
                found.append((limit, key, made))
        return found


def keys_of(lane: Lane) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The names of a lane's three buckets."""
    return ("account", lane.account), ("sender", lane.account, lane.sender), ("country", lane.account, lane.sender, lane.number_country)
