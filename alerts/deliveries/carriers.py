"""The carriers of one worker process: one event loop and its connections, made after the fork and kept.

The tasks are plain functions; they hand windows of messages to the loop and wait for the answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from threading import Thread
from typing import Any, TypeVar

import structlog
import uvloop

from alerts.broadcasts.rules import Channel
from alerts.channels.outlets import exercise_senders, live_senders
from alerts.channels.ports import Accepted, FoundMessage, Message, Rejected, Sender, Transient, Unknown
from alerts.deliveries.rules import Outcome, State, refused
from alerts.incidents.rules import Status
from alerts.settings import Settings

log = structlog.get_logger()
T = TypeVar("T")
Answers = Future[list[Outcome | None]]


class Carriers:
    """All senders of this process: `live` for Actual, `exercise` for Exercise, and nothing in between."""

    def __init__(self, settings: Settings) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="carriers", daemon=True)
        self._thread.start()
        made = {Status.ACTUAL: live_senders(settings), Status.EXERCISE: exercise_senders(settings)}
        self._senders: Mapping[Status, Mapping[str, Sender]] = {
            status: {sender.name: sender for sender in senders} for status, senders in made.items()
        }
        self._slots = asyncio.Semaphore(settings.delivery.concurrency)

    def names(self, status: Status, channel: Channel) -> tuple[str, ...]:
        """The senders of a channel, in order of preference."""
        return tuple(name for name, sender in self._senders[status].items() if sender.channel == channel)

    def submit(self, status: Status, name: str, messages: Sequence[Message], *, until: float) -> Answers:
        """Begin to hand a window over by a sender; its answers come later, in order.

        After `until` (monotonic seconds: well before the lease's end, seen from here) nothing more is begun: such
        messages come back as None.
        """
        return asyncio.run_coroutine_threadsafe(self._send_all(self._senders[status].get(name), messages, until), self._loop)

    def send(self, status: Status, name: str, message: Message) -> Outcome:
        """Hand one message over and wait for its answer."""
        [outcome] = self.submit(status, name, [message], until=time.monotonic() + 1).result()
        return outcome or Outcome(State.QUEUED, code="not_begun")

    def find(self, status: Status, name: str, message: Message, *, created_after: datetime) -> Sequence[FoundMessage]:
        """What the carrier lists for this number, text and sender; absence proves nothing. Empty where it has no list.

        Raises Transient when the list cannot be read now.
        """
        look = getattr(self._senders[status].get(name), "find_sent", None)
        return self._run(look(message, created_after=created_after)) if look is not None else ()

    def close(self) -> None:
        """Close all connections and stop the loop."""
        for senders in self._senders.values():
            for sender in senders.values():
                self._run(sender.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _send_all(self, sender: Sender | None, messages: Sequence[Message], until: float) -> list[Outcome | None]:
        if sender is None:
            return [NO_SENDER] * len(messages)
        many: Callable[..., Awaitable[Sequence[Accepted | Exception | None]]] | None = getattr(sender, "send_many", None)
        if many is not None:
            return [read_answer(answer) for answer in await many(messages, until=until)]
        return list(await asyncio.gather(*(self._send_one(sender, message, until) for message in messages)))

    async def _send_one(self, sender: Sender, message: Message, until: float) -> Outcome | None:
        async with self._slots:
            if time.monotonic() >= until:
                return None
            try:
                return read_answer(await sender.send(message))
            except Exception as error:  # noqa: BLE001 - whatever it was, it is an answer that has to be read
                return read_answer(error)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


NO_SENDER = Outcome(State.QUEUED, code="no_sender_configured")


def read_answer(answer: Accepted | Exception | None) -> Outcome | None:
    """The port's yes and its three ways to say no become states. Anything else that goes wrong is unknown."""
    match answer:
        case None:
            return None
        case Accepted():
            return Outcome(State.ACCEPTED, provider_id=answer.provider_id, raw_status=answer.raw_status)
        case Transient():
            return Outcome(State.QUEUED, code=answer.code, retry_after=answer.retry_after)
        case Rejected():
            return Outcome(refused(answer.verdict), code=answer.code, verdict=answer.verdict)
        case Unknown():
            return Outcome(State.UNKNOWN, code=answer.code)
    # Bytes may have left: the only honest state is unknown. No trace: it would show what the message was made of.
    log.error("carrier.unexpected", kind=type(answer).__name__)
    return Outcome(State.UNKNOWN, code="unexpected")
