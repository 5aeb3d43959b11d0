"""What missions need: each thing once per mission as it was said last, the most pressing first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from alerts.live.rules.facts import NeedFacts
from alerts.live.rules.figures import Frame
from alerts.live.schemas import NeedRow
from alerts.reports.rules.codes import NeedState

NEVER = datetime.max.replace(tzinfo=UTC)


def newest_needs(needs: Iterable[NeedFacts]) -> list[NeedFacts]:
    """Open ones before those that were met, then by when; the same words of the same mission are the same need."""
    rows: dict[tuple[str, str], NeedFacts] = {}
    for need in sorted(needs, key=_said_at):
        rows[need.report.speaker, " ".join(need.what.casefold().split())] = need
    return sorted(rows.values(), key=lambda need: (need.state is NeedState.MET, need.by_when or NEVER, need.report.speaker, need.what))


def need_row(need: NeedFacts, frame: Frame) -> NeedRow:
    report = need.report
    is_open = need.state is NeedState.OPEN
    return NeedRow(
        what=need.what,
        how_many=need.how_many,
        by_when=need.by_when,
        state=need.state,
        is_overdue=is_open and need.by_when is not None and need.by_when < frame.as_of,
        source=report.source,
        source_name=frame.source_name(report.source, report.author),
        as_of=report.as_of,
        age_seconds=frame.age(report.counts_from),
        report_id=report.id,
    )


def _said_at(need: NeedFacts) -> tuple[object, ...]:
    return (need.report.counts_from, need.report.speaker, need.position, need.what, need.how_many or "", need.state)
