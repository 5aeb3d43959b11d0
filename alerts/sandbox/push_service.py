"""The push service of browsers that the sandbox plays: what RFC 8030 asks of a request, and what is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from alerts.sandbox.browsers import UnopenableError, UnsignedError, browser_of, check_signature, data_of, open_sealed
from alerts.sandbox.carrier import SandboxConfig

PUSH_PATH = re.compile(r"/push/([\w-]{1,100})")
BROWSER_PATH = re.compile(r"/sandbox/browsers/([\w-]{1,100})")
LARGEST_BODY_BYTES = 4096
URGENCIES = frozenset({"very-low", "low", "normal", "high"})


@dataclass(frozen=True, slots=True)
class BrowserRequest:
    """What came by HTTP, and the address that it came to."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    origin: str


@dataclass(frozen=True, slots=True)
class BrowserOrder:
    """A message for one browser. `data` is empty when the browser cannot open it: the service takes it all the same."""

    push_id: str
    data: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the service answers instead of taking a message."""

    status: int
    reason: str

    def as_json(self) -> dict[str, object]:
        return {"code": self.status, "message": self.reason}


def read_browser_order(push_id: str, request: BrowserRequest, config: SandboxConfig) -> BrowserOrder | Refusal:
    """The order in a POST, or what a strict push service answers."""
    refusal = _unsigned(request, config) or _malformed(request)
    if refusal is not None:
        return refusal
    try:
        payload = open_sealed(request.body, browser_of(config.auth_token, push_id))
    except UnopenableError:
        return BrowserOrder(push_id, {})
    return BrowserOrder(push_id, data_of(payload))


def _unsigned(request: BrowserRequest, config: SandboxConfig) -> Refusal | None:
    header = request.headers.get("Authorization", "")
    if not header:
        return Refusal(401, "a VAPID Authorization header is required")
    try:
        check_signature(header, audience=request.origin, application_key=config.application_key)
    except UnsignedError as error:
        return Refusal(403, str(error))
    return None


def _malformed(request: BrowserRequest) -> Refusal | None:
    headers, body = request.headers, request.body
    faults = {
        Refusal(400, "a TTL header is required"): not headers.get("TTL", "").isdigit(),
        Refusal(400, "no such urgency"): headers.get("Urgency", "normal") not in URGENCIES,
        Refusal(400, "the body is not aes128gcm"): headers.get("Content-Encoding") != "aes128gcm" or not body,
        Refusal(413, "too large"): len(body) > LARGEST_BODY_BYTES,
    }
    return next((refusal for refusal, is_so in faults.items() if is_so), None)


def subscription_json(push_id: str, *, origin: str, config: SandboxConfig) -> dict[str, object]:
    """A browser's subscription as it would give it to a page."""
    keys = browser_of(config.auth_token, push_id).keys
    return {"endpoint": f"{origin}/push/{push_id}", "expirationTime": None, "keys": keys}
