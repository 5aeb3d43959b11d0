"""A worker that was stopped between its intent and the carrier has no fresh time: what may begin counts from before the intent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from alerts.channels.ports import Message
from alerts.deliveries.actions import sweep
from alerts.deliveries.carriers import Answers, Carriers
from alerts.deliveries.resending import resend_unknown
from alerts.deliveries.sending import BEGIN_WITHIN_SECONDS
from alerts.incidents.rules import Status
from alerts.kit.db import begin
from alerts.settings import Settings
from tests.deliveries.conftest import Fanout, numbers
from tests.support.stages import wait_until

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
WAITS = "SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'send_window' AND NOT l.granted"


class Watched(Carriers):
    """The port, remembering until when each window might begin."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.untils: list[float] = []

    def submit(self, status: Status, name: str, messages: Sequence[Message], *, until: float) -> Answers:
        self.untils.append(until)
        return super().submit(status, name, messages, until=until)


@pytest.fixture
def watched(sending_settings: Settings) -> Iterator[Watched]:
    carriers = Watched(sending_settings)
    yield carriers
    carriers.close()


def held_up(message: Fanout, work: Callable[[], Any]) -> float:
    """Run this, whose intent has to wait for a lock; a moment at which it did."""
    thread = threading.Thread(target=work)
    with begin(message.sessions) as session:
        session.execute(text("LOCK TABLE send_window IN SHARE MODE"))
        thread.start()
        wait_until(lambda: bool(message.rows(WAITS)))
        waited_at = time.monotonic()
        wait_until(lambda: time.monotonic() > waited_at + 0.2)
    thread.join()
    return waited_at


def test_a_windows_time_runs_from_before_its_intent(fanout: Make, watched: Watched) -> None:
    message = fanout(*numbers(2))
    message.release()
    waited_at = held_up(message, lambda: message.send(watched))
    assert watched.untils[0] <= waited_at + BEGIN_WITHIN_SECONDS
    assert message.states() == {"accepted": 2}


def test_so_does_that_of_a_repetition(fanout: Make, watched: Watched) -> None:
    message = fanout("+6281250000001", resend_unknown="once")
    message.release()
    message.intend(1)
    message.run("UPDATE send_window SET lease_until = clock_timestamp() - interval '1 second'")
    with begin(message.sessions) as session:
        sweep(session)
    message.run("UPDATE attempt SET intent_at = intent_at - interval '1 hour', looked_up_at = now()")
    waited_at = held_up(message, lambda: resend_unknown(message.settings, message.sessions, watched))
    assert watched.untils[0] <= waited_at + BEGIN_WITHIN_SECONDS
    assert message.states() == {"accepted": 1}
