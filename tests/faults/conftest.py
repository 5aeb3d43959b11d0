"""One Siaga in real processes for all faults of a size: small in `make test`, large in `make faults`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from alerts.stage import free_port
from alerts.stage_ways import ways_environment
from tests.support.breaking import LARGE, SMALL, Scene, Size, scene_of, seed_of_run

OTHER_WAYS = ("web_push", "email")
"""By these go the messages of one test; all others are texts."""


@dataclass
class Standing:
    """The Siaga of a size: starts when a test asks for it, and ends when no test of this folder comes next.

    Otherwise it would look for work to the end of the run, which is a fifth of a core for nothing.
    """

    size: Size
    _stack: ExitStack = field(default_factory=ExitStack)
    _scene: Scene | None = None

    def scene(self) -> Scene:
        ways = ways_environment(OTHER_WAYS, carrier="", mail_port=free_port())
        self._scene = self._scene or self._stack.enter_context(scene_of(self.size, **ways))
        return self._scene

    def end(self) -> None:
        self._scene = None
        self._stack.close()


STANDING = pytest.StashKey[Standing]()


@pytest.fixture(scope="session", params=[pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.long)])
def siaga(request: pytest.FixtureRequest) -> Iterator[Standing]:
    request.config.stash[STANDING] = standing = Standing(request.param)
    yield standing
    standing.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    yield
    if (nextitem is None or nextitem.path.parent != item.path.parent) and (standing := item.config.stash.get(STANDING, None)):
        standing.end()


@pytest.fixture
def scene(siaga: Standing) -> Iterator[Scene]:
    """The same for every test, with a seed of its own; the promises of the tables are checked after each."""
    standing = siaga.scene()
    fresh = Scene(standing.ministry, standing.size, seed_of_run())
    if ended := fresh.ended():  # as an orchestrator does: one that gave up after the test before must not fail all that follow
        print(f"started anew: {ended}")
        fresh.stage.start(*ended)
    yield fresh
    fresh.check_promises()
