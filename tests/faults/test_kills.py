"""Real processes are killed in the middle of a fan-out; the carrier's own log is the judge."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alerts.stage import Stage
from tests.support.stages import INCIDENT, Ministry, is_settled, running, wait_until

pytestmark = pytest.mark.breaks_servers

PEOPLE = 700
RATE_PER_CHILD = 60.0
KILLS = 2
OVERRIDES = {"SIAGA_DELIVERY_RATE_PER_SECOND": str(RATE_PER_CHILD)}
PLAN = {"receipt_seconds": [0.1, 0.3], "reply_share": 0, "app_share": 0, "has_suffix_rules": False}


@pytest.fixture(scope="module")
def ministry() -> Iterator[Ministry]:
    """One Siaga for all: each test has its own incident and message."""
    with running(people=PEOPLE, overrides=OVERRIDES, plan=PLAN) as ministry:
        yield ministry


def kill(stage: Stage, name: str) -> None:
    """The process and its children, without a word, and a new one in its place."""
    pid = stage.services.process_pid(name)
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: stage.services.process_pid(name) is None)
    stage.start(name)


def kill_worker(stage: Stage) -> None:
    kill(stage, "worker")


def kill_relay(stage: Stage) -> None:
    kill(stage, "relay")


def kill_valkey(stage: Stage) -> None:
    stage.services.restart_valkey(signal.SIGKILL)


def alert_and_break(ministry: Ministry, what: Callable[[Stage], None], rng: random.Random) -> tuple[dict[str, Any], list[float]]:
    """Alert everybody and break something a few times on the way; the verdict, and the shares at which it fell."""
    stage, before = ministry.stage, int(ministry.stage.carrier_stats()["accepted"])
    incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
    broadcast = ministry.alert(incident["id"], channels=["sms"])

    def share() -> float:
        return (int(stage.carrier_stats()["accepted"]) - before) / float(broadcast["audience_count"])

    fell = []
    for number in range(KILLS):
        wanted = 0.2 + 0.5 * (number + rng.random()) / KILLS
        wait_until(lambda wanted=wanted: share() >= wanted)
        what(stage)
        fell.append(share())
    wait_until(lambda: is_settled(stage))
    return stage.judge()["by_broadcast"][broadcast["id"]], fell


@pytest.mark.parametrize("what", [kill_worker, kill_relay, kill_valkey], ids=["worker", "relay", "valkey"])
def test_nobody_is_missed_or_texted_twice_when_something_is_killed(ministry: Ministry, what: Callable[[Stage], None]) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    count, fell = alert_and_break(ministry, what, random.Random(seed))
    assert all(0.2 <= share <= 0.8 for share in fell), f"the kills fell at {fell} (seed {seed})"
    assert count["frozen"] == PEOPLE
    assert (count["missed"], count["sent_twice"], count["accepted_reads_unknown"]) == (0, 0, 0), f"{count} (seed {seed})"
    window = int(RATE_PER_CHILD)
    assert count["unknown"] <= (window * 2 * KILLS if what is kill_worker else 0), f"{count} (seed {seed})"
