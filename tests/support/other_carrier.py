"""Another carrier in the sandbox's place, written from docs/judge.md alone: `python -m tests.support.other_carrier --log FILE --port N`.

It shares no code with the project, and no library: what it knows of us is what the document says.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import queue
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit


class Book:
    """What was taken: the journal on disk, and the list that a look-up asks for."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        self.messages: list[dict[str, Any]] = []
        self.accepted = 0
        self.plan: dict[str, Any] = {}
        self._next_turn = {"sms": 0.0, "push": 0.0}

    def take(self, attempt: str, *, channel: str) -> int:
        """Wait for a turn at the plan's pace, and write the acceptance to the disk; how many there are now."""
        with self._lock:
            pace = float(self.plan.get(f"{channel}_per_second") or 0)
            turn = max(self._next_turn[channel], time.monotonic())
            self._next_turn[channel] = turn + (1 / pace if pace else 0)
        time.sleep(max(0.0, turn - time.monotonic()))
        self.write({"kind": "accepted", "attempt": attempt, "channel": channel})
        with self._lock:
            self.accepted += 1
            return self.accepted

    def write(self, line: dict[str, str]) -> None:
        with self._lock:
            os.write(self._file, json.dumps(line).encode() + b"\n")
            os.fsync(self._file)


class Door(BaseHTTPRequestHandler):
    """The addresses that the document names."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    book: Book
    receipts: queue.SimpleQueue[tuple[str, str]]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/sandbox/stats":
            self._answer(200, {"accepted": self.book.accepted})
        elif address.path == "/sandbox/plan":
            self._answer(200, self.book.plan)
        elif address.path.endswith("/Messages.json") and self._is_ours():
            to = parse_qs(address.query).get("To", [""])[0]
            found = [each for each in reversed(self.book.messages) if each["to"] == to]
            self._answer(200, {"messages": found, "next_page_uri": None})
        else:
            self._answer(404, {"code": 20404, "message": "nothing here"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/sandbox/plan":
            self.book.plan = json.loads(body)
            self._answer(200, self.book.plan)
        elif self.path.endswith("/Messages.json"):
            self._text(body) if self._is_ours() else self._answer(401, {"code": 20003, "message": "who are you?"})
        elif self.path.endswith("/messages:send"):
            self._push(json.loads(body)["message"])
        else:
            self._answer(404, {"code": 20404, "message": "nothing here"})

    def _is_ours(self) -> bool:
        account = f"{os.environ['SIAGA_TWILIO_ACCOUNT_SID']}:{os.environ['SIAGA_TWILIO_AUTH_TOKEN']}"
        return self.headers.get("Authorization") == "Basic " + base64.b64encode(account.encode()).decode()

    def _text(self, body: bytes) -> None:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        callback = form["StatusCallback"]
        number = self.book.take(name_in(callback), channel="sms")
        sid = f"SM{number:032x}"
        message = {"sid": sid, "status": "queued", "to": form["To"], "from": form.get("From"), "body": form["Body"]}
        message |= {"date_created": formatdate(), "direction": "outbound-api", "error_code": None}
        self.book.messages.append(message)
        self._answer(201, message)
        self.receipts.put((callback, sid))

    def _push(self, message: dict[str, Any]) -> None:
        number = self.book.take(message["data"]["attempt_id"], channel="push")
        self._answer(200, {"name": f"projects/any/messages/{number}"})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a request's line may name a number."""


class Server(ThreadingHTTPServer):
    """One thread per connection; many may come at once."""

    daemon_threads = True
    request_queue_size = 1024


def name_in(callback: str) -> str:
    """The attempt that a callback's address names."""
    return urlsplit(callback).path.rpartition("/")[2].partition(".")[0]


def post_receipts(book: Book, receipts: queue.SimpleQueue[tuple[str, str]]) -> None:
    """Say of everything that it was delivered, signed as Twilio signs, until it is taken."""
    while True:
        callback, sid = receipts.get()
        book.write({"kind": "receipt", "attempt": name_in(callback), "status": "delivered"})
        fields = {"MessageSid": sid, "MessageStatus": "delivered", "AccountSid": os.environ["SIAGA_TWILIO_ACCOUNT_SID"]}
        signed = callback + "".join(name + fields[name] for name in sorted(fields))
        digest = hmac.digest(os.environ["SIAGA_TWILIO_AUTH_TOKEN"].encode(), signed.encode(), hashlib.sha1)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": base64.b64encode(digest).decode()}
        address = urlsplit(callback)
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
        try:
            connection.request("POST", address.path, urlencode(fields), headers)
            if connection.getresponse().status >= 500:
                receipts.put((callback, sid))
        except OSError:
            receipts.put((callback, sid))
        finally:
            connection.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--plan")
    asked = parser.parse_args()
    Door.book, Door.receipts = Book(asked.log), queue.SimpleQueue()
    for _ in range(4):
        threading.Thread(target=post_receipts, args=(Door.book, Door.receipts), daemon=True).start()
    Server(("127.0.0.1", asked.port), Door).serve_forever()


if __name__ == "__main__":
    main()
