"""A nationality check: one source's figure of all nationalities becomes figures of each. Pure, and blind to arrival order.

Yemen 2015: 1,795 evacuated became 1,684 own citizens and 111 foreign nationals in a day. Nobody was lost; the figure was
divided. The undivided one is then overtaken, where the classes of one later report account for all of it; and it stays so when a
class moves later on, or when that report is corrected by another that divides too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from alerts.reports.rules.codes import LineKind, LineState, Nationality
from alerts.reports.rules.filed import FiledLine, FiledReport

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
    undivided = _undivided(lines, withdrawn)
    found = _classes(current, undivided)
    return {line.id: split for (_, ground), divided in found.items() for line, split in _split(divided, undivided[ground])}


def overtaken(lines: Sequence[FiledLine], reports: Iterable[FiledReport], withdrawn: frozenset[UUID]) -> frozenset[UUID]:
    """The undivided figures that their classes have replaced, whatever became of a single class since."""
    undivided = _undivided(lines, withdrawn)
    found = _classes((line for line in lines if line.id not in withdrawn), undivided)
    held = _held(found, reports)
    return frozenset(split.undivided for each in held for _, split in _split(found[each], undivided[each[1]]))


def _held(found: Mapping[tuple[UUID, Ground], list[FiledLine]], reports: Iterable[FiledReport]) -> set[tuple[UUID, Ground]]:
    """Divisions that were never corrected, or by one that divides and holds itself: the newest first, as a correction is the later one."""
    heirs: dict[UUID, list[UUID]] = defaultdict(list)
    for report in reports:
        if report.supersedes is not None:
            heirs[report.supersedes].append(report.id)
    held: set[tuple[UUID, Ground]] = set()
    for report_id, ground in sorted(found, key=lambda each: found[each][0].report.known_at, reverse=True):
        after = heirs.get(report_id, [])
        if not after or any((heir, ground) in held and len(found[heir, ground]) > 1 for heir in after):
            held.add((report_id, ground))
    return held


def _undivided(lines: Iterable[FiledLine], withdrawn: frozenset[UUID]) -> dict[Ground, list[FiledLine]]:
    found: dict[Ground, list[FiledLine]] = defaultdict(list)
    for line in lines:
        if line.cell.nationality is Nationality.MIXED and _counts(line) and line.id not in withdrawn:
            found[_ground(line)].append(line)
    return found


def _classes(lines: Iterable[FiledLine], undivided: Mapping[Ground, Sequence[FiledLine]]) -> dict[tuple[UUID, Ground], list[FiledLine]]:
    """Figures of one nationality each, by the report that they stand in, where something undivided was said."""
    found: dict[tuple[UUID, Ground], list[FiledLine]] = defaultdict(list)
    if not undivided:
        return found
    for line in lines:
        if line.cell.nationality is not Nationality.MIXED and _counts(line) and _ground(line) in undivided:
            found[line.report.id, _ground(line)].append(line)
    return found


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
