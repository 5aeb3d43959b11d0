"""The relay: reads the outbox, rings the tasks, marks the rings; and rings what the clock asks for.

A ring between publish and mark may be doubled by a kill; a ring lost with the broker is rung again. No
transaction is open while the broker is spoken to.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Event
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import Ring, list_new, list_unanswered, mark_rung
from alerts.settings import Settings
from workers.wiring import REACTIONS, schedule

log = structlog.get_logger()
BROKER_FAULTS = (BrokerError, RedisError, OSError)


class Relay:
    """One relay process. Several may run: they double hints, which is harmless."""

    def __init__(self, settings: Settings, sessions: Sessions, celery: Celery) -> None:
        self._settings, self._sessions, self._celery = settings, sessions, celery
        self._periods = schedule(settings)
        self._due: dict[str, float] = dict.fromkeys(self._periods, 0.0)
        self._again_at = 0.0

    def run(self, stop: Event) -> None:
        """Until told to stop. A broker or database that does not answer is logged and tried again."""
        while not stop.is_set():
            try:
                rung = self.ring_new() + self.ring_again()
                self.ring_clock()
            except (*BROKER_FAULTS, SQLAlchemyError) as error:
                log.warning("relay.waiting", kind=type(error).__name__)
                rung = 0
            stop.wait(0 if rung >= self._settings.relay.batch_size else self._settings.relay.poll_seconds)

    def ring_new(self) -> int:
        """Tell of every new event; the count."""
        with begin(self._sessions) as session:
            events = list_new(session, self._settings.relay.batch_size)
        return self._ring_all([(event, REACTIONS.get(event.name, ())) for event in events])

    def ring_again(self) -> int:
        """Tell again what nobody answered, at most once a second; the count."""
        if time.monotonic() < self._again_at:
            return 0
        self._again_at = time.monotonic() + min(1.0, self._settings.relay.rering_seconds)
        limit, after = self._settings.relay.batch_size, self._settings.relay.rering_seconds
        is_empty = self._queue_length() == 0
        with begin(self._sessions) as session:
            events = list_unanswered(session, limit, after_seconds=after, is_queue_empty=is_empty)
        return self._ring_all([(event, event.waiting_for) for event in events])

    def ring_clock(self) -> None:
        """Ring the tasks whose period has passed; a hint not taken within its period is dropped by the broker."""
        now = time.monotonic()
        for task, period in self._periods.items():
            if now >= self._due[task]:
                self._send(task, None, {}, expires=max(1.0, period))
                self._due[task] = now + period

    def _ring_all(self, rings: list[tuple[Ring, Any]]) -> int:
        for event, tasks in rings:
            for task in tasks:
                self._send(task, event.id, event.payload)
        if rings:
            with begin(self._sessions) as session:
                mark_rung(session, [event.id for event, _ in rings], REACTIONS)
        return len(rings)

    def _send(self, task: str, event_id: int | None, payload: Mapping[str, Any], *, expires: float | None = None) -> None:
        self._celery.send_task(task, kwargs={"event_id": event_id, "payload": dict(payload)}, expires=expires, retry=False)

    def _queue_length(self) -> int:
        with self._celery.connection_for_read() as connection:
            channel = connection.default_channel
            return int(channel.client.llen(self._celery.conf.task_default_queue))
