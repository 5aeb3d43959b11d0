"""The pool of connections: what a request's fate may be called when connections die, and that none is ever repeated."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from alerts.channels.http_pool import HttpPool, Result, request_head
from alerts.channels.ports import Transient, Unknown
from alerts.channels.wire import WireAnswer
from alerts.stage import free_port
from tests.channels.peer import Peer, hang, http, peer, replying

OK = http("201 Created", {"sid": "SM1"})
PATIENCE_SECONDS = 20.0


async def post(
    url: str, count: int, *, connections: int = 4, until: float = math.inf, timeout_seconds: float = PATIENCE_SECONDS
) -> list[Result]:
    """So many requests by one pool; their fates."""
    pool = HttpPool(url, connections=connections, timeout_seconds=timeout_seconds)
    request = request_head(pool, "/messages", {"Accept": "application/json"})
    try:
        return await pool.post_many([request(b"n=%d" % number) for number in range(count)], until=until)
    finally:
        await pool.close()


def fates(results: list[Result]) -> list[str]:
    return [type(result).__name__ for result in results]


async def serve_then_hang_up(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One answer that promises to stay; at the next request the line is dead."""
    await one.read(reader)
    writer.write(OK)
    await one.read(reader)
    writer.transport.abort()


async def serve_all(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await one.read(reader)
        writer.write(OK)


def test_many_share_few_connections_and_each_has_its_own_answer() -> None:
    async def echo(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await one.read(reader)
            writer.write(http("201 Created", {"sid": request.rpartition(b"n=")[2].decode()}))

    async def scene() -> tuple[list[Result], Peer]:
        async with peer(echo) as (one, url):
            return await post(url, 50, connections=4), one

    results, one = asyncio.run(scene())
    assert [result.body["sid"] for result in results if isinstance(result, WireAnswer)] == [str(number) for number in range(50)]
    assert one.connections <= 4
    assert len(one.requests) == 50


def test_a_kept_connection_that_dies_under_a_request_leaves_it_unknown_and_unrepeated() -> None:
    """The case in which HTTP libraries like to try again by themselves: the carrier may have read it."""

    async def scene() -> tuple[list[Result], Peer]:
        async with peer(serve_then_hang_up) as (one, url):
            return await post(url, 2, connections=1), one

    results, one = asyncio.run(scene())
    assert fates(results) == ["WireAnswer", "Unknown"]
    assert [request.rpartition(b"n=")[2] for request in one.requests] == [b"0", b"1"]


def test_those_who_wait_behind_a_dead_connection_get_a_new_one() -> None:
    async def scene() -> tuple[list[Result], Peer]:
        async with peer(serve_then_hang_up) as (one, url):
            return await post(url, 6, connections=1), one

    results, one = asyncio.run(scene())
    assert fates(results) == ["WireAnswer", "Unknown"] * 3
    assert (one.connections, len(one.requests)) == (3, 6)


def test_where_nobody_listens_every_request_is_surely_not_sent() -> None:
    results = asyncio.run(post(f"http://127.0.0.1:{free_port()}", 20))
    assert fates(results) == ["Transient"] * 20
    assert all(isinstance(result, Transient) and result.code.startswith("no_connection") for result in results)


def test_what_may_no_longer_begin_does_not_and_what_began_is_waited_for() -> None:
    async def scene() -> tuple[list[Result], Peer]:
        async with peer(hang) as (one, url):
            return await post(url, 5, connections=2, until=time.monotonic() + 0.6, timeout_seconds=2.0), one

    results, one = asyncio.run(scene())
    assert sorted(fates(results)) == ["NoneType"] * 3 + ["Unknown"] * 2
    assert len(one.requests) == 2


@pytest.mark.parametrize(
    ("raw", "fate"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "WireAnswer"),
        (b'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{"sid": "x"\r\n1\r\n}\r\n0\r\n\r\n', "WireAnswer"),
        (http("201 Created", {"sid": "x"}, "Connection: close"), "WireAnswer"),
        (b"\x16\x03\x01 hello", "Unknown"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{}", "Unknown"),
    ],
)
def test_what_an_answer_must_be(raw: bytes, fate: str) -> None:
    async def scene() -> list[Result]:
        async with peer(replying(raw)) as (_, url):
            return await post(url, 1)

    assert fates(asyncio.run(scene())) == [fate]


def test_two_answers_to_one_request_end_the_connection() -> None:
    """The second could only be mistaken for the answer to somebody else's message."""

    async def scene() -> list[Result]:
        async with peer(replying(OK + http("201 Created", {"sid": "SM-nobody"}))) as (_, url):
            pool = HttpPool(url, connections=1, timeout_seconds=PATIENCE_SECONDS)
            request = request_head(pool, "/", {})
            first = await pool.post_many([request(b"")], until=math.inf)
            second = await pool.post_many([request(b"")], until=math.inf)
            await pool.close()
            return first + second

    first, second = asyncio.run(scene())
    assert isinstance(first, WireAnswer)
    assert isinstance(second, WireAnswer | Unknown)
    assert not (isinstance(second, WireAnswer) and second.body["sid"] == "SM-nobody")


def test_closing_tells_everybody_who_waits() -> None:
    async def scene() -> list[str]:
        async with peer(hang) as (one, url):
            pool = HttpPool(url, connections=1, timeout_seconds=PATIENCE_SECONDS)
            request = request_head(pool, "/", {})
            waiting = asyncio.create_task(pool.post_many([request(b"")] * 3, until=math.inf))
            await asyncio.wait_for(one.is_asked.wait(), PATIENCE_SECONDS)
            await pool.close()
            return fates(await waiting)

    assert asyncio.run(scene()) == ["Unknown", "NoneType", "NoneType"]


def test_a_header_cannot_smuggle_another() -> None:
    with pytest.raises(ValueError, match="line break"):
        request_head(HttpPool("http://127.0.0.1:1", connections=1, timeout_seconds=1), "/", {"X": "a\r\nY: b"})


def test_a_long_storm_by_connections_that_come_and_go() -> None:
    """Whatever breaks: every request has one fate, and no request is seen twice."""

    async def moody(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            await one.read(reader)
            writer.write(OK)
        if one.connections % 3 == 0:
            await one.read(reader)
            writer.transport.abort()

    async def scene() -> tuple[list[Result], Peer]:
        async with peer(moody) as (one, url):
            return await post(url, 300, connections=8), one

    results, one = asyncio.run(scene())
    assert len(results) == 300
    assert set(fates(results)) <= {"WireAnswer", "Unknown"}
    seen = [request.rpartition(b"n=")[2] for request in one.requests]
    assert len(seen) == len(set(seen))
    assert fates(results).count("WireAnswer") <= len(seen)
