"""Real processes are killed in the middle of a fan-out; the carrier's own log is the judge."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from typing import Any

import pytest

from alerts.stage import Stage
from tests.support.stages import INCIDENT, Ministry, is_settled, running, wait_until

pytestmark = pytest.mark.breaks_servers

PEOPLE = 1_000
RATE_PER_CHILD = 100.0
KILLS = 3


def kill_group(stage: Stage, name: str) -> None:
    pid = stage.services.process_pid(name)
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)


def kill_worker(stage: Stage) -> None:
    kill_group(stage, "worker")
    wait_until(lambda: stage.services.process_pid("worker") is None)
    stage.start("worker")


def kill_relay(stage: Stage) -> None:
    kill_group(stage, "relay")
    wait_until(lambda: stage.services.process_pid("relay") is None)
    stage.start("relay")


def kill_valkey(stage: Stage) -> None:
    stage.services.restart_valkey(signal.SIGKILL)


def share_accepted(stage: Stage, expected: int) -> float:
    stats = stage.carrier_stats()
    return float(sum(stats["accepted"].values()) if isinstance(stats["accepted"], dict) else stats["accepted"]) / expected


def break_in_the_middle(ministry: Ministry, what: Callable[[Stage], None]) -> tuple[dict[str, Any], list[float]]:
    """Alert everybody and break something a few times on the way; the verdict, and the shares at which it fell."""
    incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
    broadcast = ministry.alert(incident["id"])
    frozen = broadcast["audience_count"]
    fell = []
    for number in range(KILLS):
        target = 0.2 + 0.6 * (number + random.random()) / KILLS * 0.9
        wait_until(lambda target=target: share_accepted(ministry.stage, frozen) >= target)
        fell.append(share_accepted(ministry.stage, frozen))
        what(ministry.stage)
    wait_until(lambda: is_settled(ministry.stage))
    return ministry.stage.judge()["total"], fell


@pytest.mark.parametrize("what", [kill_worker, kill_relay, kill_valkey], ids=["worker", "relay", "valkey"])
def test_nobody_is_missed_or_texted_twice_when_something_is_killed(what: Callable[[Stage], None]) -> None:
    overrides = {"SIAGA_DELIVERY_RATE_PER_SECOND": str(RATE_PER_CHILD)}
    with running(people=PEOPLE, overrides=overrides, plan={"receipt_seconds": [0.1, 0.3], "has_suffix_rules": False}) as ministry:
        total, fell = break_in_the_middle(ministry, what)
        assert all(0.2 <= share <= 0.8 for share in fell), f"the kills fell at {fell}"
        assert total["frozen"] == PEOPLE
        assert (total["missed"], total["sent_twice"]) == (0, 0), total
        assert total["unknown"] <= 64 * 2 * KILLS
        assert total["accepted_reads_unknown"] == 0 or what is kill_worker
