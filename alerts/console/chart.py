"""How many were handed a message, had it delivered and answered, over time: a drawing made by the server, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alerts.live.reach.board import Shown
from alerts.live.reach.rules import Cut, Happening
from alerts.live.reach.schemas import CountsView, PointView, ReachSeries, ReachView, SeriesPart

WIDTH, HEIGHT = 600.0, 180.0
TABLE_ROWS_MAX = 40


@dataclass(frozen=True)
class Curve:
    """One line. `key` is its class: each is drawn in another way, not only in another colour."""

    key: str
    path: str
    last: int


@dataclass(frozen=True)
class Chart:
    """The lines, what the axes reach to, and the rows of the table (all of them, or as many as can be read)."""

    curves: Sequence[Curve]
    top: int
    seconds: float
    rows: Sequence[PointView]


def reach_context(shown: Shown) -> dict[str, Any]:
    """What `_reach.html` and the document are drawn from."""
    return {"reach": shown.view, "chart": chart_of(shown.series), "forecast": shown.view.forecast}


def chart_of(series: ReachSeries) -> Chart | None:
    """None before there are two points."""
    return _chart(series.points) if len(series.points) > 1 else None


def _chart(points: Sequence[PointView]) -> Chart:
    last = points[-1]
    top = max(1, *(getattr(last, each) for each in Happening))
    curves = [Curve(each.value, _path(points, each, top), getattr(last, each)) for each in Happening]
    return Chart(curves, top, last.seconds, _rows(points))


def charts_of(series: ReachSeries) -> list[tuple[SeriesPart, Chart | None]]:
    """A chart for each part; None where nothing has happened to anybody of it."""
    return [(part, _chart(part.points) if any(_figures(part.points[-1])) else None) for part in series.parts if part.points]


def counts_by(reach: ReachView, cut: Cut | None) -> list[tuple[str | None, CountsView]]:
    """Rows of the table of counts beside the charts, by the key of each part (None: without one); of everybody without a cut."""
    if cut is Cut.COUNTRY:
        return [(row.number_country, row) for row in reach.countries]
    if cut is Cut.CHANNEL:
        return [(row.channel.value, row) for row in reach.channels]
    if cut is Cut.MISSION:
        return [(row.mission_code, row) for row in reach.missions]
    return [(None, reach)]


def _path(points: Sequence[PointView], what: Happening, top: int) -> str:
    """What was so far stands until the next point: across first, then up. Points that change nothing are left out."""
    end, path, before = points[-1].seconds, [f"M0 {HEIGHT:.0f}"], 0
    for point in points:
        value = getattr(point, what)
        if value != before:
            path.append(f"H{point.seconds / end * WIDTH:.1f}V{HEIGHT - value / top * HEIGHT:.1f}")
            before = value
    return "".join([*path, f"H{WIDTH:.0f}"])


def _rows(points: Sequence[PointView]) -> list[PointView]:
    """Rows that say something new; of too many every n-th, and the last."""
    new = [point for before, point in zip([None, *points], points, strict=False) if before is None or _figures(before) != _figures(point)]
    step = -(-len(new) // TABLE_ROWS_MAX)
    return [point for at, point in enumerate(new) if at % step == 0 or at == len(new) - 1]


def _figures(point: PointView) -> tuple[int, int, int]:
    return point.handed_over, point.delivered, point.answered
