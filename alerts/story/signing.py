"""Somebody who signs in at a screen, for what a token may not do: approvals, publications, lists of codes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from alerts.story.api import TIMEOUT_SECONDS, ReplayError


@dataclass(frozen=True)
class Login:
    """Somebody who signs in with a password."""

    username: str
    password: str = field(repr=False)


class Person:
    """Somebody signed in at a screen."""

    def __init__(self, base_url: str, browser: requests.Session) -> None:
        self._base_url, self._browser = base_url, browser

    def post(self, path: str, body: Any = None) -> Any:
        """Raises ReplayError for a refusal."""
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Origin": self._base_url}
        answer = self._browser.post(f"{self._base_url}/api/v1{path}", json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        if not answer.ok:
            raise ReplayError(f"{path}: {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None


@contextmanager
def signed_in(base_url: str, login: Login) -> Iterator[Person]:
    """A session of this account, until the block ends."""
    with requests.Session() as browser:
        person = Person(base_url, browser)
        person.post("/session", {"username": login.username, "password": login.password})
        yield person
