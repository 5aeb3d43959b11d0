"""What answers say beyond the one message: of a person, of a device, of a whole sender. And when a person must be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.ports import Verdict
from alerts.citizens.actions import record_opt_out, retire_device
from alerts.citizens.addresses import retire_browser, retire_email
from alerts.citizens.rules import OptSource
from alerts.deliveries.rules import Outcome
from alerts.deliveries.windows import Claim, Window
from alerts.kit.outbox import publish

log = structlog.get_logger()
DEAD_SHARE_MAX = 0.05
DEAD_IN_ANY_CASE = 1
ALARMS = MappingProxyType(
    {
        Verdict.STOP_ALL: "stop_all",
        Verdict.NO_PERMISSION: "no_permission",
        Verdict.CONTENT: "content_refused",
        Verdict.OTHER: "unread_answer",
    }
)
DEAD = MappingProxyType({Channel.PUSH: Verdict.DEAD_TOKEN, Channel.WEB_PUSH: Verdict.DEAD_TOKEN, Channel.EMAIL: Verdict.BAD_NUMBER})
"""What a provider says of an address that is gone for good. Numbers stay: they come back to life, and belong to the person."""
RETIRE: MappingProxyType[Channel, Callable[[Session, UUID], Any]] = MappingProxyType(
    {Channel.PUSH: retire_device, Channel.WEB_PUSH: retire_browser, Channel.EMAIL: retire_email}
)
"""Per channel: how such an address is put away."""


def remember(session: Session, claim: Claim, window: Window, outcomes: Sequence[Outcome]) -> None:
    """What refusals say of people and devices goes into the register; what they say of a sender, to the staff on duty."""
    pairs = list(zip(window.rows, outcomes, strict=True))
    for row, outcome in pairs:
        if outcome.verdict is Verdict.OPTED_OUT:
            record_opt_out(session, citizen_id=row.citizen_id, source=OptSource.CARRIER)
    dead = [row.address_id for row, outcome in pairs if claim.channel in DEAD and outcome.verdict is DEAD[claim.channel]]
    _prune(session, claim, window, dead)
    kinds = [ALARMS.get(outcome.verdict) for outcome in outcomes if outcome.verdict is not None]
    for kind, count in Counter(kind for kind in kinds if kind is not None).items():
        raise_alarm(session, kind, sender=window.sender, count=count)


def raise_alarm(session: Session, kind: str, *, sender: str, count: int) -> None:
    """Somebody on duty has to look: told once per kind, sender and hour by whoever listens."""
    log.error("delivery.alarm", kind=kind, sender=sender, count=count)
    publish(session, "delivery.alarm", kind=kind, sender=sender, count=count)


def _prune(session: Session, claim: Claim, window: Window, dead: Sequence[UUID]) -> None:
    """Many dead devices at once are more likely our own fault than everybody's: then nothing is pruned, and it is said."""
    if len(dead) > max(DEAD_IN_ANY_CASE, len(window.rows) * DEAD_SHARE_MAX):
        raise_alarm(session, "dead_tokens", sender=window.sender, count=len(dead))
        return
    for address_id in dead:
        RETIRE[claim.channel](session, address_id)
