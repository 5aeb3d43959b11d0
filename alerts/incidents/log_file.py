"""The log of an incident as a file for other programs: ids, codes and the reasons that people gave."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from uuid import UUID

from alerts.citizens.rules import csv_safe
from alerts.kit.audit import ActionLog, list_actions
from alerts.kit.db import Sessions, begin

LINES_AT_ONCE = 2_000
MEDIA_TYPE = "text/csv; charset=utf-8"
COLUMNS = ("id", "at", "actor", "role", "via", "action", "subject_kind", "subject_id", "reason", "detail")


def csv_of_log(sessions: Sessions, incident_id: UUID) -> Iterator[str]:
    """The file, newest line first, piece by piece, each in a short transaction of its own. No cell can become a formula."""
    yield "\ufeff" + _write([COLUMNS])
    before: UUID | None = None
    while True:
        with begin(sessions) as session:
            lines = list_actions(session, incident_id, limit=LINES_AT_ONCE, before=before)
            rows = [_cells(line) for line in lines]
            before = lines[-1].id if lines else None
        if not rows:
            return
        yield _write(rows)


def log_file_headers(incident_id: UUID) -> dict[str, str]:
    """Of the answer that carries the file."""
    name = f'attachment; filename="log-{incident_id}.csv"'
    return {"Content-Disposition": name, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def _cells(line: ActionLog) -> tuple[object, ...]:
    own = (line.id, line.at.isoformat(), line.actor, line.role, line.via, line.action, line.subject_kind, line.subject_id)
    return (*own, line.detail.get("reason"), json.dumps(line.detail, ensure_ascii=False, sort_keys=True))


def _write(rows: Iterable[Iterable[object]]) -> str:
    content = io.StringIO(newline="")
    csv.writer(content).writerows([csv_safe(cell) for cell in row] for row in rows)
    return content.getvalue()
