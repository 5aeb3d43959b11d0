"""Looking for a text whose answer was lost: by number, text and sender, newest first, on Twilio's server only."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.channels.ports import LOOK_BACK, Transient, Unknown
from alerts.channels.twilio_sms import TwilioSms
from tests.channels.peer import SID, TO, config, hang, http, peer, replying
from tests.sandbox.world import SENDER, World, closing, play

QUIET = {"rules": [{"receipts": "missing"}, {"suffix": "9", "first": 1, "fault": "error_but_sent"}], "receipt_seconds": [60, 60]}


def test_a_lost_answer_is_found_by_number_text_and_sender(tmp_path: Path) -> None:
    async def scene(w: World) -> None:
        to, since = "+628110000009", datetime.now(UTC) - LOOK_BACK
        async with closing(port := w.sms(), other := w.sms(from_="+12025550199")):
            with pytest.raises(Unknown):
                await port.send(w.text("a1", to, body="satu"))
            await port.send(w.text("a2", to, body="dua"))
            await other.send(w.text("a3", to, body="satu"))
            await port.send(w.text("a4", "+628110000008", body="satu"))
            [found] = await port.find_by_to(to, body="satu", from_=port.sender, created_after=since)
            assert found.raw_status == "queued"
            assert w.carrier.find(found.provider_id).attempt == "a1"  # type: ignore[union-attr]
            assert found.error_code is None
            assert await port.find_by_to(to, body="satu", from_="", created_after=since) == (found,)
            later = datetime.now(UTC) + timedelta(seconds=2)
            assert await port.find_by_to(to, body="satu", from_=port.sender, created_after=later) == ()
            await port.send(w.text("a5", to, body=" satu\n"))
            twice = await port.find_by_to(to, body="satu", from_=port.sender, created_after=since)
            assert [w.carrier.find(f.provider_id).attempt for f in twice] == ["a5", "a1"]  # type: ignore[union-attr]

    play(scene, tmp_path / "log", plan=QUIET)


def test_a_look_up_turns_pages_but_not_for_ever(tmp_path: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            since = datetime.now(UTC) - LOOK_BACK
            await port.send(w.text("first", body="satu"))
            for n in range(120):
                await port.send(w.text(f"a{n}", body=f"lain {n}"))
            [found] = await port.find_by_to(TO, body="satu", from_=port.sender, created_after=since)
            assert w.carrier.find(found.provider_id).attempt == "first"  # type: ignore[union-attr]
            for n in range(100):
                await port.send(w.text(f"b{n}", body=f"lain {n}"))
            assert await port.find_by_to(TO, body="satu", from_=port.sender, created_after=since) == ()

    play(scene, tmp_path / "log", plan=QUIET)


@pytest.mark.parametrize(
    "raw",
    [
        http("500 Oops", b""),
        http("429 Slow", {"code": 20429}),
        http("401 No", {"code": 20003}),
        http("200 OK", {"messages": [{"sid": SID}]}),
        http("200 OK", {"messages": [{"sid": SID, "date_created": "yesterday"}]}),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
    ],
)
def test_a_list_that_cannot_be_read_is_asked_for_again(raw: bytes) -> None:
    async def scene() -> None:
        async with peer(replying(raw)) as (_, url), closing(port := TwilioSms(config(url))):
            with pytest.raises(Transient):
                await port.find_by_to(TO, body="x", from_=SENDER, created_after=datetime.now(UTC))

    asyncio.run(scene())


def test_credentials_go_to_no_other_server() -> None:
    async def scene() -> None:
        async with peer(hang) as (stranger, elsewhere):
            page = {"messages": [], "next_page_uri": f"{elsewhere}/more"}
            async with peer(replying(http("200 OK", page))) as (_, url), closing(port := TwilioSms(config(url))):
                assert await port.find_by_to(TO, body="x", from_=SENDER, created_after=datetime.now(UTC)) == ()
            assert stranger.connections == 0

    asyncio.run(scene())
