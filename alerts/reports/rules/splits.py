"""A nationality check: one source's figure of all nationalities becomes figures of each. Pure, and blind to arrival order.

Yemen 2015: 1,795 evacuated became 1,684 own citizens and 111 foreign nationals in a day. Nobody was lost; the figure was
divided. The undivided one is then overtaken, where the classes of one later report account for all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from alerts.reports.rules.codes import LineKind, LineState, Nationality
from alerts.reports.rules.filed import FiledLine

Ground = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """The undivided figure before, what it became in one report, and the reason that was given."""

    undivided: UUID
    before: int
    after: tuple[tuple[Nationality, int], ...]
    reason: str | None


def splits_of(current: Iterable[FiledLine], lines: Iterable[FiledLine], withdrawn: frozenset[UUID]) -> dict[UUID, Split]:
    """For each standing figure of one nationality: the same source's undivided figure that it came from, if it accounts for it."""
    undivided: dict[Ground, list[FiledLine]] = defaultdict(list)
    for line in lines:
        if line.cell.nationality is Nationality.MIXED and _counts(line) and line.id not in withdrawn:
            undivided[_ground(line)].append(line)
    if not undivided:
        return {}
    classes: dict[tuple[UUID, Ground], list[FiledLine]] = defaultdict(list)
    for line in current:
        if line.cell.nationality is not Nationality.MIXED and _counts(line) and _ground(line) in undivided:
            classes[line.report.id, _ground(line)].append(line)
    return {line.id: split for (_, ground), divided in classes.items() for line, split in _split(divided, undivided[ground])}


def overtaken_by(splits: Mapping[UUID, Split]) -> frozenset[UUID]:
    """The undivided figures that their classes have replaced."""
    return frozenset(split.undivided for split in splits.values())


def _split(divided: list[FiledLine], undivided: list[FiledLine]) -> list[tuple[FiledLine, Split]]:
    report = divided[0].report
    before = [line for line in undivided if line.report.id == report.supersedes or line.report.counts_from < report.counts_from]
    last = max(before, key=lambda line: line.rank, default=None)
    if last is None or last.number is None or len(divided) < 2 or sum(line.number or 0 for line in divided) < last.number:
        return []
    divided = sorted(divided, key=lambda line: list(Nationality).index(line.cell.nationality))
    reason = report.supersede_reason or next((line.how for line in divided if line.how), None)
    after = tuple((line.cell.nationality, line.number or 0) for line in divided)
    return [(line, Split(last.id, last.number, after, reason)) for line in divided]


def _counts(line: FiledLine) -> bool:
    is_plain = line.cell.kind is LineKind.STANDING and line.cell.foreign_country is None
    return is_plain and line.number is not None and line.state is LineState.ACCEPTED


def _ground(line: FiledLine) -> Ground:
    cell = line.cell
    return (line.report.speaker, cell.category, cell.places, cell.series)
