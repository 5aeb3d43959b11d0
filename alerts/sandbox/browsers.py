"""The browsers at the other end of Web Push: their keys, how they open what was sealed for them, and who signed it.

Written from RFC 8188, 8291 and 8292 and with another JWT library than the sender's, so that both sides cannot be wrong
in the same way. A browser's keys follow from the sandbox's secret and its id: nothing has to be remembered.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alerts.kit.p256 import decode_base64url, encode_base64url, load_point, point_of

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SALT_BYTES, TAG_BYTES, AUTH_BYTES = 16, 16, 16
LONGEST_SIGNED_SECONDS = 86_400


class UnopenableError(Exception):
    """The bytes were not sealed for this browser."""


class UnsignedError(Exception):
    """The Authorization header is no good signature for this push service."""


@dataclass(frozen=True, slots=True)
class BrowserSecrets:
    """What a browser keeps to itself: the private key and the secret of its subscription."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    auth: bytes = field(repr=False)

    @property
    def keys(self) -> dict[str, str]:
        """What it tells an application server, in the form of `PushSubscription.toJSON().keys`."""
        return {"p256dh": encode_base64url(point_of(self.private_key.public_key())), "auth": encode_base64url(self.auth)}


def browser_of(secret: str, push_id: str) -> BrowserSecrets:
    """The browser behind one push address of a sandbox with this secret."""
    scalar = int.from_bytes(hmac.digest(secret.encode(), f"browser key|{push_id}".encode(), hashlib.sha512)) % (P256_ORDER - 1) + 1
    auth = hmac.digest(secret.encode(), f"browser auth|{push_id}".encode(), hashlib.sha256)[:AUTH_BYTES]
    return BrowserSecrets(ec.derive_private_key(scalar, ec.SECP256R1()), auth)


def open_sealed(body: bytes, browser: BrowserSecrets) -> bytes:
    """The payload of one aes128gcm message (RFC 8291: one record). Raises UnopenableError."""
    salt, length = body[:SALT_BYTES], body[SALT_BYTES + 4 : SALT_BYTES + 5]
    record_size = int.from_bytes(body[SALT_BYTES : SALT_BYTES + 4])
    start = SALT_BYTES + 5 + (length[0] if length else 0)
    sender_point, record = body[SALT_BYTES + 5 : start], body[start:]
    if not TAG_BYTES < len(record) <= record_size:
        raise UnopenableError
    try:
        sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender_point)
        shared = browser.private_key.exchange(ec.ECDH(), sender)
        info = b"WebPush: info\x00" + point_of(browser.private_key.public_key()) + sender_point
        material = _hkdf(browser.auth, shared, info, length=32)
        key = _hkdf(salt, material, b"Content-Encoding: aes128gcm\x00", length=16)
        nonce = _hkdf(salt, material, b"Content-Encoding: nonce\x00", length=12)
        padded = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\x00")
    except (ValueError, InvalidTag):
        raise UnopenableError from None
    if not padded.endswith(b"\x02"):
        raise UnopenableError
    return padded[:-1]


def check_signature(header: str, *, audience: str, application_key: str = "") -> Mapping[str, object]:
    """The claims of a VAPID header (RFC 8292). Raises UnsignedError for anything that a strict push service refuses.

    `application_key`: the key that the subscriptions were made for; empty: any.
    """
    scheme, _, fields = header.partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in fields.split(","))
    if scheme.lower() != "vapid" or not {"t", "k"} <= parts.keys():
        raise UnsignedError("no vapid header")
    if application_key and decode_or_none(parts["k"]) != decode_or_none(application_key):
        raise UnsignedError("the key does not correspond to the credentials used to create the subscription")
    try:
        claims: Mapping[str, object] = jwt.decode(
            parts["t"], load_point(parts["k"]), algorithms=["ES256"], audience=audience, options={"require": ["exp", "aud"]}
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise UnsignedError(f"vapid: {error}") from None
    ends_at = claims["exp"]
    if not isinstance(ends_at, int) or ends_at > time.time() + LONGEST_SIGNED_SECONDS:
        raise UnsignedError("vapid: signed for more than a day")
    if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
        raise UnsignedError("vapid: nobody to turn to")
    return claims


def data_of(payload: bytes) -> dict[str, str]:
    """The `data` of a notification's JSON, as the service worker sees it; empty where there is none."""
    try:
        data = json.loads(payload)["data"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {str(name): value for name, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}


def decode_or_none(text: str) -> bytes | None:
    try:
        return decode_base64url(text)
    except ValueError:
        return None


def _hkdf(salt: bytes, material: bytes, info: bytes, *, length: int) -> bytes:
    """RFC 5869 with SHA-256 for at most one block, which is all that is asked for here."""
    return hmac.digest(hmac.digest(salt, material, hashlib.sha256), info + b"\x01", hashlib.sha256)[:length]
