"""Sums of people, when things happened to how many of them, and what may be said of it. Pure: rows in, figures out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

POINTS_MAX = 200
SHARES = (0.5, 0.95, 1.0)
TENTHS = 10
Key = TypeVar("Key")
Moments = Sequence[tuple[int, int, int]]
"""(wave, tenths of a second since the message's release, people), in any order."""


class Verdict(StrEnum):
    """The sets that a person can be in; each is in the first that fits. The last two together are *missed*, so far."""

    HANDED_OVER = "handed_over"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"
    IN_PROGRESS = "in_progress"
    STOPPED = "stopped"


class Happening(StrEnum):
    """What is counted over time, for each person once: the first time that it happened."""

    HANDED_OVER = "handed_over"
    DELIVERED = "delivered"
    ANSWERED = "answered"


class Cut(StrEnum):
    """By what the course is told apart: the country and the way of the first step, or the mission of the registered place."""

    COUNTRY = "country"
    CHANNEL = "channel"
    MISSION = "mission"


class Next(StrEnum):
    """What is still done about a handing-over whose outcome nobody knows. `left`: nothing, but a receipt may still come."""

    LOOK_UP = "look_up"
    RESEND = "resend"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """People who are alike in what is counted."""

    verdict: str
    is_delivered: bool
    is_answered: bool
    is_silent: bool
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Group):
    """People who are alike in every cut. `channel`, `number_country`, `state` and `error_code` are those of the first step.

    `is_first_taken` and `is_first_delivered`: by that step itself, whatever the later ones did.
    """

    wave: int
    channel: str
    number_country: str | None
    state: str
    error_code: str | None
    is_first_taken: bool
    is_first_delivered: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """People of a frozen list, or of a part of it. The five sets sum to `frozen`; the rest are facts about its people."""

    frozen: int = 0
    handed_over: int = 0
    unknown: int = 0
    unreachable: int = 0
    in_progress: int = 0
    stopped: int = 0
    delivered: int = 0
    answered: int = 0
    no_receipt_possible: int = 0

    @property
    def missed(self) -> int:
        """Frozen, and neither handed over nor unknown nor out of reach: waiting, or stopped before anything was sent."""
        return self.in_progress + self.stopped


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds after the release of their wave by which half, 95 % and all of those *to whom it happened* had it; None: to none.

    `first_seconds` and `last_seconds` are counted from the message's own release.
    """

    people: int = 0
    seconds_50: float | None = None
    seconds_95: float | None = None
    seconds_100: float | None = None
    first_seconds: float | None = None
    last_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """People so far, `seconds` after the release."""

    seconds: float
    handed_over: int
    delivered: int
    answered: int


def sum_up(people: Iterable[Group]) -> Counts:
    """The counts of these groups together."""
    sums: Counter[str] = Counter()
    for group in people:
        sums["frozen"] += group.people
        sums[group.verdict] += group.people
        sums["delivered"] += group.people * group.is_delivered
        sums["answered"] += group.people * group.is_answered
        sums["no_receipt_possible"] += group.people * group.is_silent
    return Counts(**sums)


def sum_by(people: Iterable[Tally], key: Callable[[Tally], Key]) -> dict[Key, Counts]:
    """The counts by whatever tells groups apart, the largest first."""
    parts: dict[Key, list[Tally]] = defaultdict(list)
    for group in people:
        parts[key(group)].append(group)
    counts = {name: sum_up(groups) for name, groups in parts.items()}
    return dict(sorted(counts.items(), key=lambda item: (-item[1].frozen, str(item[0]))))


def pace_of(moments: Moments, wave_tenths: Mapping[int, int]) -> Pace:
    """How long it took. `wave_tenths`: when each wave was released, after the message itself."""
    if not moments:
        return Pace()
    waits = sorted((max(0, tenths - wave_tenths.get(wave, 0)), people) for wave, tenths, people in moments)
    total = sum(people for _, people in waits)
    half, most, everybody = (_when(waits, share * total) for share in SHARES)
    first, last = min(tenths for _, tenths, _ in moments), max(tenths for _, tenths, _ in moments)
    return Pace(total, half, most, everybody, max(0, first) / TENTHS, max(0, last) / TENTHS)


def _when(waits: Sequence[tuple[int, int]], wanted: float) -> float:
    done = 0
    for tenths, people in waits:
        done += people
        if done >= wanted:
            return tenths / TENTHS
    return waits[-1][0] / TENTHS


def end_of(moments: Mapping[Happening, Moments]) -> int:
    """Tenths of a second from the release to the last thing that happened; 0 where nothing did."""
    return max((tenths for found in moments.values() for _, tenths, _ in found), default=0)


def series_of(moments: Mapping[Happening, Moments], *, points_max: int = POINTS_MAX, until: int | None = None) -> list[Point]:
    """Cumulative counts at equal distances from the release to the last thing that happened; at most so many points.

    The distance is a whole number of tenths, the same everywhere; the first point is the release itself. `until`: how far
    the course goes instead (tenths), so that several have their points at the same times.
    """
    last = end_of(moments) if until is None else until
    if last <= 0:
        return []
    width = -(-last // (points_max - 1))
    buckets: dict[Happening, Counter[int]] = {happening: Counter() for happening in Happening}
    for happening, found in moments.items():
        for _, tenths, people in found:
            buckets[happening][max(0, -(-tenths // width))] += people
    sums = dict.fromkeys(Happening, 0)
    points = []
    for at in range(-(-last // width) + 1):
        for happening in Happening:
            sums[happening] += buckets[happening][at]
        points.append(Point(at * width / TENTHS, *(sums[happening] for happening in Happening)))
    return points
