"""What the standing figures of one category say together, without ever adding places that overlap.

A larger place's figure stands for the places inside it. Only where the smaller places together make more,
and are as new, the range opens upwards. Places side by side add up. Where nothing but parts of an area
are known the sum is "at least".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.live.rules.figures import Frame, place_views
from alerts.live.schemas import AnswerKind, Total, Words
from alerts.reports.rules.codes import Category, LineKind, Nationality, Series, Silence
from alerts.reports.rules.standing import FiledLine, Standing
from alerts.reports.rules.values import is_within, lies_within

SILENT = (
    (Silence.ASKED_NO_ANSWER, AnswerKind.NO_ANSWER_YET),
    (Silence.NOT_ASKED, AnswerKind.NOT_ASKED),
)
TEXTS = {
    AnswerKind.NONE_FOUND: Words(id="0 (hasil pengecekan: tidak ditemukan)", en="0 (checked, none found)"),
    AnswerKind.NONE_REPORTED: Words(id="hingga saat ini belum ada laporan", en="none reported so far"),
    AnswerKind.NO_ANSWER_YET: Words(id="sudah ditanyakan, belum ada jawaban", en="asked, no answer yet"),
    AnswerKind.NOT_ASKED: Words(id="belum ditanyakan", en="not asked yet"),
    AnswerKind.NOT_KNOWN: Words(id="belum diketahui", en="not yet known"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a total counts: one category, one nationality, one series."""

    category: Category
    nationality: Nationality
    series: Series


@dataclass(frozen=True, slots=True)
class _Node:
    """The figures of one set of places: bounds over those that stand side by side, and the newest time."""

    places: tuple[str, ...]
    low: int
    high: int
    as_of: datetime


def total_of(subject: Subject, standing: Standing, incident_places: Sequence[str], frame: Frame) -> Total:
    """The total of one subject; bounds are null, never 0, while nobody gave a number."""
    lines = [line for line in standing.current if _is_about(line, subject)]
    nodes = _nodes(lines)
    ground = _Ground(nodes)
    roots = [node for node in nodes if not ground.around(node)]
    answer = _answer(lines)
    low, high = _bounds(roots, ground, incident_places) if roots else (None, None)
    telling = _telling(lines, answer)
    # An answer made of several places is as old as its oldest part.
    outermost = {root.places for root in roots}
    outer = [line for line in telling if not roots or line.cell.places in outermost]
    oldest = min(outer, key=lambda line: line.rank, default=None)
    is_partial = not _covers([line.cell.places for line in telling], incident_places) or _has_hole(lines, telling, answer)
    if answer is AnswerKind.NONE_FOUND and not is_partial:
        low = high = 0
    covered = maximal({place for line in telling for place in line.cell.places})
    return Total(
        category=subject.category,
        nationality=subject.nationality,
        series=subject.series,
        answer=answer,
        low=low,
        high=high,
        text=_text(answer, low, _high_said(roots, ground, high), is_approximate=any(line.is_approximate for line in telling)),
        places=place_views(covered),
        is_partial=is_partial,
        as_of=oldest.report.as_of if oldest else None,
        source=oldest.report.source if oldest else None,
        source_name=frame.source_name(oldest.report.source, oldest.report.author) if oldest else None,
        is_conflicting=any(line.id in standing.in_conflict for line in lines),
    )


def _telling(lines: Sequence[FiledLine], answer: AnswerKind) -> Sequence[FiledLine]:
    """The lines that the answer is made of: what nobody asked about covers no ground of what was answered."""
    if answer is AnswerKind.NUMBER:
        return [line for line in lines if line.number is not None]
    is_said = answer in (AnswerKind.NONE_FOUND, AnswerKind.NONE_REPORTED)
    return [line for line in lines if line.says_something is is_said]


def _has_hole(lines: Sequence[FiledLine], telling: Sequence[FiledLine], answer: AnswerKind) -> bool:
    """Whether somebody left a place open inside what "none" was said of, and nobody has spoken of it since."""
    if answer not in (AnswerKind.NONE_FOUND, AnswerKind.NONE_REPORTED):
        return False
    return any(
        not any(_is_inside_of(line, said) and said.report.counts_from >= line.report.counts_from for said in telling)
        for line in lines
        if not line.says_something
    )


def _is_inside_of(line: FiledLine, said: FiledLine) -> bool:
    return lies_within(line.cell.places, said.cell.places)


def _high_said(roots: Sequence[_Node], ground: _Ground, high: int | None) -> int | None:
    """The upper end as it is printed: of a single place its own, as it was said, though the area is larger."""
    return _estimate(roots[0], ground)[1] if high is None and len(roots) == 1 else high


def number_of(total: Total) -> int | None:
    """The one number of a total on which all agree; None for a range, a conflict or a silence."""
    is_one = total.answer is AnswerKind.NUMBER and total.low == total.high and not total.is_conflicting
    return total.low if is_one else None


def _is_about(line: FiledLine, subject: Subject) -> bool:
    cell = line.cell
    is_subject = (cell.category, cell.nationality, cell.series) == (subject.category, subject.nationality, subject.series)
    return is_subject and cell.kind is LineKind.STANDING and cell.foreign_country is None


def _nodes(lines: Iterable[FiledLine]) -> list[_Node]:
    by_places: dict[tuple[str, ...], list[FiledLine]] = defaultdict(list)
    for line in lines:
        if line.number is not None:
            by_places[line.cell.places].append(line)
    return [_node(places, same) for places, same in sorted(by_places.items())]


def _node(places: tuple[str, ...], same: Sequence[FiledLine]) -> _Node:
    numbers = [line.number for line in same if line.number is not None]
    return _Node(places, min(numbers), max(numbers), max(line.report.counts_from for line in same))


class _Ground:
    """Which nodes lie in which, found by the places that they name instead of by trying every pair."""

    def __init__(self, nodes: Sequence[_Node]) -> None:
        self._naming: dict[str, list[_Node]] = defaultdict(list)
        self._inside: dict[tuple[str, ...], list[_Node]] = defaultdict(list)
        for node in nodes:
            for place in node.places:
                self._naming[place].append(node)
        for node in nodes:
            for outer in self.around(node):
                self._inside[outer.places].append(node)

    def around(self, node: _Node) -> list[_Node]:
        """The nodes whose places hold all of this one's."""
        first = node.places[0] if node.places else ""
        candidates = [*self._naming[first], *(self._naming[first[:2]] if "-" in first else ())]
        return [other for other in candidates if _is_inside(node, other)]

    def parts(self, node: _Node) -> list[_Node]:
        """The largest nodes inside this one."""
        inside = self._inside[node.places]
        nested = {part.places for outer in inside for part in self._inside[outer.places]}
        return [part for part in inside if part.places not in nested]


def _bounds(roots: Sequence[_Node], ground: _Ground, incident_places: Sequence[str]) -> tuple[int, int | None]:
    estimates = [_estimate(root, ground) for root in roots]
    low = sum(low for low, _ in estimates) if _are_disjoint(roots) else max(low for low, _ in estimates)
    if any(_is_part_of_a_place(root, incident_places) for root in roots):
        return low, None
    return low, sum(high for _, high in estimates)


def _estimate(node: _Node, ground: _Ground) -> tuple[int, int]:
    parts = ground.parts(node)
    if not parts or not _are_disjoint(parts):
        return node.low, node.high
    low = sum(_estimate(part, ground)[0] for part in parts)
    is_as_new = max(part.as_of for part in parts) >= node.as_of
    return node.low, max(node.high, low) if is_as_new else node.high


def _are_disjoint(nodes: Sequence[_Node]) -> bool:
    """Whether no place is named twice, and none lies in another one's."""
    places = [place for node in nodes for place in node.places]
    named = set(places)
    return len(named) == len(places) and not any("-" in place and place[:2] in named for place in places)


def _is_inside(inner: _Node, outer: _Node) -> bool:
    return inner.places != outer.places and lies_within(inner.places, outer.places)


def _is_part_of_a_place(node: _Node, incident_places: Sequence[str]) -> bool:
    """Whether a figure speaks of a piece of an area only, so that the rest of the area is unknown."""
    return any(is_within(place, area) and place != area for place in node.places for area in incident_places) and not any(
        place in incident_places for place in node.places
    )


def _covers(sets: Iterable[tuple[str, ...]], incident_places: Sequence[str]) -> bool:
    said = {place for places in sets for place in places}
    return bool(said) and all(area in said or area.partition("-")[0] in said for area in incident_places)


def _answer(lines: Sequence[FiledLine]) -> AnswerKind:
    """A number wins; "none found" needs everybody who spoke to have checked; otherwise the weakest thing said."""
    if any(line.number is not None for line in lines):
        return AnswerKind.NUMBER
    silences = {line.silence for line in lines}
    if silences == {Silence.CHECKED_NONE_FOUND}:
        return AnswerKind.NONE_FOUND
    if Silence.ASKED_NONE_REPORTED in silences:
        return AnswerKind.NONE_REPORTED
    return next((kind for silence, kind in SILENT if silence in silences), AnswerKind.NOT_KNOWN)


def _text(answer: AnswerKind, low: int | None, high: int | None, *, is_approximate: bool) -> Words:
    if answer is not AnswerKind.NUMBER or low is None:
        return TEXTS.get(answer, TEXTS[AnswerKind.NOT_KNOWN])
    first = f"{low:,}"
    if high is None:
        return Words(id=f"sedikitnya {_dots(first)}", en=f"at least {first}")
    if high > low:
        return Words(id=f"{_dots(first)} sampai {_dots(f'{high:,}')}", en=f"{first} to {high:,}")
    if is_approximate:
        return Words(id=f"sekitar {_dots(first)}", en=f"about {first}")
    return Words(id=_dots(first), en=first)


def _dots(number: str) -> str:
    return number.replace(",", ".")


def maximal(codes: Iterable[str]) -> tuple[str, ...]:
    """The places that lie in no other of them, in the order of their codes."""
    every = set(codes)
    return tuple(sorted(code for code in every if "-" not in code or code.partition("-")[0] not in every))
