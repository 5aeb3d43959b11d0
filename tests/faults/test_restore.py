"""The database is put back to a moment in the middle of a fan-out, while the carrier goes on knowing everything."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alerts.embedded.binaries import POSTGRES_MAJOR
from tests.support.breaking import LOST_AT_ONCE, Scene, UnderWay
from tests.support.stages import wait_until

pytestmark = pytest.mark.breaks_servers
PLAN = {"late_seconds": 6, "rules": [{"share": 0.5, "receipts": "late"}]}


class Backup:
    """A copy of the cold data folder, and its way back: as a recovery (a new timeline) or as a mere copy of files."""

    def __init__(self, scene: Scene) -> None:
        self._services = scene.stage.services
        self._data = self._services.folder / f"pg{POSTGRES_MAJOR}"
        self._copy = Path(f"{self._data}.backup")

    def take(self) -> None:
        self._services.stop_postgres(signal.SIGINT)
        shutil.rmtree(self._copy, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self._data), str(self._copy)], check=True)
        self._services.start_postgres()

    def put_back(self, *, is_recovery: bool) -> None:
        self._services.stop_postgres(signal.SIGQUIT)
        shutil.rmtree(self._data)
        subprocess.run(["cp", "-a", str(self._copy), str(self._data)], check=True)
        if is_recovery:
            with (self._data / "postgresql.auto.conf").open("a") as settings:
                settings.write("restore_command = 'false'\n")
            owner = self._data.stat()
            signal_file = self._data / "recovery.signal"
            signal_file.touch()
            shutil.chown(signal_file, owner.st_uid, owner.st_gid)
        self._services.start_postgres()


@pytest.mark.parametrize("is_recovery", [True, False], ids=["recovery", "snapshot"])
def test_what_was_sent_after_the_restore_point_is_not_sent_again(scene: Scene, is_recovery: bool) -> None:
    """Workers go on asking, and refuse; then the operator says what happened."""
    services, backup = scene.stage.services, Backup(scene)
    under_way = scene.alert(PLAN)
    under_way.reach_share(0.2)
    backup.take()
    under_way.reach_share(0.6)
    if not is_recovery:
        services.stop_process("worker")  # nobody can tell by the database: the runbook says to stop them first
        services.stop_process("evidence")
    backup.put_back(is_recovery=is_recovery)
    if is_recovery:
        wait_until(lambda: "sending.refused" in services.log_of("worker"))
    sent = under_way.share()
    assert states(under_way).get("queued", 0) > 0
    assert under_way.share() == sent
    told = operator(scene, *(() if is_recovery else ("--snapshot",)))
    print(told, states(under_way))
    if not is_recovery:
        scene.stage.start("worker", "evidence")
    wait_until(lambda: not states(under_way).keys() & {"queued", "unknown"}, seconds=300)
    count = under_way.keeps_the_promise(unknown=LOST_AT_ONCE)
    assert count["handed_over"] == scene.size.people


def states(under_way: UnderWay) -> dict[str, int]:
    rows = under_way.scene.rows("SELECT state, count(*) AS n FROM delivery WHERE broadcast_id = :id GROUP BY 1", id=under_way.id)
    return {row["state"]: row["n"] for row in rows}


def operator(scene: Scene, *options: str) -> str:
    """`siaga after-restore`, as a person types it."""
    argv = [sys.executable, "-m", "alerts.cli", "after-restore", *options]
    done = subprocess.run(argv, env=scene.stage.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
