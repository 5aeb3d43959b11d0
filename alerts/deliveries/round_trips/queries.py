"""How long ago a message by each live sender came back, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class TripAge:
    """`seconds` since the last return (or, without any, since the sender is tried); `took_seconds` of that one, None without any."""

    sender: str
    channel: str
    seconds: float
    took_seconds: float | None
    returned_at: datetime | None


def list_ages(session: Session) -> list[TripAge]:
    """One for each sender that is tried now."""
    return [TripAge(*row) for row in session.execute(text(AGES))]


AGES = """
SELECT p.sender, p.channel, CAST(extract(epoch FROM clock_timestamp() - greatest(coalesce(t.returned_at, p.since), p.since)) AS float8),
    CAST(extract(epoch FROM t.returned_at - t.began_at) AS float8), t.returned_at
FROM probe p LEFT JOIN LATERAL (
    SELECT r.returned_at, r.began_at FROM round_trip r WHERE r.sender = p.sender AND r.returned_at IS NOT NULL
    ORDER BY r.began_at DESC LIMIT 1) t ON true
WHERE p.retired_at IS NULL ORDER BY p.sender
"""
