"""How many devices one person may have, and how often new ones may come. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerts.kit.errors import ThrottledError
from alerts.staff.rules import Limit, retry_after_seconds

NEW_ONES = Limit(failures=10, window=timedelta(hours=1))
"""Per person: more new browsers or apps than that come from a program. One that is known may come back as often as it likes."""


def check_pace(made_at: Sequence[datetime], now: datetime) -> None:
    """429 while too many new ones came lately."""
    wait = retry_after_seconds(made_at, NEW_ONES, now)
    if wait:
        raise ThrottledError("too_many_devices", "Too many new devices came by this link. Wait, then try again.", retry_after=wait)
