"""Has the prepared words of a crisis file written by one person and approved by another, as the product wants it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from alerts.story.crisis import Crisis
from alerts.story.replay import TIMEOUT_SECONDS, ReplayError
from alerts.story.telling import Login


def prepare_words(crisis: Crisis, base_url: str, *, writer: Login, approver: Login) -> int:
    """The count of words that are now in use. Raises ReplayError where the product refuses them."""
    with signed_in(base_url, writer) as author, signed_in(base_url, approver) as second:
        for words in crisis.prepared:
            body = {"template_code": words.code, "kind": words.kind, "title": words.title, "texts": words.texts.model_dump()}
            event_kind = crisis.incident.get("kind") if words.kind == "first_alert" else None
            written = author.post("/templates", body | {"event_kind": event_kind})
            second.post(f"/templates/{written['id']}/approve", {"content_hash": written["content_hash"]})
    return len(crisis.prepared)


class Person:
    """Somebody signed in at a screen: what a token may not do."""

    def __init__(self, base_url: str, browser: requests.Session) -> None:
        self._base_url, self._browser = base_url, browser

    def post(self, path: str, body: Any) -> Any:
        """Raises ReplayError for a refusal."""
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Origin": self._base_url}
        answer = self._browser.post(f"{self._base_url}/api/v1{path}", json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        if not answer.ok:
            raise ReplayError(f"{path}: {answer.status_code}: {answer.text[:300]}")
        return answer.json()


@contextmanager
def signed_in(base_url: str, login: Login) -> Iterator[Person]:
    """A session of this account, until the block ends."""
    with requests.Session() as browser:
        person = Person(base_url, browser)
        person.post("/session", {"username": login.username, "password": login.password})
        yield person
