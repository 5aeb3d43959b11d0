"""The log of an incident: who may read which of its lines, and as a file: ids, codes and the reasons that people gave."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, true

from alerts.citizens.rules import csv_safe
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.audit import ActionLog, list_actions
from alerts.kit.db import Sessions, begin
from alerts.staff.models import Staff

LINES_AT_ONCE = 2_000
MEDIA_TYPE = "text/csv; charset=utf-8"
INCIDENT = "incident"
MESSAGES = ("broadcast", "statement", "rumour", "roaming_broadcast")
"""What is said to everybody: of these a mission reads what the ministry or its own people did."""
FOR_THE_MINISTER = ("digest.told",)
COLUMNS = ("id", "at", "actor", "role", "via", "action", "subject_kind", "subject_id", "reason", "detail")


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition on lines that this actor may read: of a mission, what concerns the incident as a whole, what its own people did,
    and what was done about something of its own. Persons, cases, reports and reasons of other missions are not theirs to know.
    """
    if not is_bound_to_mission(actor):
        return true()
    line, code = ActionLog, actor.mission_code or ""
    key_of = func.concat("staff:", Staff.id)
    is_theirs = line.actor.in_(select(key_of).where(Staff.mission_code.is_not(None), Staff.mission_code != code))
    return or_(
        line.actor.in_(select(key_of).where(Staff.mission_code == code)),
        line.actor == actor.key,
        and_(line.subject_kind == INCIDENT, line.action.not_in(FOR_THE_MINISTER)),
        and_(line.subject_kind.in_(MESSAGES), ~is_theirs),
        and_(line.subject_kind == "mission", line.subject_id == code),
        *(line.detail[name].astext == value for name, value in (("mission", code), ("owner", code), ("source", f"mission:{code}"))),
    )


def csv_of_log(sessions: Sessions, incident_id: UUID, actor: Actor) -> Iterator[str]:
    """The file, newest line first, piece by piece, each in a short transaction of its own. No cell can become a formula."""
    yield "\ufeff" + _write([COLUMNS])
    before: UUID | None = None
    while True:
        with begin(sessions) as session:
            lines = list_actions(session, incident_id, visible_to(actor), limit=LINES_AT_ONCE, before=before)
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
