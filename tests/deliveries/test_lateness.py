"""A queue that has work and no worker is a fault and pages somebody; a slow lane, a rest and an empty queue are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.deliveries.lateness import list_stalls, promise_of
from alerts.deliveries.vitals import measure
from alerts.health import examine
from alerts.kit.db import begin
from alerts.kit.vitals import forget_beats, list_beats
from alerts.settings import Settings
from tests.deliveries.conftest import Fanout
from workers.wiring import watch

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
ASKED = """
INSERT INTO outbox_event (name, payload, created_at, rung_at, rings, waiting_for)
SELECT 'x', '{}', clock_timestamp() - make_interval(secs => :age), clock_timestamp(), :rings, ARRAY[:task]
"""
BEAT = """
INSERT INTO worker_beat (owner, queue, task, is_pace_shared, at)
VALUES (:queue, :queue, 'x', true, clock_timestamp() - make_interval(secs => :age))
"""


def stalled(session: Session, settings: Settings) -> list[str]:
    return [stall.queue for stall in list_stalls(session, watch(settings))]


def test_all_workers_of_a_full_queue_are_dead(fanout: Make) -> None:
    """The doctor says so, and somebody is called: once, not each minute."""
    message = fanout("+6281250000001")
    message.release()
    message.run("UPDATE outbox_event SET waiting_for = '{deliveries.send}', rings = 3 WHERE name = 'delivery.batch_due'")
    message.run("UPDATE outbox_event SET created_at = clock_timestamp() - interval '70 seconds', rung_at = clock_timestamp()")
    with begin(message.sessions) as session:
        for queue, age in {"sending": 75, "quick": 1, "evidence": 1, "paging": 1}.items():
            session.execute(text(BEAT), {"queue": queue, "age": age})
    faults = examine(message.settings, message.sessions, watch(message.settings)).faults
    assert any("`sending` stands still" in fault and "75 s" in fault for fault in faults), faults
    for _ in range(2):
        with begin(message.sessions) as session:
            measure(session, watch(message.settings))
    alarms = message.rows("SELECT payload ->> 'sender' AS promise FROM outbox_event WHERE name = 'delivery.alarm'")
    assert [row["promise"] for row in alarms].count(promise_of("sending")) == 1
    message.run("UPDATE worker_beat SET at = clock_timestamp()")
    assert examine(message.settings, message.sessions, watch(message.settings)).faults == []


@pytest.mark.parametrize(
    ("task", "age", "rings", "beats", "expected"),
    [
        ("deliveries.send", 70, 3, {}, ["sending"]),
        ("deliveries.send", 7000, 9, {"sending": 4}, []),  # a slow lane: it is somebody's turn
        ("deliveries.send", 50, 3, {}, []),
        ("deliveries.send", 70, 1, {"sending": 900}, []),  # told of just now, by a relay that was away
        ("inbox.understand", 70, 3, {"inbound": 61, "quick": 1}, ["inbound"]),
        ("broadcasts.freeze", 70, 3, {"quick": 61}, ["quick"]),
        (None, 0, 0, {"sending": 90_000, "inbound": 90_000}, []),  # nothing to do for days
        (None, 0, 0, {"quick": 119, "evidence": 121, "paging": 90_000}, ["evidence", "paging"]),
        (None, 0, 0, {}, []),
    ],
)
def test_what_stands_still(
    session: Session, settings: Settings, task: str | None, age: float, rings: int, beats: dict[str, float], expected: list[str]
) -> None:
    if task:
        session.execute(text(ASKED), {"age": age, "rings": rings, "task": task})
    for queue, seconds in beats.items():
        session.execute(text(BEAT), {"queue": queue, "age": seconds})
    assert stalled(session, settings) == expected


def test_the_last_worker_of_a_queue_is_remembered_for_ever(session: Session, settings: Settings) -> None:
    """Else a service that is dead for a day would count as one that was never begun."""
    for age in (100_000, 200_000):
        session.execute(text(BEAT.replace(":queue, :queue", ":owner, 'quick'")), {"owner": str(age), "age": age})
    forget_beats(session)
    assert [beat["owner"] for beat in list_beats(session)] == ["100000"]
    assert stalled(session, settings) == ["quick"]
