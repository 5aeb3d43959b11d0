"""How one batch is sent: claim, commit a window, hand it over, record. The order is the promise (see windows.py).

Several windows are under way at once: the answers of one are recorded in the transaction that commits the next, so
that the carrier's time and the database's pass together. No transaction is open while the carrier is spoken to.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from alerts.channels.ports import Message
from alerts.deliveries.carriers import Answers, Carriers
from alerts.deliveries.escalation import begin_next_step
from alerts.deliveries.findings import remember
from alerts.deliveries.messages import Messages, Row
from alerts.deliveries.restoring import may_send
from alerts.deliveries.rules import Outcome, State, backoff_seconds
from alerts.deliveries.windows import (
    Claim,
    Window,
    claim_batch,
    finish_batch,
    is_held,
    leave_out,
    load_rows,
    open_window,
    record,
    renew_lease,
)
from alerts.kit.db import Sessions, begin, one_connection
from alerts.kit.outbox import publish
from alerts.settings import Settings

log = structlog.get_logger()
T = TypeVar("T")
DEADLOCK = "40P01"
TRIES_AFTER_DEADLOCK = 5
BEGIN_WITHIN_SECONDS = 1.5
"""Nothing of a window begins later than this after its intent, so that a cancel is quick whatever the carrier does."""
TASK_SECONDS = 10.0
"""After this a task gives its batch back and asks for it again: a deploy never waits for a slow lane."""


@dataclass(frozen=True)
class _Flight:
    """A committed window whose messages are with the carrier. A message that could not be written is None."""

    window: Window
    messages: Sequence[Message | None]
    answers: Answers

    def outcomes(self) -> list[Outcome]:
        """Wait for the answers; one per delivery of the window."""
        given = iter(self.answers.result())
        return [CANNOT_BE_WRITTEN if message is None else next(given) or NOT_BEGUN for message in self.messages]


def send_batch(settings: Settings, sessions: Sessions, carriers: Carriers, *, batch_id: int, owner: str) -> bool:
    """Send what is due of one batch. False while another worker holds it: then it must be asked for again."""
    with one_connection(sessions) as own:
        with begin(own) as session:
            if not may_send(session):
                return False
            claim = claim_batch(session, batch_id, owner=owner, lease_seconds=settings.delivery.lease_seconds)
            if claim is None:
                return not is_held(session, batch_id)
            leave_out(session, claim)
            rows = load_rows(session, claim)
            messages = Messages.load(session, settings, claim.broadcast_id)
        return _Sending(settings, own, carriers, claim, messages).run(rows)


class _Sending:
    """One batch under way."""

    def __init__(self, settings: Settings, sessions: Sessions, carriers: Carriers, claim: Claim, messages: Messages) -> None:
        self._settings, self._sessions, self._carriers = settings, sessions, carriers
        self._claim, self._messages = claim, messages
        self._ends_at = time.monotonic() + TASK_SECONDS
        self._renew_at = time.monotonic() + settings.delivery.lease_seconds / 3
        self._wait_seconds = 0.0
        self._has_failures = False

    def run(self, rows: list[Row]) -> bool:
        """Hand over window after window; the answers of the oldest are recorded with the intent of the next."""
        flying: deque[_Flight] = deque()
        left = deque(rows)
        while left or flying:
            is_full = len(flying) >= self._settings.delivery.windows_in_flight
            answered = flying.popleft() if flying and (is_full or not left or flying[0].answers.done()) else None
            outcomes = answered.outcomes() if answered else []
            window = self._step(answered, outcomes, self._take(left))
            if window is not None:
                flying.append(self._launch(window))
        with begin(self._sessions) as session:
            self._finish(session)
        return True

    def _take(self, left: deque[Row]) -> list[Row]:
        """The next window's rows; none when time is over."""
        if time.monotonic() >= self._ends_at:
            left.clear()
        return [left.popleft() for _ in range(min(len(left), self._settings.delivery.window_size))]

    def _step(self, answered: _Flight | None, outcomes: list[Outcome], rows: list[Row]) -> Window | None:
        """One transaction: record what was answered, and commit what goes next."""

        def work() -> Window | None:
            with begin(self._sessions) as session:
                if answered is not None:
                    self._record(session, answered.window, outcomes)
                self._keep_lease(session)
                return self._open(session, rows) if rows else None

        return _again_after_deadlock(work)

    def _open(self, session: Session, rows: list[Row]) -> Window | None:
        names = self._carriers.names(self._claim.status, self._claim.channel)
        sender = names[0] if names else "none"
        return open_window(session, self._claim, rows, sender=sender, lease_seconds=self._settings.delivery.lease_seconds)

    def _keep_lease(self, session: Session) -> None:
        if time.monotonic() >= self._renew_at:
            renew_lease(session, self._claim, lease_seconds=self._settings.delivery.lease_seconds)
            self._renew_at = time.monotonic() + self._settings.delivery.lease_seconds / 3

    def _launch(self, window: Window) -> _Flight:
        """Write the messages and give them to the carrier."""
        until = time.monotonic() + min(BEGIN_WITHIN_SECONDS, self._settings.delivery.lease_seconds / 3)
        messages = [self._messages.try_write(row, self._claim.channel) for row in window.rows]
        written = [message for message in messages if message is not None]
        return _Flight(window, messages, self._carriers.submit(self._claim.status, window.sender, written, until=until))

    def _record(self, session: Session, window: Window, outcomes: list[Outcome]) -> None:
        waits = [self._wait(row, outcome) for row, outcome in zip(window.rows, outcomes, strict=True)]
        record(session, self._claim, window, outcomes, waits)
        if any(outcome.state is not State.ACCEPTED for outcome in outcomes):
            self._has_failures = True
            remember(session, self._claim, window, outcomes)

    def _wait(self, row: Row, outcome: Outcome) -> float | None:
        """Seconds until the next try of what surely was not sent. The validity period ends it, not a number of tries."""
        if outcome.state is not State.QUEUED:
            return None
        return outcome.retry_after or backoff_seconds(row.number, base=self._settings.delivery.retry_seconds)

    def _finish(self, session: Session) -> None:
        leave_out(session, self._claim)
        seconds = self._settings.delivery.step_seconds
        is_done = finish_batch(session, self._claim, next_step_seconds=seconds, wait_seconds=self._wait_seconds)
        if is_done and self._has_failures:
            begin_next_step(session, self._claim.batch_id, only_failed=True)
        ids = {"broadcast_id": self._claim.broadcast_id, "incident_id": self._claim.incident_id}
        publish(session, "delivery.progress", **ids)


CANNOT_BE_WRITTEN = Outcome(State.FAILED, code="cannot_be_written")
NOT_BEGUN = Outcome(State.QUEUED, code="not_begun", retry_after=0.1)
"""Time ran out before this one was begun. While the window is still ours that is knowledge, not doubt: it goes back to the queue."""


def _again_after_deadlock(work: Callable[[], T]) -> T:
    """Receipts and records may deadlock although both lock in one order: the loser simply goes again."""
    for _ in range(TRIES_AFTER_DEADLOCK):
        try:
            return work()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != DEADLOCK:
                raise
            log.info("record.deadlock")
    return work()
