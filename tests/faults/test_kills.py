"""Processes are killed in the middle of a fan-out; the carrier's own log is the judge."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress

import pytest

from tests.support.breaking import LOST_AT_ONCE, SETTLE_SECONDS, Scene, children, frozen, kill, stop
from tests.support.kills import Watch, kill_workers
from tests.support.stages import wait_until

pytestmark = pytest.mark.breaks_servers


def test_workers_killed_at_random(scene: Scene) -> None:
    """Half of the receipts never come: what a kill left open is then found by look-up.

    A lease of two seconds is short for a machine that others use too: one worker may sleep past it, with all that it has in flight.
    """
    with Watch(scene) as watch:
        under_way = scene.alert({"rules": [{"share": 0.5, "receipts": "missing"}]})
        kill_workers(under_way, scene.size.kills, watch)
        count = under_way.keeps_the_promise(unknown=LOST_AT_ONCE * scene.size.kills)
        watch.judge(scene, count, slept_max=LOST_AT_ONCE)


def test_the_relay_killed_at_random(scene: Scene) -> None:
    under_way = scene.alert()
    under_way.at_random(scene.size.kills, lambda: kill(scene.stage, "relay"))
    under_way.keeps_the_promise()


def test_the_relay_killed_between_its_mark_and_its_ring(scene: Scene) -> None:
    """Its broker takes the connection and says nothing: the event is marked, nobody was told, and there it dies."""
    services, deaf = scene.stage.services, "deaf_relay"
    services.stop_process("relay")
    under_way = scene.alert()
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker_url = f"redis://127.0.0.1:{broker.getsockname()[1]}/0"
        argv = [sys.executable, "-m", "alerts.cli", "relay"]
        services.start_process(deaf, argv, scene.stage.environment | {"SIAGA_REDIS_URL": broker_url})
        marked = "SELECT 1 FROM outbox_event WHERE name = 'broadcast.approved' AND payload ->> 'broadcast_id' = :id AND rung_at IS NOT NULL"
        wait_until(lambda: scene.rows(marked, id=under_way.id))
        services.stop_process(deaf, signal.SIGKILL)
    assert under_way.share() == 0
    scene.stage.start("relay")
    under_way.keeps_the_promise()


def test_two_sweepers_at_once_one_of_them_killed(scene: Scene) -> None:
    """Both look at the same abandoned windows; the first dies with its transaction open, the other's word counts."""
    services = scene.stage.services
    under_way = scene.alert({"rules": [{"share": 0.5, "receipts": "missing"}]})
    under_way.reach_share(0.3)
    services.stop_process("quick", signal.SIGKILL)  # the sweeper that runs by the clock
    wait_until(lambda: _killed_with_a_window_open(scene))
    wait_until(lambda: scene.rows("SELECT 1 FROM send_window WHERE closed_at IS NULL AND lease_until < clock_timestamp()"))
    argv = [sys.executable, "-m", "tests.support.sweeper"]
    for name in ("sweeper1", "sweeper2"):
        services.start_process(name, [*argv, name], scene.stage.environment)
        wait_until(lambda name=name: "swept" in services.log_of(name))
    services.stop_process("sweeper1", signal.SIGKILL)
    scene.stage.start("quick", "worker")
    under_way.keeps_the_promise(unknown=LOST_AT_ONCE)
    services.stop_process("sweeper2", signal.SIGKILL)


def _killed_with_a_window_open(scene: Scene) -> bool:
    """Hold the worker, look, and let it go on if it is between two windows; otherwise it dies here."""
    pid = scene.stage.services.process_pid("worker")
    assert pid is not None
    os.killpg(pid, signal.SIGSTOP)
    if not scene.rows("SELECT 1 FROM send_window WHERE closed_at IS NULL"):
        os.killpg(pid, signal.SIGCONT)
        return False
    os.killpg(pid, signal.SIGKILL)
    return True


def test_a_worker_stopped_past_its_lease_is_fenced(scene: Scene) -> None:
    """It wakes up when its batches belong to others: it may begin nothing more and write nothing."""
    under_way = scene.alert()
    under_way.reach_share(0.3)
    sleeper = "sleeper"
    services = scene.stage.services
    with frozen(services.process_pid("worker")):
        held = "SELECT 1 FROM send_window WHERE closed_at IS NULL AND lease_until > clock_timestamp()"
        wait_until(lambda: not scene.rows(held))
        argv = [sys.executable, "-m", "alerts.cli", "worker", "--queues", "sending", "--concurrency", "1"]
        services.start_process(sleeper, argv, scene.stage.environment)
        under_way.reach_share(0.8)
    under_way.keeps_the_promise(unknown=LOST_AT_ONCE)
    services.stop_process(sleeper)


def test_a_deploy_in_mid_run(scene: Scene) -> None:
    """Everything is asked to end and started again: what is being sent is finished and recorded first."""
    stage, names = scene.stage, ("worker", "quick", "evidence", "relay", "serve")
    under_way = scene.alert()
    under_way.reach_share(0.3)
    stop(stage, *names)
    stage.start(*names)
    under_way.keeps_the_promise()


def test_a_child_that_is_killed_is_replaced(scene: Scene) -> None:
    """The kills above mean something only while there is somebody to kill."""
    before = wait_until(lambda: children(scene.stage))
    with suppress(ProcessLookupError):
        os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(set(children(scene.stage)) - {before[0]}) >= len(before), seconds=SETTLE_SECONDS)
