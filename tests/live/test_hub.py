"""The live stream: the whole sheet to a newcomer, the newest to everybody, with Valkey and without it."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import requests
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerts import embedded
from alerts.kit.db import Sessions
from alerts.live.actions import announce, refresh
from alerts.live.hub import Encoded, Hub, Watcher
from alerts.live.models import Snapshot
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.settings import Settings
from tests.factories.incidents import make_incident
from tests.factories.reports import line, report_body
from tests.factories.staff import make_actor
from tests.support.breaking import frozen

PATIENCE_SECONDS = 10
SignIn = Callable[..., dict[str, str]]


@pytest.fixture
def incident_id(sessions: Sessions) -> UUID:
    with sessions.begin() as session:
        return make_incident(session, is_replayed=True).id


def make_version(sessions: Sessions, incident_id: UUID, injured: int) -> int:
    """File something new and store the sheet that shows it."""
    with sessions.begin() as session:
        actor = make_actor(session, "mission_staff")
        body = report_body(line("injured", injured), as_of=f"2026-01-01T00:{injured:02}:00+00:00")
        file_report(session, actor=actor, incident_id=incident_id, command=ReportIn.model_validate(body))
    with sessions.begin() as session:
        version = refresh(session, incident_id, no_more_often=timedelta(0))
    assert version is not None
    return version


async def until(stream: AsyncGenerator[Encoded, None], version: int) -> dict[str, Any]:
    """The first sheet of at least this version; republications of older ones are passed over."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for encoded in stream:
            if encoded.version >= version:
                return json.loads(encoded.text)
    raise AssertionError("the stream ended")


def injured_of(sheet: dict[str, Any]) -> list[int]:
    return [figure["number"] for question in sheet["questions"] if question["key"] == "ours" for figure in question["values"]]


def test_newcomer_gets_the_whole_sheet_even_before_any_is_stored(
    committed_settings: Settings, sessions: Sessions, incident_id: UUID
) -> None:
    async def scene() -> None:
        hub = Hub(committed_settings, sessions)
        async with aclosing(hub.watch(incident_id)) as stream:
            sheet = await until(stream, 0)
            assert len(sheet["questions"]) == 5
            assert hub.watching == 1
        assert hub.watching == 0

    asyncio.run(scene())


def test_a_hint_brings_the_newest_version_to_every_watcher(committed_settings: Settings, sessions: Sessions, incident_id: UUID) -> None:
    make_version(sessions, incident_id, 1)
    quiet = committed_settings.model_copy(
        update={"live": committed_settings.live.model_copy(update={"republish_seconds": 3600.0, "refresh_seconds": 3600.0})}
    )

    async def scene() -> None:
        hub = Hub(quiet, sessions)
        async with aclosing(hub.watch(incident_id)) as one, aclosing(hub.watch(incident_id)) as two:
            assert (await until(one, 1))["version"] == (await until(two, 1))["version"] == 1
            await _until(lambda: hub._has_hints)
            version = await asyncio.to_thread(make_version, sessions, incident_id, 2)
            await asyncio.to_thread(announce, quiet, incident_id, version)
            assert injured_of(await until(one, version)) == [2]
            assert injured_of(await until(two, version)) == [2]

    asyncio.run(scene())


def test_without_valkey_the_hub_looks_for_itself(committed_settings: Settings, sessions: Sessions, incident_id: UUID) -> None:
    nowhere = committed_settings.redis.model_copy(update={"url": SecretStr("redis://127.0.0.1:1/0")})
    alone = committed_settings.model_copy(update={"redis": nowhere})

    async def scene() -> None:
        hub = Hub(alone, sessions)
        async with aclosing(hub.watch(incident_id)) as stream:
            await until(stream, 0)
            version = await asyncio.to_thread(make_version, sessions, incident_id, 3)
            await asyncio.to_thread(announce, alone, incident_id, version)
            assert injured_of(await until(stream, version)) == [3]

    asyncio.run(scene())


@pytest.mark.breaks_servers
@pytest.mark.parametrize("fault", ["frozen", "killed"])
def test_a_valkey_that_is_gone_without_a_word_holds_up_no_screen(
    fault: str, committed_settings: Settings, sessions: Sessions, incident_id: UUID, breakable_services: embedded.Services
) -> None:
    """Whoever still waits for its hints would look every `republish_seconds` only."""
    own = committed_settings.redis.model_copy(update={"url": SecretStr(breakable_services.redis_url)})
    seldom = committed_settings.live.model_copy(update={"republish_seconds": 3600.0, "refresh_seconds": 0.2})
    settings = committed_settings.model_copy(update={"redis": own, "live": seldom})

    async def scene() -> None:
        hub = Hub(settings, sessions)
        async with aclosing(hub.watch(incident_id)) as stream:
            await until(stream, 0)
            await _until(lambda: hub._has_hints)
            with gone(breakable_services, fault):
                version = await asyncio.to_thread(make_version, sessions, incident_id, 4)
                assert injured_of(await until(stream, version)) == [4]
            await _until(lambda: hub._has_hints)
            version = await asyncio.to_thread(make_version, sessions, incident_id, 5)
            await asyncio.to_thread(announce, settings, incident_id, version)
            assert injured_of(await until(stream, version)) == [5]

    asyncio.run(scene())


@contextmanager
def gone(services: embedded.Services, fault: str) -> Iterator[None]:
    """Valkey, for the length of the block."""
    if fault == "frozen":
        with frozen(services.valkey_pid):
            yield
    else:
        services.stop_valkey(signal.SIGKILL)
        yield
        services.start_valkey()


def test_a_version_that_cannot_be_read_ends_no_screen(committed_settings: Settings, sessions: Sessions, incident_id: UUID) -> None:
    """Of newer code, say, while a deploy goes on: the next one that can be read comes as ever."""
    first = make_version(sessions, incident_id, 1)
    nowhere = committed_settings.redis.model_copy(update={"url": SecretStr("redis://127.0.0.1:1/0")})
    alone = committed_settings.model_copy(update={"redis": nowhere})

    async def scene() -> None:
        hub = Hub(alone, sessions)
        async with aclosing(hub.watch(incident_id)) as stream:
            await until(stream, first)
            with capture_logs() as said:
                await asyncio.to_thread(store_unreadable, sessions, incident_id, first + 1)
                await _until(lambda: any(each["event"] == "live.sheet_unreadable" for each in said))
            version = await asyncio.to_thread(make_version, sessions, incident_id, 2)
            assert injured_of(await until(stream, version)) == [2]

    asyncio.run(scene())


def store_unreadable(sessions: Sessions, incident_id: UUID, version: int) -> None:
    with sessions.begin() as session:
        session.add(Snapshot(incident_id=incident_id, version=version, content_hash="x", content={"of": "tomorrow"}))


def test_newest_wins_in_the_slot_of_a_watcher_that_is_behind() -> None:
    async def scene() -> None:
        watcher = Watcher(None)
        watcher.offer(Encoded(1, "one"))
        since = watcher.waiting_since
        watcher.offer(Encoded(2, "two"))
        assert watcher.waiting_since == since, "a newer offer must not make a slow watcher look quick"
        assert (await watcher.take()).version == 2
        assert watcher.slot.empty()
        assert watcher.waiting_since is None

    asyncio.run(scene())


def test_a_watcher_that_never_reads_is_dropped(committed_settings: Settings, sessions: Sessions, incident_id: UUID) -> None:
    async def reads_once(hub: Hub) -> None:
        async with aclosing(hub.watch(incident_id, asyncio.current_task())) as stream:
            await until(stream, 0)
            await asyncio.sleep(3600)

    async def scene() -> None:
        hub = Hub(committed_settings, sessions)
        sleeper = asyncio.create_task(reads_once(hub))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait([sleeper])
        assert sleeper.cancelled()
        assert hub.watching == 0

    asyncio.run(scene())


def test_the_same_version_is_sent_again_every_round(committed_settings: Settings, sessions: Sessions, incident_id: UUID) -> None:
    make_version(sessions, incident_id, 1)

    async def scene() -> None:
        hub = Hub(committed_settings, sessions)
        async with aclosing(hub.watch(incident_id)) as stream, asyncio.timeout(PATIENCE_SECONDS):
            first, second = await anext(stream), await anext(stream)
            assert first.version == second.version == 1
            assert first.text is second.text, "one encoding per version"

    asyncio.run(scene())


def test_the_stream_over_http(committed_app: FastAPI, sessions: Sessions, incident_id: UUID, sign_in: SignIn) -> None:
    headers = sign_in("minister", via="token")
    make_version(sessions, incident_id, 1)
    with serving(committed_app) as base_url:
        url = f"{base_url}/api/v1/incidents/{incident_id}/live"
        assert requests.get(url, timeout=5).status_code == 401
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE_SECONDS) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = sse_events(answer)
            first = next(events)
            assert (first["event"], first["id"]) == ("sheet", "1")
            version = make_version(sessions, incident_id, 2)
            later = next(event for event in events if event["id"] == str(version))
            assert injured_of(json.loads(later["data"])) == [2]
        hub = committed_app.state.hub
        deadline = time.monotonic() + PATIENCE_SECONDS
        while hub.watching and time.monotonic() < deadline:
            time.sleep(0.02)
        assert hub.watching == 0, "a watcher who left is still served"


def test_many_streams_hold_no_database_connection(committed_app: FastAPI, sessions: Sessions, incident_id: UUID, sign_in: SignIn) -> None:
    headers = sign_in("minister", via="token")
    make_version(sessions, incident_id, 1)
    with serving(committed_app) as base_url:
        url = f"{base_url}/api/v1/incidents/{incident_id}/live"
        streams = [requests.get(url, headers=headers, stream=True, timeout=PATIENCE_SECONDS) for _ in range(24)]
        try:
            assert all(next(sse_events(stream))["id"] == "1" for stream in streams)
            summary = requests.get(url.replace("/live", "/summary"), headers=headers, timeout=PATIENCE_SECONDS)
            assert summary.status_code == 200
        finally:
            for stream in streams:
                stream.close()


def sse_events(answer: requests.Response) -> Iterator[dict[str, str]]:
    """Events as a browser would read them; comments are skipped."""
    event: dict[str, str] = {}
    for raw in answer.iter_lines(chunk_size=1, decode_unicode=False):
        text = raw.decode()
        if not text and "data" in event:
            yield event
            event = {}
        elif text and not text.startswith(":"):
            name, _, value = text.partition(": ")
            event[name] = value


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The application in a real server on a free loopback port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "open streams kept the server from stopping"


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_true():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
