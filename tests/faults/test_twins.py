"""The judge is shown to catch what it is for: naive senders in the same harness, under the same kills, by the same carrier."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from alerts.sandbox.judge import judge_files
from tests.support.breaking import LOST_AT_ONCE, SETTLE_SECONDS, Scene
from tests.support.kills import Watch, kill_workers
from tests.support.naive_claims import FILL, LEFT, MAKE, facts_of
from tests.support.stages import wait_until

pytestmark = pytest.mark.breaks_servers
WORKERS = ("naive1", "naive2", "naive3")
PER_SECOND = 250.0


class Twin:
    """A naive fan-out to as many people as the scene has."""

    def __init__(self, scene: Scene, design: str, *, batch: int, lease_seconds: float) -> None:
        self._scene, self._services = scene, scene.stage.services
        self.run = f"naive{scene.seed}{design}{batch}"
        self._argv = [sys.executable, "-m", "tests.support.naive_claims", design, str(batch), str(lease_seconds)]
        self.people = scene.size.people
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
    def make(design: str, *, batch: int = 20, lease_seconds: float = 0.5) -> Twin:
        scene.set_plan(sms_per_second=PER_SECOND)
        return Twin(scene, design, batch=batch, lease_seconds=lease_seconds)

    return make


def test_claim_send_mark_texts_people_twice_under_kills(scene: Scene, twin: Callable[..., Twin]) -> None:
    with twin("requeue", lease_seconds=2).working() as naive:
        naive.kill_at_random(3 * scene.size.kills)
        wait_until(naive.is_done, seconds=SETTLE_SECONDS)
    total = naive.judge()
    assert total["sent_twice"] > 0, f"seed {scene.seed}"
    assert (total["missed"], total["frozen"]) == (0, naive.people)


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
