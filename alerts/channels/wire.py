"""One HTTP request to a provider, and the line that everything depends on: did any byte leave?

Only a failure to get a connection (DNS, TCP, TLS, or no free place in the pool) is "surely not sent". Whatever
goes wrong once a connection was ours (time-out, reset, a broken answer) is "may have been sent".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from alerts.channels.ports import Rejected, Transient, Unknown, Verdict
from alerts.channels.push_services import RefusedAddressError

CONNECT_SHARE = 1 / 3  # of the total time: a time-out of the total can then only fall after the connection stood
CONNECT_MOST_SECONDS = 5.0
KEEPALIVE_SECONDS = 15.0  # below what providers keep, so that we seldom write into a connection being closed


class WireAnswer(NamedTuple):
    """Status, Retry-After and the body as JSON (an empty mapping when it is none). `location`, `raw`: for who reads more."""

    status: int
    retry_after: str | None
    body: Mapping[str, Any]
    location: str = ""
    raw: bytes = b""


class Wire:
    """A long-lived session to one provider, opened in the loop that first uses it. Never retries, never redirects.

    `connections` bounds how many requests are under way: about rate × latency (100 ms at 1,000/s: 100). `resolver` is
    made in that loop and decides which addresses a name may lead to.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        *,
        connections: int,
        timeout_seconds: float,
        resolver: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self._headers = dict(headers)
        self._resolver = resolver
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_seconds,
            connect=min(CONNECT_MOST_SECONDS, timeout_seconds * CONNECT_SHARE),
        )
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: URL, body: bytes, *, headers: Mapping[str, str] | None = None) -> WireAnswer:
        """Send one body. Raises Transient (no byte left) or Unknown (bytes left, no whole answer)."""
        return await self._request("POST", url, body=body, headers=headers)

    async def put(self, url: URL, body: bytes, *, headers: Mapping[str, str] | None = None) -> WireAnswer:
        """Send one body by PUT; as `post`."""
        return await self._request("PUT", url, body=body, headers=headers)

    async def get(self, url: URL) -> WireAnswer:
        """Read. Raises the same two; for a read both mean "ask again"."""
        return await self._request("GET", url, body=None, headers=None)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(self, method: str, url: URL, *, body: bytes | None, headers: Mapping[str, str] | None) -> WireAnswer:
        session = self._session or self._open()
        try:
            async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                raw = await response.read()
                headers_in = response.headers
                location = headers_in.get("Location", "")
                return WireAnswer(response.status, headers_in.get("Retry-After"), _as_mapping(raw), location, raw)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            if isinstance(getattr(error, "os_error", None), RefusedAddressError):
                raise Rejected("address_refused", verdict=Verdict.OTHER) from error
            raise Transient(f"no_connection:{type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unknown(f"no_answer:{type(error).__name__}") from error

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._connections,
            keepalive_timeout=KEEPALIVE_SECONDS,
            loop=asyncio.get_running_loop(),
            resolver=self._resolver() if self._resolver else None,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            headers=self._headers,
            skip_auto_headers=("Accept-Encoding", "User-Agent"),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session


def _as_mapping(raw: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
