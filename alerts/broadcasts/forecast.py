"""When how many will have been handed over, what holds it up, and what it costs. Pure: counts and rates in, seconds out.

Rates are segments per second, as networks count them: an account, each sender on it, and each country by that sender
have one; 0 means that none is known. What waits on one of them is spread evenly over the time that it needs there, so
that the forecast can always be kept: real sending is never slower than its limits, and often a little quicker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

OWN_PER_SECOND = 1000.0
"""What a worker of ours hands over at least where nobody else sets a limit (docs/performance.md measures more)."""
FREE_CHANNELS = frozenset({"push", "web_push", "email"})
"""Ways that no provider charges by the message."""


class Limit(StrEnum):
    """What sets the pace: a country's rule, a sender, an account, our own machines, or what was measured while sending."""

    COUNTRY = "country"
    SENDER = "sender"
    ACCOUNT = "account"
    OURS = "ours"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """People of one country who get the message the same way. `segments` is per person (1 for what is no SMS).

    `handed_over` of `people` are done. `country_per_second`: the country's own rule, the other two what the settings say of
    this account and this sender by name; None: the default holds. `usual_per_second`: what a sender of this kind is usually
    allowed; None: nobody has told us. `price` is per segment in `currency`; None: not known.
    """

    channel: str
    account: str
    sender: str
    number_country: str
    people: int
    segments: int = 1
    handed_over: int = 0
    account_per_second: float | None = None
    sender_per_second: float | None = None
    country_per_second: float | None = None
    usual_per_second: float | None = None
    price: Decimal | None = None
    currency: str = ""

    @property
    def waiting(self) -> int:
        """People who are still to be handed over."""
        return max(0, self.people - self.handed_over)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Segments per second, 0 for no known limit: of each account, each sender, each country by a sender, and our own."""

    account_per_second: float = 0.0
    sender_per_second: float = 0.0
    country_per_second: float = 0.0
    own_per_second: float = OWN_PER_SECOND


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What decides when the last one is handed over: its limit, whose it is, segments per second, and segments waiting on it."""

    limit: Limit
    sender: str
    number_country: str
    per_second: float
    segments: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Amounts by currency, and the segments whose price nobody has told us: while there are any, the sum is not known."""

    amounts: Mapping[str, Decimal]
    unpriced_segments: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds from now until 50, 95 and 100 % of `people` will have been handed over; 0 for what is reached already.

    `segments` counts SMS segments of the whole message. `bottleneck` is None when nothing waits.
    """

    people: int
    handed_over: int
    segments: int
    seconds_50: float
    seconds_95: float
    seconds_100: float
    bottleneck: Bottleneck | None
    cost: Cost


@dataclass(frozen=True, slots=True)
class _Lane:
    """People waiting in one lane, how long it takes, and by which limit."""

    waiting: int
    seconds: float
    by: Bottleneck


def forecast(loads: Iterable[Load], rates: Rates, *, measured_per_second: float | None = None) -> Forecast:
    """The forecast of these loads. `measured_per_second`: segments per second really handed over just now, while sending."""
    given = [load for load in loads if load.people > 0]
    lanes = _lanes([load for load in given if load.waiting], rates, measured_per_second)
    people = sum(load.people for load in given)
    done = sum(load.people - load.waiting for load in given)
    last = max(lanes, key=lambda lane: lane.seconds, default=None)
    return Forecast(
        people=people,
        handed_over=done,
        segments=sum(load.people * load.segments for load in given if load.channel == "sms"),
        seconds_50=_seconds_until(lanes, people * 0.5 - done),
        seconds_95=_seconds_until(lanes, people * 0.95 - done),
        seconds_100=last.seconds if last else 0.0,
        bottleneck=last.by if last else None,
        cost=cost_of(given),
    )


def rate_unknown(load: Load, rates: Rates) -> bool:
    """Whether people wait on a network of which nobody has told us how quickly it takes messages from this sender."""
    told = _first(load.sender_per_second, rates.sender_per_second) or _first(load.country_per_second, rates.country_per_second)
    return bool(load.waiting) and load.channel not in FREE_CHANNELS and not told


def at_usual_rates(loads: Iterable[Load], rates: Rates) -> list[Load]:
    """The same loads, with what is usual for their kind of sender where no rate is known."""
    return [replace(load, sender_per_second=load.usual_per_second) if rate_unknown(load, rates) else load for load in loads]


def cost_of(loads: Sequence[Load]) -> Cost:
    """What the whole message costs. A price that is not known is counted, never taken for 0."""
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    unpriced = 0
    for load in loads:
        if load.price is not None:
            amounts[load.currency] += load.price * load.people * load.segments
        elif load.channel not in FREE_CHANNELS:
            unpriced += load.people * load.segments
    return Cost(dict(sorted(amounts.items())), unpriced)


def is_late(found: Forecast, validity_seconds: float | None) -> bool:
    """Whether the message loses its validity before 95 % have it."""
    return validity_seconds is not None and found.seconds_95 > validity_seconds


def _lanes(loads: Sequence[Load], rates: Rates, measured: float | None) -> list[_Lane]:
    """Every load with the time that its slowest limit needs for all that waits on it.

    A load that runs at its segments over that time keeps every limit at once: whatever shares a limit adds up to it.
    """
    waiting: dict[tuple[str, ...], int] = defaultdict(int)
    for load in loads:
        for key in _keys(load):
            waiting[key] += load.waiting * load.segments
    lanes = []
    for load in loads:
        bounds = [Bottleneck(limit, *whose, per_second, waiting[key]) for limit, whose, per_second, key in _limits(load, rates, measured)]
        by = max(bounds, key=lambda bound: bound.segments / bound.per_second)
        lanes.append(_Lane(load.waiting, by.segments / by.per_second, by))
    return lanes


def _keys(load: Load) -> tuple[tuple[str, ...], ...]:
    account, sender = (load.account,), (load.account, load.sender)
    return (), account, sender, (*sender, load.number_country)


def _limits(load: Load, rates: Rates, measured: float | None) -> Iterable[tuple[Limit, tuple[str, str], float, tuple[str, ...]]]:
    every, account, sender, country = _keys(load)
    of_country = _first(load.country_per_second, rates.country_per_second)
    of_account, of_sender = (
        _first(load.account_per_second, rates.account_per_second),
        _first(load.sender_per_second, rates.sender_per_second),
    )
    yield Limit.OURS, ("", ""), rates.own_per_second, every
    if measured:
        yield Limit.MEASURED, ("", ""), measured, every
    if of_account:
        yield Limit.ACCOUNT, (load.account, ""), of_account, account
    if of_sender:
        yield Limit.SENDER, (load.sender, ""), of_sender, sender
    if of_country:
        yield Limit.COUNTRY, (load.sender, load.number_country), of_country, country


def _first(own: float | None, otherwise: float) -> float:
    return otherwise if own is None else own


def _seconds_until(lanes: Sequence[_Lane], people: float) -> float:
    """When so many of those waiting will have been handed over, each lane at its even pace until its end."""
    if people <= 0 or not lanes:
        return 0.0
    ordered = sorted(lanes, key=lambda lane: lane.seconds)
    finished, pace = 0.0, sum(lane.waiting / lane.seconds for lane in ordered)
    for lane in ordered:
        if finished + pace * lane.seconds >= people:
            return min(lane.seconds, max(0.0, (people - finished) / pace))
        finished, pace = finished + lane.waiting, pace - lane.waiting / lane.seconds
    return ordered[-1].seconds


def merged(loads: Iterable[Load]) -> list[Load]:
    """The same loads with those that differ only in their counts put together."""
    sums: dict[Load, tuple[int, int]] = {}
    for load in loads:
        key = replace(load, people=0, handed_over=0)
        people, done = sums.get(key, (0, 0))
        sums[key] = (people + load.people, done + load.handed_over)
    return [replace(key, people=people, handed_over=done) for key, (people, done) in sums.items()]
