"""One count per message and few seconds for all who watch, in each web process.

A recount costs as much as the message is large, so what was counted is kept for `live.reach_seconds`, and for four times as
long as the counting took; people by mission, which cost most, for a minute and for twenty times as long; courses by a cut
and past moments, which few look at, for twenty times as long. However many watch however large a message, counting takes a
quarter of one core of the database at most. While one request counts, the others
are shown what was counted before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.deliveries.forecasting import forecast_of
from alerts.kit.http import etag_of
from alerts.live.reach.courses import load_course
from alerts.live.reach.presenting import present_course, present_reach, present_series
from alerts.live.reach.queries import MissionRows, load_missions, load_rows
from alerts.live.reach.rules import Cut
from alerts.live.reach.schemas import ReachSeries, ReachView
from alerts.settings import Settings

MESSAGES_MAX = 64
PAST_MAX = 8
"""Past moments of one message that are kept: a page asks for one or two, again and again."""
COUNTING_SHARE, MISSIONS_SHARE = 4, 20
MISSIONS_SECONDS = 60.0
TICKING: dict[str, Any] = {"as_of": True, "missions_as_of": True, "forecast": {"validity_seconds", "measured_per_second"}}
"""What changes by itself is no news."""


@dataclass(frozen=True, slots=True)
class Counted:
    """People by mission, when they were counted, and how long that took."""

    rows: MissionRows
    counted_at: float
    cost_seconds: float

    @property
    def kept_seconds(self) -> float:
        return max(MISSIONS_SECONDS, MISSIONS_SHARE * self.cost_seconds)


@dataclass(frozen=True, slots=True)
class KeptCourse:
    """The course by one cut, when it was counted, and how long that took."""

    series: ReachSeries
    state: tuple[object, ...]
    counted_at: float
    cost_seconds: float

    def is_fresh(self, state: tuple[object, ...], keep: float) -> bool:
        kept_seconds = max(keep, MISSIONS_SHARE * self.cost_seconds)
        return keep > 0 and self.state == state and monotonic() - self.counted_at < kept_seconds


@dataclass(frozen=True, slots=True)
class Shown:
    """One count: as JSON's views, and as pages drawn from it (by language and place), each made once."""

    view: ReachView
    series: ReachSeries
    etag: str
    state: tuple[object, ...]
    counted_at: float
    cost_seconds: float
    pages: dict[tuple[str, ...], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Past:
    """What was known at a past moment, with the course by a cut where one was asked for; kept as a `KeptCourse` is."""

    view: ReachView
    course: KeptCourse


@dataclass(slots=True)
class _Place:
    shown: Shown | None = None
    missions: Counted | None = None
    courses: dict[Cut, KeptCourse] = field(default_factory=dict)
    past: OrderedDict[tuple[Cut | None, datetime], Past] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Board:
    """What this process counted last, message by message."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places: OrderedDict[UUID, _Place] = OrderedDict()
        self._guard = threading.Lock()

    def read(self, session: Session, broadcast: Broadcast) -> Shown:
        """The newest count, made anew when it is old. Who may see the message is the caller's to check."""
        place, state = self._place(broadcast.id), _state_of(broadcast)
        before = place.shown
        if before is not None and before.state == state:
            if self._is_fresh(before):
                return before
            if not place.lock.acquire(blocking=False):
                return before
        else:
            place.lock.acquire()
        try:
            if place.shown is before or place.shown is None or place.shown.state != state:
                place.shown = self._count(session, broadcast, place, state)
            return place.shown
        finally:
            place.lock.release()

    def read_course(self, session: Session, broadcast: Broadcast, cut: Cut) -> ReachSeries:
        """The course by a cut, counted anew when it is old; one request at a time counts."""
        place, state = self._place(broadcast.id), _state_of(broadcast)
        with place.lock:
            before = place.courses.get(cut)
            if before is None or not before.is_fresh(state, self._settings.live.reach_seconds):
                began = monotonic()
                series = present_course(broadcast, cut, load_course(session, broadcast, cut))
                before = place.courses[cut] = KeptCourse(series, state, monotonic(), monotonic() - began)
            return before.series

    def read_past(self, session: Session, broadcast: Broadcast, cut: Cut | None, known_at: datetime) -> tuple[ReachView, ReachSeries]:
        """What was known at a past moment, and its course; counted once for all who ask for it, one request at a time."""
        place, state, asked = self._place(broadcast.id), _state_of(broadcast), (cut, known_at)
        with place.lock:
            before = place.past.get(asked)
            if before is None or not before.course.is_fresh(state, self._settings.live.reach_seconds):
                before = place.past[asked] = self._count_past(session, broadcast, cut, known_at)
            place.past.move_to_end(asked)
            while len(place.past) > PAST_MAX:
                place.past.popitem(last=False)
            return before.view, before.course.series

    def _count_past(self, session: Session, broadcast: Broadcast, cut: Cut | None, known_at: datetime) -> Past:
        began = monotonic()
        rows, missions = load_rows(session, broadcast, known_at=known_at), load_missions(session, broadcast, known_at=known_at)
        view = present_reach(self._settings, broadcast, rows, missions=missions, forecast=None)
        series = present_series(broadcast, rows)
        if cut is not None:
            series = present_course(broadcast, cut, load_course(session, broadcast, cut, known_at=known_at))
        return Past(view, KeptCourse(series, _state_of(broadcast), monotonic(), monotonic() - began))

    def _place(self, broadcast_id: UUID) -> _Place:
        with self._guard:
            place = self._places.setdefault(broadcast_id, _Place())
            self._places.move_to_end(broadcast_id)
            while len(self._places) > MESSAGES_MAX:
                self._places.popitem(last=False)
            return place

    def _is_fresh(self, shown: Shown) -> bool:
        keep = self._settings.live.reach_seconds
        return keep > 0 and monotonic() - shown.counted_at < max(keep, COUNTING_SHARE * shown.cost_seconds)

    def _count(self, session: Session, broadcast: Broadcast, place: _Place, state: tuple[object, ...]) -> Shown:
        missions = self._missions(session, broadcast, place, is_new=place.shown is None or place.shown.state != state)
        began = monotonic()
        rows, forecast = load_rows(session, broadcast), forecast_of(session, self._settings, broadcast)
        view = present_reach(self._settings, broadcast, rows, missions=missions, forecast=forecast)
        ended = monotonic()
        return Shown(view, present_series(broadcast, rows), etag_of(view.model_dump_json(exclude=TICKING)), state, ended, ended - began)

    def _missions(self, session: Session, broadcast: Broadcast, place: _Place, *, is_new: bool) -> MissionRows:
        before, keep = place.missions, self._settings.live.reach_seconds
        began = monotonic()
        if before is not None and not is_new and keep > 0 and began - before.counted_at < before.kept_seconds:
            return before.rows
        rows = load_missions(session, broadcast)
        place.missions = Counted(rows, monotonic(), monotonic() - began)
        return rows


def _state_of(broadcast: Broadcast) -> tuple[object, ...]:
    """What makes an older count useless at once."""
    return broadcast.state, broadcast.released_at, broadcast.audience_id


def board_of(app: FastAPI) -> Board:
    """The board of this process, shared by the interface and the pages."""
    if getattr(app.state, "reach_board", None) is None:
        app.state.reach_board = Board(app.state.settings)
    board: Board = app.state.reach_board
    return board
