"""The carriers of one worker process: one event loop and its connections, made after the fork and kept.

The tasks are plain functions; they hand windows of messages to the loop and wait for the answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from threading import Thread
from typing import Any, TypeVar
from uuid import UUID

import structlog
import uvloop
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.country_rules import number_country
from alerts.channels.marks import is_marked
from alerts.channels.outlets import exercise_senders, live_senders
from alerts.channels.ports import (
    LINK_PLACE,
    Accepted,
    FoundMessage,
    Message,
    Rejected,
    Sender,
    SmsMessage,
    Step,
    Transient,
    Unknown,
    VoiceMessage,
    WhatsAppMessage,
)
from alerts.channels.rule_book import Outlet, current_book
from alerts.channels.rule_book_outlets import outlets_by_sender, sent_by
from alerts.channels.texts import measure
from alerts.deliveries.buckets import COST_MAX, Lane
from alerts.deliveries.lanes import lane_of
from alerts.deliveries.messages import Messages
from alerts.deliveries.pacing import Pacer
from alerts.deliveries.routing import Candidate, Router
from alerts.deliveries.rules import Outcome, State, refused, rest_seconds_of
from alerts.deliveries.shared import Shared
from alerts.incidents.rules import Status
from alerts.settings import Settings

log = structlog.get_logger()
T = TypeVar("T")
Answers = Future[list[Outcome | None]]
TEXTS_SECONDS = 1.0
BY_NUMBER = (SmsMessage, WhatsAppMessage, VoiceMessage)


class Carriers:
    """All senders of this process: `live` for Actual, `exercise` for Exercise, and nothing in between.

    The two sets have no name in common, so a sender that is asked for the other status is not there. What leaves for an
    exercise says so in every field that a person reads; whatever does not is refused here.
    """

    def __init__(self, settings: Settings) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="carriers", daemon=True)
        self._thread.start()
        made = {Status.ACTUAL: live_senders(settings), Status.EXERCISE: exercise_senders(settings)}
        self._senders: Mapping[Status, Mapping[str, Sender]] = {
            status: {sent_by(sender.name, is_exercise=status is Status.EXERCISE): sender for sender in senders}
            for status, senders in made.items()
        }
        self._slots = asyncio.Semaphore(settings.delivery.concurrency)
        self._texts: dict[UUID, tuple[float, Messages]] = {}
        self._shared = Shared.start(settings)
        self._pace = settings.pace
        self.pacer = Pacer(settings, self._shared)
        self._outlets = {
            status: {
                name: outlet
                for name, outlet in outlets_by_sender(settings, is_exercise=status is Status.EXERCISE).items()
                if name in self._senders[status]
            }
            for status in made
        }
        self._routers = {status: self._make_router(settings, status) for status in Status}

    @property
    def is_pace_shared(self) -> bool:
        """Whether this process sees Valkey now; without it, it keeps to its share of every pace."""
        return not self._shared.is_lost

    def parts(self) -> dict[str, float]:
        """Each sender's part of its channel's windows now, of the live set and of the exercises' alike."""
        return {name: part for router in self._routers.values() for name, part in router.parts().items()}

    def names(self, status: Status, channel: Channel) -> tuple[str, ...]:
        """The senders of a channel, in order of preference."""
        return tuple(name for name, sender in self._senders[status].items() if sender.channel == channel)

    def texts_of(self, session: Session, settings: Settings, broadcast_id: UUID) -> Messages:
        """A message's texts, read anew at most once a second: batches of one message come one after the other."""
        kept = self._texts.get(broadcast_id)
        if kept is None or time.monotonic() - kept[0] > TEXTS_SECONDS:
            kept = self._texts[broadcast_id] = (time.monotonic(), Messages.load(session, settings, broadcast_id))
            for old in [key for key, (at, _) in self._texts.items() if time.monotonic() - at > TEXTS_SECONDS]:
                del self._texts[old]
        return kept[1]

    def choose(self, status: Status, channel: Channel, number_country: str, *, closed: Collection[str] = ()) -> str | None:
        """Who takes the next window of a lane; None where nobody may send to numbers of the country now.

        One that is `closed` is passed over as long as another serves the lane.
        """
        return self._routers[status].choose(channel.value, number_country, closed=closed)

    def opens_in(self, status: Status, channel: Channel, number_country: str) -> float | None:
        """Seconds until somebody may send to numbers of the country again; None where nobody ever may."""
        return current_book().opens_in(number_country, self._outlets[status].values(), channel.value)

    def note(self, status: Status, name: str, outcomes: Sequence[Outcome], *, seconds: float) -> None:
        """How a window went: what the next choice between senders is made by."""
        troubled = [outcome for outcome in outcomes if outcome.state is not State.ACCEPTED]
        lost = sum(outcome.state is State.UNKNOWN for outcome in troubled)
        unsent = sum(outcome.is_out_of_reach or outcome.is_senders_fault for outcome in troubled)
        self._routers[status].note(name, ok=len(outcomes) - lost - unsent, surely_not_sent=unsent, unknown=lost, latency_seconds=seconds)

    def slow(self, lane: Lane, outcomes: Sequence[Outcome], *, rest_seconds: float) -> None:
        """Heed "not now": of the lane, and of the whole sender where it is the sender's own queue that is full."""
        rest = rest_seconds_of(outcomes, rest_seconds=rest_seconds)
        if rest is not None:
            self.pacer.shrink(lane, rest or None)
        if any(outcome.step is Step.BACK_OFF_SENDER for outcome in outcomes):
            self.pacer.shut(lane, rest_seconds)

    def submit(self, status: Status, name: str, messages: Sequence[Message], *, until: float) -> Answers:
        """Begin to hand a window over by a sender; its answers come later, in order.

        After `until` (monotonic seconds: well before the lease's end, seen from here) nothing more is begun: such
        messages come back as None.
        """
        work = self._send_all(self._senders[status].get(name), messages, until)
        if status is Status.EXERCISE and not all(map(is_marked, messages)):
            work.close()
            work = _refuse_unmarked(len(messages))
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def send(self, status: Status, name: str, message: Message) -> Outcome:
        """Hand one message over and wait for its answer. It waits for no pace, but takes its tokens: the queue waits for it."""
        self._charge(status, name, message)
        [outcome] = self.submit(status, name, [message], until=time.monotonic() + 1).result()
        return outcome or Outcome(State.QUEUED, code="not_begun")

    def _charge(self, status: Status, name: str, message: Message) -> None:
        outlet = self._outlets[status].get(name)
        if outlet is None:
            return
        country = (number_country(message.to_e164) or "") if isinstance(message, BY_NUMBER) else ""
        cost = min(COST_MAX, measure(message.text.replace(LINK_PLACE, message.link)).segments) if isinstance(message, SmsMessage) else 1
        lane = lane_of(self._pace, current_book(), outlet, country, is_exercise=status is Status.EXERCISE)
        self.pacer.charge(lane, cost=cost)

    def find(self, status: Status, name: str, message: Message, *, created_after: datetime) -> Sequence[FoundMessage]:
        """What the carrier lists for this number, text and sender; absence proves nothing. Empty where it has no list.

        Raises Transient when the list cannot be read now.
        """
        look = getattr(self._senders[status].get(name), "find_sent", None)
        return self._run(look(message, created_after=created_after)) if look is not None else ()

    def close(self) -> None:
        """Close all connections and stop the loop."""
        self._shared.close()
        for senders in self._senders.values():
            for sender in senders.values():
                self._run(sender.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _make_router(self, settings: Settings, status: Status) -> Router:
        """By the country rules that this process has loaded last: asked for each window, from memory."""
        candidates = [
            Candidate(name, outlet.channel, outlet.share, partial(_serves, outlet)) for name, outlet in self._outlets[status].items()
        ]
        return Router(settings, self._shared, candidates, status=status.value)

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


def _serves(outlet: Outlet, number_country: str) -> bool:
    return current_book().bar(number_country, outlet) is None


async def _refuse_unmarked(count: int) -> list[Outcome | None]:
    log.error("carrier.unmarked_exercise", count=count)
    return [UNMARKED] * count


NO_SENDER = Outcome(State.QUEUED, code="no_sender_configured")
UNMARKED = Outcome(State.FAILED, code="unmarked_exercise")


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
            return Outcome(refused(answer.step), code=answer.code, verdict=answer.verdict, step=answer.step)
        case Unknown():
            return Outcome(State.UNKNOWN, code=answer.code)
    # Bytes may have left: the only honest state is unknown. No trace: it would show what the message was made of.
    log.error("carrier.unexpected", kind=type(answer).__name__)
    return Outcome(State.UNKNOWN, code="unexpected")
