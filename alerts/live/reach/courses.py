"""The course of a message over time for each country, channel or mission: what `queries` tells of all, told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.kit.db import rows_of
from alerts.live.reach.queries import HAPPENINGS, PERSON, PLACES, TENTHS, values_of
from alerts.live.reach.rules import Cut, Happening, Moments
from alerts.missions.queries import mission_names

ON_LIST = "on_list"


@dataclass(slots=True)
class Part:
    """One of them: people on the frozen lists, and when what happened to how many of them."""

    people: int = 0
    moments: dict[Happening, list[tuple[int, int, int]]] = field(default_factory=lambda: {each: [] for each in Happening})


@dataclass(frozen=True, slots=True)
class Course:
    """All parts as known at `at`. A part without a name of its own (no number, no mission) has the key None."""

    at: datetime
    parts: Mapping[str | None, Part] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def together(self) -> dict[Happening, Moments]:
        """What happened to everybody."""
        return {each: [moment for part in self.parts.values() for moment in part.moments[each]] for each in Happening}


def load_course(session: Session, broadcast: Broadcast, cut: Cut, *, known_at: datetime | None = None) -> Course:
    """One count for all parts and everybody, so that they sum up. A message that was not released by then has no parts."""
    values = values_of(session, broadcast, known_at)
    if values["released_at"] is None:
        return Course(values["at"])
    parts: dict[str | None, Part] = defaultdict(Part)
    for row in rows_of(session.execute(text(COURSES[cut]), values)):
        _add(parts[row["part"] or None], row)
    names = mission_names(session, [code for code in parts if code]) if cut is Cut.MISSION else {}
    return Course(values["at"], dict(parts), names)


def _add(part: Part, row: Mapping[str, Any]) -> None:
    if row["kind"] == ON_LIST:
        part.people += row["people"]
    else:
        part.moments[Happening(row["kind"])].append((1, row["tenths"], row["people"]))


def _course(part: str, more: str = "") -> str:
    return f"""
SELECT {part} AS part, y.kind, {TENTHS} AS tenths, count(*) AS people
FROM {PERSON} {more} CROSS JOIN LATERAL (VALUES {HAPPENINGS}, ('{ON_LIST}', 0)) AS y(kind, s) WHERE y.s IS NOT NULL GROUP BY 1, 2, 3
"""  # noqa: S608 - our own words


# A lane is `wave|channel|country`. As in the counts, the place is grouped by as it is registered, and looked up for the groups.
_AT_PLACE = _course(
    "concat_ws('|', c.country_iso2, c.province_code)",
    "JOIN audience_member m ON m.id = d.member_id JOIN citizen c ON c.id = m.citizen_id",
)
COURSES: Mapping[Cut, str] = {
    Cut.COUNTRY: _course("split_part(b.lane, '|', 3)"),
    Cut.CHANNEL: _course("b.channel"),
    Cut.MISSION: f"""
SELECT coalesce(p.mission_code, n.mission_code) AS part, g.kind, g.tenths, g.people FROM ({_AT_PLACE}) g
LEFT JOIN ({PLACES}) p ON p.place = split_part(g.part, '|', 2) LEFT JOIN ({PLACES}) n ON n.place = split_part(g.part, '|', 1)
""",  # noqa: S608
}
