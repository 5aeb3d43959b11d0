"""What the carrier and its people post to us: signed receipts, replies, an app's answer. Only to this machine by default."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

WORKERS = 32
TIMEOUT_SECONDS = 15.0
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Post:
    """One form to post. `then` gets whether it was taken; `is_signed`: by the account's token, as Twilio does.

    `sealed`: a body and its headers, to be posted as they are instead of the fields.
    """

    url: str
    fields: Mapping[str, str]
    kind: str
    is_signed: bool = True
    then: Callable[[bool], None] | None = None
    sealed: tuple[bytes, Mapping[str, str]] | None = None


class Outbound:
    """A queue of posts and a few workers: a storm of receipts costs connections and order, never memory per post."""

    def __init__(self, token: str, *, tries: int, retry_seconds: float) -> None:
        self._validator = RequestValidator(token)
        self._tries = tries
        self._retry_seconds = retry_seconds
        self._queue: asyncio.Queue[Post] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self.counts: Counter[str] = Counter()
        self.pending = 0

    def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=WORKERS),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": FORM, "User-Agent": "TwilioProxy/1.1 (sandbox)"},
        )
        self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    async def close(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def later(self, seconds: float, post: Post) -> None:
        """Post after so many seconds."""
        self.pending += 1
        asyncio.get_running_loop().call_later(seconds, self._queue.put_nowait, post)

    async def now(self, post: Post) -> bool:
        """Post and wait for the answer; True if it was taken (2xx or 3xx)."""
        is_taken, _ = await self.ask(post)
        return is_taken

    async def ask(self, post: Post) -> tuple[bool, str]:
        """Post and wait for the answer: whether it was taken (2xx or 3xx), and what was said."""
        is_taken, answer = await self._post(post)
        self.counts[f"{post.kind}_{'posted' if is_taken else 'failed'}"] += 1
        return is_taken, answer

    async def _work(self) -> None:
        while True:
            post = await self._queue.get()
            is_taken = await self.now(post)
            if post.then is not None:
                post.then(is_taken)
            self.pending -= 1

    async def _post(self, post: Post) -> tuple[bool, str]:
        """Retried while the receiver is away or failing, because a test may be killing it; 4xx is an answer."""
        body, headers = post.sealed or self._form(post)
        for number in range(self._tries):
            if number:
                await asyncio.sleep(self._retry_seconds * number)
            status, answer = await self._answer(URL(post.url, encoded=True), body, headers)
            if status < 500:
                return status < 400, answer
        return False, ""

    def _form(self, post: Post) -> tuple[bytes, Mapping[str, str]]:
        signature = self._validator.compute_signature(post.url, dict(post.fields)) if post.is_signed else ""
        return urlencode(post.fields).encode(), {"X-Twilio-Signature": signature} if signature else {}

    async def _answer(self, url: URL, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        assert self._session is not None
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status, (await answer.read()).decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 599, ""


def is_allowed(url: str, hosts: frozenset[str]) -> bool:
    """Whether the carrier may post there: this machine, or a host named in its configuration. It must never reach a stranger."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    is_here = host in ("localhost", "::1") or host.startswith("127.")
    return parts.scheme in ("http", "https") and (is_here or host in hosts)
