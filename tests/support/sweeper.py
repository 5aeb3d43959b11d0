"""A sweeper that stands still with its transaction open: `python -m tests.support.sweeper NAME`. It says what it swept."""

from __future__ import annotations

import sys
from threading import Event

from alerts.deliveries.actions import sweep
from alerts.kit.db import begin, make_engine, make_sessions
from alerts.settings import Settings


def main(name: str) -> None:
    settings = Settings.from_environment()
    sessions = make_sessions(make_engine(settings.database.url.get_secret_value(), pool_size=1))
    with begin(sessions) as session:
        print(f"{name} swept {sweep(session)}", flush=True)
        if name.endswith("1"):
            Event().wait()  # until it is killed


if __name__ == "__main__":
    main(sys.argv[1])
