"""A worker that lives and begins nothing ends itself; one that has nothing to begin, or cannot tell, does not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from redis.exceptions import ConnectionError as ValkeyConnectionError

from alerts.settings import Settings
from tests.support.breaking import SMALL, children, scene_of
from tests.support.stages import wait_until
from workers.app import TASK_SECONDS_MAX
from workers.watchdog import LOOKS, Watchdog, patience_of


def test_children_that_do_not_run_end_their_worker_and_the_next_one_sends() -> None:
    """The stopped children wake afterwards, beside the new worker: they hold nothing any more, and send nothing."""
    with scene_of(SMALL, SIAGA_HEALTH_IDLE_SECONDS="1.2") as scene:
        stopped = children(scene.stage)
        _signal_all(stopped, signal.SIGSTOP)
        under_way = scene.alert()
        wait_until(lambda: scene.stage.services.process_pid("worker") is None)
        assert "worker.stands_still" in scene.stage.services.log_of("worker")
        assert under_way.share() == 0
        scene.stage.start("worker")
        _signal_all(stopped, signal.SIGCONT)
        under_way.keeps_the_promise()
        assert scene.ended() == []


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def test_it_takes_all_looks_in_a_row() -> None:
    begun = [0]
    dog = Watchdog(waiting=lambda: 3, begun=lambda: begun[0])
    assert [dog.look() for _ in range(LOOKS - 1)] == list(range(1, LOOKS))
    begun[0] += 1
    assert [dog.look() for _ in range(LOOKS)] == list(range(LOOKS)), "something was begun: it counts anew"
    assert dog.look() == LOOKS


def test_an_empty_queue_never_ends_a_worker() -> None:
    dog = Watchdog(waiting=lambda: 0, begun=lambda: 0)
    assert {dog.look() for _ in range(3 * LOOKS)} == {0}


@pytest.mark.parametrize("fault", [ValkeyConnectionError("away"), TimeoutError(), OSError(), ValueError("unforeseen")])
def test_a_look_that_fails_tells_nothing(fault: Exception) -> None:
    """Neither that work waits nor that none does: the count stays as it is."""
    faults = [None, None, fault, None]

    def waiting() -> int:
        if (now := faults.pop(0)) is not None:
            raise now
        return 1

    dog = Watchdog(waiting=waiting, begun=lambda: 0)
    assert [dog.look() for _ in range(4)] == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("queues", "more"), [(["sending"], 0), (["quick", "inbound"], TASK_SECONDS_MAX), (["sending", "quick"], TASK_SECONDS_MAX)]
)
def test_where_a_task_may_take_long_the_watchdog_waits_longer(make_settings: Callable[..., Settings], queues: list[str], more: int) -> None:
    settings = make_settings("postgresql+psycopg://127.0.0.1/nothing")
    assert patience_of(settings, queues) == settings.health.idle_seconds + more
