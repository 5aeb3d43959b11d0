"""The live screens of one process: one reader per incident, one encoding per version, one slot per watcher.

A newcomer gets the newest version at once, then newer ones; no deltas. Valkey only says "look now"; every
`republish_seconds` the hub looks by itself and sends the newest version again, and while Valkey is away it
looks every `refresh_seconds`. A watcher who does not take what is offered is dropped, and comes back by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import redis.asyncio as aioredis
import structlog
from fastapi.sse import format_sse_event
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from alerts.incidents.queries import get_incident
from alerts.kit.db import Sessions
from alerts.kit.errors import AppError
from alerts.live.actions import channel_of
from alerts.live.queries import latest_snapshot, latest_versions, load_sheet, sheet_of
from alerts.settings import Settings

SLOW_ROUNDS = 2
"""A watcher that left an offer lying for so many republications is dropped."""
QUIET_SECONDS, ANSWER_SECONDS = 2.0, 2.0
"""Where no hint comes for so long, Valkey is asked whether it is there; where it does not answer for so long, it is not."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Encoded:
    """One version of a sheet, as text and as an event's bytes, made once for everybody. Version 0: computed, not stored yet."""

    version: int
    text: str
    frame: bytes = b""

    @classmethod
    def of(cls, version: int, text: str) -> Encoded:
        """Ready to be sent."""
        return cls(version, text, format_sse_event(data_str=text, event="sheet", id=str(version)))


@dataclass(eq=False, slots=True)
class Watcher:
    """One screen. `slot` holds the newest version that it has not taken; `task` is what serves it."""

    task: asyncio.Task[object] | None
    slot: asyncio.Queue[Encoded] = field(default_factory=lambda: asyncio.Queue(maxsize=1))
    waiting_since: float | None = None

    def offer(self, encoded: Encoded) -> None:
        """Newest wins: what was not taken is replaced."""
        if self.slot.full():
            self.slot.get_nowait()
        else:
            self.waiting_since = monotonic()
        self.slot.put_nowait(encoded)

    async def take(self) -> Encoded:
        encoded = await self.slot.get()
        self.waiting_since = None
        return encoded


@dataclass(slots=True)
class Topic:
    """One incident that somebody watches."""

    newest: Encoded | None = None
    watchers: set[Watcher] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hub:
    """All watchers of this process. Its two loops run only while somebody watches."""

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self._settings, self._sessions = settings, sessions
        self._topics: dict[UUID, Topic] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._has_hints = False

    @property
    def watching(self) -> int:
        """How many screens are open here."""
        return sum(len(topic.watchers) for topic in self._topics.values())

    async def watch(self, incident_id: UUID, task: asyncio.Task[object] | None = None) -> AsyncGenerator[Encoded, None]:
        """The newest version at once, then each newer one, until the caller stops. `task` is cancelled when too slow."""
        watcher = Watcher(task)
        topic = self._topics.setdefault(incident_id, Topic())
        topic.watchers.add(watcher)
        try:
            self._start()
            await self._look(incident_id, topic)
            if topic.newest is not None and not watcher.slot.full():
                watcher.offer(topic.newest)
            while True:
                yield await watcher.take()
        finally:
            self._leave(incident_id, topic, watcher)

    async def close(self) -> None:
        """End every stream and both loops."""
        for topic in list(self._topics.values()):
            for watcher in topic.watchers:
                if watcher.task is not None:
                    watcher.task.cancel()
        self._stop()
        await asyncio.sleep(0)

    def _leave(self, incident_id: UUID, topic: Topic, watcher: Watcher) -> None:
        topic.watchers.discard(watcher)
        if not topic.watchers and self._topics.get(incident_id) is topic:
            del self._topics[incident_id]
        if not self._topics:
            self._stop()

    def _start(self) -> None:
        if not self._loops:
            self._loops = [asyncio.create_task(self._listen()), asyncio.create_task(self._tick())]

    def _stop(self) -> None:
        for loop in self._loops:
            loop.cancel()
        self._loops, self._has_hints = [], False

    async def _listen(self) -> None:
        """Wait for hints; without Valkey try again and let the tick look more often meanwhile."""
        while True:
            try:
                await self._listen_once()
            except (RedisError, OSError) as error:
                if self._has_hints:
                    log.warning("live.hints_lost", kind=type(error).__name__)
            self._has_hints = False
            await asyncio.sleep(self._settings.live.refresh_seconds)

    async def _listen_once(self) -> None:
        """Hints from when the subscription is confirmed; a Valkey that does not answer a ping is given up.

        Without tries of the client's own: what was told between two connections is looked for.
        """
        url = self._settings.redis.url.get_secret_value()
        none_of_its_own = Retry(NoBackoff(), 0)
        client = aioredis.from_url(url, socket_connect_timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS, retry=none_of_its_own)
        async with client, client.pubsub() as pubsub:
            await pubsub.psubscribe(channel_of(self._settings, "*"))
            is_asked = True
            while True:
                message = await pubsub.get_message(timeout=ANSWER_SECONDS if is_asked else QUIET_SECONDS)
                if message is None and is_asked:
                    raise TimeoutError
                if is_asked := message is None:
                    await pubsub.ping()
                elif message["type"] == "psubscribe":
                    self._has_hints = True
                    await self._look_all()
                elif message["type"] == "pmessage":
                    await self._hinted(message["channel"])

    async def _hinted(self, channel: bytes | str) -> None:
        name = channel.decode() if isinstance(channel, bytes) else channel
        with contextlib.suppress(ValueError):
            incident_id = UUID(name.rpartition(":")[2])
            topic = self._topics.get(incident_id)
            if topic is not None:
                await self._look(incident_id, topic)

    async def _tick(self) -> None:
        """Look without being told, send the newest again, drop the slow."""
        live = self._settings.live
        last_round = monotonic()
        while True:
            await asyncio.sleep(min(live.refresh_seconds, live.republish_seconds))
            is_round = monotonic() - last_round >= live.republish_seconds
            if is_round or not self._has_hints:
                await self._look_all()
            if is_round:
                last_round = monotonic()
                self._republish(live.republish_seconds * SLOW_ROUNDS)

    def _republish(self, patience_seconds: float) -> None:
        for topic in list(self._topics.values()):
            for watcher in list(topic.watchers):
                since = watcher.waiting_since
                if since is not None and monotonic() - since > patience_seconds and watcher.task is not None:
                    log.info("live.slow_watcher_dropped")
                    watcher.task.cancel()
                elif topic.newest is not None:
                    watcher.offer(topic.newest)

    async def _look_all(self) -> None:
        """One question for all incidents, then only those that have something newer are read."""
        topics = dict(self._topics)
        try:
            versions = await run_in_threadpool(self._versions, list(topics))
        except SQLAlchemyError as error:
            log.warning("live.database_away", kind=type(error).__name__)
            return
        for incident_id, topic in topics.items():
            if topic.newest is None or versions.get(incident_id, 0) > topic.newest.version:
                await self._look(incident_id, topic)

    async def _look(self, incident_id: UUID, topic: Topic) -> None:
        """Read and encode the newest version, once for all watchers; offer it if it is newer."""
        async with topic.lock:
            try:
                encoded = await run_in_threadpool(self._read, incident_id, topic.newest)
            except SQLAlchemyError as error:
                log.warning("live.database_away", kind=type(error).__name__)
                return
            except (AppError, ValueError) as error:
                # Of newer code, say, while a deploy goes on. The loops must live: the next version may be readable.
                log.error("live.sheet_unreadable", incident_id=str(incident_id), kind=type(error).__name__)  # noqa: TRY400 - a sheet holds names
                return
            if encoded is topic.newest:
                return
            topic.newest = encoded
            for watcher in topic.watchers:
                watcher.offer(encoded)

    def _versions(self, incident_ids: list[UUID]) -> dict[UUID, int]:
        with self._sessions() as session:
            return latest_versions(session, incident_ids)

    def _read(self, incident_id: UUID, known: Encoded | None) -> Encoded:
        with self._sessions() as session:
            if known is not None and latest_versions(session, [incident_id]).get(incident_id, 0) <= known.version:
                return known
            snapshot = latest_snapshot(session, incident_id)
            if snapshot is not None:
                return Encoded.of(snapshot.version, sheet_of(snapshot).model_dump_json())
            sheet = load_sheet(session, get_incident(session, incident_id))
            return Encoded.of(0, sheet.model_dump_json())
