"""What is asked about a report when it is filed. Nothing is refused for its content: it is held or noted.

A figure that cannot be right as it stands (not a number, parts larger than their whole) is *held*: stored
as written, shown, and counted nowhere until somebody files anew, or confirms it with a name and a reason where
only the arithmetic is odd. A claim without proof is not held; it
counts on the lowest rung. These rules look at one report alone, so they do not depend on what came before.

A bare number 0 is held too: only "checked, none found", with how it was checked, may ever print as 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from types import MappingProxyType

from alerts.reports.rules.codes import (
    AXIS_OF,
    CONFIRMABLE,
    CONFLICTING,
    HOLDING,
    SEVERITIES,
    Category,
    Claim,
    LineKind,
    LineState,
    Nationality,
    ReportState,
    Rule,
    Series,
    Silence,
)
from alerts.reports.rules.values import Contact, Raw, counted_claim, differs, lies_within, overlaps, read_value

CLOCK_TOLERANCE = timedelta(minutes=10)
CLOCK_LATE = timedelta(hours=12)
SPECIFIC = frozenset(Nationality) - {Nationality.MIXED}
FOREIGN = frozenset({Nationality.FOREIGN_FAMILY, Nationality.FOREIGN_HELPED})


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was filed; `raw` is the value as it came."""

    category: Category
    places: tuple[str, ...] = ()
    raw: Raw = None
    kind: LineKind = LineKind.STANDING
    of: Category | None = None
    nationality: Nationality = Nationality.OWN
    series: Series = Series.OWN
    claim: Claim = Claim.REPORTED
    is_approximate: bool = False
    how: str | None = None
    contact: Contact | None = None
    words: str | None = None
    is_withdrawal: bool = False
    withdraw_reason: str | None = None
    foreign_country: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing asked about a report. `line` counts from 0; None speaks of the whole report."""

    line: int | None
    rule: Rule
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class _Counted:
    """A line that says a number, with its position."""

    at: int
    line: Line
    number: int


def review(lines: Sequence[Line], is_known_place: Callable[[str], bool]) -> list[Problem]:
    """Everything that is asked about the lines of one report, in the order of the lines."""
    problems = [p for at, line in enumerate(lines) for p in _line_problems(at, line, is_known_place)]
    bad = {p.line for p in problems if p.rule in HOLDING}
    counted = [
        _Counted(at, line, value.number)
        for at, line in enumerate(lines)
        if at not in bad and (value := read_value(line.raw)).number is not None
    ]
    for check in (_same_cell, _sets, _severities, _place_parts, _nationality_parts, _affected):
        problems.extend(check(counted))
    problems.extend(_orphans(lines))
    return sorted(set_once(problems), key=lambda p: (p.line is not None, p.line or 0))


def clock_problem(as_of: datetime, known_at: datetime, *, is_replayed: bool) -> Problem | None:
    """A filer's clock far from ours: the report is kept and counted, and the filer is asked."""
    ahead = as_of - known_at
    if ahead > CLOCK_TOLERANCE:
        return _clock(ahead, "setelah", "after")
    if not is_replayed and -ahead > CLOCK_LATE:
        return _clock(-ahead, "sebelum", "before")
    return None


def promise_problem(promised: datetime | None, known_at: datetime, longest: timedelta | None) -> Problem | None:
    """A promise so far ahead that it is not waited for: kept as it is, and the filer is told until when."""
    if promised is None or longest is None or promised - known_at <= longest:
        return None
    hours = {"hours": promised - known_at, "longest": longest}
    return Problem(None, Rule.PROMISE_FAR, {name: f"{length.total_seconds() / 3600:.1f}" for name, length in hours.items()})


def held_lines(problems: Iterable[Problem]) -> frozenset[int]:
    """Positions of the lines that count nowhere."""
    return frozenset(p.line for p in problems if p.line is not None and p.rule in HOLDING)


def is_confirmable(problems: Iterable[Problem]) -> bool:
    """Whether arithmetic is all that holds a line. What was not understood, or has no place, cannot count by being confirmed."""
    holding = {p.rule for p in problems if p.rule in HOLDING}
    return bool(holding) and holding <= CONFIRMABLE


def line_state(at: int, problems: Iterable[Problem]) -> LineState:
    return LineState.HELD if at in held_lines(problems) else LineState.ACCEPTED


def report_state(problems: Iterable[Problem]) -> ReportState:
    """Conflicting before held before accepted: what needs a second person is said first."""
    rules = {p.rule for p in problems}
    if rules & CONFLICTING:
        return ReportState.CONFLICTING
    return ReportState.HELD if rules & HOLDING else ReportState.ACCEPTED


def set_once(problems: Iterable[Problem]) -> list[Problem]:
    """The same rule is asked once per line."""
    return list({(p.line, p.rule): p for p in reversed(list(problems))}.values())


def _line_problems(at: int, line: Line, is_known_place: Callable[[str], bool]) -> Iterator[Problem]:
    if line.is_withdrawal and not (line.withdraw_reason or "").strip():
        yield Problem(at, Rule.REASON_MISSING)
    if line.is_withdrawal and line.raw is None:
        return
    if not line.places:
        yield Problem(at, Rule.NO_PLACE)
    for place in line.places:
        if not is_known_place(place):
            yield Problem(at, Rule.UNKNOWN_PLACE, {"place": place[:60], "example": "TR, TR-31"})
    value = read_value(line.raw)
    if value.rule is not None:
        yield Problem(at, value.rule, {"raw": str(line.raw)[:60]})
    if value.silence is Silence.CHECKED_NONE_FOUND and not (line.how or "").strip():
        yield Problem(at, Rule.CHECK_WITHOUT_HOW)
    if counted_claim(line.claim, line.contact) is not line.claim:
        yield Problem(at, Rule.CONTACT_WITHOUT_PROOF)


def _same_cell(counted: Sequence[_Counted]) -> Iterator[Problem]:
    cells: dict[tuple[object, ...], list[_Counted]] = defaultdict(list)
    for each in counted:
        line = each.line
        words = line.words if line.kind is LineKind.OF_WHICH else None
        key = (line.category, frozenset(line.places), line.nationality, line.series, line.kind, line.of, line.foreign_country, words)
        cells[key].append(each)
    for same in cells.values():
        if len({each.number for each in same}) > 1:
            said = ", ".join(str(each.number) for each in same)
            yield from (Problem(each.at, Rule.SAME_CELL_TWICE, {"parts": said}) for each in same)


def _sets(counted: Sequence[_Counted]) -> Iterator[Problem]:
    """Parts named by `of` against their set: one by one, and together where they exclude each other."""
    parts_of: dict[int, list[_Counted]] = defaultdict(list)
    wholes = {each.at: each for each in counted}
    for each in counted:
        whole = _set_of(each, counted)
        if whole is not None:
            parts_of[whole.at].append(each)
    for at, parts in parts_of.items():
        whole = wholes[at]
        for part in parts:
            if _exceeds(part.number, whole.number, [part, whole]):
                yield from _ask(Rule.SUBSET_EXCEEDS_SET, [part], whole)
        for group in _exclusive([p for p in parts if p.line.kind is LineKind.OF_WHICH], whole):
            yield from _sum_problems(group, whole)


def _set_of(part: _Counted, counted: Sequence[_Counted]) -> _Counted | None:
    """The line that holds the set a part speaks of: same series, the category named, the places that fit best."""
    line = part.line
    if line.of is None or line.kind is LineKind.STANDING:
        return None
    sets = [
        each
        for each in counted
        if each.line.kind is LineKind.STANDING and each.line.category is line.of and each.line.series is line.series
    ]
    around = [each for each in sets if lies_within(line.places, each.line.places)]
    fitting = around or (sets if line.kind is LineKind.PLANNED and len(sets) == 1 else [])
    same = [each for each in fitting if each.line.nationality is line.nationality]
    mixed = [each for each in fitting if each.line.nationality is Nationality.MIXED]
    chosen = same or mixed or fitting
    return min(chosen, key=lambda each: (len(each.line.places), each.at)) if chosen else None


def _exclusive(parts: Sequence[_Counted], whole: _Counted) -> list[list[_Counted]]:
    """Groups of parts that cannot overlap: the same category, or categories of one axis."""
    same = [p for p in parts if p.line.category is whole.line.category]
    axes: dict[object, list[_Counted]] = defaultdict(list)
    for part in parts:
        if part.line.category is not whole.line.category:
            axes[AXIS_OF[part.line.category]].append(part)
    return [group for group in (same, *axes.values()) if len(group) > 1]


def _sum_problems(group: Sequence[_Counted], whole: _Counted) -> Iterator[Problem]:
    total = sum(part.number for part in group)
    everyone = [*group, whole]
    if _exceeds(total, whole.number, everyone):
        yield from _ask(Rule.PARTS_DO_NOT_SUM, group, whole)
    elif total < whole.number and _differs(total, whole.number, everyone):
        rule = Rule.PARTS_DO_NOT_SUM if _is_full_split(group, whole) else Rule.PARTS_LEAVE_A_REST
        yield from _ask(rule, group, whole)


def _is_full_split(group: Sequence[_Counted], whole: _Counted) -> bool:
    """Whether the parts leave nothing over by their very kind."""
    categories = {part.line.category for part in group}
    if whole.line.category is Category.INJURED and categories == set(SEVERITIES):
        return True
    nations = {part.line.nationality for part in group}
    is_by_nation = categories == {whole.line.category} and whole.line.nationality is Nationality.MIXED
    return is_by_nation and Nationality.OWN in nations and bool(nations & FOREIGN)


def _severities(counted: Sequence[_Counted]) -> Iterator[Problem]:
    """Severities beside `injured` in the same cell are parts of it, not more people."""
    for whole in counted:
        if whole.line.category is not Category.INJURED or whole.line.kind is not LineKind.STANDING:
            continue
        parts = [p for p in counted if p.line.category in SEVERITIES and _is_same_ground(p, whole)]
        if len(parts) == 1 and _exceeds(parts[0].number, whole.number, [*parts, whole]):
            yield from _ask(Rule.SUBSET_EXCEEDS_SET, parts, whole)
        elif len(parts) > 1:
            yield from _sum_problems(parts, whole)


def _place_parts(counted: Sequence[_Counted]) -> Iterator[Problem]:
    """Smaller places against the larger one that holds them, for the same thing counted."""
    for whole in counted:
        parts = [p for p in counted if _is_place_part(p, whole)]
        if not parts or any(overlaps(a.line.places, b.line.places) for a, b in combinations(parts, 2)):
            continue
        total = sum(part.number for part in parts)
        covered = {place for part in parts for place in part.line.places}
        is_full = covered == set(whole.line.places)
        everyone = [*parts, whole]
        if _exceeds(total, whole.number, everyone) or (is_full and _differs(total, whole.number, everyone)):
            yield from _ask(Rule.PARTS_DO_NOT_SUM, parts, whole)


def _is_place_part(part: _Counted, whole: _Counted) -> bool:
    a, b = part.line, whole.line
    if part.at == whole.at or not a.kind is b.kind is LineKind.STANDING or set(a.places) == set(b.places):
        return False
    is_same = (a.category, a.nationality, a.series, a.foreign_country) == (b.category, b.nationality, b.series, b.foreign_country)
    return is_same and lies_within(a.places, b.places)


def _nationality_parts(counted: Sequence[_Counted]) -> Iterator[Problem]:
    """Nationalities filed as lines of their own against the mixed number of the same cell."""
    for whole in counted:
        if whole.line.nationality is not Nationality.MIXED or whole.line.kind is not LineKind.STANDING:
            continue
        parts = [
            p for p in counted if p.line.category is whole.line.category and p.line.nationality in SPECIFIC and _is_same_place(p, whole)
        ]
        if parts:
            yield from (p for p in _sum_problems(parts, whole) if p.rule is Rule.PARTS_DO_NOT_SUM)


def _affected(counted: Sequence[_Counted]) -> Iterator[Problem]:
    """Nobody is dead, hurt or ill who is not affected; checked on the axis of condition alone."""
    for whole in counted:
        if whole.line.category is not Category.AFFECTED or whole.line.kind is not LineKind.STANDING:
            continue
        parts = [p for p in counted if p.line.category in (Category.DEAD, Category.INJURED, Category.ILL) and _is_same_ground(p, whole)]
        if parts and _exceeds(sum(p.number for p in parts), whole.number, [*parts, whole]):
            yield from _ask(Rule.SUBSET_EXCEEDS_SET, parts, whole)


def _orphans(lines: Sequence[Line]) -> Iterator[Problem]:
    held = {(line.category, line.series) for line in lines if line.kind is LineKind.STANDING}
    for at, line in enumerate(lines):
        if line.kind is LineKind.OF_WHICH and (line.of, line.series) not in held:
            yield Problem(at, Rule.SET_MISSING)


def _is_same_place(part: _Counted, whole: _Counted) -> bool:
    a, b = part.line, whole.line
    return a.kind is b.kind is LineKind.STANDING and a.series is b.series and set(a.places) == set(b.places)


def _is_same_ground(part: _Counted, whole: _Counted) -> bool:
    return _is_same_place(part, whole) and part.line.nationality is whole.line.nationality


def _exceeds(part: int, whole: int, lines: Iterable[_Counted]) -> bool:
    return part > whole and _differs(part, whole, lines)


def _differs(a: int, b: int, lines: Iterable[_Counted]) -> bool:
    return differs(a, b, is_approximate=any(each.line.is_approximate for each in lines))


def _ask(rule: Rule, parts: Sequence[_Counted], whole: _Counted) -> Iterator[Problem]:
    numbers = [part.number for part in parts]
    said = str(numbers[0]) if len(numbers) == 1 else f"{' + '.join(map(str, numbers))} = {sum(numbers)}"
    params = {"parts": said, "whole": str(whole.number)}
    yield from (Problem(each.at, rule, params) for each in (*parts, whole))


def _clock(off: timedelta, direction_id: str, direction_en: str) -> Problem:
    hours = f"{off.total_seconds() / 3600:.1f}"
    return Problem(None, Rule.CLOCK_OFF, {"hours": hours, "direction_id": direction_id, "direction_en": direction_en})
