"""Which batch a hint is answered by: the first of its message and lane that is due, so that the nearest go first.

A hint asks for one more batch of a lane, not for the one that it names. A batch that was given back while its lane waited
would else be asked for behind all the others, and those nearest to the danger would be told last. Hints and batches are
so many as before: a batch that was passed over is asked for again if the one taken in its place had still to be.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.deliveries.carriers import Carriers
from alerts.deliveries.messages import Messages, Row
from alerts.deliveries.restoring import may_send
from alerts.deliveries.statements import FIRST, OWED
from alerts.deliveries.windows import Claim, claim_batch, load_rows
from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import publish
from alerts.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True)
class Taken:
    """A claimed batch: what of it is due, and what to write. `asked_at` (monotonic seconds): just before its lease began."""

    claim: Claim
    rows: Sequence[Row]
    messages: Messages
    asked_at: float


def take_batch(settings: Settings, sessions: Sessions, carriers: Carriers, *, batch_id: int, owner: str, broken: list[int]) -> Taken | bool:
    """Claim what a hint for this batch asks for. Otherwise: whether there is nothing to do (False: ask again).

    One that cannot be begun joins `broken` and is passed over; only if it is the batch itself its fault is raised.
    """
    while True:
        chosen, asked_at = batch_id, time.monotonic()
        try:
            with begin(sessions) as session:
                if not may_send(session):
                    return False
                chosen = find_first_batch(session, batch_id, broken) or batch_id
                claim = claim_batch(session, chosen, owner=owner, lease_seconds=settings.delivery.lease_seconds)
                if claim is None:
                    return not is_owed(session, batch_id, broken)
                rows = [] if claim.is_over else load_rows(session, claim)
                return Taken(claim, rows, carriers.texts_of(session, settings, claim.broadcast_id), asked_at)
        except Exception as error:
            if chosen == batch_id:
                raise
            log.error("batch.not_begun", batch_id=chosen, kind=type(error).__name__)  # noqa: TRY400 - no trace: texts may be in it
            broken.append(chosen)


def find_first_batch(session: Session, batch_id: int, but: Sequence[int]) -> int | None:
    """The lowest batch that is due, of the message and lane of this one, and nobody's; it is locked. None: there is none."""
    return session.execute(FIRST, {"batch": batch_id, "but": list(but)}).scalar()


def is_owed(session: Session, batch_id: int, but: Sequence[int]) -> bool:
    """Whether a hint that found nothing is to be told again: its batch is held, or one of its lane was locked just now."""
    return session.execute(OWED, {"batch": batch_id, "but": list(but)}).scalar() is True


def ask_again(session: Session, batch_id: int) -> None:
    """Ask for a batch that has just been given back, once: the clock need not."""
    publish(session, "delivery.batch_due", batch_id=batch_id)
    session.execute(RUNG, {"batch": batch_id})


RUNG = text("UPDATE delivery_batch SET rung_at = greatest(due_at, clock_timestamp()) WHERE id = :batch")
