"""How one batch is sent: claim, commit a window, hand it over, record. The order is the promise (see windows.py).

Several windows are under way at once: the answers of one are recorded in the transaction that commits the next, so
that the carrier's time and the database's pass together. No transaction is open while the carrier is spoken to.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from alerts.channels.ports import Message
from alerts.deliveries.buckets import Lane
from alerts.deliveries.carriers import Answers, Carriers
from alerts.deliveries.claiming import Taken, ask_again, take_batch
from alerts.deliveries.escalation import begin_next_of_failed
from alerts.deliveries.findings import Told, remember
from alerts.deliveries.messages import Row
from alerts.deliveries.pruning import count_dead, dead_of, prune
from alerts.deliveries.resting import Rests
from alerts.deliveries.rules import Outcome, State, backoff_seconds
from alerts.deliveries.turns import take_turns
from alerts.deliveries.windows import (
    Ahead,
    Window,
    accepted_word,
    find_other_batch,
    finish_batch,
    leave_out,
    open_window,
    record,
    record_and_open,
    renew_lease,
)
from alerts.kit.db import OwnConnections, Sessions, begin, own_connections
from alerts.kit.outbox import publish
from alerts.settings import Settings

log = structlog.get_logger()
T = TypeVar("T")
DEADLOCK = "40P01"
TRIES_AFTER_DEADLOCK = 5
BEGIN_WITHIN_SECONDS = 1.5
"""Nothing of a window begins later than this after its intent, so that a cancel is quick whatever the carrier does."""
WAIT_HERE_SECONDS = 1.5
"""A batch whose pace lets it go on so soon is kept: meanwhile its worker sends batches of other lanes."""
REST_SECONDS_MIN = 0.01
IDLE_SECONDS = 2.0
"""How long a task waits in all while nothing else may be sent: a worker may have other queues."""
WINDOWS_PER_GRANT = 3
TASK_SECONDS = 10.0
"""After this a task gives its batch back and asks for it again: a deploy never waits for a slow lane."""


@dataclass(frozen=True)
class _Flight:
    """A committed window whose messages are with the carrier. A message that could not be written is None."""

    window: Window
    messages: Sequence[Message | None]
    answers: Answers
    began_at: float

    def outcomes(self) -> list[Outcome]:
        """Wait for the answers; one per delivery of the window."""
        given = iter(self.answers.result())
        return [CANNOT_BE_WRITTEN if message is None else next(given) or NOT_BEGUN for message in self.messages]


@dataclass
class _Grant:
    """Tokens in hand."""

    lane: Lane
    cost: int
    left: int


def send_batch(settings: Settings, sessions: Sessions, carriers: Carriers, *, batch_id: int, owner: str) -> bool:
    """Send what is due of one batch. False while that may have to be asked for again (see claiming.py).

    While its pace makes it wait, batches of other lanes are sent: one country's slow sender holds up nobody else.
    """
    with own_connections(sessions) as own:
        ends_at = time.monotonic() + TASK_SECONDS
        broken: list[int] = []

        def begin_of(hinted: int) -> _Sending | bool:
            taken = take_batch(settings, own.sessions, carriers, batch_id=hinted, owner=owner, broken=broken)
            return taken if isinstance(taken, bool) else _Sending(settings, own, carriers, taken, ends_at=ends_at)

        first = begin_of(batch_id)
        if isinstance(first, bool):
            return first

        tried: list[_Sending] = []

        def find_other(waiting: Sequence[_Sending]) -> _Sending | None:
            lanes = [each.lane for each in waiting] + [each.lane for each in tried if each.is_shut]
            with begin(own.sessions) as session:
                other = find_other_batch(session, lanes, broken) if time.monotonic() < ends_at else None
            if other is None:
                return None
            try:
                begun = begin_of(other)
            except Exception as error:  # noqa: BLE001 - whatever it was: its own task fails by it, and this one looks at it no more
                log.error("batch.not_begun", batch_id=other, kind=type(error).__name__)  # noqa: TRY400 - no trace: texts may be in it
                broken.append(other)
                return None
            if not isinstance(begun, _Sending):
                return None
            tried.append(begun)
            return begun

        take_turns(first, find_other, idle_seconds=IDLE_SECONDS)
        return True


class _Sending:
    """One batch under way."""

    def __init__(self, settings: Settings, own: OwnConnections, carriers: Carriers, taken: Taken, *, ends_at: float) -> None:
        self._delivery, self._own, self._carriers = settings.delivery, own, carriers
        self._claim, self._messages = taken.claim, taken.messages
        self._ends_at = ends_at
        self._renew_at = taken.asked_at + self._delivery.lease_seconds / 3
        self._left: deque[Row] = deque(taken.rows)
        self._wait_seconds = self._rest_seconds = 0.0
        self._is_unserved, self._has_left_out = False, taken.claim.is_over
        self._granted: _Grant | None = None
        self._rests = Rests(own.sessions, taken.claim.resting or {})
        self._dead: list[UUID] = []

    @property
    def lane(self) -> tuple[str, str]:
        """Channel and number's country: what has one pace."""
        return self._claim.channel.value, self._claim.number_country

    @property
    def is_shut(self) -> bool:
        """Whether its lane let nothing more out for a longer while: another batch of it would fare no better."""
        return bool(self._wait_seconds)

    def give_back_soon(self) -> None:
        """Begin nothing more: the batch is asked for again."""
        self._ends_at = time.monotonic()

    def run(self) -> Iterator[float]:
        """Hand over window after window; the answers of the oldest are recorded with the intent of the next.

        Yields seconds to wait for the pace, only while nothing is under way.
        """
        flying: deque[_Flight] = deque()
        while self._left or flying:
            is_full = len(flying) >= self._delivery.windows_in_flight
            following = None if is_full and not flying[0].answers.done() else self._take()
            if self._rest_seconds and not flying:
                yield self._rest_seconds
                continue
            is_due = flying and (is_full or following is None or flying[0].answers.done())
            answered = flying.popleft() if is_due else None
            outcomes = self._hear(answered) if answered else []
            begun = self._step(answered, outcomes, self._unless_closed(following))
            if begun is not None:
                flying.append(self._launch(*begun))
        self._give_back()
        with begin(self._own.sessions) as session:
            self._finish(session)

    def _take(self) -> Ahead | None:
        """The next window's rows, sender and tokens; None when there are none now. Never inside a transaction."""
        self._rest_seconds = 0.0
        if time.monotonic() >= self._ends_at:
            self._left.clear()
        if not self._left or self._rests.is_probing():
            return None
        sender = self._choose()
        if sender is None:
            self._shut()
            return None
        rest = self._rests.wait_for(sender)
        if rest:
            self._wait_seconds = max(self._wait_seconds, rest)
            self._left.clear()
            return None
        granted = self._granted_to(sender)
        if granted is None:
            self._rests.give_up(0.0)
            return None
        count = 1 if self._rests.is_probing() else min(granted.left, len(self._left), self._delivery.window_size)
        granted.left -= count
        return Ahead(sender, [self._left.popleft() for _ in range(count)])

    def _choose(self) -> str | None:
        """Who takes the next window; a closed sender only if there is no other. One that somebody else tries now is closed."""
        claim = self._claim
        for _ in range(2):
            closed = self._rests.closed
            sender = claim.only_sender or self._carriers.choose(claim.status, claim.channel, claim.number_country, closed=closed)
            if sender is None or sender in closed or not self._rests.wait_for(sender):
                break
        return sender

    def _granted_to(self, sender: str) -> _Grant | None:
        """Tokens for the next windows, taken together: one round trip serves several. None: there are none now."""
        granted, claim = self._granted, self._claim
        if granted is not None and granted.left and granted.lane.sender == sender:
            return granted
        self._give_back()
        lane, cost = self._lane(sender), self._messages.segments(claim.channel, claim.number_country, sender)
        wanted = min(len(self._left), self._delivery.window_size * WINDOWS_PER_GRANT)
        grant = self._carriers.pacer.take(lane, wanted, cost=cost)
        if not grant.count:
            self._pause(grant.wait_seconds)
            return None
        self._granted = _Grant(lane, cost, grant.count)
        return self._granted

    def _give_back(self, count: int = 0) -> None:
        """What was granted and not used is the others'."""
        granted, self._granted = self._granted, None
        if granted is not None:
            self._carriers.pacer.give_back(granted.lane, granted.left + count, cost=granted.cost)

    def _lane(self, sender: str) -> Lane:
        return self._messages.lane(sender, self._claim.number_country)

    def _pause(self, seconds: float) -> None:
        """Keep the batch for what comes soon; for longer, give it back until then."""
        if seconds > WAIT_HERE_SECONDS:
            self._wait_seconds = seconds
            self._left.clear()
        else:
            self._rest_seconds = max(seconds, REST_SECONDS_MIN)

    def _shut(self) -> None:
        """Nobody may send to this lane now: for good, or until quiet hours end (or the message, whichever is sooner)."""
        claim, seconds = self._claim, self._carriers.opens_in(self._claim.status, self._claim.channel, self._claim.number_country)
        self._is_unserved = seconds is None
        if seconds is not None:
            self._wait_seconds = min(seconds, self._messages.validity_seconds + 1)
            log.info("batch.quiet_hours", batch_id=claim.batch_id, seconds=int(self._wait_seconds))
        self._left.clear()

    def _hear(self, flight: _Flight) -> list[Outcome]:
        """The answers of a window; what they say of pace and health goes to the other workers."""
        outcomes = flight.outcomes()
        seconds, sender = time.monotonic() - flight.began_at, flight.window.sender
        self._carriers.note(self._claim.status, sender, outcomes, seconds=seconds)
        self._carriers.slow(self._lane(sender), outcomes, rest_seconds=self._delivery.rest_seconds)
        self._rests.hear(sender, outcomes, rest_seconds=self._delivery.rest_seconds)
        return outcomes

    def _unless_closed(self, following: Ahead | None) -> Ahead | None:
        """What was about to go by a sender that has just refused our account goes back to those that are left."""
        if following is None or following.sender not in self._rests.closed:
            return following
        self._left.extendleft(reversed(following.rows))
        self._give_back(len(following.rows))
        return None

    def _step(self, answered: _Flight | None, outcomes: list[Outcome], following: Ahead | None) -> tuple[Window, float] | None:
        """One transaction: record what was answered, and commit what goes next, with the moment before that.

        What goes unused is given back.
        """
        if answered is None and following is None:
            return None

        def work() -> tuple[Window | None, float]:
            asked_at = time.monotonic()
            return commit(), asked_at

        def commit() -> Window | None:
            if answered and following and self._is_plain(outcomes):
                done, lease_seconds = answered.window, self._delivery.lease_seconds
                return record_and_open(self._own.at_once, self._claim, done, outcomes, ahead=following, lease_seconds=lease_seconds)
            with begin(self._own.sessions) as session:
                if answered is not None:
                    self._record(session, answered.window, outcomes)
                self._keep_lease(session)
                return self._open(session, following) if following else None

        window, asked_at = _again_after_deadlock(work)
        unused = len(following.rows) - (len(window.rows) if window else 0) if following else 0
        if following and window is None:
            self._rests.give_up()
        if unused:
            self._has_left_out = True
            self._give_back(unused)
        return (window, asked_at) if window else None

    def _is_plain(self, outcomes: Sequence[Outcome]) -> bool:
        """Nothing is to be done now but to record that all was accepted, and to write down what goes next."""
        is_quiet = self._claim.is_plain and time.monotonic() < self._renew_at and not self._rests.has_news
        return is_quiet and accepted_word(outcomes) is not None

    def _open(self, session: Session, following: Ahead) -> Window | None:
        return open_window(session, self._claim, following.rows, sender=following.sender, lease_seconds=self._delivery.lease_seconds)

    def _keep_lease(self, session: Session) -> None:
        if time.monotonic() >= self._renew_at:
            renew_lease(session, self._claim, lease_seconds=self._delivery.lease_seconds)
            self._renew_at = time.monotonic() + self._delivery.lease_seconds / 3

    def _launch(self, window: Window, asked_at: float) -> _Flight:
        """Write the messages and give them to the carrier.

        What may begin counts from before the intent was asked for: a process that was stopped since has no fresh time.
        """
        now = time.monotonic()
        messages = [self._messages.try_write(row, self._claim.channel, window.sender) for row in window.rows]
        written = [message for message in messages if message is not None]
        until = begin_until(asked_at, lease_seconds=self._delivery.lease_seconds)
        return _Flight(window, messages, self._carriers.submit(self._claim.status, window.sender, written, until=until), now)

    def _record(self, session: Session, window: Window, outcomes: list[Outcome]) -> None:
        waits = [self._wait(row, outcome) for row, outcome in zip(window.rows, outcomes, strict=True)]
        record(session, self._claim, window, outcomes, waits)
        self._rests.settle(session)
        if any(outcome.state is not State.ACCEPTED for outcome in outcomes):
            told = [Told(row.citizen_id, outcome) for row, outcome in zip(window.rows, outcomes, strict=True)]
            remember(session, window.sender, told, rest_seconds=self._delivery.rest_seconds)
            pairs = ((row.address_id, outcome) for row, outcome in zip(window.rows, outcomes, strict=True))
            self._bury(session, window.sender, dead_of(self._claim.channel, pairs, sender=window.sender))

    def _wait(self, row: Row, outcome: Outcome) -> float | None:
        """Seconds until the next try of what surely was not sent. The validity period ends it, not a number of tries."""
        if outcome.state is not State.QUEUED:
            return None
        return outcome.retry_after or backoff_seconds(row.number, base=self._delivery.retry_seconds)

    def _bury(self, session: Session, sender: str, dead: list[UUID]) -> None:
        """Remember dead addresses until the batch is given back. Too many of them: what is left of it waits for somebody to look."""
        self._dead += dead
        if dead and count_dead(session, self._claim.batch_id, sender=sender, count=len(dead)) and not self._claim.was_stopped:
            self._wait_seconds = self._delivery.step_seconds
            self._left.clear()

    def _finish(self, session: Session) -> None:
        """Give the batch back, and see to it that somebody goes on: with it, or with the next step."""
        claim = self._claim
        prune(session, claim.channel, claim.batch_id, self._dead)
        if self._has_left_out or self._is_unserved:
            leave_out(session, claim, is_unserved=self._is_unserved)
        finished = finish_batch(
            session,
            claim,
            step_seconds=self._delivery.step_seconds,
            may_repeat=self._messages.manners.may_repeat,
            wait_seconds=self._wait_seconds,
        )
        if finished and finished.has_failures:
            begin_next_of_failed(session, claim.batch_id)
        if finished and not finished.is_done and not self._wait_seconds and time.monotonic() >= self._ends_at:
            ask_again(session, claim.batch_id)
        publish(session, "delivery.progress", broadcast_id=claim.broadcast_id, incident_id=claim.incident_id)


def begin_until(asked_at: float, *, lease_seconds: float) -> float:
    """Until when (monotonic seconds) what an intent names may begin; `asked_at`: just before its statement."""
    return asked_at + min(BEGIN_WITHIN_SECONDS, lease_seconds / 3)


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
