"""`python -m tests.embedded.hold FOLDER`: start the servers, say who they are as one JSON line, and wait to be killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from alerts import embedded


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with embedded.services(Path(sys.argv[1]), "hold", is_durable=False) as services:
        helper = services.start_process("helper", [sys.executable, "-c", "import time; time.sleep(600)"], os.environ)
        pids = [services.postgres_pid, services.valkey_pid, helper]
        told = {"pids": [pid for pid in pids if pid], "guardian": services.guardian_pid, "folder": str(services.folder)}
        print(json.dumps(told | {"database_url": services.database_url, "prefix": services.redis_prefix}), flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main()
