"""One Siaga in real processes for all faults of a size: small in `make test`, large in `make faults`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alerts.stage import free_port
from alerts.stage_ways import ways_environment
from tests.support.breaking import LARGE, SMALL, Scene, Size, scene_of, seed_of_run

OTHER_WAYS = ("web_push", "email")
"""By these go the messages of one test; all others are texts."""


@pytest.fixture(scope="session", params=[pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.long)])
def siaga(request: pytest.FixtureRequest) -> Iterator[Scene]:
    size: Size = request.param
    with scene_of(size, **ways_environment(OTHER_WAYS, carrier="", mail_port=free_port())) as scene:
        yield scene


@pytest.fixture
def scene(siaga: Scene) -> Iterator[Scene]:
    """The same for every test, with a seed of its own; the promises of the tables are checked after each."""
    fresh = Scene(siaga.ministry, siaga.size, seed_of_run())
    if ended := fresh.ended():  # as an orchestrator does: one that gave up after the test before must not fail all that follow
        print(f"started anew: {ended}")
        siaga.stage.start(*ended)
    yield fresh
    fresh.check_promises()
