"""How many devices one person may have, and how often new ones may come. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerts.kit.errors import ConflictError, ThrottledError
from alerts.kit.i18n import Translator
from alerts.staff.rules import Limit, retry_after_seconds

NEW_ONES = Limit(failures=10, window=timedelta(hours=1))
"""Per person: more new browsers or apps than that come from a program. One that is known may come back as often as it likes."""


def check_pace(made_at: Sequence[datetime], now: datetime) -> None:
    """429 while too many new ones came lately."""
    wait = retry_after_seconds(made_at, NEW_ONES, now)
    if wait:
        raise ThrottledError("too_many_devices", "Too many new devices came by this link. Wait, then try again.", retry_after=wait)


def check_takes(t: Translator, *, is_over: bool, is_out: bool, is_withdrawn: bool) -> None:
    """409, in the person's language, where nothing would ever be sent, or where the link is too old to vouch for anybody."""
    if is_over:
        raise ConflictError("link_over", t.gettext("This link is too old for that. Use the link of a newer message."))
    if is_out:
        raise ConflictError(
            "opted_out", t.gettext("You asked for no more messages. To get them again, answer one of our texts with MULAI.")
        )
    if is_withdrawn:
        raise ConflictError("not_a_tester", t.gettext("You no longer take part in exercises. Tell the mission if you want to again."))
