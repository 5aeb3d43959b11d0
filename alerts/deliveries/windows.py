"""Claims and windows: what makes a handing-over safe. The statements themselves: statements.py.

A *window* is committed before anything of it leaves: deliveries, attempt numbers, this generation, a lease by the
database's clock. A worker that dies in between leaves a window of which nobody can say more than `unknown`; a worker
that slept past its lease finds its window closed or its generation stale, and can write nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, TextClause
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.deliveries.messages import Row
from alerts.deliveries.rules import Evidence, Outcome, State
from alerts.deliveries.statements import (
    CLAIM,
    EXPIRE,
    EXPIRE_LATE,
    EXPIRE_OF_BATCH,
    FAIL_UNSERVED,
    FINISH,
    INTEND,
    INTEND_LATER_STEP,
    INTEND_REMINDER,
    LEAVE_OUT,
    LOAD,
    OTHER,
    RECORD,
    RECORD_ACCEPTED,
    RECORD_AND_INTEND,
    RENEW,
    STOP_QUEUED,
)
from alerts.incidents.rules import Status
from alerts.kit.db import array_of

EXPIRE_AT_ONCE = 200


@dataclass(frozen=True)
class Claim:
    """A batch that is ours until its lease ends or another generation begins. `only_sender`: of a round trip, the one it tries.

    `is_overtaken`: its people may have a later step, and have answered that. `reminds_of`: of a reminder, what it goes after;
    whoever answered that needs none. `resting`: closed senders, and in how many seconds each may be tried; `was_stopped`: see pruning.
    `is_over`: the message was cancelled or is too old, so that nothing of it may go out.
    """

    batch_id: int
    broadcast_id: UUID
    incident_id: UUID
    generation: int
    status: Status
    channel: Channel
    number_country: str
    step: int
    only_sender: str | None = None
    is_overtaken: bool = False
    reminds_of: Sequence[UUID] | None = None
    resting: Mapping[str, float] | None = None
    was_stopped: bool = False
    is_over: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nobody of it can have answered anything that matters here: a first step, and no reminder."""
        return self.step == 1 and not self.is_overtaken and not self.reminds_of


class Ahead(NamedTuple):
    """What may be handed over next, and by whom."""

    sender: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Window:
    """A committed intent: what is about to be handed over, in order."""

    id: int
    sender: str
    rows: Sequence[Row]


class Finished(NamedTuple):
    """How a batch was given back. `has_failures`: somebody in it was surely not reached by it, just now or earlier."""

    is_done: bool
    has_failures: bool


def claim_batch(session: Session, batch_id: int, *, owner: str, lease_seconds: float) -> Claim | None:
    """Take a batch that nobody holds, raise its generation, and close what a dead owner left open as `unknown`."""
    row = session.execute(CLAIM, {"batch": batch_id, "owner": owner, "lease": lease_seconds}).mappings().first()
    if row is None:
        return None
    _expire(session, EXPIRE_OF_BATCH, {"batch": batch_id})
    words = {"status": Status(row["status"]), "channel": Channel(row["channel"])}
    return Claim(**{**row, **words})


def find_other_batch(session: Session, lanes: Sequence[tuple[str, str]], but: Sequence[int]) -> int | None:
    """A batch that is due in a lane (channel, number's country) other than these, and is none of `but`; or None."""
    values = {"channels": [channel for channel, _ in lanes], "countries": [country for _, country in lanes], "but": list(but)}
    return session.execute(OTHER, values).scalar()


def renew_lease(session: Session, claim: Claim, *, lease_seconds: float) -> bool:
    """Keep the batch for another lease. False when it is ours no more."""
    values = {"batch": claim.batch_id, "generation": claim.generation, "lease": lease_seconds}
    return session.execute(RENEW, values).first() is not None


def load_rows(session: Session, claim: Claim) -> list[Row]:
    """What of the batch is queued and due, with the sealed addresses, nearest to the danger first."""
    return [Row._make(row) for row in session.connection().execute(LOAD[claim.channel], {"batch": claim.batch_id})]


def open_window(session: Session, claim: Claim, rows: Sequence[Row], *, sender: str, lease_seconds: float) -> Window | None:
    """Write down that these are about to be handed over.

    None when the claim is stale, the message cancelled or too old, or nobody of these may be sent to any more: whoever
    opted out, died or was merged since the list was frozen is left out, and so are those who answered another step,
    or the message that this one only reminds of.
    """
    ahead = Ahead(sender, rows)
    values = _intent_of(claim, ahead, lease_seconds=lease_seconds)
    statement = INTEND if claim.is_plain else INTEND_LATER_STEP
    if claim.reminds_of:
        statement, values["originals"] = INTEND_REMINDER, array_of(claim.reminds_of)
    return _window_of(ahead, session.connection().execute(statement, values).first())


def record_and_open(
    connection: Connection, claim: Claim, answered: Window, outcomes: Sequence[Outcome], *, ahead: Ahead, lease_seconds: float
) -> Window | None:
    """`record` and `open_window` in one statement, for a plain claim and a window of which all was accepted with one word.

    On a connection that commits each statement: one round trip instead of four, and nothing half-done in between.
    """
    values = _answers_of(claim, answered, outcomes) | _intent_of(claim, ahead, lease_seconds=lease_seconds)
    return _window_of(ahead, connection.execute(RECORD_AND_INTEND, values | {"raw": accepted_word(outcomes)}).first())


def accepted_word(outcomes: Sequence[Outcome]) -> str | None:
    """The provider's word, if all were accepted and with the same one."""
    words = {outcome.raw_status for outcome in outcomes}
    is_one = len(words) == 1 and all(outcome.state is State.ACCEPTED for outcome in outcomes)
    return words.pop() if is_one else None


def _intent_of(claim: Claim, ahead: Ahead, *, lease_seconds: float) -> dict[str, Any]:
    return {
        "batch": claim.batch_id,
        "broadcast": claim.broadcast_id,
        "generation": claim.generation,
        "next_sender": ahead.sender,
        "lease": lease_seconds,
        "ids": array_of(row.delivery_id for row in ahead.rows),
        "citizens": array_of(row.citizen_id for row in ahead.rows),
    }


def _answers_of(claim: Claim, window: Window, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "batch": claim.batch_id,
        "generation": claim.generation,
        "window": window.id,
        "sender": window.sender,
        "channel": claim.channel.value,
        "deliveries": array_of(row.delivery_id for row in window.rows),
        "numbers": array_of(row.number for row in window.rows),
        "providers": array_of(outcome.provider_id for outcome in outcomes),
    }


def _window_of(ahead: Ahead, found: Any) -> Window | None:
    """The window as it was written down; `found` is its row, or None."""
    if found is None:
        return None
    by_id = {row.delivery_id: row for row in ahead.rows}
    pairs = zip(found.deliveries, found.numbers, strict=True)
    return Window(found.id, ahead.sender, [by_id[delivery]._replace(number=number) for delivery, number in pairs])


def leave_out(session: Session, claim: Claim, *, is_unserved: bool = False) -> None:
    """Give a final state to what is queued and may not be sent: the message ended, or the person asked or needs no more.

    `is_unserved`: nobody may send to this lane now, so all of it failed on this channel.
    """
    values = {"batch": claim.batch_id, "generation": claim.generation}
    session.execute(STOP_QUEUED, values)
    session.execute(LEAVE_OUT, values | {"originals": array_of(claim.reminds_of or ())})
    if is_unserved:
        session.execute(FAIL_UNSERVED, values)


def record(  # noqa: PLR0917 - a window and what became of it
    session: Session, claim: Claim, window: Window, outcomes: Sequence[Outcome], waits: Sequence[float | None]
) -> int:
    """Write a window's answers and close it, if it is still open and ours; the count of deliveries that moved."""
    values = _answers_of(claim, window, outcomes)
    if (word := accepted_word(outcomes)) is not None:
        return int(session.connection().execute(RECORD_ACCEPTED, values | {"raw": word}).scalar_one())
    values |= {
        "states": [outcome.state.value for outcome in outcomes],
        "attempt_states": [NOT_SENT.get(outcome.state, outcome.state).value for outcome in outcomes],
        "raws": [outcome.raw_status for outcome in outcomes],
        "codes": [outcome.code for outcome in outcomes],
        "waits": list(waits),
    }
    return int(session.connection().execute(RECORD, values).scalar_one())


def expire_windows(session: Session) -> int:
    """Windows whose worker let the lease run out: nobody knows what of them was sent. The count of deliveries."""
    return _expire(session, EXPIRE_LATE, {"limit": EXPIRE_AT_ONCE})


def finish_batch(
    session: Session, claim: Claim, *, step_seconds: float, may_repeat: bool = True, wait_seconds: float = 0
) -> Finished | None:
    """Give the batch back: done, or waiting until something in it is due (no sooner than the wait). None: it is ours no more.

    With the first giving back the clock of the step begins: everybody has `step_seconds` to answer, whoever is still queued
    counts from when the batch was begun. Of a done batch nobody gets a step by the clock unless `may_repeat`.
    """
    values = {"batch": claim.batch_id, "generation": claim.generation, "wait": wait_seconds, "step": step_seconds, "repeat": may_repeat}
    row = session.execute(FINISH, values).first()
    return Finished(row.state == "done", bool(row.has_failures)) if row else None


def _expire(session: Session, which: TextClause, values: dict[str, Any]) -> int:
    windows = list(session.execute(which, values).scalars())
    if not windows:
        return 0
    return len(session.execute(EXPIRE, {"windows": windows, "evidence": Evidence.LEASE_EXPIRED.value}).all())


NOT_SENT = {State.QUEUED: State.FAILED, State.OPTED_OUT: State.FAILED}
"""An attempt that surely sent nothing failed, whatever becomes of its delivery."""
