"""The carriers of one worker process: one event loop and one HTTP session, made after the fork and kept.

The tasks are plain functions; they hand a window of messages to the loop and wait for its answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any, TypeVar

import structlog
import uvloop
from aiolimiter import AsyncLimiter

from alerts.channels.outlets import exercise_senders, live_senders
from alerts.channels.ports import Accepted, PushMessage, PushPort, Rejected, Sender, SmsMessage, SmsPort, Transient, Unknown
from alerts.deliveries.rules import Outcome, State, refused
from alerts.incidents.rules import Status
from alerts.settings import Settings

log = structlog.get_logger()
T = TypeVar("T")
Message = SmsMessage | PushMessage


@dataclass(frozen=True)
class Senders:
    """The ways out for messages of one status. A missing one fails its messages by name, never silently."""

    sms: SmsPort | None
    push: PushPort | None


class Carriers:
    """All senders of this process: `live` for Actual, `exercise` for Exercise, and nothing in between."""

    def __init__(self, settings: Settings) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="carriers", daemon=True)
        self._thread.start()
        self._rate = settings.delivery.rate_per_second
        self._senders: Mapping[Status, Senders] = self._run(_make_senders(settings))
        self._gate = self._run(_make_gate(self._rate, settings.delivery.concurrency))

    def send_all(self, status: Status, messages: Sequence[Message], *, until: float) -> list[Outcome | None]:
        """Hand a window over and wait for every answer.

        After `until` (monotonic seconds: well before the lease's end, seen from here) nothing more is begun: such
        messages come back as None.
        """
        senders = self._senders[status]
        return self._run(_gather([self._send(senders, message, until) for message in messages]))

    def find(self, status: Status, message: SmsMessage, *, created_after: Any) -> Sequence[Any]:
        """What the carrier lists for this number, text and sender; absence proves nothing."""
        senders = self._senders[status]
        if senders.sms is None:
            return ()
        return self._run(senders.sms.find_by_to(message.to_e164, body=message.body, from_=senders.sms.sender, created_after=created_after))

    def close(self) -> None:
        """Close the HTTP sessions and stop the loop."""
        for senders in self._senders.values():
            for port in (senders.sms, senders.push):
                if port is not None:
                    self._run(port.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _send(self, senders: Senders, message: Message, until: float) -> Outcome | None:
        async with self._gate:
            if time.monotonic() >= until:
                return None
            return await _send_one(senders, message)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()


class _Gate:
    """At most so many at once, and (if a rate is set) evenly spaced."""

    def __init__(self, rate: float, concurrency: int) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._limiter = AsyncLimiter(1, 1 / rate) if rate else None

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        if self._limiter is not None:
            await self._limiter.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()


async def _make_gate(rate: float, concurrency: int) -> _Gate:
    return _Gate(rate, concurrency)


async def _gather(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    return list(await asyncio.gather(*work))


async def _send_one(senders: Senders, message: Message) -> Outcome:
    """One request; the port's three ways to say no become states. Anything else that goes wrong is unknown."""
    try:
        accepted = await _hand_over(senders, message)
    except Transient as error:
        return Outcome(State.QUEUED, code=error.code, retry_after=error.retry_after)
    except Rejected as error:
        return Outcome(refused(error.verdict), code=error.code, verdict=error.verdict)
    except Unknown as error:
        return Outcome(State.UNKNOWN, code=error.code)
    except Exception as error:  # bytes may have left: the only honest state is unknown
        log.exception("carrier.unexpected", attempt=message.attempt_id, kind=type(error).__name__)
        return Outcome(State.UNKNOWN, code="unexpected")
    return Outcome(State.ACCEPTED, provider_id=accepted.provider_id, raw_status=accepted.raw_status)


async def _hand_over(senders: Senders, message: Message) -> Accepted:
    if isinstance(message, SmsMessage) and senders.sms is not None:
        return await senders.sms.send(message)
    if isinstance(message, PushMessage) and senders.push is not None:
        return await senders.push.send(message)
    raise Transient("no_sender_configured")


async def _make_senders(settings: Settings) -> dict[Status, Senders]:
    return {Status.ACTUAL: _of(live_senders(settings)), Status.EXERCISE: _of(exercise_senders(settings))}


def _of(senders: Sequence[Sender]) -> Senders:
    by_channel: dict[str, Any] = {sender.channel: sender for sender in senders}
    return Senders(by_channel.get("sms"), by_channel.get("push"))
