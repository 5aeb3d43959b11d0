"""Whom a mission may ask, row by row: the whole list of question five, each place that was asked before with its last outcome."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from alerts.live.queries import check_facts
from alerts.live.rules.checks import newest_checks
from alerts.live.rules.facts import CheckFacts
from alerts.reports.models import Report, ReportCheck
from alerts.reports.queries import filed_report
from alerts.reports.rules.codes import Target

KNOWN_MAX = 40
SPARE = 1
ROWS_MAX = KNOWN_MAX + len(Target) + SPARE


@dataclass(frozen=True)
class AskRow:
    """One row of the sheet. `last`: what was said of this place before; a row without it waits for a name.

    `key` names its fields, the same as long as the place is: a draft that was kept comes back into its own row.
    """

    key: str
    target: Target
    last: CheckFacts | None = None

    @property
    def name(self) -> str:
        return self.last.name if self.last else ""

    @property
    def place(self) -> str:
        """The place of its own that the row was filed for; "" for the whole area."""
        return self.last.places[0] if self.last and len(self.last.places) == 1 else ""


def ask_rows(known: Iterable[CheckFacts]) -> list[AskRow]:
    """Kind by kind: the places known so far, then an empty row; at the end some more for whatever there is."""
    newest = list(known)[:KNOWN_MAX]
    rows: list[AskRow] = []
    for target in Target:
        rows += [AskRow(_key(check), target, check) for check in newest if check.target is target]
        rows.append(AskRow(f"check:{target}:new", target))
    return [*rows, AskRow("check:other:more", Target.OTHER)]


def _key(check: CheckFacts) -> str:
    told = "|".join((check.name.casefold().strip(), *check.places))
    return f"check:{check.target}:{zlib.crc32(told.encode()):08x}"


def last_checks(session: Session, incident_id: UUID, source: str) -> list[CheckFacts]:
    """What this source said last of each place it asked, newest first; reports that were corrected do not count."""
    later = aliased(Report)
    corrected = exists().where(later.supersedes == Report.id)
    query = select(ReportCheck, Report).join(Report, Report.id == ReportCheck.report_id)
    query = query.where(Report.incident_id == incident_id, Report.source == source, ~corrected)
    return newest_checks(check_facts(filed_report(report), check) for check, report in session.execute(query))
