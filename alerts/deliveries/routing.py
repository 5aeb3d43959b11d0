"""Which sender of a channel takes the next window: turns by weight, and weights by the answers that all workers had.

Each process adds up its answers and gives them to the others once a second, in one value in Valkey; the decision itself
is in `choosing`. Without Valkey a process goes on by its own answers, from the weights that it saw last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from alerts.deliveries.choosing import Notes, Standing, moved, next_turn, parts_of
from alerts.deliveries.shared import Shared
from alerts.settings import Settings

LIFE_SECONDS = 3600
"""How long weights are remembered when nobody sends."""


def serves_all(_: str) -> bool:
    """A sender without country rules."""
    return True


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sender: its name, its channel, its share while all is well, and the number countries that its rules let it serve."""

    name: str
    channel: str
    share: float = 1.0
    serves: Callable[[str], bool] = serves_all


@dataclass(frozen=True, slots=True)
class Known:
    """The value in Valkey: how all senders stood at a time of its clock."""

    at: float
    senders: dict[str, Standing]


KNOWN = TypeAdapter(Known)


class Router:
    """Chooses senders for this process's windows. Threads may share it. Build it after the fork, one per status."""

    def __init__(self, settings: Settings, shared: Shared, candidates: Iterable[Candidate], *, status: str = "actual") -> None:
        self._routing, self._shared, self._status = settings.routing, shared, status
        self._candidates = tuple(candidates)
        self._channels = {candidate.name: candidate.channel for candidate in self._candidates}
        self._swap = shared.script("swap")
        self._lock = threading.Lock()
        self._standings = {candidate.name: Standing() for candidate in self._candidates}
        self._news: dict[str, Notes] = {}
        self._credits: dict[tuple[str, str], dict[str, float]] = {}
        self._synced_at = time.monotonic()

    def choose(self, channel: str, number_country: str, *, closed: Collection[str] = ()) -> str | None:
        """Who takes the next window of this lane; None where no sender of the channel serves the country.

        One of `closed` only if no other serves it: then the caller waits for that one.
        """
        serving = [each for each in self._candidates if each.channel == channel and each.serves(number_country)]
        serving = [each for each in serving if each.name not in closed] or serving
        if len(serving) <= 1:
            return serving[0].name if serving else None
        self._sync_if_due()
        with self._lock:
            weights = self._parts(serving)
            lane = (channel, number_country)
            name, self._credits[lane] = next_turn(weights, self._credits.get(lane, {}))
            return name

    def note(self, sender: str, *, ok: int, surely_not_sent: int, unknown: int, latency_seconds: float) -> None:
        """What a window's answers were, and how long they took on average (one that never came took its timeout).

        A 429 and a refusal of the number or the text count as `ok`: the sender is at work. What a provider refuses for
        its own reasons, or ours, counts as `surely_not_sent`.
        """
        count = ok + surely_not_sent + unknown
        notes = Notes(ok, surely_not_sent, unknown, latency_seconds * count)
        with self._lock:
            self._news[sender] = self._news.get(sender, Notes()) + notes
        self._sync_if_due()

    def parts(self) -> dict[str, float]:
        """Each sender's part of its channel's windows as this process sees it now, where all of them serve."""
        with self._lock:
            channels = set(self._channels.values())
            return {k: v for channel in channels for k, v in self._parts([c for c in self._candidates if c.channel == channel]).items()}

    def _parts(self, senders: Sequence[Candidate]) -> dict[str, float]:
        shares = {each.name: each.share for each in senders}
        return parts_of(shares, {name: self._standings[name].weight for name in shares})

    def _sync_if_due(self) -> None:
        now = time.monotonic()
        with self._lock:
            elapsed = now - self._synced_at
            if elapsed < self._routing.sync_seconds:
                return
            self._synced_at = now
            news, self._news = self._news, {}
        self._sync(news, elapsed)

    def _sync(self, news: Mapping[str, Notes], elapsed: float) -> None:
        """Add our news to what all know. When another was quicker, ours wait for the next time; without Valkey they are ours alone."""
        key = self._shared.key("health", self._status)
        read = self._shared.ask(partial(self._look, key))
        if read is None:
            with self._lock:
                self._standings = self._moved(self._standings, news, elapsed)
            return
        now, text = read
        known, since = self._parsed(text, now, elapsed)
        standings = self._moved(known, news, since)
        value = KNOWN.dump_json(Known(now, standings)).decode()
        written: Any = self._shared.ask(partial(self._swap, keys=[key], args=[text, value, LIFE_SECONDS * 1000]))
        with self._lock:
            self._standings = standings
            if written == 0:
                for name, notes in news.items():
                    self._news[name] = self._news.get(name, Notes()) + notes

    def _look(self, key: str) -> tuple[float, str]:
        """The server's time, and what it knows."""
        pipeline = self._shared.client.pipeline(transaction=False)
        pipeline.time()
        pipeline.get(key)
        (seconds, micros), raw = pipeline.execute()
        return seconds + micros / 1e6, raw.decode() if raw else ""

    def _parsed(self, text: str, now: float, elapsed: float) -> tuple[dict[str, Standing], float]:
        """What all know, and how old it is. Where that is nothing, ours is as good."""
        try:
            known = KNOWN.validate_json(text)
        except ValidationError:  # nothing yet, or a value of another version of this program
            return dict(self._standings), elapsed
        return {name: known.senders.get(name, Standing()) for name in self._standings}, now - known.at

    def _moved(self, standings: Mapping[str, Standing], news: Mapping[str, Notes], elapsed: float) -> dict[str, Standing]:
        """Each channel for itself: an ailing sender of texts has no bearing on the pushes."""
        after: dict[str, Standing] = {}
        for channel in set(self._channels.values()):
            ours = {name: standing for name, standing in standings.items() if self._channels[name] == channel}
            after |= moved(ours, news, elapsed=elapsed, **self._routing.model_dump(exclude={"sync_seconds"}))
        return after
