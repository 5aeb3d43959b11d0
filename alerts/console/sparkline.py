"""A small line of one figure over the minutes, drawn by the server: no script, a few hundred bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT, EDGE = 300.0, 48.0, 4.0
POINTS_MAX = 120


@dataclass(frozen=True)
class Line:
    """A figure's course. `path` is SVG; the first and last values and times are for words and for the blind."""

    key: str
    name: Mapping[str, str]
    path: str
    first: int
    last: int
    start: datetime
    end: datetime


def line_of(key: str, name: Mapping[str, str], points: Sequence[tuple[datetime, int]]) -> Line | None:
    """The line through (minute, value) in order of time; None for fewer than two points. It begins at zero."""
    if len(points) < 2:
        return None
    (start, first), (end, last) = points[0], points[-1]
    span = max(1.0, (end - start).total_seconds())
    top = max(1, *(value for _, value in points))
    step = max(1, len(points) // POINTS_MAX)
    kept = list(points) if step == 1 else [*points[::step], points[-1]]
    corners = [((at - start).total_seconds() / span * WIDTH, _height(value, top)) for at, value in kept]
    return Line(key, name, _steps(corners), first, last, start, end)


def _height(value: int, top: int) -> float:
    return HEIGHT - EDGE - value / top * (HEIGHT - 2 * EDGE)


def _steps(corners: Sequence[tuple[float, float]]) -> str:
    """A standing figure holds until the next one: horizontal first, then up or down."""
    (x, y), *rest = corners
    return f"M{x:.0f} {y:.0f}" + "".join(f"H{x:.0f}V{y:.0f}" for x, y in rest)
