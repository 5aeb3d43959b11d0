"""Identifiers that leave the house: citizens' links and callback addresses, both signed.

Row ids are UUIDv7, made by Postgres (`uuidv7()`), so that newest-first is ordering by id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import NamedTuple

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MAC_BYTES = 16
MAC_DIGITS = 22  # 62**22 > 2**128
MAC_LETTERS = 22  # of base64, without the padding
VALUES = {letter: value for value, letter in enumerate(ALPHABET)}


class MemberToken(NamedTuple):
    """What a citizen's link says: the audience member's number, and a MAC still to be checked."""

    number: int
    mac: bytes


FOUR_DIGITS = 62**4
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


def to_base62(number: int, width: int = 1) -> str:
    """A non-negative integer in base62, padded with zeros to `width`. Four digits at a time: long divisions are dear."""
    groups = []
    while number:
        number, group = divmod(number, FOUR_DIGITS)
        high, low = divmod(group, 3844)
        groups.append(PAIRS[high] + PAIRS[low])
    groups.reverse()
    return "".join(groups).lstrip("0").rjust(width, "0")


def from_base62(text: str) -> int:
    """The integer; raises ValueError for empty text or a foreign character."""
    if not text or any(letter not in VALUES for letter in text):
        raise ValueError("not base62")
    number = 0
    for letter in text:
        number = number * 62 + VALUES[letter]
    return number


def member_token(key: bytes, *, number: int, generation: int) -> str:
    """`<member number>.<128 bits of HMAC>`, base62: the tail of `/i/…`. Raising the generation revokes it."""
    mac = int.from_bytes(_mac(key, f"link:{number}:{generation}"))
    return f"{to_base62(number)}.{to_base62(mac, MAC_DIGITS)}"


def parse_member_token(token: str) -> MemberToken | None:
    """The parts of a well-formed token, or None. Says nothing of its validity."""
    head, dot, tail = token.partition(".")
    if not dot or len(token) > 64 or len(tail) != MAC_DIGITS:
        return None
    try:
        number, mac = from_base62(head), from_base62(tail)
    except ValueError:
        return None
    if number >= 2**63 or mac >= 2**128:
        return None
    return MemberToken(number, mac.to_bytes(MAC_BYTES))


def is_member_token_valid(key: bytes, token: MemberToken, generation: int) -> bool:
    """Constant-time check against the generation that the database stores."""
    return hmac.compare_digest(token.mac, _mac(key, f"link:{token.number}:{generation}"))


CODE_LETTERS = "23456789abcdefghjkmnpqrstvwxyz"
CODE_LENGTH = 10
ALERT_CODE_LENGTH = 6


def incident_code(key: bytes, incident_id: object) -> str:
    """The tail of `/c/…`, the open check-in link of an incident: easily read aloud, small letters and digits.

    It opens an empty form and is meant to be passed on, so it is short: about 49 bits.
    """
    return _letters(_mac(key, f"open:{incident_id}"), CODE_LENGTH)


def read_alert_code(typed: str) -> str | None:
    """A code as somebody types it, or None where none can look so. A forger who invents one hits a given one once in 700 million.

    Copied with its word, a full stop or a space in it, it is the same code: nobody shall doubt a message of ours for that.
    """
    code = "".join(sign for sign in typed.lower() if sign.isascii() and sign.isalnum())
    if len(code) > ALERT_CODE_LENGTH:
        code = code.removeprefix("kode").removeprefix("code")
    return code if len(code) == ALERT_CODE_LENGTH and all(letter in CODE_LETTERS for letter in code) else None


def callback_token(key: bytes, attempt: str) -> str:
    """`<attempt>.<MAC>`: goes out in a StatusCallback URL and comes back, proving who made it."""
    mac = base64.urlsafe_b64encode(_mac(key, f"callback:{attempt}"))
    return f"{attempt}.{mac[:MAC_LETTERS].decode()}"


def attempt_of_callback(key: bytes, token: str) -> str | None:
    """The attempt's name of a token that we signed, otherwise None."""
    attempt, dot, _ = token.partition(".")
    if not dot or len(token) > 128 or not token.isascii():
        return None
    return attempt if hmac.compare_digest(token, callback_token(key, attempt)) else None


def _letters(mac: bytes, length: int) -> str:
    number, letters = int.from_bytes(mac), []
    for _ in range(length):
        number, rest = divmod(number, len(CODE_LETTERS))
        letters.append(CODE_LETTERS[rest])
    return "".join(letters)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)[:MAC_BYTES]
