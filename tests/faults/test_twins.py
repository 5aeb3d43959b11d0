"""The judge is shown to catch what it is for: naive senders in the same harness, under the same kills, by the same carrier."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from alerts.sandbox.judge import judge_files
from tests.support.breaking import LOST_AT_ONCE, SETTLE_SECONDS, SMALL, Scene, stop
from tests.support.kills import Watch, kill_workers
from tests.support.naive_claims import FILL, LEFT, MAKE, facts_of
from tests.support.stages import wait_until

pytestmark = pytest.mark.breaks_servers
WORKERS = ("naive1", "naive2", "naive3")
PER_SECOND = 250.0
SHORT_LEASE_SECONDS = 1
BATCH_MAX = 2000


@dataclass(frozen=True)
class Slow:
    """A slow provider: it has the message, and says so that much later."""

    people: int
    kills: int
    latency_seconds: float


def slow_of(scene: Scene) -> Slow:
    """The run of the reliability notes, or a small one."""
    return Slow(90, 9, 0.1) if scene.size.people <= SMALL.people else Slow(1500, 60, 0.25)


class Twin:
    """A naive fan-out to as many people as the scene has."""

    def __init__(self, scene: Scene, design: str, *, batch: int, lease_seconds: float, people: int | None = None) -> None:
        self._scene, self._services = scene, scene.stage.services
        self.run = f"naive{scene.seed}{design}{batch}"
        self._argv = [sys.executable, "-m", "tests.support.naive_claims", design, str(batch), str(lease_seconds)]
        self.people = people or scene.size.people
        self._before = scene.accepted()

    @contextmanager
    def working(self) -> Iterator[Twin]:
        for statement in MAKE.split(";"):
            self._scene.run(statement)
        self._scene.run(FILL, people=self.people)
        for name in WORKERS:
            self.start(name)
        try:
            yield self
        finally:
            for name in WORKERS:
                self._services.stop_process(name, signal.SIGKILL)

    def start(self, name: str) -> None:
        self._services.start_process(name, self._argv, self._scene.stage.environment | {"NAIVE_RUN": self.run})

    def kill_one(self) -> None:
        """Any of them, and a new one in its place."""
        name = self._scene.rng.choice(WORKERS)
        pid = self._services.process_pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self._services.process_pid(name) is None)
        self.start(name)

    def kill_at_random(self, times: int) -> None:
        for wanted in sorted(self._scene.rng.uniform(0.05, 0.9) for _ in range(times)):
            wait_until(lambda wanted=wanted: self.share() >= wanted or self.is_done(), seconds=SETTLE_SECONDS)
            self.kill_one()

    def share(self) -> float:
        return (self._scene.accepted() - self._before) / self.people

    def is_done(self) -> bool:
        """Nobody has anything left to send."""
        alive = [pid for pid in map(self._services.process_pid, WORKERS) if pid is not None]
        return bool(self._scene.rows(LEFT, alive=alive)[0]["n"] == 0)

    def judge(self) -> dict[str, int]:
        """The same judge, on the same journal."""
        stage = self._scene.stage
        path = stage.folder / f"{self.run}.json"
        path.write_text(json.dumps(facts_of(self.run, self._scene.rows("SELECT id, tries FROM naive_message"))))
        total: dict[str, int] = judge_files(stage.log_path, path)["total"]
        print(f"{self.run}: {total}")
        return total


@pytest.fixture
def twin(scene: Scene) -> Callable[..., Twin]:
    def make(design: str, *, batch: int = 20, lease_seconds: float = 0.5, slow: Slow | None = None) -> Twin:
        scene.set_plan(sms_per_second=PER_SECOND, latency_seconds=slow.latency_seconds if slow else 0)
        return Twin(scene, design, batch=batch, lease_seconds=lease_seconds, people=slow.people if slow else None)

    return make


def test_claim_send_mark_texts_people_twice_under_kills(scene: Scene, twin: Callable[..., Twin]) -> None:
    with twin("requeue", lease_seconds=2).working() as naive:
        naive.kill_at_random(3 * scene.size.kills)
        wait_until(naive.is_done, seconds=SETTLE_SECONDS)
    total = naive.judge()
    assert total["sent_twice"] > 0, f"seed {scene.seed}"
    assert (total["missed"], total["frozen"]) == (0, naive.people)


def test_claim_send_mark_texts_people_twice_under_kills_by_a_slow_provider(scene: Scene, twin: Callable[..., Twin]) -> None:
    """Nearly every kill falls between what the provider has and what the sender knows."""
    slow = slow_of(scene)
    with twin("requeue", batch=10, lease_seconds=25 * slow.latency_seconds, slow=slow).working() as naive:
        naive.kill_at_random(slow.kills)
        wait_until(naive.is_done, seconds=SETTLE_SECONDS)
    total = naive.judge()
    assert total["sent_twice"] > 0, f"seed {scene.seed}"
    assert (total["missed"], total["frozen"]) == (0, slow.people)


def test_claim_send_mark_texts_people_twice_without_any_kill_when_the_batch_is_slower_than_its_lease(
    scene: Scene, twin: Callable[..., Twin]
) -> None:
    with twin("requeue", batch=100).working() as naive:
        wait_until(naive.is_done, seconds=SETTLE_SECONDS)
    total = naive.judge()
    assert total["sent_twice"] > 0, f"seed {scene.seed}"
    assert total["missed"] == 0


def test_taking_off_the_queue_first_misses_people_under_kills(scene: Scene, twin: Callable[..., Twin]) -> None:
    with twin("early", batch=40).working() as naive:
        naive.kill_at_random(scene.size.kills)
        wait_until(naive.is_done, seconds=SETTLE_SECONDS)
    total = naive.judge()
    assert total["missed"] > 0, f"seed {scene.seed}"
    assert total["sent_twice"] == 0


def test_ours_under_the_same_kills_texts_nobody_twice_and_misses_nobody(scene: Scene) -> None:
    """The control: the same harness, carrier, pace and judge."""
    with Watch(scene) as watch:
        under_way = scene.alert({"sms_per_second": PER_SECOND})
        kill_workers(under_way, 2 * scene.size.kills, watch)
        watch.judge(scene, under_way.keeps_the_promise(unknown=LOST_AT_ONCE * 2 * scene.size.kills), slept_max=LOST_AT_ONCE)


def test_ours_by_a_slow_provider_under_kills_texts_nobody_twice_and_misses_nobody(scene: Scene) -> None:
    slow = slow_of(scene)
    with Watch(scene) as watch:
        under_way = scene.alert({"latency_seconds": slow.latency_seconds, "rules": [{"share": 0.5, "receipts": "missing"}]})
        kill_workers(under_way, slow.kills, watch)
        under_way.keeps_the_promise(unknown=LOST_AT_ONCE * slow.kills)


def test_ours_with_a_batch_slower_than_its_lease_texts_nobody_twice(scene: Scene) -> None:
    """Everybody is one batch, which takes longer than its lease and stays with its worker: every window renews it."""
    batch = min(scene.size.people, BATCH_MAX)
    slow = {"SIAGA_DELIVERY_LEASE_SECONDS": str(SHORT_LEASE_SECONDS), "SIAGA_DELIVERY_BATCH_SIZE": str(batch)}
    with restarted(scene, slow, "worker", "quick"):
        under_way = scene.alert({"sms_per_second": min(PER_SECOND, batch / (3 * SHORT_LEASE_SECONDS))})
        under_way.keeps_the_promise()
    [longest] = scene.rows(LONGEST_BATCH, id=under_way.id)
    assert longest["seconds"] > SHORT_LEASE_SECONDS, "the batch was quicker than its lease: this showed nothing"


LONGEST_BATCH = """
SELECT extract(epoch FROM max(w.closed_at) - min(w.intent_at))::float AS seconds
FROM send_window w JOIN delivery_batch b ON b.id = w.batch_id WHERE b.broadcast_id = :id GROUP BY b.id ORDER BY 1 DESC LIMIT 1
"""


@contextmanager
def restarted(scene: Scene, environment: dict[str, str], *names: str) -> Iterator[None]:
    """These processes with other settings for a while."""
    stage, original = scene.stage, dict(scene.stage.environment)
    stop(stage, *names)
    try:
        stage.environment = original | environment
        stage.start(*names)
        yield
    finally:
        stage.environment = original
        stop(stage, *names)
        stage.start(*names)
