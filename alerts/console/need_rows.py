"""What a mission needs, as rows of its form: the open ones come back until they are said to be met."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from alerts.console.forms import Form
from alerts.console.incident_forms import parse_local
from alerts.live.rules.facts import NeedFacts
from alerts.live.rules.needs import newest_needs
from alerts.reports.models import Report, ReportNeed
from alerts.reports.queries import filed_report
from alerts.reports.rules.codes import NeedState
from alerts.reports.schemas import NeedIn

SPARE = 3
ROWS_MAX = 60
ROW = re.compile(r"(need:[a-z0-9]+):what")


@dataclass(frozen=True)
class NeedRow:
    """One row of the form; `last` is what was said of it before."""

    key: str
    last: NeedFacts | None = None


def need_rows(session: Session, incident_id: UUID, source: str) -> list[NeedRow]:
    """The needs of this source that are open, and empty rows."""
    later = aliased(Report)
    query = select(ReportNeed, Report).join(Report, Report.id == ReportNeed.report_id)
    query = query.where(Report.incident_id == incident_id, Report.source == source, ~exists().where(later.supersedes == Report.id))
    facts = [
        NeedFacts(filed_report(report), need.position, need.what, need.how_many, need.by_when, need.state)
        for need, report in session.execute(query)
    ]
    still = [need for need in newest_needs(facts) if need.state is NeedState.OPEN][: ROWS_MAX - SPARE]
    known = [NeedRow(f"need:{zlib.crc32(need.what.encode()):08x}", need) for need in still]
    return [*known, *(NeedRow(f"need:new{number}") for number in range(SPARE))]


def read_needs(form: Form, zone: ZoneInfo) -> Iterator[NeedIn]:
    """New rows with something in them, and known ones of which something was said."""
    rows = dict.fromkeys(found.group(1) for name, _ in form.fields if (found := ROW.fullmatch(name)))
    for row in list(rows)[:ROWS_MAX]:
        what, state = form.text(f"{row}:what", limit=200), form.text(f"{row}:state", limit=10)
        if not what or (form.has(f"{row}:state") and state not in set(NeedState)):
            continue
        by_when = form.text(f"{row}:by_when", limit=20)
        yield NeedIn(
            what=what,
            how_many=form.optional(f"{row}:how_many", limit=200),
            by_when=parse_local(by_when, f"{row}:by_when").replace(tzinfo=zone) if by_when else None,
            state=NeedState(state or NeedState.OPEN),
        )
