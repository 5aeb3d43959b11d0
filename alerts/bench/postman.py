"""The benchmark's end of the pipe to the process that posts receipts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from alerts.embedded.scratch import CHECKOUT
from alerts.stage import post_json

Figures = dict[str, Any]


class Postman:
    """Tells the poster what to do; one order at a time."""

    def __init__(self, process: subprocess.Popen[str], carrier: str) -> None:
        self._process, self._carrier = process, carrier

    def hold(self, rate: float | None, *, has_repeats: bool = False) -> None:
        """Post receipts at this rate as soon as the carrier has any. `has_repeats`: where too few are new, post old ones again."""
        self.keep_callbacks()
        self._order("post", rate=rate, has_repeats=has_repeats)

    def keep_callbacks(self) -> None:
        """Have the carrier keep the callbacks of what it accepts from now on."""
        post_json(f"{self._carrier}/tell", {})

    def rest(self, rate: float | None = None) -> tuple[Figures, Figures]:
        """Figures of what was held so far; then post all the rest (at this rate, or flat out), and the figures of that."""
        answer = self._order("rest", rate=rate)
        return answer["held"], answer["rest"]

    def flood(self, address: str, *, different: int, count: int) -> Figures:
        """Post so many receipts flat out to `<address>/<number>`, numbers from 1 round and round."""
        return self._order("flood", address=address, different=different, count=count)

    def stop(self) -> Figures:
        """Post nothing more; figures since `hold`."""
        return self._order("stop")

    def _order(self, do: str, **more: Any) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": do, **more}) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"the poster of receipts is gone: {self._process.wait(10)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def postman(carrier: str, environment: Mapping[str, str]) -> Iterator[Postman]:
    """A poster of receipts; it ends with the block, or with us."""
    argv = [sys.executable, "-m", "alerts.bench.poster", carrier]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(argv, cwd=CHECKOUT, env=dict(environment), **pipes) as process:  # noqa: S603 - our own module
        try:
            yield Postman(process, carrier)
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
