"""Staff at their desks over HTTP, timed: each call as the API answers it, with a fresh Idempotency-Key."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any

from alerts.stage import Account

TIMEOUT_SECONDS = 60


class Desk:
    """One person: a token for the API, or a session where a person is asked for."""

    def __init__(self, url: str, account: Account) -> None:
        self._url, self._account = url, account
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._headers = {"Authorization": f"Bearer {account.token}"}
        self.seconds: list[float] = []

    def sign_in(self) -> None:
        """From now on as a person with a session."""
        self._headers = {"Origin": self._url}
        self.post("/api/v1/session", {"username": self._account.username, "password": self._account.password})
        self.seconds.clear()

    def post(self, path: str, document: Mapping[str, Any] | None = None, *, is_timed: bool = True) -> dict[str, Any]:
        """The answer's document; raises HTTPError for a refusal."""
        headers = self._headers | {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
        body = json.dumps(document).encode() if document is not None else b""
        request = urllib.request.Request(self._url + path, data=body, headers=headers, method="POST")  # noqa: S310 - our own loopback server
        began = time.perf_counter()
        with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            content = answer.read()
        if is_timed:
            self.seconds.append(time.perf_counter() - began)
        return json.loads(content) if content else {}
