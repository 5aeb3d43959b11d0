"""How a story speaks to a running Siaga: over HTTP, with a token for whoever speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests

TIMEOUT_SECONDS = 30.0
ANY = "*"
"""The key of a token to be used where a source has none of its own."""


class Answer(Protocol):
    """What an HTTP client gives back."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]: ...

    def json(self) -> Any: ...


class Http(Protocol):
    """An HTTP client: a session of `requests`, or a test's client."""

    def request(self, method: str, url: str, *, json: Any, headers: Mapping[str, str], timeout: float) -> Answer: ...


class ReplayError(Exception):
    """The replay cannot begin; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Api:
    """Where the product is, and on whose behalf it is called.

    `tokens` are bearer tokens by source: `ministry` (also for host state and media), `minister`, `mission:<code>`, and
    `*` for every source without one.
    """

    base_url: str
    tokens: Mapping[str, str]
    http: Http = field(default_factory=requests.Session)

    def post(self, by: str, path: str, body: Mapping[str, Any], *, key: str) -> Answer:
        """An acting request. Raises ReplayError when nobody may speak for `by`."""
        headers = {"Authorization": f"Bearer {self._token(by)}", "Idempotency-Key": key}
        return self._send("POST", path, body, headers)

    def get(self, path: str, *, by: str = "ministry") -> Any:
        """What may be read there. Raises ReplayError for a refusal."""
        return self._done("GET", by, path).json()

    def patch(self, by: str, path: str, body: Mapping[str, Any]) -> Any:
        """Change what is there now. Raises ReplayError for a refusal."""
        etag = self._done("GET", by, path).headers["ETag"]
        return self._done("PATCH", by, path, body, **{"If-Match": etag}).json()

    def _done(self, method: str, by: str, path: str, body: Mapping[str, Any] | None = None, **more: str) -> Answer:
        headers = {"Authorization": f"Bearer {self._token(by)}", **more}
        answer = self._send(method, path, body, headers)
        if answer.status_code != 200:
            raise ReplayError(why(answer))
        return answer

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        try:
            return self.http.request(method, f"{self.base_url}/api/v1{path}", json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise ReplayError(f"{self.base_url} cannot be asked: {type(error).__name__}") from error

    def _token(self, by: str) -> str:
        token = self.tokens.get(by) or self.tokens.get(ANY)
        if token is None:
            raise ReplayError(f"no token for {by}")
        return token


def why(answer: Answer) -> str:
    """A refusal in one line."""
    try:
        document = answer.json()
    except ValueError:
        return f"status {answer.status_code}"
    detail = document.get("detail") if isinstance(document, dict) else None
    field_name = document.get("field") if isinstance(document, dict) else None
    return f"status {answer.status_code}: {detail}{f' ({field_name})' if field_name else ''}"
