"""A worker process that does nothing but ask for its pace, and writes down each grant: asked at, got at, count, shared or own."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

from alerts.deliveries.buckets import Lane
from alerts.deliveries.pacing import Pacer
from alerts.deliveries.shared import Shared
from alerts.settings import Settings

WINDOW = 16
LANE = Lane("account", "sender", "TR")


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = Settings.from_environment()
    shared = Shared.start(settings)
    pacer = Pacer(settings, shared)
    with Path(sys.argv[1]).open("a", buffering=1, encoding="utf-8") as out:
        while not stop.is_set():
            asked = time.monotonic()
            grant = pacer.take(LANE, WINDOW)
            if grant.count:
                out.write(f"{asked} {time.monotonic()} {grant.count} {int(grant.is_shared)}\n")
            else:
                stop.wait(grant.wait_seconds)
    shared.close()


if __name__ == "__main__":
    main()
