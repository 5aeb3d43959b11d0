"""What all worker processes keep together in Valkey, and how one of them goes on without it.

Nothing here is the truth about a message: pace and health only. Valkey may answer late, forget, or be gone; then the
first call waits for one timeout, and until the link's own thread has found it again every other call is told at once.
No call may be made inside a database transaction. Build one per process, after the fork.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar

import redis
import structlog
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from alerts.settings import Settings

log = structlog.get_logger()
T = TypeVar("T")
LUA = files("alerts.deliveries") / "lua"
BEATS_MISSED = 3
JOIN_SECONDS = 5.0


class Shared:
    """One process's link to Valkey. `start` makes one that finds its way back by itself."""

    def __init__(self, settings: Settings) -> None:
        self._pace, self._prefix = settings.pace, f"{settings.redis.prefix}sending:"
        timeout = settings.pace.timeout_seconds
        self.client: redis.Redis = redis.Redis.from_url(
            settings.redis.url.get_secret_value(),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),  # a frozen server must cost one timeout, not several
        )
        self.name = secrets.token_hex(8)
        self._beat = self.script("beat")
        self._is_lost, self._stop = threading.Event(), threading.Event()
        self._workers, self._workers_at = 1, 0.0
        self._thread: threading.Thread | None = None

    @classmethod
    def start(cls, settings: Settings) -> Shared:
        """A link with a thread that says that this process lives, and looks for a lost Valkey."""
        shared = cls(settings)
        shared._thread = threading.Thread(target=shared._run, name="shared", daemon=True)
        shared._thread.start()
        return shared

    def close(self) -> None:
        """End the thread and the connections."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
        self.client.close()

    def key(self, *parts: str) -> str:
        """A key of ours."""
        return self._prefix + ":".join(parts)

    def script(self, name: str) -> Script:
        """A script of `lua/`, loaded again by itself where the server has forgotten it."""
        return self.client.register_script((LUA / f"{name}.lua").read_text(encoding="utf-8"))

    @property
    def is_lost(self) -> bool:
        """Whether Valkey did not answer when last asked."""
        return self._is_lost.is_set()

    @property
    def workers(self) -> int:
        """Worker processes as last counted. While some may still be at work unseen, the larger count stays."""
        return self._workers

    @property
    def life_seconds(self) -> float:
        """How long a process that says nothing is still counted."""
        return BEATS_MISSED * self._pace.beat_seconds

    def ask(self, call: Callable[[], T]) -> T | None:
        """The answer of one call to Valkey; None when it is lost. Never waits while it is known to be lost."""
        if self._is_lost.is_set():
            return None
        try:
            return call()
        except (redis.RedisError, OSError) as error:
            self._lose(error)
            return None

    def beat(self) -> bool:
        """Say that this process lives, and find out whether Valkey does. After an outage all keep to their shares for a while."""
        settle = self._pace.settle_seconds if self._is_lost.is_set() else 0.0
        args: list[str | int] = [self.name, micros(self.life_seconds), micros(settle)]
        try:
            count: Any = self._beat(keys=[self.key("workers"), self.key("opened")], args=args)
        except (redis.RedisError, OSError) as error:
            self._lose(error)
            return False
        self.count(int(count))
        if self._is_lost.is_set():
            log.info("shared.found", workers=self._workers)
            self._is_lost.clear()
        return True

    def count(self, workers: int) -> None:
        """Remember how many worker processes there are."""
        now = time.monotonic()
        if workers >= self._workers or now - self._workers_at > self.life_seconds:
            self._workers, self._workers_at = max(1, workers), now

    def _lose(self, error: Exception) -> None:
        if not self._is_lost.is_set():
            log.warning("shared.lost", kind=type(error).__name__)
        self._is_lost.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.beat()
            wait = self._pace.probe_seconds if self._is_lost.is_set() else self._pace.beat_seconds
            self._wait(wait)

    def _wait(self, seconds: float) -> None:
        """Until the next beat, or sooner if Valkey is lost meanwhile: then it is looked for at the quicker pace."""
        until = time.monotonic() + seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            self._stop.wait(min(left, self._pace.probe_seconds))
            if self._is_lost.is_set():
                return


def micros(seconds: float) -> int:
    """Whole microseconds, as the scripts reckon."""
    return int(seconds * 1_000_000)
