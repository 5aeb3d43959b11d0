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


def line_of(key: str, name: Mapping[str, str], points: Sequence[tuple[datetime, int | None]]) -> Line | None:
    """The line through (minute, value) in order of time, broken where there is none. It begins at zero.

    None for fewer than two points, and for a figure that nobody gives now: its last value no longer stands.
    """
    known = [(at, value) for at, value in points if value is not None]
    if len(known) < 2 or points[-1][1] is None:
        return None
    (start, first), (end, last) = known[0], known[-1]
    span = max(1.0, (end - start).total_seconds())
    top = max(1, *(value for _, value in known))
    corners = [
        ((at - start).total_seconds() / span * WIDTH, None if value is None else _height(value, top))
        for at, value in _thinned(points)
        if at >= start
    ]
    return Line(key, name, _steps(corners), first, last, start, end)


def _thinned(points: Sequence[tuple[datetime, int | None]]) -> list[tuple[datetime, int | None]]:
    """No more than a screen can show; the last one, and every break with what follows it, are kept."""
    step = max(1, len(points) // POINTS_MAX)
    if step == 1:
        return list(points)
    breaks = {at + beside for at, (_, value) in enumerate(points) if value is None for beside in (0, 1)}
    return [point for at, point in enumerate(points) if at % step == 0 or at in breaks or at == len(points) - 1]


def _height(value: int, top: int) -> float:
    return HEIGHT - EDGE - value / top * (HEIGHT - 2 * EDGE)


def _steps(corners: Sequence[tuple[float, float | None]]) -> str:
    """A standing figure holds until the next one: horizontal first, then up or down; nothing is drawn over a gap."""
    path, is_drawing = [], False
    for x, y in corners:
        across = f"H{x:.0f}" if is_drawing else f"M{x:.0f} {y:.0f}" if y is not None else ""
        path.append(across + (f"V{y:.0f}" if is_drawing and y is not None else ""))
        is_drawing = y is not None
    return "".join(path)
