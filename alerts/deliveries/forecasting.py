"""The forecast of a message from its rows: before its release from the frozen list, while it is sent from what is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.forecasting import Segments, forecast_view, loads_of, segments_of
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.preview import Ground, ground_of
from alerts.broadcasts.preview_schemas import ForecastView
from alerts.broadcasts.queries import list_texts, promised_at
from alerts.broadcasts.rules import with_promise
from alerts.incidents.rules import Status
from alerts.kit.clock import db_now
from alerts.kit.db import rows_of
from alerts.settings import Settings

MEASURED_SECONDS = 60.0
"""The pace of sending is what was handed over within the last minute…"""
MEASURED_SECONDS_MIN = 10.0
"""…and is not told sooner than this after the release: the first seconds say nothing."""


def forecast_of(session: Session, settings: Settings, broadcast: Broadcast) -> ForecastView:
    """When how many will have been handed over. Before the release: from then on, for the frozen list.

    It counts people by their first way; whoever failed there is no longer waited for. Later steps are not forecast.
    """
    ground = ground_of(session, settings, is_exercise=broadcast.status is Status.EXERCISE)
    words = with_promise(broadcast.texts, promised_at(broadcast))
    segments = segments_of(list_texts(words, settings.public_url, is_exercise=broadcast.status is Status.EXERCISE))
    if broadcast.released_at is None:
        rows = rows_of(session.execute(text(FROZEN), {"audience": broadcast.audience_id}))
        return forecast_view(ground.roads, rows, segments, validity_seconds=broadcast.validity_seconds)
    now = db_now(session)
    seconds = _measured_seconds(broadcast.released_at, now)
    values = {"broadcast": broadcast.id, "since": now - timedelta(seconds=seconds)}
    rows = rows_of(session.execute(text(RELEASED), values))
    measured = _segments_just_now(ground, rows, segments) / seconds if seconds >= MEASURED_SECONDS_MIN else None
    left = broadcast.validity_seconds - (now - (broadcast.approved_at or broadcast.released_at)).total_seconds()
    return forecast_view(ground.roads, rows, segments, validity_seconds=left, measured_per_second=measured)


def _measured_seconds(released_at: datetime, now: datetime) -> float:
    return min(MEASURED_SECONDS, max(1.0, (now - released_at).total_seconds()))


def _segments_just_now(ground: Ground, rows: Iterable[Mapping[str, Any]], segments: Segments) -> int:
    just_now = [{**row, "people": row["just_now"], "handed_over": 0} for row in rows]
    return sum(load.people * load.segments for load in loads_of(ground.roads, just_now, segments))


FROZEN = """
SELECT channel, number_country, language, count(*) AS people FROM audience_member
WHERE audience_id = :audience AND channel <> 'none' GROUP BY 1, 2, 3
"""

RELEASED = """
SELECT d.channel, d.number_country, m.language,
    count(*) FILTER (WHERE d.accepted_at IS NOT NULL OR d.state IN ('queued', 'sending')) AS people,
    count(d.accepted_at) AS handed_over,
    count(*) FILTER (WHERE d.accepted_at > :since) AS just_now
FROM delivery_batch q JOIN delivery d ON d.batch_id = q.id JOIN audience_member m ON m.id = d.member_id
WHERE q.broadcast_id = :broadcast AND q.step = 1 AND d.channel <> 'none' GROUP BY 1, 2, 3
"""
