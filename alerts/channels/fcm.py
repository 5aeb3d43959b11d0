"""Firebase Cloud Messaging, HTTP v1: one notification to one device."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from yarl import URL

from alerts.channels.answers import ANYTHING_ELSE, EXPIRED, FCM_ANSWERS, Answer, parse_retry_after
from alerts.channels.ports import Accepted, Priority, PushMessage, Rejected, Transient, Unknown, Verdict
from alerts.channels.wire import Wire, WireAnswer

if TYPE_CHECKING:  # half a second of a process's start, for those alone who have a service account
    from google.oauth2 import service_account

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
LARGEST_PAYLOAD_BYTES = 4096
LONGEST_TTL_SECONDS = 28 * 86_400
TOKEN_SECONDS = 10.0
FRESH_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class FcmConfig:
    """One project. A `static_token` stands in for the service account at a sandbox; otherwise `credentials_file`."""

    project: str
    credentials_file: str = ""
    static_token: str = field(default="", repr=False)
    base_url: str = "https://fcm.googleapis.com"
    timeout_seconds: float = 10.0
    connections: int = 128

    def __post_init__(self) -> None:
        if not (self.static_token or self.credentials_file):
            raise ValueError("FCM needs a service account file (or, at a sandbox, a static token)")


class Bearer(Protocol):
    """A source of access tokens. `forget` drops a refused one and says whether trying another makes sense."""

    async def token(self) -> str: ...

    def forget(self, token: str) -> bool: ...


class StaticBearer:
    """One token for ever: at a sandbox."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token

    def forget(self, token: str) -> bool:  # noqa: ARG002  (the port's form)
        return False


class ServiceAccountBearer:
    """Tokens of a Google service account, fetched in a thread, one fetch at a time, kept until shortly before they end."""

    def __init__(self, credentials: service_account.Credentials) -> None:
        from google.auth.transport.requests import Request

        self._credentials = credentials
        self._request = functools.partial(Request(), timeout=TOKEN_SECONDS)
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._fetched_at = 0.0

    @classmethod
    def from_file(cls, path: str) -> ServiceAccountBearer:
        from google.oauth2 import service_account

        credentials = service_account.Credentials.from_service_account_file(path, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        return cls(credentials)

    async def token(self) -> str:
        """The cached token or a new one. Raises Transient (Google not reached) or Rejected STOP_ALL (account refused)."""
        async with self._lock:
            if self._token is None or not self._credentials.valid:
                await self._fetch()
            return str(self._token)

    def forget(self, token: str) -> bool:
        """A token refused soon after it was fetched will not get better; an old one, or one already replaced, may."""
        if token != self._token:
            return True
        self._token = None
        return time.monotonic() - self._fetched_at > FRESH_SECONDS

    async def _fetch(self) -> None:
        from google.auth.exceptions import GoogleAuthError, RefreshError

        try:
            await asyncio.to_thread(self._credentials.refresh, self._request)
        except RefreshError as error:
            if error.retryable:
                raise Transient("token_not_fetched") from error
            raise Rejected("token_refused", verdict=Verdict.STOP_ALL) from error
        except (GoogleAuthError, OSError) as error:
            raise Transient("token_not_fetched") from error
        self._token, self._fetched_at = self._credentials.token, time.monotonic()


class Fcm:
    """The push port over FCM. Build it anywhere; its connections open in the loop of the first call."""

    name = "fcm"
    channel = "push"

    def __init__(self, config: FcmConfig, *, bearer: Bearer | None = None) -> None:
        self._url = URL(f"{config.base_url.rstrip('/')}/v1/projects/{config.project}/messages:send", encoded=True)
        self._bearer = bearer or _bearer_of(config)
        self._wire = Wire(
            {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"},
            connections=config.connections,
            timeout_seconds=config.timeout_seconds,
        )

    async def send(self, message: PushMessage) -> Accepted:
        """Hand one notification to FCM. Raises Transient, Rejected or Unknown."""
        if message.ttl_seconds < 1:
            raise EXPIRED.refusal("expired")
        body = payload_of(message, now=time.time())
        token = await self._bearer.token()
        answer = await self._wire.post(self._url, body, headers={"Authorization": f"Bearer {token}"})
        if answer.status == 401 and self._bearer.forget(token):
            raise Transient("UNAUTHENTICATED")
        return read_send_answer(answer)

    async def close(self) -> None:
        await self._wire.close()


def payload_of(message: PushMessage, *, now: float) -> bytes:
    """The request's JSON. `data.attempt_id` lets the app (and a judge) name the attempt. Raises Rejected when too large."""
    data = {**message.data, "attempt_id": message.attempt_id}
    ttl = min(message.ttl_seconds, LONGEST_TTL_SECONDS)
    is_high = message.priority is Priority.HIGH
    content = {
        "token": message.token,
        "notification": {"title": message.title, "body": message.body},
        "data": data,
        "android": {"priority": "HIGH" if is_high else "NORMAL", "ttl": f"{ttl}s"},
        "apns": {"headers": {"apns-priority": "10" if is_high else "5", "apns-expiration": str(int(now) + ttl)}},
    }
    words = [message.title, message.body, *data.keys(), *data.values()]
    if sum(len(word.encode()) for word in words) > LARGEST_PAYLOAD_BYTES:
        raise Rejected("payload_too_large", verdict=Verdict.CONTENT)
    return json.dumps({"message": content}, ensure_ascii=False, separators=(",", ":")).encode()


def read_send_answer(answer: WireAnswer) -> Accepted:
    """2xx with a name: accepted. 429, or 503 that names a wait: not now. Other 5xx: unknown. The rest: no."""
    status = answer.status
    if 200 <= status < 300:
        name = answer.body.get("name")
        if not isinstance(name, str) or not name:
            raise Unknown("unreadable_answer")
        return Accepted(name, "accepted")
    code = error_code_of(answer)
    if status == 429 or (status == 503 and answer.retry_after):
        raise Transient(code, retry_after=parse_retry_after(answer.retry_after))
    if not 400 <= status < 500 or status == 408:
        raise Unknown(f"http_{status}")
    raise _row_of(answer, code).refusal(code)


def error_code_of(answer: WireAnswer) -> str:
    """FCM's own errorCode where it gives one, else the RPC status, else the HTTP status."""
    error = _error_of(answer)
    for detail in _details(error):
        if isinstance(detail.get("errorCode"), str):
            return str(detail["errorCode"])
    return str(error.get("status") or f"http_{answer.status}")


def _row_of(answer: WireAnswer, code: str) -> Answer:
    if code == "INVALID_ARGUMENT" and _names_token(_error_of(answer)):
        return FCM_ANSWERS["UNREGISTERED"]
    if answer.status == 401:
        return FCM_ANSWERS["UNAUTHENTICATED"]
    return FCM_ANSWERS.get(code, ANYTHING_ELSE)


def _names_token(error: Mapping[str, Any]) -> bool:
    """An invalid argument may be the token, or a fault of ours that is the same for everybody: never prune for that."""
    violations = [v for d in _details(error) for v in d.get("fieldViolations") or () if isinstance(v, dict)]
    if violations:
        return any(v.get("field") == "message.token" for v in violations)
    return "registration token" in str(error.get("message") or "")


def _error_of(answer: WireAnswer) -> Mapping[str, Any]:
    error = answer.body.get("error")
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    return (d for d in (details if isinstance(details, list) else ()) if isinstance(d, dict))


def _bearer_of(config: FcmConfig) -> Bearer:
    return StaticBearer(config.static_token) if config.static_token else ServiceAccountBearer.from_file(config.credentials_file)
