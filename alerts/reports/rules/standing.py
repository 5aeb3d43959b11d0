"""Which figures stand, which stand against each other, which are overtaken: pure, and blind to arrival order.

A figure belongs to a *cell* (category × places × nationality × series) and is a standing figure as of its
time. Of one source the newest counts. Of several sources the newest leads; another that contradicts it
within a window stands beside it as a conflict until somebody resolves it; an older one is overtaken.
Nothing is added across series, severities or places here.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from types import MappingProxyType
from uuid import UUID

from alerts.reports.rules.codes import SEVERITIES, Category, LineKind, LineState, Rule, Series, Silence
from alerts.reports.rules.filed import Cell, FiledLine, FiledReport, Wording
from alerts.reports.rules.splits import Split, overtaken, splits_of
from alerts.reports.rules.values import differs, lies_within

__all__ = ["Cell", "FiledLine", "FiledReport"]

WINDOW = timedelta(hours=12)
"""Two sources speak of the same moment when their times are no further apart: one evening."""
WINDOW_OF_OTHERS = timedelta(hours=3)
"""The same for host-state and media totals, which climb by the hour without anybody being wrong."""
AT_ONCE = timedelta(seconds=60)
"""One source that gives two values within this, without correcting itself, contradicts itself."""
GROWING = frozenset(
    {
        Category.DEAD,
        Category.SERIOUSLY_INJURED,
        Category.LIGHTLY_INJURED,
        Category.INJURED,
        Category.EVACUATED,
        Category.REPATRIATED,
    }
)
"""What has happened does not unhappen: a fall here needs a reason (a nationality check, a double count)."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Somebody decided a conflict: which line stands."""

    conflict_id: str
    keep: UUID


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Lines that cannot all be right. `whole` is the set that the others exceed, where the rule speaks of one."""

    id: str
    rule: Rule
    lines: tuple[FiledLine, ...]
    whole: FiledLine | None = None

    @property
    def params(self) -> dict[str, str]:
        parts = [line for line in self.lines if line is not self.whole]
        said = " / ".join(_said(line) for line in parts)
        return {"parts": said, "whole": _said(self.whole) if self.whole else ""}

    @property
    def is_transposed(self) -> bool:
        numbers = [str(line.number) for line in self.lines if line.number is not None]
        return any(a != b and sorted(a) == sorted(b) for a, b in combinations(numbers, 2))


@dataclass(frozen=True, slots=True)
class Fall:
    """The same source's figure before, and why it fell."""

    before: int
    reason: str | None


@dataclass(slots=True)
class Standing:
    """What stands. `current` holds the leading line of every cell and those in conflict with it."""

    current: list[FiledLine] = field(default_factory=list)
    older: list[FiledLine] = field(default_factory=list)
    held: list[FiledLine] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)
    withdrawn: list[tuple[FiledLine, FiledLine]] = field(default_factory=list)
    falls: dict[UUID, Fall] = field(default_factory=dict)
    splits: dict[UUID, Split] = field(default_factory=dict)
    in_conflict: frozenset[UUID] = frozenset()


NO_RESOLUTIONS: Mapping[str, UUID] = MappingProxyType({})


def visible(lines: Iterable[FiledLine], as_of: datetime, known_at: datetime) -> list[FiledLine]:
    """The lines that were true by `as_of` and known by `known_at`."""
    return [line for line in lines if is_visible(line.report, as_of, known_at)]


def is_visible(report: FiledReport, as_of: datetime, known_at: datetime) -> bool:
    return report.counts_from <= as_of and report.known_at <= known_at


def stand(lines: Sequence[FiledLine], reports: Sequence[FiledReport], resolved: Mapping[str, UUID] = NO_RESOLUTIONS) -> Standing:
    """What stands of the visible lines. `reports` are all visible ones, also those without lines."""
    superseded = {report.supersedes for report in reports if report.supersedes is not None}
    alive = [line for line in lines if line.report.id not in superseded]
    taking_back = (line for line in alive if line.withdraws and line.state is LineState.ACCEPTED)
    withdrawals = {line.withdraws: line for line in sorted(taking_back, key=_order, reverse=True) if line.withdraws}
    result = Standing()
    result.withdrawn = [(line, withdrawals[line.id]) for line in lines if line.id in withdrawals]
    counting = [line for line in alive if line.id not in withdrawals and line.state is LineState.ACCEPTED and line.is_figure]
    by_speaker: dict[Cell, dict[str, list[FiledLine]]] = defaultdict(lambda: defaultdict(list))
    for line in sorted(counting, key=lambda each: each.rank, reverse=True):
        by_speaker[line.cell][line.report.speaker].append(line)
    for cell in sorted(by_speaker, key=lambda each: each.key):
        _stand_in_cell(result, by_speaker[cell], resolved)
    _overtake_silences(result)
    _settle_severities(result, resolved)
    result.splits = splits_of(result.current, lines, frozenset(withdrawals))
    _overtake_undivided(result, overtaken(lines, reports, frozenset(withdrawals)))
    result.in_conflict = frozenset(line.id for each in result.contradictions for line in each.lines)
    result.held = sorted((line for line in alive if _is_still_held(line, withdrawals, by_speaker)), key=_order)
    result.falls = _falls(result.current, lines, frozenset(withdrawals))
    return result


def contradicts(newer: FiledLine, older: FiledLine) -> bool:
    """Whether two lines of one cell cannot both be right, the first being the newer one."""
    if newer.number is not None and older.number is not None:
        return differs(newer.number, older.number, is_approximate=newer.is_approximate or older.is_approximate)
    if newer.number is None and older.number is None:
        return False
    silence = newer.silence or older.silence
    if silence is Silence.CHECKED_NONE_FOUND:
        return True
    return silence is Silence.ASKED_NONE_REPORTED and newer.silence is silence


def _stand_in_cell(result: Standing, speakers: Mapping[str, list[FiledLine]], resolved: Mapping[str, UUID]) -> None:
    """One cell: each source's newest word, then the sources against each other."""
    newest: list[FiledLine] = []
    for said in speakers.values():
        own = _own_word(said)
        clash = _clash(Rule.FILED_AT_ONCE, own) if _contradict_each_other(own) else None
        kept = _keep(clash, resolved)
        if clash and kept is None and all(_is_settled(own[0], line, said, resolved) for line in own[1:]):
            kept = own[0]
        if clash and kept is None:
            result.contradictions.append(clash)
        newest.extend([kept] if kept else own if clash or own[0].cell.kind is LineKind.OF_WHICH else own[:1])
        result.older.extend(line for line in own if kept and line is not kept)
    newest.sort(key=lambda line: line.rank, reverse=True)
    lead = newest[0]
    before = speakers[lead.report.speaker]
    beside = [line for line in newest[1:] if line.report.speaker != lead.report.speaker and _stands_beside(lead, line, before, resolved)]
    clash = _clash(Rule.SOURCES_DIFFER, [lead, *beside]) if beside else None
    kept = _keep(clash, resolved)
    if clash and kept is None:
        result.contradictions.append(clash)
    lead = kept or lead
    beside_ids = {line.id for line in beside} if kept is None else set()
    stands = [line for line in newest if line.report.speaker == lead.report.speaker or line.id in beside_ids]
    standing_ids = {line.id for line in stands}
    result.current.extend(stands)
    result.older.extend(line for line in newest if line.id not in standing_ids)


def _stands_beside(lead: FiledLine, line: FiledLine, before: Sequence[FiledLine], resolved: Mapping[str, UUID]) -> bool:
    """Whether another source's figure is not overtaken but contradicted: of one evening, or better news unproven."""
    if not contradicts(lead, line):
        return False
    is_fall = lead.cell.category in GROWING and lead.cell.series is Series.OWN and not lead.report.supersede_reason
    is_doubted = (is_fall or lead.is_cut) and _is_lower(lead, line)
    return _is_same_time(lead, line) or (is_doubted and not _is_settled(lead, line, before, resolved))


def _is_lower(lead: FiledLine, line: FiledLine) -> bool:
    return lead.is_standing and line.number is not None and (lead.number or 0) < line.number


def _is_settled(lead: FiledLine, line: FiledLine, before: Iterable[FiledLine], resolved: Mapping[str, UUID]) -> bool:
    """Whether somebody already decided for the same value of this source against that line."""
    rule = Rule.FILED_AT_ONCE if lead.report.speaker == line.report.speaker else Rule.SOURCES_DIFFER
    same = (each for each in before if (each.number, each.silence) == (lead.number, lead.silence))
    return any(_keep(_clash(rule, [each, line]), resolved) is each for each in same)


def _overtake_silences(result: Standing) -> None:
    """What is "none reported" for a country is overtaken by a newer number from a place in it."""
    numbers = [line for line in result.current if line.number is not None]
    overtaken = {line.id for line in result.current if line.number is None and any(_overtakes(number, line) for number in numbers)}
    result.older.extend(line for line in result.current if line.id in overtaken)
    result.current = [line for line in result.current if line.id not in overtaken]


def _overtake_undivided(result: Standing, divided: frozenset[UUID]) -> None:
    """What was divided by nationality no longer stands beside its classes, unless somebody still contradicts it."""
    gone = divided - {line.id for clash in result.contradictions for line in clash.lines}
    result.older.extend(line for line in result.current if line.id in gone)
    result.current = [line for line in result.current if line.id not in gone]


def _overtakes(number: FiledLine, silence: FiledLine) -> bool:
    a, b = number.cell, silence.cell
    is_same_thing = (a.category, a.nationality, a.series, a.kind) == (b.category, b.nationality, b.series, b.kind)
    is_newer = number.report.counts_from > silence.report.counts_from
    return is_same_thing and is_newer and a.places != b.places and lies_within(a.places, b.places)


def _own_word(said: Sequence[FiledLine]) -> list[FiledLine]:
    """One source's newest lines in a cell: normally one; more when filed at once, forked, or several parts of a set.

    A number of what only grows is not unsaid by a later silence, nor any number by a lower one without the
    proof that it claims: it stays beside it. A correction supersedes or withdraws it.
    """
    lead = said[0]
    if lead.cell.kind is LineKind.OF_WHICH:
        return [line for line in said if line.report.id == lead.report.id]
    words = [lead, *(line for line in said[1:] if line.says_something == lead.says_something and _is_at_once(lead, line))]
    last = next((line for line in said[1:] if line.number is not None), None)
    if last is None or last in words or not _is_lower(lead, last):
        return words
    is_unsaid = lead.number is None and lead.cell.category in GROWING and lead.cell.series is Series.OWN
    return [*words, last] if is_unsaid or lead.is_cut else words


def _is_at_once(lead: FiledLine, line: FiledLine) -> bool:
    is_fork = lead.report.supersedes is not None and lead.report.supersedes == line.report.supersedes
    is_near = lead.report.counts_from - line.report.counts_from < AT_ONCE
    return lead.report.id != line.report.id and (is_fork or is_near)


def _contradict_each_other(lines: Sequence[FiledLine]) -> bool:
    if lines[0].cell.kind is LineKind.OF_WHICH:
        return False
    return any(contradicts(a, b) or contradicts(b, a) for a, b in combinations(lines, 2))


def _is_same_time(a: FiledLine, b: FiledLine) -> bool:
    window = WINDOW if a.cell.series is Series.OWN else WINDOW_OF_OTHERS
    return abs(a.report.counts_from - b.report.counts_from) <= window


def _keep(clash: Contradiction | None, resolved: Mapping[str, UUID]) -> FiledLine | None:
    if clash is None:
        return None
    return next((line for line in clash.lines if line.id == resolved.get(clash.id)), None)


def _settle_severities(result: Standing, resolved: Mapping[str, UUID]) -> None:
    """Severities against all injured: what somebody decided against is overtaken, the rest stands as a conflict."""
    found = _severity_contradictions(result.current)
    decided = [(clash, kept) for clash in found if (kept := _keep(clash, resolved))]
    lost = {line.id for clash, kept in decided for line in clash.lines if line is not kept}
    result.contradictions.extend(
        clash for clash in found if _keep(clash, resolved) is None and not any(line.id in lost for line in clash.lines)
    )
    result.older.extend(line for line in result.current if line.id in lost)
    result.current = [line for line in result.current if line.id not in lost]


def _severity_contradictions(current: Sequence[FiledLine]) -> list[Contradiction]:
    """More called seriously (or lightly) hurt than are hurt at all, in the same places and series."""
    found = []
    counted = [line for line in current if line.number is not None and line.cell.kind is LineKind.STANDING]
    wholes = {_ground(line): line for line in reversed(counted) if line.cell.category is Category.INJURED}
    for line in counted:
        whole = wholes.get(_ground(line)) if line.cell.category in SEVERITIES else None
        if whole is None or not _is_same_time(line, whole) or (line.number or 0) <= (whole.number or 0):
            continue
        if contradicts(line, whole):
            found.append(_clash(Rule.SEVERITY_EXCEEDS_INJURED, [whole, line], whole))
    return found


def _ground(line: FiledLine) -> tuple[object, ...]:
    cell = line.cell
    return (cell.places, cell.nationality, cell.series, cell.foreign_country)


def _clash(rule: Rule, lines: Sequence[FiledLine], whole: FiledLine | None = None) -> Contradiction:
    """Named by what was said, so that the same contradiction keeps its name whatever arrives around it."""
    said = sorted(f"{line.cell.key}={line.raw}@{line.report.as_of.isoformat()} {line.report.speaker}" for line in lines)
    name = hashlib.sha256("\n".join([rule, *said]).encode()).hexdigest()[:24]
    return Contradiction(name, rule, tuple(lines), whole)


def _is_still_held(
    line: FiledLine, withdrawals: Mapping[UUID, FiledLine], by_speaker: Mapping[Cell, Mapping[str, Sequence[FiledLine]]]
) -> bool:
    """Held until superseded, withdrawn, or until the same source says the same thing anew and acceptably."""
    if line.state is not LineState.HELD or line.id in withdrawals:
        return False
    later = by_speaker.get(line.cell, {}).get(line.report.speaker, ())
    return not any(each.report.counts_from > line.report.counts_from for each in later)


def _falls(current: Iterable[FiledLine], lines: Iterable[FiledLine], withdrawn: frozenset[UUID]) -> dict[UUID, Fall]:
    """Figures that only grow by nature but are lower than the same source's word before."""
    history: dict[tuple[str, Cell], list[FiledLine]] = defaultdict(list)
    for line in lines:
        is_growing = line.cell.category in GROWING and line.cell.kind is LineKind.STANDING
        if is_growing and line.number is not None and line.state is LineState.ACCEPTED and line.id not in withdrawn:
            history[line.report.speaker, line.cell].append(line)
    falls = {}
    for line in current:
        before = [each for each in history.get((line.report.speaker, line.cell), ()) if _came_before(each, line)]
        if line.number is None or not before:
            continue
        last = max(before, key=lambda each: each.rank)
        if last.number is not None and last.number > line.number:
            falls[line.id] = Fall(last.number, line.report.supersede_reason or line.how)
    return falls


def _order(line: FiledLine) -> tuple[datetime, str, int, str, Wording]:
    """An order made of what was said, the same whatever arrived first."""
    return (line.report.counts_from, line.report.speaker, line.position, line.cell.key, Wording(line))


def _came_before(each: FiledLine, line: FiledLine) -> bool:
    return each.report.id == line.report.supersedes or each.report.counts_from < line.report.counts_from


def _said(line: FiledLine) -> str:
    value = str(line.number) if line.number is not None else str(line.silence)
    return f"{value} ({line.report.source}{', ' + line.report.author if line.report.author else ''})"
