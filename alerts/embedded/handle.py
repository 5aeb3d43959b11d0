"""The command's end of the pipe to the guardian."""

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from alerts.embedded import foreign, scratch
from alerts.embedded.errors import EmbeddedError

END_SECONDS = 60.0


class GuardianHandle:
    """Starts a guardian and asks it for one thing at a time; threads may share it."""

    def __init__(self, folder: Path, lock: int) -> None:
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._foreign: dict[str, str] = {}
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "alerts.embedded.guardian", str(folder), str(self._owner), str(lock)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=scratch.CHECKOUT,
            start_new_session=True,
            pass_fds=[lock],
            text=True,
        )
        os.close(lock)
        self._read()

    @property
    def pid(self) -> int:
        """The guardian's own pid."""
        return self._process.pid

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        with self._lock:
            if self._process.stdin is None or self._process.stdin.closed:
                raise EmbeddedError("The embedded servers were stopped already.")
            self._process.stdin.write(json.dumps({"do": operation, **request}) + "\n")
            self._process.stdin.flush()
            return self._read()

    def remember(self, **servers: str) -> None:
        """Tell what to take away from foreign servers in the end."""
        self._foreign |= servers
        self.ask("foreign", servers=self._foreign, names=foreign.names(self._foreign))

    def end(self) -> None:
        """Have everything stopped; a guardian that cannot answer any more has done it already."""
        if os.getpid() != self._owner or self._process.stdin is None or self._process.stdin.closed:
            return
        with self._lock, suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the kernel ends the servers then, and the next run deletes the data
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise EmbeddedError("The guardian of the embedded servers is gone, and the servers with it: start anew.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EmbeddedError(answer["error"])
        return answer
