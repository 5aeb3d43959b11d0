"""Addresses that a provider calls dead are put away; many of one batch are more likely our own fault: then the batch stops.

The rest of a stopped batch waits for as long as a step waits for an answer, so that somebody who was paged may look. By then
the clock has begun the next step for whoever has one, and the rest goes on: nobody is lost to somebody else's mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.ports import Step
from alerts.channels.rule_book_outlets import EXERCISE_SENDER
from alerts.citizens.actions import retire_device
from alerts.citizens.addresses import retire_browser, retire_email
from alerts.deliveries.findings import raise_alarm
from alerts.deliveries.rules import Outcome

log = structlog.get_logger()
DEAD_SHARE_MAX = 0.05
DEAD_IN_ANY_CASE = 1
DEAD: Mapping[Channel, Step] = MappingProxyType(
    {Channel.PUSH: Step.PRUNE_TOKEN, Channel.WEB_PUSH: Step.PRUNE_TOKEN, Channel.EMAIL: Step.STOP_NUMBER}
)
"""What a provider says of an address that is gone for good. Numbers stay: they come back to life, and belong to the person."""
RETIRE: Mapping[Channel, Callable[[Session, UUID], Any]] = MappingProxyType(
    {Channel.PUSH: retire_device, Channel.WEB_PUSH: retire_browser, Channel.EMAIL: retire_email}
)
"""Per channel: how such an address is put away."""


def dead_of(channel: Channel, pairs: Iterable[tuple[UUID, Outcome]], *, sender: str) -> list[UUID]:
    """The addresses among these that are dead by their outcomes.

    Devices and mailboxes take alerts and exercises alike, by credentials of each: what an exercise's sender says of one (that
    the token is another project's, say) is true of exercises alone. A browser subscribed for one of the two worlds.
    """
    if sender.startswith(EXERCISE_SENDER) and channel is not Channel.WEB_PUSH:
        return []
    return [address_id for address_id, outcome in pairs if channel in DEAD and outcome.step is DEAD[channel]]


def count_dead(session: Session, batch_id: int, *, sender: str, count: int) -> bool:
    """Add dead addresses to the count of their batch. Whether it is stopped now: above 5 %, which is told of, once."""
    values = {"batch": batch_id, "count": count, "share": DEAD_SHARE_MAX, "any": DEAD_IN_ANY_CASE}
    found = session.execute(COUNT, values).one()
    if found.is_new:
        raise_alarm(session, "dead_tokens", sender=sender, count=found.dead_count)
    return bool(found.is_held)


def prune(session: Session, channel: Channel, batch_id: int, addresses: Sequence[UUID]) -> None:
    """Put dead addresses away, unless their batch was stopped for having too many."""
    if addresses and not session.execute(IS_HELD, {"batch": batch_id}).scalar_one():
        for address_id in addresses:
            RETIRE[channel](session, address_id)


COUNT = text("""
WITH size AS (SELECT count(*) AS n FROM delivery WHERE batch_id = :batch)
UPDATE delivery_batch b SET dead_count = b.dead_count + :count,
    held_at = CASE WHEN b.dead_count + :count > greatest(:any, size.n * CAST(:share AS float8)) THEN coalesce(b.held_at, clock_timestamp())
        ELSE b.held_at END
FROM size WHERE b.id = :batch
RETURNING new.dead_count, new.held_at IS NOT NULL AS is_held, old.held_at IS NULL AND new.held_at IS NOT NULL AS is_new
""")

IS_HELD = text("SELECT held_at IS NOT NULL FROM delivery_batch WHERE id = :batch")
