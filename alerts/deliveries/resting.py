"""Senders whose provider refuses our account: closed for everybody, told once, and tried again by one message at a time.

The tables say who is closed, so that a lost Valkey or a new process opens nothing. Every batch reads it when it is claimed;
what is already with a carrier then (a few windows of each process) is the most that still goes out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.ports import Step
from alerts.channels.rule_book_outlets import account_of, senders_of
from alerts.deliveries.rules import Outcome, State
from alerts.kit.db import Sessions, begin

log = structlog.get_logger()
PROBE_SECONDS = 5.0
"""So long one message's try keeps the others waiting; if nothing came of it by then, another tries."""
UNTRIED_SECONDS = 60.0
"""A rest that ended so long ago: nothing waits for the sender, so nobody tries it, and nobody knows whether it is still refused."""


def close_sender(session: Session, sender: str, *, code: str, rest_seconds: float) -> bool:
    """Nobody sends by its account before `rest_seconds` from now. True where somebody must be told: at first, and again after an hour."""
    values = {"sender": account_of(sender), "code": code, "rest": rest_seconds}
    return session.execute(CLOSE, values).scalar_one() is True


def list_resting(session: Session) -> Mapping[str, float]:
    """Accounts that are closed with all their senders, and in how many seconds one message may try them (0 or less: now)."""
    return {row.sender: float(row.seconds) for row in session.execute(RESTING)}


def is_untried(seconds: float) -> bool:
    """Whether a closed sender (see `list_resting`) holds up nothing: the next message that goes by it tries it."""
    return seconds < -UNTRIED_SECONDS


class Leave(Enum):
    """How many may go by a sender."""

    NONE = "none"
    ONE = "one"
    ALL = "all"


def ask_leave(session: Session, sender: str) -> Leave:
    """ONE: the sender is closed, its rest is over, and what goes now tries it for all."""
    if session.execute(IS_CLOSED, {"senders": senders_of(account_of(sender))}).first() is None:
        return Leave.ALL
    return Leave.NONE if _take_probe(session, account_of(sender)) is None else Leave.ONE


def open_if_at_work(session: Session, sender: str, outcomes: Sequence[Outcome]) -> None:
    """What the one that tried was answered: a yes, or a refusal of anything but our account, opens the sender for everybody."""
    if any(_is_at_work(outcome) for outcome in outcomes):
        _open(session, account_of(sender))


class Rests:
    """What one batch under way knows of closed senders. They are closed by the account: one try opens all of it."""

    def __init__(self, sessions: Sessions, known: Mapping[str, float]) -> None:
        now = time.monotonic()
        self._sessions, self._until = sessions, dict[str, float]()
        for sender, seconds in known.items():
            account = account_of(sender)
            self._until[account] = max(now + seconds, self._until.get(account, 0.0))
        self._probed: str | None = None
        self._probed_until: datetime | None = None
        self._opened: str | None = None

    @property
    def closed(self) -> frozenset[str]:
        """By whom nothing may go out now."""
        now = time.monotonic()
        return frozenset(sender for account, until in self._until.items() if until > now for sender in senders_of(account))

    def is_probing(self) -> bool:
        """Whether our one message that tries a closed sender is under way (or about to be)."""
        return self._probed is not None

    def wait_for(self, sender: str) -> float:
        """Seconds until the sender may be asked; 0: now. One that was closed may be asked by one message alone, our probe."""
        account = account_of(sender)
        until = self._until.get(account)
        if until is None or account == self._probed:
            return 0.0
        if until <= time.monotonic():
            with begin(self._sessions) as session:
                self._probed_until = _take_probe(session, account)
            if self._probed_until is not None:
                self._probed = account
                return 0.0
            self._until[account] = time.monotonic() + PROBE_SECONDS
        return max(0.0, self._until[account] - time.monotonic())

    def hear(self, sender: str, outcomes: Sequence[Outcome], *, rest_seconds: float) -> None:
        """A refusal of our account closes the sender. To our probe, a yes or a refusal of anything else opens it: see `settle`."""
        self._opened, account = None, account_of(sender)
        if any(outcome.step is Step.STOP_ALL_AND_PAGE for outcome in outcomes):
            self._until[account] = time.monotonic() + rest_seconds
        elif account == self._probed and any(_is_at_work(outcome) for outcome in outcomes):
            del self._until[account]
            self._opened = account
        elif account == self._probed:
            self._until[account] = time.monotonic() + PROBE_SECONDS
        if account == self._probed:
            self._probed = None

    @property
    def has_news(self) -> bool:
        """Whether `settle` has something to write."""
        return self._opened is not None

    def settle(self, session: Session) -> None:
        """In the transaction that records our probe: open the sender for everybody, if it may be."""
        if self._opened is not None:
            _open(session, self._opened)

    def give_up(self, seconds: float = PROBE_SECONDS) -> None:
        """Our probe could not leave: whoever has somebody to send to may try at once, we not before these seconds."""
        if self._probed is not None:
            with begin(self._sessions) as session:
                session.execute(GIVE_BACK, {"senders": senders_of(self._probed), "mine": self._probed_until})
            self._until[self._probed] = time.monotonic() + seconds
            self._probed = None


def _take_probe(session: Session, account: str) -> datetime | None:
    """Until when the others wait for what our one message is answered. None: somebody else tries, or it rests still."""
    until: datetime | None = session.execute(PROBE, {"senders": senders_of(account), "probe": PROBE_SECONDS}).scalar()
    return until


def _open(session: Session, account: str) -> None:
    log.info("sender.opened", sender=account)
    session.execute(OPEN, {"senders": senders_of(account)})


def _is_at_work(outcome: Outcome) -> bool:
    return outcome.state is State.ACCEPTED or outcome.step not in {None, Step.STOP_ALL_AND_PAGE}


# A row is of an account, under the name of its first sender. Older ones are of a sender: they close the account as well.
# An alarm grows while it is open and is told again by the hour: so is one whose cause stays.
CLOSE = text("""
INSERT INTO sender_rest AS r (sender, code, until, told_at)
VALUES (:sender, :code, clock_timestamp() + make_interval(secs => :rest), now())
ON CONFLICT (sender) DO UPDATE SET code = excluded.code, until = greatest(r.until, excluded.until),
    told_at = CASE WHEN r.told_at < now() - interval '1 hour' THEN now() ELSE r.told_at END
RETURNING told_at = now()
""")

IS_CLOSED = text("SELECT FROM sender_rest WHERE sender = ANY (:senders)")

RESTING = text("SELECT sender, extract(epoch FROM until - clock_timestamp()) AS seconds FROM sender_rest")

PROBE = text("""
UPDATE sender_rest SET until = clock_timestamp() + make_interval(secs => :probe)
WHERE sender = ANY (:senders) AND until <= clock_timestamp() RETURNING until
""")

GIVE_BACK = text("UPDATE sender_rest SET until = clock_timestamp() WHERE sender = ANY (:senders) AND until = :mine")

OPEN = text("DELETE FROM sender_rest WHERE sender = ANY (:senders)")
