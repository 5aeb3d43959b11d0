"""A worker that lives and takes nothing ends itself; whoever started it starts it anew (compose, an orchestrator).

Celery's main process may stand still for good: a pool that has lost count of its children, a connection that delivers nothing,
children that do not run. Nobody's message waits for it (what it holds is others' when its lease ends), but where it is the only
one of its queue, nothing goes out. So a thread of its own looks: does the queue hold work, and has no child begun any?

It counts looks, not seconds: a machine that was paused wakes with the count that it had. A look that fails tells nothing, and the
count stays. A look takes a sixth of the patience, which is longer than a child may rightly be busy with one task: one of the queue
`sending` gives its batch back after `sending.TASK_SECONDS` (10) and waits for what is in flight, one of the others takes up to
TASK_SECONDS_MAX, after which Celery itself ends the child.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from threading import Event, Thread
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_ready
from celery.worker import state

from alerts.settings import Settings
from workers.app import TASK_SECONDS_MAX
from workers.broker import queue_length
from workers.wiring import QUEUES

log = structlog.get_logger()
LOOKS = 6
EXIT_CODE = os.EX_TEMPFAIL
"""Of a worker that ended itself: try again."""


class Watchdog:
    """Counts looks at which work waited and none had been begun since the look before."""

    def __init__(self, *, waiting: Callable[[], int], begun: Callable[[], int]) -> None:
        self._waiting, self._begun = waiting, begun
        self._known, self._idle = begun(), 0

    def look(self) -> int:
        """One look; how many in a row have found nothing begun while work waited."""
        try:
            waiting = self._waiting()
        except Exception as error:  # noqa: BLE001 - whatever it was: a watchdog that ends by its own fault guards nothing
            log.warning("watchdog.cannot_tell", kind=type(error).__name__)
            return self._idle
        begun = self._begun()
        self._idle = self._idle + 1 if waiting and begun == self._known else 0
        self._known = begun
        return self._idle


def patience_of(settings: Settings, queues: Collection[str]) -> float:
    """Seconds that a worker of these queues may begin nothing while work waits."""
    patience = settings.health.idle_seconds
    return patience if set(queues) == {QUEUES["deliveries.send"]} else patience + TASK_SECONDS_MAX


def watch_worker(settings: Settings, celery: Celery, queues: Collection[str]) -> None:
    """From when this worker is ready on, look whether it begins anything."""

    def on_ready(**_: Any) -> None:
        dog = Watchdog(waiting=lambda: queue_length(celery, queues), begun=lambda: int(state.all_total_count[0]))
        period = patience_of(settings, queues) / LOOKS
        Thread(target=_keep_looking, args=(dog, period, sorted(queues)), name="watchdog", daemon=True).start()

    worker_ready.connect(on_ready, weak=False)


def _keep_looking(dog: Watchdog, period: float, queues: list[str]) -> None:
    pause = Event()
    pause.wait(period)
    while dog.look() < LOOKS:
        pause.wait(period)
    facts = {"begun": int(state.all_total_count[0]), "reserved": len(state.reserved_requests), "active": len(state.active_requests)}
    log.error("worker.stands_still", queues=queues, seconds=round(period * LOOKS, 1), **facts)
    # The main thread may stand where no exception reaches it. Children end when the pipe to their parent does.
    os._exit(EXIT_CODE)
