"""A Siaga in real processes that is being broken: one message under way, what breaks it, and the judge's word."""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import redis
from sqlalchemy import text

from alerts.deliveries.queries import invariants
from alerts.kit.db import begin, rows_of
from alerts.stage import PROCESSES, Stage, post_json
from tests.support.stages import INCIDENT, TEXTS, Ministry, is_settled, running, wait_until

SEED_VARIABLE = "FAULTS_SEED"
SETTLE_SECONDS, SMALL_SETTLE_SECONDS = 900.0, 150.0
WORDS_KEPT = 3000
WINDOW_SIZE, WINDOWS_IN_FLIGHT, CHILDREN = 16, 2, 2
LOST_AT_ONCE = WINDOW_SIZE * WINDOWS_IN_FLIGHT * CHILDREN
"""What one kill may leave unknown: everything in flight of a worker and its children. The promise is 64."""
OVERRIDES = {
    "SIAGA_DELIVERY_LEASE_SECONDS": "2",
    "SIAGA_DELIVERY_WINDOW_SIZE": str(WINDOW_SIZE),
    "SIAGA_DELIVERY_WINDOWS_IN_FLIGHT": str(WINDOWS_IN_FLIGHT),
    "SIAGA_DELIVERY_RECEIPTS_SECONDS": "0.1",
    "SIAGA_DELIVERY_RING_SECONDS": "0.2",
    "SIAGA_DELIVERY_RESEND_AFTER_SECONDS": "1",
    "SIAGA_TWILIO_TIMEOUT_SECONDS": "1",
}
NUMBERS = itertools.count(1)
CALM: dict[str, Any] = {"receipt_seconds": [0.05, 0.2], "reply_share": 0, "app_share": 0, "has_suffix_rules": False}


@dataclass(frozen=True)
class Size:
    """How many people a message goes to, how fast the carrier takes them, and how long what is frozen stays so."""

    people: int
    per_second: float
    kills: int
    freeze_seconds: float
    batch_size: int = 40


SMALL = Size(people=240, per_second=160, kills=4, freeze_seconds=1)
LARGE = Size(people=3000, per_second=300, kills=30, freeze_seconds=60, batch_size=100)
PROMISED = Size(people=20_000, per_second=300, kills=200, freeze_seconds=60, batch_size=100)


@dataclass
class Scene:
    """One Siaga for many messages; each is broken in another way."""

    ministry: Ministry
    size: Size
    seed: int
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    @property
    def stage(self) -> Stage:
        return self.ministry.stage

    def alert(self, plan: Mapping[str, Any] | None = None, **draft: Any) -> UnderWay:
        """A message to everybody, released; the carrier behaves by the plan. No two say the same: a carrier's list shows texts only."""
        self.set_plan(**(plan or {}))
        before, strays = self.accepted(), self.stage.judge()["strays"]
        incident = self.ministry.done("POST", "/api/v1/incidents", INCIDENT)
        return UnderWay(self, self.ministry.alert(incident["id"], **({"channels": ["sms"], "texts": own_texts()} | draft)), before, strays)

    def set_plan(self, **plan: Any) -> None:
        """What the carrier does from now on."""
        whole = CALM | {"seed": self.seed, "sms_per_second": self.size.per_second} | plan
        assert post_json(f"{self.stage.carrier_url}/sandbox/plan", whole) is not None

    def accepted(self) -> int:
        return int(self.stage.carrier_stats()["accepted"])

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with begin(self.stage.sessions) as session:
            return rows_of(session.execute(text(query), values))

    def ended(self) -> list[str]:
        """Processes that should be there and are not."""
        return [name for name in PROCESSES if self.stage.services.process_pid(name) is None]

    def processes(self) -> dict[str, Any]:
        """Told of a scene that stands still: who has ended, what the worker's children do, the worker's last words."""
        states = [psutil.Process(pid).status() for pid in children(self.stage) if psutil.pid_exists(pid)]
        return {"ended": self.ended(), "children": states, "worker says": self.stage.services.log_of("worker")[-WORDS_KEPT:]}

    def run(self, statement: str, **values: Any) -> None:
        with begin(self.stage.sessions) as session:
            session.execute(text(statement), values)

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.stage.services.redis_url)

    def check_promises(self) -> None:
        with begin(self.stage.sessions) as session:
            broken = invariants(session)
        assert not broken, f"{broken} (seed {self.seed})"


@dataclass
class UnderWay:
    """One message, from its release to the judge's word."""

    scene: Scene
    broadcast: Mapping[str, Any]
    before: int
    strays_before: int = 0
    """Of naive senders that came before, by the same carrier."""
    supervise: Callable[[], None] = field(default=lambda: None)
    """What starts ended processes again, as an orchestrator does; called whenever somebody waits."""

    @property
    def id(self) -> str:
        return str(self.broadcast["id"])

    def share(self) -> float:
        """How much of it the carrier has."""
        self.supervise()
        return (self.scene.accepted() - self.before) / float(self.broadcast["audience_count"])

    def reach_share(self, share: float) -> None:
        """Until the carrier has that much of it."""
        wait_until(lambda: self.share() >= share, seconds=SETTLE_SECONDS)

    def at_random(self, times: int, what: Callable[[], object], *, low: float = 0.1, high: float = 0.9) -> list[float]:
        """Do it so often, at random moments of the run; the shares at which it fell."""
        fell = []
        for wanted in sorted(self.scene.rng.uniform(low, high) for _ in range(times)):
            self.reach_share(wanted)
            what()
            fell.append(self.share())
        return fell

    def settle(self) -> dict[str, int]:
        """Wait until everything has an outcome, and ask the judge about this message."""
        seconds = SETTLE_SECONDS if self.scene.size.people > SMALL.people else SMALL_SETTLE_SECONDS
        try:
            wait_until(lambda: self.has_no_known_unknown() and is_settled(self.scene.stage), seconds=seconds)
        except AssertionError as error:
            left = {name: self.scene.rows(query) for name, query in LEFT.items()} | self.scene.processes()
            raise AssertionError(f"{error}: {left} (seed {self.scene.seed})") from None
        verdict = self.scene.stage.judge()
        assert verdict["unknown_outside_windows"] == 0, f"seed {self.scene.seed}"
        assert verdict["strays"] == self.strays_before, f"acceptances of nobody's (seed {self.scene.seed})"
        assert verdict["told_twice"] == 0, f"a message to staff or a reply went out twice (seed {self.scene.seed})"
        count: dict[str, int] = verdict["by_broadcast"][self.id]
        return count

    def has_no_known_unknown(self) -> bool:
        """Receipts that lie in the table were applied."""
        self.supervise()
        [row] = self.scene.rows("SELECT count(*) AS n FROM receipt WHERE applied_at IS NULL")
        return bool(row["n"] == 0)

    def keeps_the_promise(self, *, unknown: int = 0, left_out: int = 0, frozen: int | None = None) -> dict[str, int]:
        """Nobody missed, nobody texted twice by us, and after look-up nobody whom the carrier accepted reads unknown.

        Where nobody answers, dies or is merged, nobody may be left out as if they had.
        """
        count = self.settle()
        told = f"{count} (seed {self.scene.seed}: {SEED_VARIABLE}={self.scene.seed} repeats it)"
        assert count["frozen"] == (self.broadcast["audience_count"] if frozen is None else frozen), told
        broken = {name: count[name] for name in ("missed", "sent_twice", "accepted_reads_unknown", "outsiders", "unproven") if count[name]}
        assert not broken, f"{told}: {self.scene.rows(READ, broadcast=self.id)}"
        assert count["unknown"] <= unknown, told
        assert count["left_out"] <= left_out, told
        return count


def own_texts() -> dict[str, str]:
    """Words that no other message of this run says."""
    number = next(NUMBERS)
    return {language: f"{words} {number}." for language, words in TEXTS.items()}


READ = """
SELECT d.state, a.state AS attempt, a.error_code, a.evidence, count(*) AS n
FROM audience_member m LEFT JOIN delivery d ON d.member_id = m.id LEFT JOIN attempt a ON a.delivery_id = d.id
WHERE m.broadcast_id = CAST(:broadcast AS uuid) GROUP BY 1, 2, 3, 4
"""
"""What everybody of a message reads, told when the judge finds somebody missing."""
LEFT = {
    "deliveries": "SELECT state, count(*) AS n FROM delivery WHERE state IN ('queued', 'sending') GROUP BY 1",
    "batches": """
        SELECT state, count(*) AS n, min(due_at) AS due_at, max(rung_at) AS rung_at FROM delivery_batch WHERE state <> 'done' GROUP BY 1""",
    "not looked up": """
        SELECT delivery_id, number, sender, look_up_tried_at FROM attempt WHERE state = 'unknown' AND looked_up_at IS NULL LIMIT 5""",
    "receipts": "SELECT count(*) AS n, min(received_at) AS since FROM receipt WHERE applied_at IS NULL",
    "messages": "SELECT id, state, released_at FROM broadcast WHERE state = 'approved' AND released_at IS NULL",
    "events": """
        SELECT name, waiting_for, rings, count(*) AS n FROM outbox_event WHERE waiting_for <> '{}' OR rung_at IS NULL GROUP BY 1, 2, 3""",
}
"""What may keep a scene from its end, told when it does."""


# -- breaking ---------------------------------------------------------------------------------------------------------


def kill(stage: Stage, name: str) -> None:
    """The process and its children, without a word, and a new one in its place."""
    pid = stage.services.process_pid(name)
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: stage.services.process_pid(name) is None)
    stage.start(name)


def stop(stage: Stage, *names: str) -> None:
    """Ask all of them to end, as a deploy does, and wait until they did."""
    for name in names:
        pid = stage.services.process_pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: all(stage.services.process_pid(name) is None for name in names))


def children(stage: Stage, name: str = "worker") -> list[int]:
    """The processes of a worker that do its tasks."""
    pid = stage.services.process_pid(name)
    if pid is None:
        return []
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children() if child.status() != psutil.STATUS_ZOMBIE]
    return []


@contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    """A process (and its group, where it leads one) that does nothing for a while and does not know it."""
    assert pid is not None
    os.killpg(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(pid, signal.SIGCONT)


def seed_of_run() -> int:
    """Given by the environment to repeat a run, otherwise a new one; printed either way."""
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(1_000_000))
    print(f"seed {seed} ({SEED_VARIABLE}={seed} repeats it)")
    return seed


@contextmanager
def scene_of(size: Size, *, is_durable: bool = True, **overrides: str) -> Iterator[Scene]:
    """A Siaga with a register of that size. Who breaks processes alone needs no durable servers."""
    more = OVERRIDES | {"SIAGA_DELIVERY_BATCH_SIZE": str(size.batch_size)} | overrides
    with running(people=size.people, overrides=more, plan=CALM, is_durable=is_durable) as ministry:
        yield Scene(ministry, size, seed_of_run())
