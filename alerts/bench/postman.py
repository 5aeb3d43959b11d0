"""The benchmark's end of the pipe to the process that posts receipts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from alerts.bench.pipe import Figures, Pipe, pipe_to
from alerts.stage import post_json


class Postman:
    """Tells the poster what to do; one order at a time."""

    def __init__(self, pipe: Pipe, carrier: str) -> None:
        self._pipe, self._carrier = pipe, carrier

    def hold(self, rate: float | None, *, has_repeats: bool = False) -> None:
        """Post receipts at this rate as soon as the carrier has any. `has_repeats`: where too few are new, post old ones again."""
        self.keep_callbacks()
        self._pipe.order("post", rate=rate, has_repeats=has_repeats)

    def keep_callbacks(self) -> None:
        """Have the carrier keep the callbacks of what it accepts from now on."""
        post_json(f"{self._carrier}/tell", {})

    def rest(self, rate: float | None = None) -> tuple[Figures, Figures]:
        """Figures of what was held so far; then post all the rest (at this rate, or flat out), and the figures of that."""
        answer = self._pipe.order("rest", rate=rate)
        return answer["held"], answer["rest"]

    def flood(self, address: str, *, different: int, count: int) -> Figures:
        """Post so many receipts flat out to `<address>/<number>`, numbers from 1 round and round."""
        return self._pipe.order("flood", address=address, different=different, count=count)

    def stop(self) -> Figures:
        """Post nothing more; figures since `hold`."""
        return self._pipe.order("stop")


@contextmanager
def postman(carrier: str, environment: Mapping[str, str]) -> Iterator[Postman]:
    """A poster of receipts; it ends with the block, or with us."""
    with pipe_to("alerts.bench.poster", carrier, environment=environment) as pipe:
        yield Postman(pipe, carrier)
