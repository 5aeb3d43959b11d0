"""A process of ours without its start: forked from the guardian, which has loaded the code already.

Tests start and kill many of them, and loading takes a process longer than most of what it is asked to do there. What
comes out is a process like any other: a group, a log, an environment and an end of its own; only its memory is shared
until it is written to. The demo, the benchmarks and production start each from nothing.
"""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

LOOK_SECONDS = 0.01


def warm_up(modules: Sequence[str]) -> None:
    """Load what the processes will need, and keep the collector from writing all over it in each of them."""
    for name in modules:
        import_module(name)
    gc.collect()
    gc.freeze()


def interpreters_own(environ: Mapping[str, str]) -> dict[str, str]:
    """What an interpreter reads when it starts, and a forked one never does."""
    return {name: value for name, value in environ.items() if name.startswith("PYTHON")}


class Child:
    """What the guardian knows of a forked process; speaks as `subprocess.Popen` does."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Until it has ended; TimeoutExpired when it has not."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(LOOK_SECONDS)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing when it has ended: its number may be somebody else's by now."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Becoming(BaseException):
    """Raised in the new process, so that it leaves the guardian's code by its front door and ends as every Python does."""

    def __init__(self, argv: Sequence[str], log: Path, environ: dict[str, str], prepare: Callable[[], None]) -> None:
        super().__init__(log.stem)
        self.argv, self.log, self.environ, self.prepare = list(argv), log, environ, prepare

    def run(self) -> None:
        """Take over its own name, files and environment, then its module's `main`."""
        self.prepare()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _redirect(self.log)
        os.environ.clear()
        os.environ.update(self.environ)
        tempfile.tempdir = None
        _, _, module, *arguments = self.argv
        sys.argv = [module, *arguments]
        import_module(module).main()


def fork(argv: Sequence[str], log: Path, environ: dict[str, str], prepare: Callable[[], None]) -> Child:
    """A child for the guardian; in the child this raises `Becoming`."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        raise Becoming(argv, log, environ, prepare)
    # It makes itself a group too; whoever is told its number may want to kill the group before it comes to that.
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    return Child(pid)


def _redirect(log: Path) -> None:
    """Nothing to read, everything said to the log, and no other file of the guardian's (its pipe, the run's lock)."""
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    source = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in ((source, 0), (target, 1), (target, 2)):
        os.dup2(number, descriptor)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
