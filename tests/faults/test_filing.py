"""The API, a worker, the relay or Valkey dies between filing and publishing: nothing that was answered is lost, nothing is there twice."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Event
from time import monotonic

import pytest
import requests

from tests.support.breaking import SETTLE_SECONDS, SMALL, Scene
from tests.support.filing import BREAKS, MOMENTS, Desk, Filing
from tests.support.stages import wait_until

pytestmark = pytest.mark.breaks_servers
ROUNDS, STATEMENTS = 40, 10


def test_reports_are_neither_lost_nor_doubled_whatever_dies(scene: Scene) -> None:
    """Filed before, while and after each part goes, by clients that send again with their key until they are answered."""
    filing = Filing.begun(scene)
    for part, moment in rounds(scene):
        filing.round(part, moment)
    filing.keeps_the_promise()


def rounds(scene: Scene) -> list[tuple[str, str]]:
    """Each part once, at a moment drawn by the seed; in the large run many, drawn by it."""
    parts = scene.rng.sample(list(BREAKS), len(BREAKS))
    if scene.size is not SMALL:
        parts += scene.rng.choices(list(BREAKS), k=ROUNDS - len(parts))
    return [(part, scene.rng.choice(MOMENTS)) for part in parts]


def test_a_statement_is_published_or_not_and_never_half(scene: Scene) -> None:
    """The API dies while it is drafted and published; who gives up finds it whole or not at all, who sends again finds it published."""
    filing = Filing.begun(scene)
    filing.file()
    wait_until(filing.is_shown, seconds=SETTLE_SECONDS)
    with closing(Desk(filing)) as desk, ThreadPoolExecutor(1) as pool:
        for _ in range(1 if scene.size is SMALL else STATEMENTS):
            began, key = monotonic(), {"Idempotency-Key": uuid.uuid4().hex}
            statement = desk.draft()
            took = monotonic() - began  # about what publishing takes, however busy the machine is
            giving_up = pool.submit(desk.publish, statement, key)
            Event().wait(scene.rng.uniform(0, 2 * took))  # the moment of the fault, not a synchronisation
            with BREAKS["serve"](scene), suppress(requests.RequestException):
                giving_up.result()
            print("published" if statement in desk.published() else "still a draft", "when the API was killed")
            desk.agrees()
            again = desk.publish(statement, key)
            assert again.status_code == 200, again.text
            desk.agrees()
            assert statement in desk.published()
    filing.keeps_the_promise()
