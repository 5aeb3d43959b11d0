"""Password hashing (argon2id by pwdlib) and the random secrets of sessions and tokens."""

from __future__ import annotations

import hashlib
import secrets
import threading
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

TOKEN_PREFIX = "siaga_"  # noqa: S105 - public: what a secret begins with
SECRET_BYTES = 32

_hasher = PasswordHash((Argon2Hasher(),))
# Each verification takes 64 MiB; without this a burst of sign-ins would take the memory of the machine.
_slots = threading.BoundedSemaphore(4)


def hash_password(password: str) -> str:
    with _slots:
        return _hasher.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Takes as long for an account that does not exist (`stored` None) as for one that does."""
    nobody = _hash_of_nobody()
    with _slots:
        matches = _hasher.verify(password, stored or nobody)
    return matches and stored is not None


@cache
def _hash_of_nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(SECRET_BYTES))


def new_session_secret() -> str:
    """256 random bits for the cookie."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_api_token() -> str:
    """256 random bits behind a prefix that secret scanners can recognise."""
    return TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def new_password() -> str:
    """A password to hand over once and to change at the first sign-in."""
    return secrets.token_urlsafe(15)


def fingerprint(secret: str) -> bytes:
    """What is stored of a random secret. SHA-256 suffices: 256 random bits cannot be guessed from it."""
    return hashlib.sha256(secret.encode()).digest()
