"""The carrier of the benchmark: one fixed answer to whatever is posted, and a count of who was texted how often.

It checks nothing and waits for nothing, so that it costs little beside what is measured; it is not the sandbox.
`GET /stats` gives the counts, `GET /last` the last request as it came, `POST /reset` begins anew. After `POST /tell` it
also keeps the callback addresses of what it accepts, and `GET /told` hands them over, once, to whoever posts receipts.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections import Counter, deque
from typing import cast

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
MESSAGES = b"POST /2010-04-01/Accounts/"
SID_DIGITS = 32
CALLBACK = b"StatusCallback="
TOLD_AT_ONCE = 500
_BODY = (
    b'{"account_sid": "AC%s", "api_version": "2010-04-01", "body": "as posted", "date_created": "Mon, 01 Jan 2024 00:00:00 +0000", '
    b'"date_sent": null, "date_updated": "Mon, 01 Jan 2024 00:00:00 +0000", "direction": "outbound-api", "error_code": null, '
    b'"error_message": null, "from": "+15005550006", "messaging_service_sid": null, "num_media": "0", "num_segments": "1", '
    b'"price": null, "price_unit": "USD", "status": "queued", "subresource_uris": {}, "to": "as posted", "uri": "/as-posted.json", '
    b'"sid": "SM' % (b"0" * SID_DIGITS)
)
_END = b'"}'
_ANSWER = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_ACCEPTED = _ANSWER % (b"201 CREATED", len(_BODY) + SID_DIGITS + len(_END)) + _BODY


class Book:
    """What was accepted since the last reset."""

    def __init__(self) -> None:
        self.accepted = 0
        self.sids = 0
        self.per_number: Counter[bytes] = Counter()
        self.last = (b"", b"")
        self.is_telling = False
        self.told: deque[bytes] = deque()

    def accept(self, head: bytes, body: bytes) -> bytes:
        """Count one message and answer it with an id that nobody had before."""
        start = body.find(b"To=") + 3
        self.per_number[body[start : body.find(b"&", start)]] += 1
        self.accepted += 1
        self.sids += 1
        self.last = (head, body)
        if self.is_telling:
            self._keep_callback(body)
        return _ACCEPTED + b"%032x" % self.sids + _END

    def reset(self) -> None:
        """Forget the counts; ids go on, so that none is given twice."""
        self.accepted = 0
        self.per_number.clear()
        self.told.clear()
        self.is_telling = False

    def tell(self) -> bytes:
        """The next callbacks that nobody was told of: a line for each, the id and the address as it was posted."""
        return b"\n".join(self.told.popleft() for _ in range(min(TOLD_AT_ONCE, len(self.told))))

    def stats(self) -> dict[str, int]:
        """Messages, different numbers, and the most that one number got."""
        return {"accepted": self.accepted, "numbers": len(self.per_number), "most_per_number": max(self.per_number.values(), default=0)}

    def _keep_callback(self, body: bytes) -> None:
        start = body.find(CALLBACK)
        if start >= 0:
            end = body.find(b"&", start)
            self.told.append(b"SM%032x %b" % (self.sids, body[start + len(CALLBACK) : end if end >= 0 else None]))

    def last_request(self) -> dict[str, str]:
        """The last message as it came: head and body, base64."""
        head, body = self.last
        return {"head": base64.b64encode(head).decode(), "body": base64.b64encode(body).decode()}


class Door(asyncio.Protocol):
    """One connection, kept alive; requests are answered in the order in which they come."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._waiting = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        data = self._waiting + data if self._waiting else data
        answers = []
        while (end := data.find(HEAD_END)) >= 0:
            head, begin = data[:end], end + len(HEAD_END)
            length = _length_of(head)
            if len(data) < begin + length:
                break
            answers.append(self._answer(head, data[begin : begin + length]))
            data = data[begin + length :]
        self._waiting = data
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(MESSAGES):
            return self._book.accept(head, body)
        if head.startswith(b"GET /last"):
            return _document(self._book.last_request())
        if head.startswith(b"GET /told"):
            return _plain(self._book.tell())
        if head.startswith(b"POST /reset"):
            self._book.reset()
        if head.startswith(b"POST /tell"):
            self._book.is_telling = True
        return _document(self._book.stats())


def _length_of(head: bytes) -> int:
    head = head.lower()
    start = head.find(LENGTH)
    if start < 0:
        return 0
    end = head.find(b"\r\n", start)
    return int(head[start + len(LENGTH) : end if end >= 0 else None])


def _document(content: dict[str, int] | dict[str, str]) -> bytes:
    return _plain(json.dumps(content).encode())


def _plain(body: bytes) -> bytes:
    return _ANSWER % (b"200 OK", len(body)) + body


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until killed."""
    book = Book()
    server = await asyncio.get_running_loop().create_server(lambda: Door(book), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
