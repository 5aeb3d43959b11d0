"""One's fault stays its own: each in a transaction of its own. Of a message that failed whoever is on duty is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.deliveries.findings import raise_stuck
from alerts.kit.db import Sessions, begin
from alerts.kit.errors import AppError

log = structlog.get_logger()
Work = Callable[[Session, UUID], object]
PASSING = frozenset({"40P01", "40001", "55P03"})
"""Deadlock, serialization, a lock that was not to be had: the next tick of the clock tries again, and nobody need know."""


def each_apart(sessions: Sessions, broadcast_ids: Iterable[UUID], work: Work, *, when_refused: Work | None = None) -> None:
    """Do the work for each message. What our own rules refuse is also given to `when_refused`: trying again would be no use."""
    for broadcast_id in broadcast_ids:
        try:
            with begin(sessions) as session:
                work(session, broadcast_id)
        except (AppError, DBAPIError) as error:
            if getattr(getattr(error, "orig", None), "sqlstate", None) in PASSING:
                log.info("message.put_off", broadcast_id=str(broadcast_id))
                continue
            log.error("message.failed", broadcast_id=str(broadcast_id), kind=type(error).__name__)  # noqa: TRY400 - parameters hold texts
            with begin(sessions) as session:
                if when_refused is not None and isinstance(error, AppError):
                    when_refused(session, broadcast_id)
                raise_stuck(session, broadcast_id)


def each_alone(sessions: Sessions, ids: Iterable[UUID], work: Work) -> None:
    """The same for what is due until it is done: one that fails is in the log, holds up nobody, and is tried again by the clock."""
    for each in ids:
        try:
            with begin(sessions) as session:
                work(session, each)
        except (AppError, DBAPIError, ValueError) as error:
            log.error("one.failed", id=str(each), kind=type(error).__name__)  # noqa: TRY400 - parameters hold texts
