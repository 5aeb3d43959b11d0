"""Two carriers under way, and the true sender loop, router and pacer: the first turns bad, and within a minute its share has moved.

The minute and the router's settings are the production's at 1/20.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from alerts.deliveries.carriers import Carriers
from alerts.deliveries.facts import export_facts
from alerts.kit.db import begin
from alerts.sandbox.judge import facts_of, judge, read_journal
from alerts.sandbox.second import DESCRIPTION, PATH
from alerts.settings import Routing
from alerts.stage import post_json
from tests.deliveries.conftest import SECOND_KEY, Carrier, Fanout, carrying, numbers
from tests.support.stages import wait_until

pytestmark = pytest.mark.deliveries
SCALE = 20
MINUTE = timedelta(seconds=60 / SCALE)
PEOPLE = 420
PER_SECOND = 40
"""Segments, of each of the two: after the turn the second alone has work for much longer than the minute."""


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Carrier]:
    with carrying(tmp_path / "second.jsonl") as running:
        yield running


@pytest.fixture
def more_settings(second: Carrier) -> dict[str, str]:
    rules = Routing()
    return {
        "SIAGA_SMS2_URL": f"{second.url}{PATH}",
        "SIAGA_SMS2_DESCRIPTION": json.dumps(dict(DESCRIPTION)),
        "SIAGA_SMS2_FROM": "SIAGA",
        "SIAGA_SMS2_SECRET": SECOND_KEY,
        "SIAGA_SMS2_RECEIPT_SECRET": "second-receipts",
        "SIAGA_SMS2_SHARE": "0.5",
        "SIAGA_ROUTING_MEMORY_SECONDS": str(rules.memory_seconds / SCALE),
        "SIAGA_ROUTING_BACK_SECONDS": str(rules.back_seconds / SCALE),
        "SIAGA_ROUTING_SYNC_SECONDS": str(rules.sync_seconds / SCALE),
        "SIAGA_PACE_SENDER_RATES": f"twilio={PER_SECOND},lintas={PER_SECOND}",
        "SIAGA_DELIVERY_WINDOW_SIZE": "4",
        "SIAGA_DELIVERY_RETRY_SECONDS": "0.05",
    }


def test_the_share_of_a_carrier_that_turns_bad_moves_within_a_minute(
    fanout: Callable[..., Fanout], carriers: Carriers, carrier: Carrier, second: Carrier, tmp_path: Path
) -> None:
    message = fanout(*numbers(PEOPLE))
    message.release()
    with ThreadPoolExecutor(1) as worker:
        sending = worker.submit(wait_until, lambda: is_through(message, carriers), seconds=120)
        wait_until(lambda: sum(windows(message).values()) >= PEOPLE // 5)
        before = windows(message)
        post_json(f"{carrier.url}/sandbox/plan", {"rules": [{"fault": "error_not_sent"}]})
        [row] = message.rows("SELECT clock_timestamp() AS at")
        sending.result()
    after = windows(message, since=row["at"] + MINUTE)
    assert before["twilio"] >= sum(before.values()) / 4, f"well, it had its share: {before}"
    assert sum(after.values()) >= PEOPLE // 10, "the run was over within the minute: this showed nothing"
    assert after["twilio"] <= sum(after.values()) * 0.15, f"a minute later it still had {after}"
    count = verdict(message, carrier, second, folder=tmp_path)
    assert (count["missed"], count["sent_twice"], count["handed_over"] + count["unknown"]) == (0, 0, PEOPLE)


def is_through(message: Fanout, carriers: Carriers) -> bool:
    """As a worker is asked for its batches again and again."""
    message.run("UPDATE delivery_batch SET due_at = clock_timestamp() WHERE state = 'waiting'")
    message.run("UPDATE delivery SET next_attempt_at = clock_timestamp() WHERE next_attempt_at IS NOT NULL")
    message.send(carriers)
    return "queued" not in message.states()


def windows(message: Fanout, *, since: datetime | None = None) -> Counter[str]:
    """Messages by the sender of their window."""
    query = """
        SELECT sender, sum(cardinality(deliveries))::int AS n FROM send_window
        WHERE CAST(:since AS timestamptz) IS NULL OR intent_at >= :since GROUP BY 1"""
    return Counter({row["sender"]: row["n"] for row in message.rows(query, since=since)})


def verdict(message: Fanout, *carriers: Carrier, folder: Path) -> dict[str, int]:
    """Both journals, one judge."""
    both = folder / "both.jsonl"
    both.write_bytes(b"".join(each.log_path.read_bytes() for each in carriers))
    with begin(message.sessions) as session:
        judged = judge(read_journal(both), facts_of(export_facts(session))).as_json()
    total: dict[str, int] = judged["total"]
    return total
