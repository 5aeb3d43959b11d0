"""One Siaga in real processes for all faults of a size: small in `make test`, large in `make faults`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.breaking import LARGE, SMALL, Scene, Size, scene_of, seed_of_run


@pytest.fixture(scope="session", params=[pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.long)])
def siaga(request: pytest.FixtureRequest) -> Iterator[Scene]:
    size: Size = request.param
    with scene_of(size) as scene:
        yield scene


@pytest.fixture
def scene(siaga: Scene) -> Iterator[Scene]:
    """The same for every test, with a seed of its own; the promises of the tables are checked after each."""
    fresh = Scene(siaga.ministry, siaga.size, seed_of_run())
    yield fresh
    fresh.check_promises()
