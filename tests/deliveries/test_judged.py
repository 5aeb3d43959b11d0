"""The judge beside a Siaga that goes on working: what is sent while it reads makes nobody missed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from alerts.deliveries.carriers import Carriers
from alerts.stage import verdict_on
from tests.deliveries.conftest import Carrier, Fanout, numbers

pytestmark = pytest.mark.deliveries


@dataclass
class WhileReading:
    """Sessions of somebody who is held up until something else has happened, once."""

    message: Fanout
    carriers: Carriers
    is_sent: bool = False

    def begin(self) -> AbstractContextManager[Any]:
        if not self.is_sent:
            self.is_sent = True
            self.message.send(self.carriers)
        return self.message.sessions.begin()


def test_who_is_sent_to_between_the_log_and_the_tables_is_not_called_missed(
    fanout: Callable[..., Fanout], carriers: Carriers, carrier: Carrier
) -> None:
    message = fanout(*numbers(3))
    message.release()
    verdict, _ = verdict_on(WhileReading(message, carriers), carrier.log_path)  # type: ignore[arg-type]  # all that it uses
    total = verdict["total"]
    assert (total["frozen"], total["handed_over"], total["missed"], verdict["strays"]) == (3, 3, 0, 0)
