"""The states of a delivery, and the only moves between them. Pure decisions.

A carrier answers yes, no or unknown. Unknown is never silently repeated and never called sent. States only
climb: what comes late or in the wrong order moves nothing back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from alerts.channels.ports import ReportedState, Step, Verdict

STEP_PLACES = 64
"""A delivery's id is its member's number times this, plus its step: no table is asked which delivery is whose."""


class State(StrEnum):
    """Where one step towards one person stands. There is no "pending"."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    OPTED_OUT = "opted_out"


class BatchState(StrEnum):
    """A batch is a claim on about 500 deliveries; its row carries the lease and the generation."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"


class Evidence(StrEnum):
    """How an attempt's outcome became known."""

    ANSWER = "answer"
    CALLBACK = "callback"
    LOOKUP = "lookup"
    LEASE_EXPIRED = "lease_expired"
    RESTORED = "restored"


def attempt_name(delivery_id: int, number: int) -> str:
    """What an attempt is called outside: in callback addresses, in push data, in the carrier's log."""
    return f"{delivery_id}-{number}"


def parse_attempt_name(name: str) -> tuple[int, int] | None:
    """The delivery and the number, or None for anything else."""
    delivery, dash, number = name.partition("-")
    is_well_formed = dash and len(name) <= 26 and name.isascii() and delivery.isdigit() and number.isdigit()
    if not is_well_formed or int(delivery) >= 2**63 or int(number) >= 2**15:
        return None
    return int(delivery), int(number)


_PROVIDER = frozenset({State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED})

ALLOWED: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.QUEUED: frozenset({State.SENDING, State.CANCELLED, State.EXPIRED, State.OPTED_OUT, State.FAILED}),
        State.SENDING: _PROVIDER | {State.UNKNOWN, State.QUEUED, State.OPTED_OUT},
        State.UNKNOWN: _PROVIDER,
        State.ACCEPTED: frozenset({State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED}),
        State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED, State.FAILED}),
        State.UNDELIVERED: frozenset({State.DELIVERED}),
        State.FAILED: frozenset({State.DELIVERED}),
        State.DELIVERED: frozenset(),
        State.EXPIRED: frozenset(),
        State.CANCELLED: frozenset(),
        State.OPTED_OUT: frozenset(),
    }
)
"""`sending → queued` only when the carrier surely has nothing: no byte left, or it said "not now"."""

TERMINAL = frozenset({State.DELIVERED, State.UNDELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED, State.OPTED_OUT})


def may_move(before: State, after: State) -> bool:
    """Whether the table allows this step."""
    return after in ALLOWED[before]


def states_before(after: State) -> list[State]:
    """From where a state may be reached: the guard of every UPDATE."""
    return [before for before, afters in ALLOWED.items() if after in afters]


REPORTED: Mapping[ReportedState, State] = MappingProxyType({reported: State(reported.value) for reported in ReportedState})


OWN_CODES = frozenset({"not_begun", "no_sender_configured"})
"""Why we ourselves did not begin."""


class Outcome(NamedTuple):
    """What one attempt came to: the delivery's next state, and when to try again (seconds) if it is queued."""

    state: State
    code: str | None = None
    provider_id: str | None = None
    raw_status: str | None = None
    retry_after: float | None = None
    verdict: Verdict | None = None
    step: Step | None = None

    @property
    def is_not_now(self) -> bool:
        """The carrier's own word, or its sender's full queue: slow down. What never left this machine says nothing of pace."""
        if self.step is not None:
            return self.step is Step.BACK_OFF_SENDER
        return self.state is State.QUEUED and self.code not in OWN_CODES and not self.is_out_of_reach

    @property
    def is_out_of_reach(self) -> bool:
        """No connection: nothing left this machine."""
        return (self.code or "").startswith("no_connection")

    @property
    def is_senders_fault(self) -> bool:
        """Refused for a reason of the provider's or our account's own, or for one that nobody knows: another sender may do better."""
        return self.step in SENDERS_FAULTS


SENDERS_FAULTS = frozenset({Step.STOP_ALL_AND_PAGE, Step.PAGE_AND_KEEP_QUEUED, Step.FAIL_AND_ALARM})
REFUSED: Mapping[Step, State] = MappingProxyType(
    {
        Step.RECORD_OPT_OUT: State.OPTED_OUT,
        # Permission off for a served country, or a sender's full queue: our fault or theirs, not the person's.
        Step.PAGE_AND_KEEP_QUEUED: State.QUEUED,
        Step.BACK_OFF_SENDER: State.QUEUED,
        Step.STOP_ALL_AND_PAGE: State.QUEUED,
    }
)


def refused(step: Step) -> State:
    """The state after a refusal; everything that the table does not name failed on this channel."""
    return REFUSED.get(step, State.FAILED)


def rest_seconds_of(outcomes: Iterable[Outcome], *, rest_seconds: float) -> float | None:
    """How long a lane is shut after these answers: the longest wait named (0 where none is); None where nobody said "not now"."""
    waits = [
        rest_seconds if outcome.step is Step.BACK_OFF_SENDER else outcome.retry_after or 0.0
        for outcome in outcomes
        if outcome.state is not State.ACCEPTED and outcome.is_not_now
    ]
    return max(waits) if waits else None


STILL_OWED = "still_owed"
"""The code of a repetition that surely was not sent and may be tried again; the provider's own code is its raw status."""
BACKOFF_SECONDS_MAX = 3600.0


def backoff_seconds(attempt: int, *, base: float) -> float:
    """How long to wait after the n-th attempt that surely did not send: doubling, at most an hour."""
    return float(min(base * 2 ** max(0, attempt - 1), BACKOFF_SECONDS_MAX))
