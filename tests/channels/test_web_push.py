"""Web Push: sealed for one browser alone, signed as ours, posted to push services and to nothing else."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from typing import Any

import http_ece
import jwt
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from alerts.channels.ports import Accepted, Priority, Rejected, Transient, Unknown, Verdict, WebPushMessage
from alerts.channels.push_services import EndpointPolicy
from alerts.channels.web_push import LARGEST_PAYLOAD_BYTES, Signer, WebPush, WebPushConfig, seal
from alerts.kit.p256 import decode_base64url, encode_base64url, load_point, load_private_key, public_text
from alerts.sandbox.browsers import BrowserSecrets, UnopenableError, browser_of, open_sealed
from tests.channels.peer import SHORT_SECONDS, Peer, hang, http, peer, replying
from tests.sandbox.world import closing

OUR_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SUBJECT = "mailto:siaga@example.org"
REHEARSAL = EndpointPolicy(is_rehearsal=True)
BROWSER = browser_of("secret", "b1")
PAYLOAD = json.dumps({"title": "Peringatan", "body": "Gempa kuat.", "data": {"attempt_id": "6401-1"}}).encode()
MOZILLA = "https://updates.push.services.mozilla.com/wpush/v2/contoh"


def config(**changes: Any) -> WebPushConfig:
    return WebPushConfig(**({"private_key": OUR_KEY, "subject": SUBJECT, "policy": REHEARSAL, "timeout_seconds": 20.0} | changes))


def message(endpoint: str, **changes: Any) -> WebPushMessage:
    fields = {"attempt_id": "6401-1", "endpoint": endpoint, "payload": PAYLOAD, "ttl_seconds": 600} | BROWSER.keys
    return WebPushMessage(**(fields | changes))


async def send_one(url: str, *, settings: WebPushConfig | None = None, **changes: Any) -> Accepted:
    async with closing(port := WebPush(settings or config())):
        return await port.send(message(f"{url}/push/b1", **changes))


def test_the_request_is_what_the_standards_ask_and_only_the_browser_can_open_it() -> None:
    async def scene() -> tuple[bytes, str]:
        answer = http("201 Created", b"", "Location: https://push.example/m/abc-1")
        async with peer(replying(answer)) as (one, url):
            assert await send_one(url) == Accepted("abc-1", "accepted")
            return one.requests[0], url

    raw, url = asyncio.run(scene())
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first == "POST /push/b1 HTTP/1.1"
    assert (headers["TTL"], headers["Urgency"], headers["Content-Encoding"]) == ("600", "high", "aes128gcm")
    assert headers["Content-Type"] == "application/octet-stream"
    assert "Topic" not in headers
    assert b"Gempa" not in raw
    assert open_sealed(body, BROWSER) == PAYLOAD
    with pytest.raises(UnopenableError):
        open_sealed(body, browser_of("secret", "b2"))
    check_vapid(headers["Authorization"], url)


def check_vapid(header: str, audience: str) -> None:
    """By a JWT library that did not sign it."""
    scheme, _, fields = header.partition(" ")
    parts = dict(part.split("=", 1) for part in fields.split(","))
    assert scheme == "vapid"
    assert parts["k"] == public_text(OUR_KEY)
    claims = jwt.decode(parts["t"], load_point(parts["k"]), algorithms=["ES256"], audience=audience)
    assert claims["sub"] == SUBJECT
    assert time.time() < claims["exp"] <= time.time() + 86_400


def test_both_sides_agree_with_the_example_of_rfc_8291() -> None:
    salt, auth = decode_base64url("DGv6ra1nlYgDCS1FRnbzlw"), decode_base64url("BTBZMqHH6r4Tts7J_aSIgg")
    browser = BrowserSecrets(load_private_key("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), auth)
    words = b"When I grow up, I want to be a watermelon"
    sealed = (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    dh = decode_base64url(browser.keys["p256dh"])
    ours = http_ece.encrypt(words, salt=salt, private_key=load_private_key(OUR_KEY), dh=dh, auth_secret=auth, version="aes128gcm")
    assert encode_base64url(ours) == sealed
    assert open_sealed(decode_base64url(sealed), browser) == words


def test_each_message_is_sealed_by_a_key_of_its_own() -> None:
    first, second = (seal(PAYLOAD, **BROWSER.keys) for _ in range(2))
    assert first[:86] != second[:86]


def test_the_largest_payload_makes_one_record_of_4096_bytes() -> None:
    sealed = seal(b"x" * LARGEST_PAYLOAD_BYTES, **BROWSER.keys)
    assert len(sealed) == 4096
    assert len(open_sealed(sealed, BROWSER)) == LARGEST_PAYLOAD_BYTES
    with pytest.raises(Rejected) as caught:
        seal(b"x" * (LARGEST_PAYLOAD_BYTES + 1), **BROWSER.keys)
    assert (caught.value.code, caught.value.verdict) == ("payload_too_large", Verdict.CONTENT)


@pytest.mark.parametrize(
    "keys", [{"p256dh": "AAAA"}, {"p256dh": "é"}, {"auth": "AAAA"}, {"auth": "?"}, {"p256dh": encode_base64url(b"\x04" + b"\x01" * 64)}]
)
def test_keys_that_are_none(keys: dict[str, str]) -> None:
    with pytest.raises(Rejected) as caught:
        seal(PAYLOAD, **(BROWSER.keys | keys))
    assert caught.value.verdict is Verdict.DEAD_TOKEN


def test_a_signature_is_kept_for_its_service_and_never_serves_another() -> None:
    signer = Signer(OUR_KEY, SUBJECT)
    first = signer.authorization("https://a.example")
    assert signer.authorization("https://a.example") == first
    check_vapid(signer.authorization("https://b.example"), "https://b.example")


def test_the_wait_is_bounded_and_news_is_not_urgent() -> None:
    async def scene() -> bytes:
        async with peer(replying(http("201 Created", b""))) as (one, url):
            accepted = await send_one(url, settings=config(longest_ttl_seconds=3600), ttl_seconds=99_999, priority=Priority.NORMAL)
            assert accepted.provider_id == "6401-1", "a service that names nothing: the attempt does"
            return one.requests[0]

    head = asyncio.run(scene())
    assert b"TTL: 3600\r\n" in head
    assert b"Urgency: normal\r\n" in head


ANSWERS: list[tuple[str, object, Verdict]] = [
    ("404 Gone", b"", Verdict.DEAD_TOKEN),
    ("410 Gone", {"reason": "Unregistered"}, Verdict.DEAD_TOKEN),
    ("413 Large", b"", Verdict.CONTENT),
    ("401 No", {"errno": 109, "message": "Request did not validate missing authorization header"}, Verdict.STOP_ALL),
    ("403 No", {"reason": "BadJwtToken"}, Verdict.STOP_ALL),
    ("400 No", {"reason": "BadJwtToken"}, Verdict.STOP_ALL),
    ("400 No", b"Invalid VAPID header", Verdict.STOP_ALL),
    ("400 No", b"", Verdict.CONTENT),
    ("403 No", b"the VAPID credentials in the authorization header do not correspond to the credentials used to create", Verdict.OTHER),
    ("400 No", {"reason": "VapidPkHashMismatch"}, Verdict.OTHER),
    ("418 Teapot", b"", Verdict.OTHER),
]


@pytest.mark.parametrize(("status", "body", "verdict"), ANSWERS, ids=[f"{a[0]} {a[2]}" for a in ANSWERS])
def test_a_clear_no(status: str, body: object, verdict: Verdict) -> None:
    async def scene() -> None:
        async with peer(replying(http(status, body))) as (one, url):
            with pytest.raises(Rejected) as caught:
                await send_one(url)
            assert (caught.value.code, caught.value.verdict) == (f"http_{status[:3]}", verdict)
            assert len(one.requests) == 1

    asyncio.run(scene())


def test_not_now_names_the_wait() -> None:
    async def scene() -> None:
        async with peer(replying(http("429 Slow", b"", "Retry-After: 7"))) as (_, url):
            with pytest.raises(Transient) as caught:
                await send_one(url)
            assert caught.value.retry_after == 7

    asyncio.run(scene())


async def cut(one: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await one.read(reader)
    writer.transport.abort()


@pytest.mark.parametrize("answer", [hang, cut, replying(http("500 Oops", b"")), replying(http("503 Busy", b""))])
def test_no_clear_answer(answer: Any) -> None:
    async def scene() -> None:
        async with peer(answer) as (one, url):
            with pytest.raises(Unknown):
                await send_one(url, settings=config(timeout_seconds=SHORT_SECONDS))
            assert len(one.requests) == 1

    asyncio.run(scene())


def test_nothing_listens_means_surely_not_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Transient, match="no_connection"):
            asyncio.run(send_one(url))


def test_what_is_personal_is_not_printed() -> None:
    shown = repr(message(MOZILLA)) + repr(config())
    for secret in ("contoh", BROWSER.keys["auth"], "Gempa", OUR_KEY):
        assert secret not in shown


# -- where a message may go ------------------------------------------------------------------------------------------------


class Names(AbstractResolver):
    """A resolver that answers as told, one list of addresses per question."""

    def __init__(self, *answers: Sequence[str], port: int = 443) -> None:
        self.answers, self.port, self.asked = list(answers), port, 0

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if self.answers else ["10.0.0.1"]
        return [{"hostname": host, "host": each, "port": self.port, "family": family, "proto": 0, "flags": 0} for each in addresses]

    async def close(self) -> None:
        pass


async def refused(endpoint: str, policy: EndpointPolicy, names: Names) -> str:
    async with closing(port := WebPush(config(policy=policy), lookup=lambda: names)):
        with pytest.raises(Rejected) as caught:
            await port.send(message(endpoint))
        assert caught.value.verdict is Verdict.OTHER
        return caught.value.code


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async def scene() -> None:
        async with peer(replying(http("201 Created", b""))) as (inner, target):
            async with peer(replying(http("307 Elsewhere", b"", f"Location: {target}/push/b1"))) as (_, url):
                with pytest.raises(Rejected, match="http_307"):
                    await send_one(url)
            assert inner.connections == 0

    asyncio.run(scene())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["::1"],
        ["fe80::1"],
        ["fd00::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["224.0.0.1"],
        ["142.250.4.95", "10.0.0.1"],
        [],
    ],
    ids=str,
)
def test_a_push_service_whose_name_leads_inside_gets_nothing(addresses: list[str]) -> None:
    """The list allows the name; what it resolves to decides, and one bad address among good ones is enough."""
    names = Names(addresses)
    assert asyncio.run(refused(MOZILLA, EndpointPolicy(), names)) == "address_refused"
    assert names.asked == 1


def test_a_name_that_changes_its_mind_is_judged_by_the_answer_that_is_used() -> None:
    """Rebinding: a public address at first, an inner one when it counts. There is no first: one answer is judged and used."""

    async def scene() -> None:
        guard = EndpointPolicy().resolver(names := Names(["142.250.4.95"], ["127.0.0.1"]))
        assert [each["host"] for each in await guard.resolve("fcm.googleapis.com", 443)] == ["142.250.4.95"]
        with pytest.raises(OSError, match="public"):
            await guard.resolve("fcm.googleapis.com", 443)
        assert names.asked == 2
        await guard.close()

    asyncio.run(scene())


def test_the_connection_is_made_to_the_address_that_was_judged() -> None:
    async def scene() -> None:
        async with peer(replying(http("201 Created", b""))) as (one, url):
            names = Names(["127.0.0.1"], port=int(url.rpartition(":")[2]))
            async with closing(port := WebPush(config(), lookup=lambda: names)):
                await port.send(message(f"http://localhost:{names.port}/push/b1"))
            assert (one.connections, names.asked) == (1, 1)

    asyncio.run(scene())


def test_in_a_rehearsal_no_push_service_is_called() -> None:
    names = Names()
    assert asyncio.run(refused(MOZILLA, REHEARSAL, names)) == "endpoint_not_listed"
    assert asyncio.run(refused("http://localhost:9/push/b1", REHEARSAL, Names(["142.250.4.95"]))) == "address_refused"
    assert names.asked == 0


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        ("http://127.0.0.1:9/push/b1", "endpoint_not_https"),
        ("https://127.0.0.1/push/b1", "endpoint_not_listed"),
        ("https://10.0.0.1/wpush/x", "endpoint_not_listed"),
        ("https://fcm.googleapis.com/v1/projects/p/messages:send", "endpoint_not_listed"),
        ("https://fcm.googleapis.com.example.org/fcm/send/x", "endpoint_not_listed"),
        ("https://evil-push.apple.com.example/x", "endpoint_not_listed"),
        ("https://notify.windows.com/w/x", "endpoint_not_listed"),
        ("https://fcm.googleapis.com./fcm/send/x", "endpoint_not_listed"),
        ("https://fcm.googleapis.com:8443/fcm/send/x", "endpoint_not_https"),
        ("http://fcm.googleapis.com/fcm/send/x", "endpoint_not_https"),
        ("https://u:p@fcm.googleapis.com/fcm/send/x", "endpoint_unreadable"),
        ("https://fcm.googleapis.com\\@example.org/fcm/send/x", "endpoint_unreadable"),
        ("https://fcm.googleapis.com/fcm/send/x#y", "endpoint_unreadable"),
        ("https://fcm.googleapis.com/fcm/send/\n", "endpoint_unreadable"),
        ("https://fcm.googleapis.com:x/fcm/send/x", "endpoint_unreadable"),
        ("https://[::1/fcm/send/x", "endpoint_unreadable"),
        ("https://fcm.googleapis.com/fcm/send/../../v1/projects/p/messages:send", "endpoint_unreadable"),
        ("https://fcm.googleapis.com/fcm/send/%2e%2e/x", "endpoint_unreadable"),
        ("file:///etc/passwd", "endpoint_unreadable"),
        ("gopher://fcm.googleapis.com/fcm/send/x", "endpoint_unreadable"),
        ("https://fcm.googleapis.com/fcm/send/" + "x" * 2048, "endpoint_unreadable"),
        ("", "endpoint_unreadable"),
    ],
)
def test_only_the_addresses_of_push_services_are_posted_to(endpoint: str, code: str) -> None:
    assert asyncio.run(refused(endpoint, EndpointPolicy(extra_hosts=frozenset({"10.0.0.1"})), Names())) == code
    assert EndpointPolicy().registering_fault(endpoint) == code


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:APA91",
        "https://fcm.googleapis.com/wp/abc",
        "https://FCM.googleapis.com/fcm/send/abc",
        MOZILLA,
        "https://web.push.apple.com/QAbc",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYA%2b",
        "https://push.ministry.example/anything",
        "https://a.b.push.example/x",
    ],
)
def test_the_services_of_browsers_and_those_of_the_settings_are_known(endpoint: str) -> None:
    policy = EndpointPolicy(extra_hosts=frozenset({"push.ministry.example", ".push.example"}))
    assert policy.sending_fault(endpoint) is None
    assert policy.registering_fault(endpoint) is None
