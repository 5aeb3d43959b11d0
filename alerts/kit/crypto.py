"""Personal fields at rest: AES-GCM per field, and a blind index to find them again.

The associated data is table, column and row, so a ciphertext moved to another place does not open.
The stored form is: key version (1 byte), nonce (12 bytes), ciphertext and tag.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class UndecipherableError(Exception):
    """The bytes were not written by these keys for this table, column and row."""


@dataclass(frozen=True)
class Keyring:
    """All secret keys of one installation. `data` maps key version (1..255) to a 32-byte key."""

    data: Mapping[int, bytes] = field(repr=False)
    index: bytes = field(repr=False)
    link: bytes = field(repr=False)
    callback: bytes = field(repr=False)

    @cached_property
    def _ciphers(self) -> dict[int, AESGCM]:
        return {version: AESGCM(key) for version, key in self.data.items()}

    @cached_property
    def _newest(self) -> int:
        return max(self.data)

    def encrypt(self, plaintext: str, *, table: str, column: str, row: object) -> bytes:
        """Encrypt one field under the newest key version."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, plaintext.encode(), _place(table, column, row))
        return bytes([self._newest]) + nonce + sealed

    def decrypt(self, stored: bytes, *, table: str, column: str, row: object) -> str:
        """The plaintext; raises UndecipherableError for another place, another key or altered bytes."""
        stored = bytes(stored)
        cipher = self._ciphers.get(stored[0]) if stored else None
        if cipher is None:
            raise UndecipherableError(f"no key for {table}.{column}")
        nonce, sealed = stored[1 : 1 + NONCE_BYTES], stored[1 + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, _place(table, column, row)).decode()
        except (InvalidTag, ValueError):
            raise UndecipherableError(f"{table}.{column} does not open") from None

    def blind_index(self, value: str) -> bytes:
        """A keyed fingerprint (32 bytes) of a normalised value (E.164, device token): equal values, equal bytes."""
        return hmac.digest(self.index, value.encode(), hashlib.sha256)


def _place(table: str, column: str, row: object) -> bytes:
    return f"{table}\x1f{column}\x1f{row}".encode()
