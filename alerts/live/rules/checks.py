"""Questions four and five: whom the missions asked, row by row and counted per kind of place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alerts.live.rules.facts import CheckFacts
from alerts.live.rules.figures import Frame, place_views, said
from alerts.live.schemas import AnswerKind, CheckRow, TargetTally, Words
from alerts.reports.rules import words
from alerts.reports.rules.codes import Outcome, Target

REACHED = frozenset({Outcome.ASKED, Outcome.VISITED})
TRIED = tuple(Outcome)


def newest_checks(checks: Iterable[CheckFacts]) -> list[CheckFacts]:
    """One row per place asked about and mission: what was said last. A visit is not undone by a later call."""
    rows: dict[tuple[object, ...], CheckFacts] = {}
    for check in sorted(checks, key=_said_at):
        key = (check.report.speaker, check.target, check.name.casefold().strip(), check.places)
        before = rows.get(key)
        if before is None or TRIED.index(check.outcome) >= TRIED.index(before.outcome) or check.outcome in REACHED:
            rows[key] = check
    return sorted(rows.values(), key=_said_at, reverse=True)


def check_row(check: CheckFacts, frame: Frame) -> CheckRow:
    report = check.report
    return CheckRow(
        target=check.target,
        target_label=said(words.TARGET[check.target]),
        name=check.name,
        places=place_views(check.places),
        outcome=check.outcome,
        outcome_label=said(words.OUTCOME[check.outcome]),
        at=check.at,
        by=check.by,
        answer=check.answer,
        found=check.found,
        source=report.source,
        source_name=frame.source_name(report.source, report.author),
        as_of=report.as_of,
        known_at=report.known_at,
        age_seconds=frame.age(report.counts_from),
        report_id=report.id,
    )


def tallies(checks: Sequence[CheckFacts]) -> list[TargetTally]:
    """Per kind of place, in the order of the list that missions work through. A kind nobody named is not there."""
    kinds = [target for target in Target if any(check.target is target for check in checks)]
    return [_tally(target, [check for check in checks if check.target is target]) for target in kinds]


def answer_of_checks(checks: Sequence[CheckFacts]) -> AnswerKind:
    """How far the asking came as a whole. Never a zero: nobody asked everywhere."""
    outcomes = {check.outcome for check in checks}
    if outcomes & REACHED:
        return AnswerKind.ASKED
    if Outcome.TRIED_NO_ANSWER in outcomes:
        return AnswerKind.NO_ANSWER_YET
    return AnswerKind.NOT_ASKED if outcomes else AnswerKind.NOT_KNOWN


def _tally(target: Target, rows: Sequence[CheckFacts]) -> TargetTally:
    label = said(words.TARGET[target])
    asked = sum(check.outcome in REACHED for check in rows)
    visited = sum(check.outcome is Outcome.VISITED for check in rows)
    found = [check.found for check in rows if check.found is not None]
    return TargetTally(
        target=target,
        label=label,
        known=len(rows),
        asked=asked,
        visited=visited,
        tried_no_answer=sum(check.outcome is Outcome.TRIED_NO_ANSWER for check in rows),
        found=sum(found) if found else None,
        text=Words(
            id=f"{asked} dari {len(rows)} {label.id} ditanyai, {visited} didatangi",
            en=f"{asked} of {len(rows)} {label.en} asked, {visited} visited",
        ),
    )


def _said_at(check: CheckFacts) -> tuple[object, ...]:
    return (check.report.counts_from, check.report.speaker, check.position, check.name)
