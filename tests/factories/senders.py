"""Sets of configured senders, for tests that freeze lists without settings."""

from __future__ import annotations

from alerts.channels.rule_book import Outlet
from alerts.channels.rule_book_outlets import SenderSets

NAMES = {"push": "fcm", "sms": "twilio"}


def senders(*channels: str) -> SenderSets:
    """One live sender for each of these channels, the usual ones unless told otherwise; exercises have the same."""
    outlets = tuple(Outlet(name=NAMES.get(channel, channel), channel=channel) for channel in channels or NAMES)
    return SenderSets(outlets, outlets)
