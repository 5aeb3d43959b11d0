"""The benchmark's end of the pipe to a process of its own: orders and answers are JSON lines, one order at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from alerts.embedded.scratch import CHECKOUT

Figures = dict[str, Any]


class Pipe:
    """To a process that obeys until its input ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def order(self, do: str, **more: Any) -> Figures:
        """One order, and its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": do, **more}) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the benchmark is gone: {self._process.wait(10)}")
        answer: Figures = json.loads(line)
        return answer


@contextmanager
def pipe_to(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Pipe]:
    """`python -m <module>`; it ends with the block, or with us."""
    argv = [sys.executable, "-m", module, *arguments]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environ = None if environment is None else dict(environment)
    with subprocess.Popen(argv, cwd=CHECKOUT, env=environ, **pipes) as process:  # noqa: S603 - our own module
        try:
            yield Pipe(process)
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
