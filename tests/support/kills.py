"""Workers killed at random, and a watch in the database that remembers whose window each unknown attempt lay in."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any, Self

from sqlalchemy import text

from alerts.kit.db import begin
from tests.support.breaking import LOST_AT_ONCE, SETTLE_SECONDS, Scene, UnderWay, children, kill
from tests.support.stages import wait_until

ORPHANED = timedelta(seconds=0.5)
"""A statement that Postgres already has is carried out and committed though its client is dead: an intent may be that much younger."""
WHOLE_WORKER_SHARE = 0.05
"""Of the kills: the worker with all its children. The others hit one child, which Celery replaces."""


class Watch:
    """Triggers of the test's own: who opened each window, and which attempts were ever unknown."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.killed: list[tuple[set[int], Any]] = []

    def __enter__(self) -> Self:
        for statement in WATCH:
            self._scene.run(statement)
        return self

    def __exit__(self, *_: object) -> None:
        for statement in UNWATCH:
            self._scene.run(statement)

    def note_kill(self, pids: set[int]) -> None:
        """These died now."""
        self.killed.append((pids, self.now()))

    def recent_owners(self) -> set[int]:
        """Who opened a window of late: when a worker gives up it takes its other children with it."""
        rows = self._scene.rows("SELECT DISTINCT owner FROM watched_window WHERE intent_at > clock_timestamp() - interval '1 minute'")
        return {int(row["owner"].rpartition(":")[2]) for row in rows}

    def now(self) -> Any:
        """By the database's clock."""
        with begin(self._scene.stage.sessions) as session:
            return session.execute(text("SELECT clock_timestamp()")).scalar_one()

    def judge(self, scene: Scene, count: dict[str, int], *, slept_max: int) -> None:
        """Every attempt that ever was unknown lay in a window of a process that was killed while the window was open.

        On a machine with no time to spare a living worker may sleep past its lease, where that is short: such attempts are
        told apart, with how long it slept, and are no more than `slept_max`. Everything else is a fault.
        """
        lost = scene.rows(LOST)
        per_kill: Counter[int] = Counter()
        slept: list[float] = []
        late: list[float] = []
        for row in lost:
            name = f"{row['delivery_id']}-{row['number']}"
            assert row["owner"] is not None, f"{name} lay in no window (seed {scene.seed})"
            pid = int(row["owner"].rpartition(":")[2])
            kills = [
                number for number, (pids, at) in enumerate(self.killed) if pid in pids and row["intent_at"] - ORPHANED <= at <= row["at"]
            ]
            if kills:
                per_kill[kills[0]] += 1
                late.append((row["intent_at"] - self.killed[kills[0]][1]).total_seconds())
            else:
                told = f"{name} was given up while {pid} was alive and in time: {row['evidence']} {row['error_code']} (seed {scene.seed})"
                assert row["at"] >= row["lease_until"], told
                slept.append((row["at"] - row["lease_until"]).total_seconds())
        most = max(per_kill.values(), default=0)
        longest = max(slept, default=0.0)
        print(
            f"{len(self.killed)} kills over {count['frozen']} people: {per_kill.total()} were unknown ({most} at most per kill, in "
            f"{len(per_kill)} kills; {sum(each > 0 for each in late)} of intents that Postgres wrote down after the kill, "
            f"{max([0.0, *late]):.3f} s at most), {len(slept)} of living workers that slept past their lease (by {longest:.1f} s at most); "
            f"{count['unknown']} are unknown in the end; "
            f"missed {count['missed']}, twice {count['sent_twice']}, resent {count['resent']}, "
            f"accepted but unknown {count['accepted_reads_unknown']}"
        )
        assert most <= LOST_AT_ONCE, f"{per_kill} (seed {scene.seed})"
        assert len(slept) <= slept_max, f"{len(slept)} were given up though their worker lived (seed {scene.seed})"


def kill_workers(under_way: UnderWay, times: int, watch: Watch) -> None:
    """At random moments of the run: mostly one child, now and then the worker with all of them."""
    stage, rng = under_way.scene.stage, under_way.scene.rng

    def supervise() -> None:
        """Celery gives up when a child dies while it starts: whatever watches over the worker starts it anew."""
        if stage.services.process_pid("worker") is None:
            stage.start("worker")
            watch.note_kill(watch.recent_owners())

    def once() -> None:
        alive = set(wait_until(lambda: supervise() or children(stage), seconds=SETTLE_SECONDS))
        pid = stage.services.process_pid("worker")
        if pid is not None and rng.random() < WHOLE_WORKER_SHARE:
            kill(stage, "worker")
            watch.note_kill({pid, *alive})
            return
        victim = rng.choice(sorted(alive))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        watch.note_kill({victim})

    under_way.supervise = supervise
    under_way.at_random(times, once, low=0.02, high=0.97)


LOST = """
SELECT u.delivery_id, u.number, u.at, u.evidence, u.error_code, o.owner, o.intent_at, w.lease_until
FROM watched_unknown u LEFT JOIN watched_window o ON o.id = u.window_id LEFT JOIN send_window w ON w.id = u.window_id
"""
WATCH = (
    """
    CREATE TABLE watched_unknown (
        delivery_id bigint, number smallint, window_id bigint, at timestamptz, evidence text, error_code text,
        PRIMARY KEY (delivery_id, number))
    """,
    "CREATE TABLE watched_window (id bigint PRIMARY KEY, owner text, intent_at timestamptz)",
    """
    CREATE FUNCTION watch_window() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO watched_window SELECT NEW.id, b.owner, NEW.intent_at FROM delivery_batch b
        WHERE b.id = NEW.batch_id AND NEW.resend_of IS NULL;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION watch_unknown() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN  -- an unknown of an earlier message that is looked up again became so before this watch
            IF OLD.state = 'unknown' THEN RETURN NULL; END IF;
        END IF;
        INSERT INTO watched_unknown VALUES (NEW.delivery_id, NEW.number, NEW.window_id, clock_timestamp(), NEW.evidence, NEW.error_code)
            ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER watch_window AFTER INSERT ON send_window FOR EACH ROW EXECUTE FUNCTION watch_window()",
    """
    CREATE TRIGGER watch_unknown AFTER INSERT OR UPDATE ON attempt FOR EACH ROW WHEN (NEW.state = 'unknown' AND NEW.resend_of IS NULL)
    EXECUTE FUNCTION watch_unknown()
    """,
)
UNWATCH = (
    "DROP TRIGGER watch_window ON send_window",
    "DROP TRIGGER watch_unknown ON attempt",
    "DROP FUNCTION watch_window()",
    "DROP FUNCTION watch_unknown()",
    "DROP TABLE watched_unknown, watched_window",
)
