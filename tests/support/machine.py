"""What the state machine of deliveries plays with: a carrier at the port that keeps the outside truth, and workers that die."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from alerts.broadcasts.rules import Channel
from alerts.channels.ports import Accepted, FoundMessage, Message, PushMessage, Rejected, Transient, Unknown, Verdict
from alerts.deliveries.carriers import Answers, read_answer
from alerts.deliveries.messages import Messages, Row
from alerts.deliveries.rules import Outcome
from alerts.deliveries.windows import Claim, Window
from alerts.incidents.rules import Status

TAKEN, SILENT, LOST, THROTTLED, REFUSED = "taken", "silent", "lost", "throttled", "refused"
"""What becomes of one request: taken; taken without an answer; never arrived and no answer; "not now"; "never"."""
FATES = (TAKEN, TAKEN, SILENT, LOST, THROTTLED, REFUSED)


@dataclass(frozen=True)
class Line:
    """One message that the carrier took."""

    attempt: str
    to: str
    provider_id: str
    at: datetime
    sender: str


@dataclass
class FakeCarrier:  # its methods are called as those of the real one are
    """Senders at the port. `log` is the truth that no table of ours has; `refused` is who was told "never"."""

    log: list[Line] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    draw: Callable[[], str] = lambda: TAKEN

    def names(self, status: Status, channel: Channel) -> tuple[str, ...]:
        return ("fcm" if channel is Channel.PUSH else "twilio",)

    def send(self, message: Message, *, by: str) -> Outcome:
        """One request, and what the sender reads of it."""
        fate, name = self.draw(), message.attempt_id
        if fate in (TAKEN, SILENT):
            to = message.token if isinstance(message, PushMessage) else message.to_e164
            self.log.append(Line(name, to, f"SM{len(self.log)}", datetime.now(UTC), by))
        if fate == REFUSED:
            self.refused.add(name)
        answers: dict[str, Accepted | Exception] = {
            TAKEN: Accepted(provider_id=self.log[-1].provider_id if self.log else "", raw_status="queued"),
            THROTTLED: Transient("20429", retry_after=0.0),
            REFUSED: Rejected("21211", verdict=Verdict.BAD_NUMBER),
        }
        outcome = read_answer(answers.get(fate, Unknown("timeout")))
        assert outcome is not None
        return outcome

    def submit(self, status: Status, name: str, messages: Sequence[Message], *, until: float) -> Answers:
        done: Answers = Future()
        done.set_result([self.send(message, by=name) for message in messages])
        return done

    def find(self, status: Status, name: str, message: Message, *, created_after: datetime) -> Sequence[FoundMessage]:
        """What it lists for this number, newest first."""
        to = getattr(message, "to_e164", None)
        return [
            FoundMessage(line.provider_id, "sent", line.at, None)
            for line in reversed(self.log)
            if line.to == to and line.sender == name and line.at >= created_after
        ]

    def senders(self) -> dict[int, set[str]]:
        """By delivery (a person and a step) the providers that took a message."""
        found: dict[int, set[str]] = defaultdict(set)
        for line in self.log:
            found[int(line.attempt.split("-")[0])].add(line.sender)
        return found

    def accepted(self) -> dict[str, int]:
        return dict(Counter(line.attempt for line in self.log))


@dataclass
class Flight:
    """A committed window in a worker's memory: not begun, or answered and not yet recorded."""

    window: Window
    outcomes: list[Outcome] | None = None
    is_late: bool = False


@dataclass
class Worker:
    """Memory only: a crash is forgetting it."""

    claim: Claim | None = None
    messages: Messages | None = None
    left: list[Row] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)

    def crash(self) -> None:
        self.claim, self.messages, self.left, self.flights = None, None, [], []

    def lease_over(self) -> None:
        """It will begin nothing more of these: the time until which it may begin is well before the lease's end."""
        for flight in self.flights:
            flight.is_late = True

    def answered(self) -> Flight | None:
        return next((flight for flight in self.flights if flight.outcomes is not None), None)

    def unbegun(self) -> Flight | None:
        return next((flight for flight in self.flights if flight.outcomes is None), None)


def write(messages: Messages, row: Row, channel: Channel, sender: str) -> Any:
    """The message as the worker writes it."""
    message = messages.try_write(row, channel, sender)
    assert message is not None
    return message
