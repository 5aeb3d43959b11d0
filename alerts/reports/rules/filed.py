"""Filed reports and lines in the form that the rules read: what was said, by whom, of when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import total_ordering
from typing import NamedTuple
from uuid import UUID

from alerts.reports.rules.codes import Category, Claim, LineKind, LineState, Nationality, Series, Silence
from alerts.reports.rules.values import Contact


@dataclass(frozen=True, slots=True)
class FiledReport:
    """One report as the rules need it."""

    id: UUID
    source: str
    author: str | None
    as_of: datetime
    known_at: datetime
    supersedes: UUID | None = None
    supersede_reason: str | None = None
    next_report_at: datetime | None = None
    mission_status: Mapping[str, object] | None = None

    @property
    def counts_from(self) -> datetime:
        """Nothing can be true later than we heard of it: a fast clock does not hide its report."""
        return min(self.as_of, self.known_at)

    @property
    def speaker(self) -> str:
        """Whose word it is: the press and the host state speak with several voices."""
        return f"{self.source}/{self.author or ''}" if self.source in ("media", "host_state") else self.source


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Somebody let a held line count as it was filed."""

    reason: str
    by: str
    known_at: datetime


class Cell(NamedTuple):
    """What exactly a figure counts."""

    category: Category
    places: tuple[str, ...]
    nationality: Nationality
    series: Series
    kind: LineKind
    of: Category | None
    foreign_country: str | None

    @property
    def key(self) -> str:
        parts = (self.series, self.category, self.nationality, "|".join(self.places), self.kind, self.of or "", self.foreign_country or "")
        return "/".join(parts).rstrip("/")


@total_ordering
class Wording:
    """Everything said in a line, as the last word of an order; put into words only where all else is equal, which is seldom."""

    __slots__ = ("_line",)

    def __init__(self, line: FiledLine) -> None:
        self._line = line

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wording) and (self._line is other._line or self._line.said == other._line.said)

    def __lt__(self, other: Wording) -> bool:
        return self._line.said < other._line.said

    def __hash__(self) -> int:
        return hash(self._line.said)


@dataclass(frozen=True, slots=True)
class FiledLine:
    """One stored line with its report. `counted` is the rung on which its claim counts.

    `state` is how it counts at the time asked for: a held line that somebody confirmed is accepted.
    """

    id: UUID
    report: FiledReport
    position: int
    cell: Cell
    raw: str
    state: LineState = LineState.ACCEPTED
    number: int | None = None
    silence: Silence | None = None
    claim: Claim = Claim.REPORTED
    counted: Claim = Claim.REPORTED
    authority_confirmed: bool = False
    is_approximate: bool = False
    how: str | None = None
    contact: Contact | None = None
    words: str | None = None
    withdraws: UUID | None = None
    withdraw_reason: str | None = None
    confirmation: Confirmation | None = None

    @property
    def is_cut(self) -> bool:
        """Whether more was claimed than was proven."""
        return self.claim is not self.counted

    @property
    def is_standing(self) -> bool:
        return self.cell.kind is LineKind.STANDING

    @property
    def is_figure(self) -> bool:
        return self.number is not None or self.silence is not None

    @property
    def says_something(self) -> bool:
        """A number, or that nobody was reported or found. "Not asked" and "no answer" never replace these."""
        return self.number is not None or self.silence in (Silence.ASKED_NONE_REPORTED, Silence.CHECKED_NONE_FOUND)

    @property
    def rank(self) -> tuple[bool, datetime, str, int, Wording]:
        """Newest first by what was said, never by when it arrived."""
        return (self.says_something, self.report.counts_from, self.report.speaker, self.position, Wording(self))

    @property
    def said(self) -> str:
        """Everything that was said in this line: two lines with the same are interchangeable."""
        told = (self.raw, self.report.author, self.claim, self.authority_confirmed, self.is_approximate, self.how, self.words)
        return repr((*told, self.contact, self.withdraw_reason, self.report.supersede_reason))
