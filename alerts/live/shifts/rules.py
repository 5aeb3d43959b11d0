"""What is open when a shift ends, and whose it may be next. Pure decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.kit.i18n import both
from alerts.live.schemas import AnswerKind, AnswerSheet


class Point(StrEnum):
    """A kind of thing that the next shift must know of."""

    CONFLICTS = "conflicts"
    HELD = "held"
    UNANSWERED = "unanswered"
    OVERDUE = "overdue"
    CASES = "cases"


UNANSWERED = frozenset({AnswerKind.NOT_ASKED, AnswerKind.NO_ANSWER_YET, AnswerKind.NOT_KNOWN})


@dataclass(frozen=True, slots=True)
class Clock:
    """Something that is due or promised, at a time, in both languages."""

    at: datetime
    what: Mapping[str, str]
    is_overdue: bool = False


def open_points(sheet: AnswerSheet, *, cases: int) -> dict[str, int]:
    """How much of each kind is open."""
    return {
        Point.CONFLICTS.value: len(sheet.conflicts),
        Point.HELD.value: len(sheet.held),
        Point.UNANSWERED.value: sum(answer.answer in UNANSWERED or bool(answer.unknown) for answer in sheet.questions),
        Point.OVERDUE.value: sum(mission.is_overdue for mission in sheet.missions),
        Point.CASES.value: cases,
    }


def report_clocks(sheet: AnswerSheet) -> list[Clock]:
    """When each mission's next report is due, as promised or by its first clock."""
    return [
        Clock(mission.due_at, both("next report of %(mission)s", mission=mission.name), mission.is_overdue)
        for mission in sheet.missions
        if mission.due_at is not None
    ]


def in_order(clocks: list[Clock]) -> list[Clock]:
    """The earliest first: what is overdue stands on top by itself."""
    return sorted(clocks, key=lambda clock: clock.at)
