"""The relay: claims events of the outbox and rings their tasks; and rings what the clock asks for.

A ring that is lost (a kill, a broker without memory) is rung again until the task has answered. No transaction is
open while the broker is spoken to.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from threading import Event
from typing import Any

import structlog
from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from alerts.kit.clock import db_now
from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import Ring, claim_new, claim_unanswered
from alerts.settings import Settings
from workers.broker import BROKER_FAULTS, queue_length
from workers.wiring import ALL_QUEUES, DRAINS, QUEUES, QUICK, REACTIONS, schedule

log = structlog.get_logger()
HINT_PERIODS, HINT_SECONDS_MIN = 6, 10.0
"""How long a hint of the clock means something: longer than one slow round of the task before it in the queue (a look-up
of a hundred), or the task behind it would never have its turn; short enough that an outage leaves no mountain of them."""


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
            events = claim_new(session, self._settings.relay.batch_size, REACTIONS)
        return self._ring_all(events)

    def ring_again(self) -> int:
        """Tell again what nobody answered, at most once a second; the count."""
        if time.monotonic() < self._again_at:
            return 0
        after = self._settings.relay.rering_seconds
        self._again_at = time.monotonic() + min(1.0, after)
        is_empty = queue_length(self._celery, ALL_QUEUES) == 0
        with begin(self._sessions) as session:
            events = claim_unanswered(session, self._settings.relay.batch_size, after_seconds=after, is_queue_empty=is_empty)
        return self._ring_all(events)

    def ring_clock(self) -> None:
        """Ring the tasks whose period has passed; a hint that is not taken for several periods means nothing any more.

        That time is the database's: with the broker's own expiry a worker whose clock is wrong would drop all of them.
        """
        now = time.monotonic()
        due = {task: period for task, period in self._periods.items() if now >= self._due[task]}
        if not due:
            return
        with begin(self._sessions) as session:
            database_now = db_now(session)
        for task, period in due.items():
            until = database_now + timedelta(seconds=max(HINT_SECONDS_MIN, HINT_PERIODS * period))
            self._send(task, None, {"until": until.isoformat()})
            self._due[task] = now + period

    def _ring_all(self, events: list[Ring]) -> int:
        """Marked first, rung then: a kill in between leaves events that nobody answers, and they are rung again."""
        drained = {task for event in events for task in event.waiting_for if task in DRAINS}
        for task in sorted(drained):
            self._send(task, None, {})
        for event in events:
            for task in event.waiting_for:
                if task not in DRAINS:
                    self._send(task, event.id, event.payload)
        return len(events)

    def _send(self, task: str, event_id: int | None, payload: Mapping[str, Any]) -> None:
        kwargs = {"event_id": event_id, "payload": dict(payload)}
        self._celery.send_task(task, kwargs=kwargs, queue=QUEUES.get(task, QUICK), retry=False)
