"""What answers say beyond the one message: of a person, of a whole sender. And when somebody on duty must be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from alerts.broadcasts.queries import get_broadcast
from alerts.channels.ports import Step
from alerts.channels.rule_book_outlets import EXERCISE_SENDER, account_of
from alerts.citizens.actions import record_opt_out
from alerts.citizens.rules import OptSource
from alerts.citizens.testers import withdraw_tester
from alerts.deliveries.resting import close_sender
from alerts.deliveries.rules import Outcome
from alerts.incidents.queries import get_incident
from alerts.kit.actor import SYSTEM
from alerts.kit.outbox import publish
from alerts.kit.vitals import Measured, add_to_vital

log = structlog.get_logger()
ALARMS = MappingProxyType(
    {
        Step.PAGE_AND_KEEP_QUEUED: "no_permission",
        Step.DO_NOT_REPEAT_TEXT: "content_refused",
        Step.FAIL_AND_ALARM: "unread_answer",
    }
)
"""What is told of a refused request whenever there is one. A sender that is closed is told of once: see `stop_all`."""
UNREAD_WORDS = "unread_words"
"""The figure that counts receipts whose word for the state we do not know, by their source."""


class Told(NamedTuple):
    """One answer, and whom it concerns."""

    citizen_id: UUID
    outcome: Outcome


def remember(session: Session, sender: str, told: Sequence[Told], *, rest_seconds: float) -> None:
    """What refusals say of people goes into the register; what they say of a sender, to everybody who sends and to the staff on duty."""
    for each in told:
        if each.outcome.step is Step.RECORD_OPT_OUT:
            _opt_out(session, sender, each.citizen_id)
    stopping = [each.outcome.code or "" for each in told if each.outcome.step is Step.STOP_ALL_AND_PAGE]
    if stopping:
        stop_all(session, sender, code=stopping[0], rest_seconds=rest_seconds)
    steps = Counter(each.outcome.step for each in told)
    for step, kind in ALARMS.items():
        if steps[step]:
            raise_alarm(session, kind, sender=sender, count=steps[step])


def _opt_out(session: Session, sender: str, citizen_id: UUID) -> None:
    """Who blocked the number of exercises wants no more exercises, as if they had written so there; alerts still reach them."""
    if sender.startswith(EXERCISE_SENDER):
        withdraw_tester(session, citizen_id=citizen_id, actor=SYSTEM)
    else:
        record_opt_out(session, citizen_id=citizen_id, source=OptSource.CARRIER)


def stop_all(session: Session, sender: str, *, code: str, rest_seconds: float) -> None:
    """The provider refuses our account: its senders are closed for everybody, and somebody is paged, once."""
    if close_sender(session, sender, code=code, rest_seconds=rest_seconds):
        raise_alarm(session, "stop_all", sender=account_of(sender), count=1)


def raise_alarm(session: Session, kind: str, *, sender: str, count: int) -> None:
    """Somebody on duty has to look: told once per kind, sender and hour by whoever listens."""
    log.error("delivery.alarm", kind=kind, sender=sender, count=count)
    publish(session, "delivery.alarm", kind=kind, sender=sender, count=count)


def raise_stuck(session: Session, broadcast_id: UUID) -> None:
    """A message that should go out cannot be made ready: people on duty learn of which incident (of a quiet one not even that)."""
    broadcast = get_broadcast(session, broadcast_id)
    incident = get_incident(session, broadcast.incident_id)
    log.error("message.stuck", broadcast_id=str(broadcast_id), purpose=broadcast.purpose.value)
    raise_alarm(session, "message_stuck", sender="-" if incident.is_quiet else incident.title, count=1)


def note_unread_words(session: Session, words: Iterable[tuple[str, str]]) -> None:
    """Words for a state (each with its source) that are in no table: counted for good, and told of."""
    found = list(words)
    for source, count in Counter(source for source, _ in found).items():
        sample = next(word for each, word in found if each == source)
        log.warning("receipt.unknown_word", source=source, count=count)
        add_to_vital(session, Measured(UNREAD_WORDS, source, count, sample))
        raise_alarm(session, "unread_answer", sender=source, count=count)
