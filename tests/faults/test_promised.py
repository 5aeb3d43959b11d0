"""The run that was promised: 200 kills over 20,000 people at 300 per second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.breaking import LOST_AT_ONCE, PROMISED, Scene, scene_of
from tests.support.kills import Watch, kill_workers

pytestmark = [pytest.mark.breaks_servers, pytest.mark.long]


@pytest.fixture(scope="module")
def crowd() -> Iterator[Scene]:
    """The pace is ours, shared by all workers; the carrier would take them faster. A lease is longer than a busy machine's pauses."""
    pace = str(PROMISED.per_second)
    with scene_of(PROMISED, SIAGA_PACE_ACCOUNT_PER_SECOND=pace, SIAGA_DELIVERY_LEASE_SECONDS="8") as scene:
        yield scene


def test_200_kills_over_20_000_people(crowd: Scene) -> None:
    """Every unknown lies in the window of a process that was killed, without exception: nobody sleeps past eight seconds."""
    with Watch(crowd) as watch:
        under_way = crowd.alert({"sms_per_second": 0, "rules": [{"share": 0.5, "receipts": "missing"}]})
        kill_workers(under_way, crowd.size.kills, watch)
        watch.judge(crowd, under_way.keeps_the_promise(unknown=LOST_AT_ONCE * crowd.size.kills), slept_max=0)
    crowd.check_promises()
