"""What a failure that a receipt or a look-up tells of means beyond its message, by the step of its row in the table of answers.

At once: the person's opt-out, a refused account, a full queue. What is only counted is counted by the clock (`watching`):
receipts come by the thousand, and nearly none of them asks for anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.ports import Step
from alerts.channels.rule_book import current_book
from alerts.channels.rule_book_outlets import EXERCISE_SENDER, outlets_by_sender
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.findings import Told, remember
from alerts.deliveries.lanes import lane_of
from alerts.deliveries.rules import Outcome, State
from alerts.kit.db import array_of
from alerts.settings import Settings

AT_ONCE = frozenset({Step.RECORD_OPT_OUT, Step.STOP_ALL_AND_PAGE, Step.BACK_OFF_SENDER})


class Failure(NamedTuple):
    """An attempt that failed after it was taken, the provider's code, and the step of its row."""

    delivery_id: int
    number: int
    code: str
    step: Step


class Slowed(NamedTuple):
    """A lane whose sender's queue overflowed."""

    sender: str
    number_country: str


def heed(session: Session, failures: Iterable[Failure], *, rest_seconds: float) -> set[Slowed]:
    """Do what must be done at once. What comes back is for `slow_down`, when the transaction is over."""
    urgent = sorted(each for each in failures if each.step in AT_ONCE)
    if not urgent:
        return set()
    values = {"deliveries": array_of(each.delivery_id for each in urgent), "numbers": array_of(each.number for each in urgent)}
    found = {(row.delivery_id, row.number): row for row in session.execute(CONCERNED, values)}
    slowed: set[Slowed] = set()
    told: dict[str, list[Told]] = defaultdict(list)
    for each in urgent:
        row = found.get((each.delivery_id, each.number))
        if row is None:
            continue
        if each.step is Step.BACK_OFF_SENDER:
            slowed.add(Slowed(row.sender, row.number_country))
        else:
            told[row.sender].append(Told(row.citizen_id, Outcome(State.FAILED, each.code, step=each.step)))
    for sender in sorted(told):  # once each: a refused account is told of by every receipt
        remember(session, sender, told[sender], rest_seconds=rest_seconds)
    return slowed


def slow_down(settings: Settings, carriers: Carriers, lanes: Iterable[Slowed]) -> None:
    """Shut these senders for a while, for every worker; the lanes come back at half their rate. Never inside a transaction."""
    for sender, country in lanes:
        is_exercise = sender.startswith(EXERCISE_SENDER)
        outlet = outlets_by_sender(settings, is_exercise=is_exercise).get(sender)
        if outlet is not None:
            lane = lane_of(settings.pace, current_book(), outlet, country, is_exercise=is_exercise)
            carriers.pacer.shrink(lane, settings.delivery.rest_seconds)
            carriers.pacer.shut(lane, settings.delivery.rest_seconds)


# An attempt whose callback was quicker than our own record has its sender in its window alone.
CONCERNED = text("""
SELECT n.delivery_id, n.number, m.citizen_id, coalesce(d.number_country, '') AS number_country,
    coalesce(nullif(a.sender, ''), w.sender, '') AS sender
FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS smallint[])) AS n(delivery_id, number)
JOIN delivery d ON d.id = n.delivery_id JOIN audience_member m ON m.id = d.member_id
LEFT JOIN attempt a ON (a.delivery_id, a.number) = (n.delivery_id, n.number)
LEFT JOIN LATERAL (SELECT sender FROM send_window WHERE closed_at IS NULL AND n.delivery_id = ANY (deliveries) LIMIT 1) w ON true
""")
