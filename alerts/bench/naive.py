"""The naive fan-out, a Celery task per message with Twilio's own client, as a process beside us.

Its code lives with the tests: nothing of it, and no second user of Twilio's client, belongs into the product. Where
the tests are not there (an installed wheel), this way is left unmeasured and the figures say so.
"""

from __future__ import annotations

import json
import subprocess
import sys

from alerts.bench.ground import Ground
from alerts.embedded.scratch import CHECKOUT
from alerts.stage import free_port

SCRIPT = CHECKOUT / "tests" / "support" / "naive_fanout.py"
PROCESS, DOOR = "naive", "naive_door"
PROCESSES = (PROCESS, DOOR)
DOOR_VARIABLE = "NAIVE_DOOR"
SECONDS_MAX = 600


def is_there() -> bool:
    """Whether this is a checkout with its tests."""
    return SCRIPT.is_file()


def start(floor: Ground) -> None:
    """Start the naive workers, as many processes as ours has, and the naive door for their receipts."""
    port = free_port()
    environment = floor.stage.environment | {DOOR_VARIABLE: f"http://127.0.0.1:{port}"}
    floor.stage.environment = environment
    floor.stage.services.start_process(PROCESS, [sys.executable, str(SCRIPT), "work"], environment)
    floor.stage.services.start_process(DOOR, [sys.executable, str(SCRIPT), "door", str(port)], environment)


def door_url(floor: Ground) -> str:
    """Where the naive door is, once started."""
    return floor.stage.environment[DOOR_VARIABLE]


def send(floor: Ground, count: int) -> tuple[float, float]:
    """Enqueue so many messages and wait for the last; messages per second, and processor seconds per 1,000."""
    used = floor.cpu_seconds(*PROCESSES)
    argv = [sys.executable, str(SCRIPT), "enqueue", str(count)]
    done = subprocess.run(  # noqa: S603 - our own script
        argv, env=floor.stage.environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the naive twin failed: {done.stderr.strip()[-600:]} {floor.stage.services.log_of(PROCESS)[-600:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    cpu = floor.cpu_seconds(*PROCESSES) - used + answer["cpu_seconds"]
    return count / answer["seconds"], cpu / count * 1000
