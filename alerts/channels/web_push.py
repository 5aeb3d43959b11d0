"""Web Push: one sealed message to one browser (RFC 8030), encrypted for it alone (RFC 8291), signed as ours (RFC 8292)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import http_ece
from aiohttp.abc import AbstractResolver
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from yarl import URL

from alerts.channels.answers import EXPIRED, parse_retry_after, web_push_answer
from alerts.channels.ports import Accepted, Priority, Rejected, Transient, Unknown, Verdict, WebPushMessage
from alerts.channels.push_services import EndpointPolicy
from alerts.channels.wire import Wire, WireAnswer
from alerts.kit.p256 import decode_base64url, load_point, load_private_key, point_of

# A push service takes 4,096 bytes: a header of 86, a tag of 16, an end mark of 1, and what is left.
RECORD_BYTES = 4096
LARGEST_PAYLOAD_BYTES = RECORD_BYTES - 86 - 16 - 1
AUTH_BYTES = 16
LONGEST_TTL_SECONDS = 28 * 86_400
# A signature may live 24 hours at most; clocks differ, and one is used again until shortly before its end.
SIGNED_SECONDS = 12 * 3600
FRESH_SECONDS = 3600
EXPLANATION_BYTES = 2000
PROVIDER_ID_MAX = 200


@dataclass(frozen=True, kw_only=True)
class WebPushConfig:
    """One application server. `subject` (mailto: or https:) is whom a push service turns to when something is wrong."""

    private_key: str = field(repr=False)
    subject: str
    policy: EndpointPolicy = field(default_factory=EndpointPolicy)
    longest_ttl_seconds: int = LONGEST_TTL_SECONDS
    timeout_seconds: float = 10.0
    connections: int = 128


class WebPush:
    """The way to browsers. Build it anywhere; its connections open in the loop of the first call."""

    name = "web_push"
    channel = "web_push"

    def __init__(self, config: WebPushConfig, *, lookup: Callable[[], AbstractResolver] | None = None) -> None:
        """`lookup` makes the resolver whose answers the policy judges; the system's, unless told otherwise."""
        self._config = config
        self._signer = Signer(config.private_key, config.subject)
        headers = {"Content-Type": "application/octet-stream", "Content-Encoding": "aes128gcm"}
        self._wire = Wire(
            headers,
            connections=config.connections,
            timeout_seconds=config.timeout_seconds,
            resolver=lambda: config.policy.resolver(lookup() if lookup else None),
        )

    async def send(self, message: WebPushMessage) -> Accepted:
        """Hand one message to the browser's push service. Raises Transient, Rejected or Unknown."""
        if message.ttl_seconds < 1:
            raise EXPIRED.refusal("expired")
        fault = self._config.policy.sending_fault(message.endpoint)
        if fault is not None:
            raise Rejected(fault.value, verdict=Verdict.OTHER)
        body = seal(message.payload, p256dh=message.p256dh, auth=message.auth)
        url = URL(message.endpoint, encoded=True)
        headers = {
            "Authorization": self._signer.authorization(str(url.origin())),
            "TTL": str(min(message.ttl_seconds, self._config.longest_ttl_seconds)),
            "Urgency": "high" if message.priority is Priority.HIGH else "normal",
        }
        answer = await self._wire.post(url, body, headers=headers)
        return read_push_answer(answer, attempt_id=message.attempt_id)

    async def close(self) -> None:
        await self._wire.close()


class Signer:
    """Signatures for push services, one per service (its origin is what is signed), kept while they are good for an hour."""

    def __init__(self, private_key: str, subject: str) -> None:
        self._vapid = Vapid02(load_private_key(private_key))
        self._subject = subject
        self._signed: dict[str, tuple[str, float]] = {}

    def authorization(self, origin: str) -> str:
        """The Authorization header for one service."""
        kept, ends_at = self._signed.get(origin, ("", 0.0))
        now = time.time()
        if ends_at - now > FRESH_SECONDS:
            return kept
        ends_at = now + SIGNED_SECONDS
        claims = {"aud": origin, "exp": int(ends_at), "sub": self._subject}
        signed = str(self._vapid.sign(claims)["Authorization"])
        self._signed[origin] = (signed, ends_at)
        return signed


def seal(payload: bytes, *, p256dh: str, auth: str) -> bytes:
    """The payload for one browser's eyes. Raises Rejected for keys that are none and for more than one record holds."""
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        raise Rejected("payload_too_large", verdict=Verdict.CONTENT)
    try:
        point, secret = point_of(load_point(p256dh)), decode_base64url(auth)
    except ValueError:
        raise Rejected("keys_unreadable", verdict=Verdict.DEAD_TOKEN) from None
    if len(secret) != AUTH_BYTES:
        raise Rejected("keys_unreadable", verdict=Verdict.DEAD_TOKEN)
    one_use = ec.generate_private_key(ec.SECP256R1())
    sealed: bytes = http_ece.encrypt(payload, private_key=one_use, dh=point, auth_secret=secret, rs=RECORD_BYTES, version="aes128gcm")
    return sealed


def read_push_answer(answer: WireAnswer, *, attempt_id: str) -> Accepted:
    """2xx: accepted, named by the last part of its Location. 429: not now. 5xx: unknown. The rest, redirects among it: no."""
    status = answer.status
    if 200 <= status < 300:
        name = answer.location.rstrip("/").rpartition("/")[2][:PROVIDER_ID_MAX]
        return Accepted(name or attempt_id, "accepted")
    if status == 429:
        raise Transient("http_429", retry_after=parse_retry_after(answer.retry_after))
    if not 300 <= status < 500 or status == 408:
        raise Unknown(f"http_{status}")
    explanation = answer.raw[:EXPLANATION_BYTES].decode("utf-8", "replace")
    raise web_push_answer(status, explanation).refusal(f"http_{status}")
