"""Values, bodies and headers that break careless programs, and the places in a body where they can stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

NOT_TEXT = ("\x00", "a\x00b", "\ud800", {"\x00": 1}, ["a", "\udfff"])
VALUES: tuple[Any, ...] = (
    "",
    " ",
    "x" * 100_001,
    "\u202e\u200b",
    "１２３",
    "=cmd()",
    "'; DROP TABLE incident; --",
    -1,
    0,
    1.5,
    2**31,
    2**63,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    True,
    None,
    [],
    {},
    [[[[]]]],
    [None],
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2023-02-30T00:00:00Z",
    "2023-02-06T04:17:00",
    "1675653420",
    "-infinity",
    "00000000-0000-0000-0000-000000000000",
    "../../etc/passwd",
)
IN_ADDRESSES = (
    "%00",
    "a%00b",
    "%FF%FE",
    "%ED%A0%80",
    "",
    "%20",
    "-1",
    "0",
    "2147483648",
    "99999999999999999999999999",
    "NaN",
    "true",
    "0001-01-01T00:00:00%2B14:00",
    "9999-12-31T23:59:59-14:00",
    "00000000-0000-0000-0000-000000000000",
    "%2e%2e%5c",
    "x" * 5_000,
)
BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"text"',
    b"\xff\xfe{}",
    b'{"title": "\xed\xa0\x80"}',
    b"\xef\xbb\xbf{}",
    b"{}" * 2,
    b"[" * 900 + b"]" * 900,
    b"[" * 100_000,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b'{"areas": ' + b"[" * 400 + b"]" * 400 + b"}",
    b'{"limit": ' + b"9" * 5_000 + b"}",
    b'{"a": 1, "a": 2}',
    b"=;&&%00%zz=%",
    b"\x00" * 100,
)
MEDIA_TYPES = (
    "application/json",
    "text/plain",
    "application/xml",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    "",
    "\xff/;;=",
)
HEADERS: tuple[dict[str, bytes], ...] = (
    {"Idempotency-Key": b"\x00"},
    {"Idempotency-Key": b"\xff\xfe"},
    {"Idempotency-Key": b"k" * 5_000},
    {"If-Match": b"\xff, , W/"},
    {"If-None-Match": b'W/, "\xff", *x'},
    {"Accept-Language": b"\xff;q=,,;;q=NaN, id;q=x"},
    {"Accept": b"\xff/\xff"},
    {"Cookie": b"siaga_session=\xff\x00; =; __Host-siaga"},
    {"Authorization": b"Bearer"},
    {"Authorization": b"Bearer \xff\x00\xfe"},
    {"Authorization": b"Basic \xff"},
    {"Origin": b"http://[::1"},
    {"X-Forwarded-For": b"\xff, , 999.1.1.1"},
    {"Host": b"\xff:99999999"},
    {"X-Twilio-Signature": b"\xff"},
)


def to_json(value: Any) -> bytes:
    """As a careless client writes it: NaN, and half surrogate pairs as escapes."""
    return json.dumps(value).encode()


def leaves(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a body, containers among them."""
    if at:
        yield at
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*at, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*at, index))


def replaced(value: Any, at: tuple[str | int, ...], new: Any) -> Any:
    """A copy with another value in that place."""
    if not at:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[at[0]] = replaced(copy[at[0]], at[1:], new)
    return copy
