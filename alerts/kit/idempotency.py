"""`Idempotency-Key`: an action asked for twice happens once, and both callers get the same answer.

The row is written in the action's own transaction. A second request with the same key waits on the
first one's uncommitted row (up to 5 s), then replays its answer. Answers that may be repeated are kept
7 days: 2xx, and the 4xx by which the domain refuses; 401, 403, 429 and 5xx are not kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from sqlalchemy import LargeBinary, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from alerts.kit.db import Base, Tx, begin, created_at
from alerts.kit.errors import PROBLEM_JSON, AppError, BadRequestError, ConflictError, InvalidError

KEY_LENGTH_MAX = 200
WAIT_SECONDS = 5
KEPT_DAYS = 7
NOT_KEPT = {401, 403, 429}
LOCK_NOT_AVAILABLE = "55P03"


class IdempotencyKey(Base):
    """One action asked for, and (once it is done) what was answered."""

    __tablename__ = "idempotency_key"

    actor: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    media_type: Mapped[str | None]
    headers: Mapped[str | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = created_at()


class Replayed(Exception):  # noqa: N818 - not an error: the way out of a route that has nothing left to do
    """The stored answer of an earlier request with the same key and body."""

    def __init__(self, response: Response) -> None:
        super().__init__("replayed")
        self.response = response


class Idempotency:
    """The key of one request. `start` it with the actor, `answer` through it."""

    def __init__(self, request: Request, session: Session, key: str, body: bytes) -> None:
        self._request, self._session, self._key = request, session, key
        self._digest = hashlib.sha256(body).digest()
        self._where: dict[str, str] = {}

    def start(self, actor_key: str) -> None:
        """Take the key for this actor, or leave the route with the answer that it already has."""
        path = self._request.url.path
        self._where = {"actor": actor_key, "method": self._request.method, "path": path, "key": self._key}
        if self._take(self._session):
            self._request.state.keep_problem = self._keep_problem
            return
        row = self._session.execute(select(IdempotencyKey).filter_by(**self._where)).scalar_one()
        if row.body_sha256 != self._digest:
            raise InvalidError("key_reused", "this Idempotency-Key was used with another body", field="header.Idempotency-Key")
        raise Replayed(_stored_response(row))

    def answer(self, status: int, view: BaseModel | Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
        """Store the answer in the action's transaction, and give it."""
        content = view.model_dump_json() if isinstance(view, BaseModel) else _json(view)
        self._finish(self._session, status, content.encode(), headers=headers)
        return Response(content, status, dict(headers or {}), "application/json")

    def _take(self, session: Session) -> bool:
        session.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
        statement = insert(IdempotencyKey).values(**self._where, body_sha256=self._digest).on_conflict_do_nothing()
        try:
            taken = session.execute(statement.returning(IdempotencyKey.key)).first() is not None
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            raise ConflictError("still_running", "the first request with this key has not ended", retry_after=1) from None
        session.execute(text("SET LOCAL lock_timeout = '0'"))
        return taken

    def _finish(
        self,
        session: Session,
        status: int,
        content: bytes,
        *,
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        values = {"status": status, "body": content, "media_type": media_type, "headers": _json(dict(headers or {}))}
        session.execute(update(IdempotencyKey).filter_by(**self._where).values(**values))

    def _keep_problem(self, status: int, document: Mapping[str, Any]) -> None:
        """The action was refused and rolled back: keep the refusal, in a transaction of its own."""
        if status in NOT_KEPT or status >= 500 or "retry_after" in document:
            return
        with begin(self._request.app.state.sessions) as session:
            if self._take(session):
                self._finish(session, status, _json(document).encode(), media_type=PROBLEM_JSON)


async def _raw_body(request: Request) -> bytes:
    return await request.body()


def idempotency(
    request: Request,
    session: Tx,
    body: Annotated[bytes, Depends(_raw_body)],
    key: Annotated[str | None, Header(alias="Idempotency-Key", description="required; repeat it with the same body to retry")] = None,
) -> Idempotency:
    """The dependency of every acting POST; the route calls `start(actor.key)` first."""
    if not key:
        raise BadRequestError("idempotency_key_required", "an Idempotency-Key header is required", field="header.Idempotency-Key")
    if len(key) > KEY_LENGTH_MAX or "\x00" in key:
        raise InvalidError("key_too_long", f"at most {KEY_LENGTH_MAX} characters", field="header.Idempotency-Key")
    return Idempotency(request, session, key, body)


Idem = Annotated[Idempotency, Depends(idempotency)]


def replay_response(error: Replayed) -> Response:
    """The stored answer, marked as a replay."""
    error.response.headers["Idempotency-Replayed"] = "true"
    return error.response


def delete_old_keys(session: Session) -> None:
    """Forget keys after 7 days."""
    session.execute(text("DELETE FROM idempotency_key WHERE created_at < now() - make_interval(days => :days)"), {"days": KEPT_DAYS})


def _stored_response(row: IdempotencyKey) -> Response:

    if row.status is None:
        raise AppError("key_without_answer", "the first request left no answer")
    return Response(row.body, row.status, json.loads(row.headers or "{}"), row.media_type)


def _json(value: Any) -> str:

    return json.dumps(jsonable_encoder(value), ensure_ascii=False, separators=(",", ":"))
