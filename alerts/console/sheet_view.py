"""What pages pick out of an answer sheet: marks, changes that fit on a phone, lines over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alerts.live.schemas import AnswerSheet, Change, Figure, Words

CHANGES_SHOWN = 8


@dataclass(frozen=True)
class Mark:
    """A figure that must never be shown without its warning."""

    text: Words
    label: Words
    value: Words
    source: Words


def marks_of(sheet: AnswerSheet) -> list[Mark]:
    """Every marked figure once, in the order of the sheet."""
    found: dict[str, Mark] = {}
    for figure in _all_figures(sheet):
        if figure.mark is not None and figure.key not in found:
            found[figure.key] = Mark(figure.mark, figure.label, figure.text, figure.source_name)
    return list(found.values())


def changes_shown(sheet: AnswerSheet) -> tuple[list[Change], int]:
    """The first few changes, and how many more there are."""
    items = sheet.changes.items if sheet.changes else []
    return items[:CHANGES_SHOWN], max(0, len(items) - CHANGES_SHOWN)


def _all_figures(sheet: AnswerSheet) -> Iterator[Figure]:
    for question in sheet.questions:
        yield from _with_parts(question.values)
        yield from _with_parts(question.others)
    yield from _with_parts(sheet.figures)


def _with_parts(figures: Iterable[Figure]) -> Iterator[Figure]:
    for figure in figures:
        yield figure
        yield from figure.of_which
