"""The clock of one mission in one incident, and what somebody's word does to it. Pure.

A mission owes its first report soon after the incident opens, then at the time that it promised itself, else by the severity.
Nobody is chased before a promised time, unless it lies too far ahead. What was said (snoozed, covered, acknowledged) are words in the
order of their time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from alerts.kit.errors import ConflictError, InvalidError
from alerts.reports.rules.codes import Axis, Target


class Word(StrEnum):
    """What is said of a mission's clock: `chased` and `settled` by the clock itself, the others by people."""

    CHASED = "chased"
    SETTLED = "settled"
    SNOOZED = "snoozed"
    COVERED = "covered"
    ACKNOWLEDGED = "acknowledged"
    RESUMED = "resumed"


class Basis(StrEnum):
    """Why a report is due when it is."""

    FIRST = "first"
    PROMISED = "promised"
    SEVERITY = "severity"


class Chaser(StrEnum):
    """Where the chasing of one mission in one incident stands."""

    NONE = "none"
    WAITING = "waiting"
    CHASING = "chasing"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    COVERED = "covered"


@dataclass(frozen=True, slots=True)
class Pace:
    """The waits of all clocks: the first report, between reports by severity, after "I have it", the longest snooze.

    `promise_waits`: how many of the severity's waits a promise may silence.
    """

    first: timedelta
    by_severity: Mapping[str, timedelta]
    acknowledged: timedelta
    snooze_max: timedelta
    promise_waits: float = 12

    def every(self, severity: str) -> timedelta:
        """How long after a report without a promise the next is due. A severity nobody knows is taken for the gravest."""
        return self.by_severity.get(severity) or min(self.by_severity.values())

    def longest(self, severity: str) -> timedelta:
        """How long after its report a mission that promised a time is left alone at most."""
        return self.every(severity) * self.promise_waits


@dataclass(frozen=True, slots=True)
class Filed:
    """One report, as far as a clock is concerned."""

    known_at: datetime
    next_report_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """One word of the log, as it is stored."""

    word: Word
    known_at: datetime
    due_at: datetime | None = None
    until: datetime | None = None
    covered_by: str | None = None
    reason: str | None = None
    by: str | None = None
    paging_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """When the next report is due, and why then."""

    due_at: datetime
    basis: Basis


@dataclass(frozen=True, slots=True)
class Standing:
    """The words that hold: the newest of each kind that nothing has ended. `chased`: somebody is being asked."""

    cover: Said | None = None
    snooze: Said | None = None
    acknowledged: Said | None = None
    chased: Said | None = None


def clock_of(first_due: datetime | None, filed: Iterable[Filed], every: timedelta, *, longest: timedelta = timedelta.max) -> Clock | None:
    """When the next report is due: the first by the incident, then as promised (at most `longest` ahead), else `every` after the last.

    A promise stands until its time, also over a report that came before it and promised nothing. A promise of a time that had
    passed when it was filed (a clock a day off) is none.
    """
    clock = Clock(first_due, Basis.FIRST) if first_due else None
    for report in sorted(filed, key=lambda each: each.known_at):
        promised = report.next_report_at
        if promised is not None and promised > report.known_at:
            clock = Clock(report.known_at + min(promised - report.known_at, longest), Basis.PROMISED)
        elif clock is None or clock.basis is not Basis.PROMISED or clock.due_at < report.known_at + every:
            clock = Clock(report.known_at + every, Basis.SEVERITY)
    return clock


def standing_of(words: Iterable[Said], last_filed_at: datetime | None) -> Standing:
    """What holds after all that was said. A report ends the chasing and the "I have it", not a snooze and not a cover."""
    cover = snooze = acknowledged = chased = None
    for said in sorted(words, key=lambda each: each.known_at):
        if said.word is Word.COVERED:
            cover, chased, acknowledged = said, None, None
        elif said.word is Word.SNOOZED:
            snooze, chased, acknowledged = said, None, None
        elif said.word is Word.ACKNOWLEDGED:
            acknowledged, chased = said, None
        elif said.word is Word.RESUMED:
            cover = snooze = acknowledged = None
        elif said.word is Word.CHASED:
            chased = said
        else:
            chased = None
    if last_filed_at is not None:
        chased = chased if chased and chased.known_at > last_filed_at else None
        acknowledged = acknowledged if acknowledged and acknowledged.known_at > last_filed_at else None
    return Standing(cover, snooze, acknowledged, chased)


def chaser_of(clock: Clock | None, standing: Standing, now: datetime) -> Chaser:
    """What the clock asks for now: only `chasing` rings anybody's phone."""
    if standing.cover is not None:
        return Chaser.COVERED
    if _holds(standing.snooze, now):
        return Chaser.SNOOZED
    if clock is None:
        return Chaser.NONE
    if clock.due_at > now:
        return Chaser.WAITING
    return Chaser.ACKNOWLEDGED if _holds(standing.acknowledged, now) else Chaser.CHASING


def shown_of(standing: Standing, now: datetime) -> Chaser:
    """The same from the words alone, for a sheet about any moment: who is chased was written down when it began."""
    if standing.cover is not None:
        return Chaser.COVERED
    if _holds(standing.snooze, now):
        return Chaser.SNOOZED
    if standing.chased is not None:
        return Chaser.CHASING
    return Chaser.ACKNOWLEDGED if _holds(standing.acknowledged, now) else Chaser.WAITING


def word_behind(standing: Standing, state: Chaser) -> Said | None:
    """The word on which a state rests, if it rests on one."""
    return {
        Chaser.COVERED: standing.cover,
        Chaser.SNOOZED: standing.snooze,
        Chaser.ACKNOWLEDGED: standing.acknowledged,
        Chaser.CHASING: standing.chased,
    }.get(state)


def word_due(state: Chaser, standing: Standing) -> Word | None:
    """What the clock has to write down: that somebody is asked from now on, or that nobody need be any more."""
    if state is Chaser.CHASING and standing.chased is None:
        return Word.CHASED
    if state in (Chaser.WAITING, Chaser.NONE) and standing.chased is not None:
        return Word.SETTLED
    return None


def check_snooze(length: timedelta, state: Chaser, pace: Pace) -> None:
    """422 for too long a silence; 409 for a mission that another covers: that one is chased."""
    if state is Chaser.COVERED:
        raise ConflictError("covered", "Another mission reports for this one: that one is chased. End the cover first.")
    if length > pace.snooze_max:
        raise InvalidError("snooze_too_long", "A mission cannot be left unasked for so long. Choose a shorter time.", field="minutes")


def check_acknowledge(state: Chaser) -> None:
    """409 where nobody waits for a report: then there is nothing to take on."""
    if state not in (Chaser.CHASING, Chaser.ACKNOWLEDGED):
        raise ConflictError("not_chased", "No report of this mission is overdue: there is nothing to take on.")


def check_cover(mission: str, by: str, covers: Mapping[str, str]) -> None:
    """422/409 for a cover that would chase nobody. `covers`: mission → who covers it, in the same incident."""
    if mission == by:
        raise InvalidError("covers_itself", "A mission cannot stand in for itself.", field="mission_code")
    if by in covers:
        raise ConflictError("coverer_is_covered", "That mission is itself covered by another. Choose the one that works.")


def check_resume(standing: Standing, state: Chaser) -> None:
    """409 where nothing silences the chasing."""
    if standing.cover is None and state not in (Chaser.SNOOZED, Chaser.ACKNOWLEDGED):
        raise ConflictError("not_silenced", "Nothing keeps this mission from being asked.")


AXES: Sequence[Axis] = tuple(Axis)
TO_ASK: Sequence[Target] = tuple(target for target in Target if target is not Target.OTHER)
PARTS = 1 + len(AXES) + len(TO_ASK)


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a mission has said so far: of itself, on which axes, and what kinds of places it has tried to ask."""

    has_status: bool = False
    axes: frozenset[Axis] = frozenset()
    tried: frozenset[Target] = frozenset()

    @property
    def done(self) -> int:
        """Of `PARTS`."""
        return int(self.has_status) + len(self.axes & set(AXES)) + len(self.tried & set(TO_ASK))


def _holds(said: Said | None, now: datetime) -> bool:
    return said is not None and said.until is not None and said.until > now
