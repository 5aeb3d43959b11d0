"""Keys of the curve P-256 as browsers and push services write them: base64url without padding."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

SECRET_BYTES = 32
POINT_BYTES = 65


def decode_base64url(text: str) -> bytes:
    """Bytes of base64url with or without padding. Raises ValueError for any other character."""
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    try:
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64url") from None


def encode_base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def load_private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """A private key from PEM, or from base64url of its 32 bytes. Raises ValueError, which never quotes the key."""
    if "-----BEGIN" in text:
        return _load_pem(text)
    secret = decode_base64url(text.strip())
    if len(secret) != SECRET_BYTES:
        raise ValueError("a private key is PEM, or base64url of 32 bytes")
    return ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())


def load_point(text: str) -> ec.EllipticCurvePublicKey:
    """A public key from base64url of its uncompressed point. Raises ValueError for what is no point of the curve."""
    raw = decode_base64url(text)
    if len(raw) != POINT_BYTES:
        raise ValueError("a public key is base64url of 65 bytes")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def public_text(private_key: str) -> str:
    """The public half of a private key in either form, as browsers take it for `applicationServerKey`."""
    return encode_base64url(point_of(load_private_key(private_key).public_key()))


def _load_pem(text: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("the PEM holds no private key that can be read without a password") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("the PEM holds a key of another kind than P-256")
