"""What a round trip has to come back with, and when its absence is an alarm. Pure decisions.

A process that runs proves nothing. A real message to a number of ours, by every sender, through relay, worker, carrier
and back, proves that the next alert can go the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

PERIODS_MAX = 2
VALIDITY_SECONDS = (60, 36_000)


class TripEnd(StrEnum):
    """With what a trip is over: the carrier took it, the carrier says it arrived, or our end answered."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    ANSWERED = "answered"


TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "id": "SIAGA: pesan uji otomatis ke alamat kami sendiri. Abaikan.",
        "en": "SIAGA: automatic test message to our own address. Please ignore.",
    }
)


def expected_end(channel: str, *, answers: bool, has_receipts: bool) -> TripEnd:
    """The farthest end that can be seen: an answer where our end gives one, else a receipt where the way has them."""
    if answers:
        return TripEnd.ANSWERED
    is_receipted = has_receipts and channel in {"sms", "whatsapp", "voice"}
    return TripEnd.DELIVERED if is_receipted else TripEnd.ACCEPTED


def is_late(age_seconds: float, *, period_seconds: float) -> bool:
    """Whether the last trip that came back is so old that somebody has to look."""
    return age_seconds > PERIODS_MAX * period_seconds


def validity_seconds(period_seconds: float) -> int:
    """A test message that arrives with the next one would only confuse."""
    low, high = VALIDITY_SECONDS
    return int(min(high, max(low, period_seconds)))
