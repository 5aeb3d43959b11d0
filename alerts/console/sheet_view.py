"""The answer sheet as pages show it: with fresh ages, what changed since it was last seen, marks, lines over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.live.queries import Asked, find_snapshot, latest_snapshot, load_sheet, minute_series, sheet_of
from alerts.live.rules.changes import NO_PLACE, changes_between
from alerts.live.rules.figures import DEATH_OF_OURS, MARKS
from alerts.live.schemas import AnswerSheet, Change, Changes, Figure, Held, PossibleDeath, Publication, Words
from alerts.reports.models import Report
from alerts.reports.rules.codes import Category, Nationality, Series

CHANGES_SHOWN = 8
PLACES_SHOWN = 3


@dataclass(frozen=True)
class Mark:
    """A figure that must never be shown without its warning."""

    text: Words
    label: Words
    value: Words
    source: Words
    where: Words | None = None


@dataclass(frozen=True)
class MarkGroup:
    """All that stands under one warning, each line with how often it comes."""

    text: Words
    lines: list[tuple[Mark, int]]


def current_sheet(session: Session, incident: Incident, *, since_version: int | None = None) -> AnswerSheet:
    """The sheet of now with the number of the newest stored version, and what differs from an earlier one.

    A replayed incident lives in its own time: its now is the newest moment that a report speaks of.
    """
    asked = Asked(as_of=replayed_now(session, incident)) if incident.is_replayed else Asked()
    sheet = load_sheet(session, incident, asked)
    newest = latest_snapshot(session, incident.id)
    before = find_snapshot(session, incident.id, since_version) if since_version else None
    changes = None
    if before is not None:
        items = changes_between(sheet_of(before), sheet)
        changes = Changes(since_version=before.version, since=before.created_at, items=items)
    return sheet.model_copy(update={"version": newest.version if newest else None, "changes": changes})


def minutes_by_figure(session: Session, incident_id: UUID) -> dict[str, list[tuple[datetime, int | None]]]:
    """The minute series, figure by figure; None where nobody gives it any more."""
    series: dict[str, list[tuple[datetime, int | None]]] = defaultdict(list)
    for point in minute_series(session, incident_id):
        series[point.figure].append((point.minute, point.value))
    return series


def replayed_now(session: Session, incident: Incident, known_at: datetime | None = None) -> datetime | None:
    """The newest moment that a report speaks of, of those known by then: the now of an incident that is played again."""
    query = select(func.max(Report.as_of)).where(Report.incident_id == incident.id)
    return session.scalar(query if known_at is None else query.where(Report.known_at <= known_at))


def marks_of(sheet: AnswerSheet) -> list[Mark]:
    """Every marked figure once, in the order of the sheet; then the deaths that were written and count nowhere yet."""
    found: dict[str, Mark] = {}
    for figure in _all_figures(sheet):
        if figure.mark is not None and figure.key not in found:
            found[figure.key] = Mark(figure.mark, figure.label, figure.text, figure.source_name, _where(figure))
    held = (_mark_of_held(held) for held in sheet.held if _is_death_of_ours(held))
    return [*found.values(), *held, *(_mark_of_named(death) for death in sheet.deaths if death.mark is not None)]


def marks_shown(sheet: AnswerSheet) -> list[MarkGroup]:
    """The marked figures under their warnings, each warning once: a minister must not scroll past ten boxes that say the same."""
    groups: dict[str, Counter[Mark]] = {}
    for mark in marks_of(sheet):
        groups.setdefault(mark.text.id, Counter())[mark] += 1
    return [MarkGroup(next(iter(lines)).text, list(lines.items())) for lines in groups.values()]


def _where(figure: Figure) -> Words | None:
    names = [place.name for place in figure.places]
    if not names:
        return None
    more = "…" if len(names) > PLACES_SHOWN else ""
    return Words(**{lang: ", ".join(getattr(name, lang) for name in names[:PLACES_SHOWN]) + more for lang in ("id", "en")})


def _is_death_of_ours(held: Held) -> bool:
    """As for figures that count: a total of the host state or the media is public anyway, and a withdrawal says nothing."""
    is_ours = held.nationality in DEATH_OF_OURS or (held.nationality is Nationality.MIXED and held.series is Series.OWN)
    return held.category is Category.DEAD and is_ours and held.raw.strip() != ""


def _mark_of_named(death: PossibleDeath) -> Mark:
    """Somebody known by name: where, and on whose word; the name stands on the person's own page."""
    assert death.mark is not None
    return Mark(death.mark, death.label, death.place.name if death.place else NO_PLACE, Words(id=death.said_by, en=death.said_by))


def _mark_of_held(held: Held) -> Mark:
    return Mark(MARKS[Publication.DEATH_UNCONFIRMED], held.label, Words(id=held.raw, en=held.raw), held.source_name)


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
