"""WhatsApp, calls and a described provider at the wire: what they send, and that "surely not sent" needs proof."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.marks import is_marked
from alerts.channels.ports import Accepted, Rejected, Transient, Unknown, Verdict, WhatsAppReply
from alerts.channels.voice_words import ask_twiml
from tests.channels.peer import BODY, SHORT_SECONDS, TO, Peer, config, hang, http, peer, replying
from tests.channels.ways import LINK, SECRET, TEMPLATE, WAYS, Way, second, voice, voice_message, whatsapp, whatsapp_message
from tests.sandbox.world import ACCOUNT, SENDER, TOKEN, closing

EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def request_of(way: Way, **changes: Any) -> tuple[list[str], bytes]:
    async def scene() -> bytes:
        async with peer(replying(http("201 Created", way.accepted))) as (one, url):
            await way.send(url, **changes)
            return one.requests[0]

    head, _, body = asyncio.run(scene()).partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


def test_a_template_as_twilio_documents_it() -> None:
    lines, body = request_of(WAYS["whatsapp"])
    assert lines[0] == f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1"
    assert parse_qsl(body.decode(), strict_parsing=True) == [
        ("To", f"whatsapp:{TO}"),
        ("From", f"whatsapp:{SENDER}"),
        ("ContentSid", TEMPLATE),
        ("ContentVariables", json.dumps({"1": BODY, "2": LINK})),
        ("StatusCallback", "https://siaga.test/s/6401-1.x"),
        ("ValidityPeriod", "600"),
    ]


def test_a_reply_by_whatsapp_is_words_and_no_template() -> None:
    def reply() -> WhatsAppReply:
        return WhatsAppReply(attempt_id="r-1", to_e164=TO, text=BODY, status_callback="https://siaga.test/s/r-1.x", validity_seconds=600)

    _, body = request_of(Way(whatsapp, reply, WAYS["whatsapp"].accepted))
    assert parse_qsl(body.decode(), strict_parsing=True) == [
        ("To", f"whatsapp:{TO}"),
        ("From", f"whatsapp:{SENDER}"),
        ("Body", BODY),
        ("StatusCallback", "https://siaga.test/s/r-1.x"),
        ("ValidityPeriod", "600"),
    ]
    assert is_marked(replace(reply(), text="LATIHAN: KBRI Ankara"))
    assert not is_marked(reply()), "an exercise's reply says so, or does not leave"


def test_a_call_as_twilio_documents_it() -> None:
    lines, body = request_of(WAYS["voice"])
    assert lines[0] == f"POST /2010-04-01/Accounts/{ACCOUNT}/Calls.json HTTP/1.1"
    fields = parse_qsl(body.decode(), strict_parsing=True)
    assert [(name, value) for name, value in fields if name != "Twiml"] == [
        ("To", TO),
        ("From", SENDER),
        ("StatusCallback", "https://siaga.test/c/6402-1.x"),
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "answered"),
        ("StatusCallbackEvent", "completed"),
        ("Timeout", "45"),
    ]
    [gather] = ET.fromstring(dict(fields)["Twiml"])
    asked = {"numDigits": "1", "action": "https://siaga.test/v/6402-1.x", "method": "POST", "actionOnEmptyResult": "true", "timeout": "10"}
    assert (gather.tag, gather.attrib) == ("Gather", asked)
    [say] = gather
    assert (say.get("language"), say.get("loop")) == ("id-ID", "2")
    assert say.text == f"{BODY} Tekan 1 jika Anda selamat. Tekan 2 jika Anda butuh bantuan."


@pytest.mark.parametrize(
    ("language", "voice_of", "words"), [("en", "en-GB", "Press 1"), ("id", "id-ID", "Tekan 1"), ("ar", "id-ID", "Tekan 1")]
)
def test_a_call_in_the_citizens_language(language: str, voice_of: str, words: str) -> None:
    [say] = ET.fromstring(ask_twiml("Test", language=language, answer_url="https://siaga.test/v")).iter("Say")
    assert say.get("language") == voice_of
    assert (say.text or "").startswith(f"Test. {words}")


HOSTILE = [
    "</Say><Dial>+1900</Dial><Say>",
    "<![CDATA[ & ]]>",
    "a\x00b\x08c\ud800d\ufffee\u202ef",
    "&lt; &amp; \"'",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_read_and_never_obeyed(text: str) -> None:
    twiml = ask_twiml(text, language="id", answer_url='https://siaga.test/v?x="><Hangup/>')
    root = ET.fromstring(twiml)
    assert [element.tag for element in root.iter()] == ["Response", "Gather", "Say"]


@given(st.text(alphabet=st.characters(), max_size=300), st.sampled_from(["id", "en", "", "xx"]))
def test_any_text_makes_a_call_that_can_be_read(text: str, language: str) -> None:
    root = ET.fromstring(ask_twiml(text, language=language, answer_url="https://siaga.test/v"))
    assert [element.tag for element in root.iter()] == ["Response", "Gather", "Say"]


def test_a_text_too_long_to_be_read_is_refused_by_us() -> None:
    async def scene() -> None:
        async with closing(port := voice("http://127.0.0.1:1")):
            with pytest.raises(Rejected) as caught:
                await port.send(voice_message(text="x" * 4000))
        assert (caught.value.code, caught.value.verdict) == ("text_too_long", Verdict.CONTENT)

    asyncio.run(scene())


def test_a_described_request_as_its_description_says() -> None:
    lines, body = request_of(WAYS["second"])
    assert lines[0] == "POST /lintas/v2/texts HTTP/1.1"
    assert f"X-Api-Key: {SECRET}" in lines
    assert "Content-Type: application/json" in lines
    assert json.loads(body) == {
        "recipient": "628110000001",
        "sender": "KEMLU",
        "content": {"text": BODY},
        "notify": {"url": "https://siaga.test/t/6403-1.x"},
        "lifetime": 10,
        "reference": "6403-1",
        "class": "transactional",
    }


@EVERY_WAY
def test_an_acceptance(way: Way) -> None:
    async def scene() -> Accepted:
        async with peer(replying(http("201 Created", way.accepted))) as (_, url):
            return await way.send(url)

    assert asyncio.run(scene()).provider_id


@EVERY_WAY
def test_nobody_listens(way: Way) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with pytest.raises(Transient):
        asyncio.run(way.send(f"http://127.0.0.1:{port}"))


async def reset(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one.read(reader)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@EVERY_WAY
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(hang, id="never answers"),
        pytest.param(reset, id="resets"),
        pytest.param(replying(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"), id="answer cut short"),
        pytest.param(replying(http("201 Created", b"<html>")), id="created, but what"),
        pytest.param(replying(http("500 Oops", {"code": 20500, "outcome": "BUSY"})), id="500"),
        pytest.param(replying(http("503 Unavailable", {"outcome": "BAD-NUMBER"}, "Retry-After: 5")), id="503"),
        pytest.param(replying(http("408 Timeout", b"")), id="408"),
        pytest.param(replying(http("307 Elsewhere", b"", "Location: http://127.0.0.1:1/")), id="redirect"),
    ],
)
def test_once_bytes_left_only_a_clear_answer_counts(way: Way, answer: Any) -> None:
    async def scene() -> Peer:
        async with peer(answer) as (one, url):
            with pytest.raises(Unknown):
                await way.send(url, timeout_seconds=SHORT_SECONDS)
            return one

    one = asyncio.run(scene())
    assert (one.connections, len(one.requests)) == (1, 1)


@EVERY_WAY
def test_429_is_surely_not_sent(way: Way) -> None:
    async def scene() -> Transient:
        async with peer(replying(http("429 Slow", b"", "Retry-After: 7"))) as (_, url):
            with pytest.raises(Transient) as caught:
                await way.send(url)
            return caught.value

    assert asyncio.run(scene()).retry_after == 7


@EVERY_WAY
def test_nothing_personal_or_secret_is_printed(way: Way) -> None:
    shown = repr(way.message()) + repr(way.make("http://127.0.0.1")) + repr(config("http://127.0.0.1"))
    assert not [word for word in (TO, BODY, LINK, TOKEN, SECRET, "siaga.test") if word in shown]


def test_every_way_has_its_name_and_channel() -> None:
    made = (whatsapp("http://127.0.0.1"), voice("http://127.0.0.1"), second("http://127.0.0.1"))
    assert [(port.name, port.channel, port.sender) for port in made] == [
        ("whatsapp", "whatsapp", f"whatsapp:{SENDER}"),
        ("voice", "voice", SENDER),
        ("lintas", "sms", "KEMLU"),
    ]
    for make in (whatsapp, voice):
        with pytest.raises(ValueError, match="number"):
            make("http://127.0.0.1", from_="", messaging_service_sid="MG" + "0" * 32)


@pytest.mark.parametrize("way", [WAYS["whatsapp"], WAYS["second"]])
def test_what_is_no_longer_valid_is_not_sent(way: Way) -> None:
    async def scene() -> None:
        async with closing(port := way.make("http://127.0.0.1:1")):
            with pytest.raises(Rejected, match="expired"):
                await port.send(way.message(validity_seconds=0))

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("way", "code", "verdict"),
    [
        ("whatsapp", 63016, Verdict.CONTENT),
        ("whatsapp", 63018, Verdict.SENDER_BACKOFF),
        ("whatsapp", 21610, Verdict.OPTED_OUT),
        ("voice", 21215, Verdict.NO_PERMISSION),
        ("voice", 10004, Verdict.SENDER_BACKOFF),
        ("voice", 20003, Verdict.STOP_ALL),
    ],
)
def test_refusals_read_by_the_table(way: str, code: int, verdict: Verdict) -> None:
    async def scene() -> Rejected:
        async with peer(replying(http("400 Bad Request", {"code": code}))) as (_, url):
            with pytest.raises(Rejected) as caught:
                await WAYS[way].send(url)
            return caught.value

    got = asyncio.run(scene())
    assert (got.code, got.verdict) == (str(code), verdict)


def test_a_call_to_where_nobody_carries_anything_is_no_switch_left_off() -> None:
    async def scene() -> Rejected:
        async with peer(replying(http("400 Bad Request", {"code": 21215}))) as (_, url), closing(port := voice(url)):
            with pytest.raises(Rejected) as caught:
                await port.send(voice_message(to="+963941234567"))
            return caught.value

    assert asyncio.run(scene()).verdict is Verdict.UNSUPPORTED_COUNTRY


def test_variables_go_as_they_are() -> None:
    lines, body = request_of(Way(whatsapp, lambda: whatsapp_message(variables={"1": 'a "b" \\ é\n\u202e'}), WAYS["whatsapp"].accepted))
    assert json.loads(dict(parse_qsl(body.decode()))["ContentVariables"]) == {"1": 'a "b" \\ é\n\u202e'}
    assert lines
