"""Exports by id and by message, and their rows in pieces, so that a million take no more memory than a thousand."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.queries import get_broadcast
from alerts.citizens.queries import open_e164, open_name
from alerts.citizens.rules import csv_safe
from alerts.deliveries.exports.models import ReachExport
from alerts.deliveries.exports.rules import COLUMNS, CONTACT_COLUMNS, state_of
from alerts.deliveries.exports.schemas import ExportView
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin, rows_of
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging

ROWS_AT_ONCE = 2_000
MEDIA_TYPE = "text/csv; charset=utf-8"


def get_export(session: Session, export_id: UUID, actor: Actor, *, is_locked: bool = False) -> tuple[ReachExport, Broadcast]:
    """The export with its message; 404 when the actor may not know of it."""
    row = session.get(ReachExport, export_id, with_for_update=is_locked or None, populate_existing=True)
    if row is None:
        raise NotFoundError("export_not_found", "There is no such export.")
    return row, get_broadcast(session, row.broadcast_id, actor)


def list_exports(session: Session, broadcast_id: UUID, page: Paging) -> list[ReachExport]:
    """Up to `limit + 1` exports of a message, newest first."""
    query = select(ReachExport).where(ReachExport.broadcast_id == broadcast_id)
    if page.cursor is not None:
        query = query.where(ReachExport.id < page.cursor)
    return list(session.scalars(query.order_by(ReachExport.id.desc()).limit(page.limit + 1)))


def present_export(session: Session, row: ReachExport) -> ExportView:
    """The wire form, with the state of now."""
    values = {name: getattr(row, name) for name in ExportView.model_fields if name != "state"}
    return ExportView(**values, state=state_of(row.standing, db_now(session)))


def count_rows(session: Session, broadcast_id: UUID, at: datetime) -> int:
    """Steps begun by then."""
    return int(session.execute(text(COUNT), {"broadcast": broadcast_id, "at": at}).scalar_one())


def count_now(session: Session, broadcast_id: UUID) -> int:
    """How many rows an export asked for now would have."""
    return count_rows(session, broadcast_id, db_now(session))


def file_headers(export: ExportView) -> dict[str, str]:
    """Of the answer that carries the file; its name says nothing of anybody."""
    name = f'attachment; filename="reach-{export.id}.csv"'
    return {"Content-Disposition": name, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def csv_of(sessions: Sessions, export: ExportView, keyring: Keyring) -> Iterator[str]:
    """The file, piece by piece, each piece in a short transaction of its own; never more rows than were granted.

    No cell can become a formula. Without contacts no field is deciphered.
    """
    yield "\ufeff" + _lines([(*COLUMNS, *(CONTACT_COLUMNS if export.has_contacts else ()))])
    with begin(sessions) as session:
        after = int(session.execute(text(BEFORE_FIRST), {"broadcast": export.broadcast_id}).scalar_one())
    left = export.row_count
    while left > 0:
        values = {"broadcast": export.broadcast_id, "at": export.asked_at, "after": after, "limit": min(left, ROWS_AT_ONCE)}
        with begin(sessions) as session:
            rows = rows_of(session.execute(text(ROWS_WITH_CONTACTS if export.has_contacts else ROWS), values))
        if not rows:
            return
        after, left = rows[-1]["id"], left - len(rows)
        yield _lines([_cells(row, keyring if export.has_contacts else None) for row in rows])


def _cells(row: Mapping[str, Any], keyring: Keyring | None) -> Sequence[object]:
    cells: list[object] = [value.isoformat() if isinstance(value := row[name], datetime) else value for name in COLUMNS]
    if keyring is None:
        return cells
    number = open_e164(keyring, row["phone_id"], row["e164_enc"]) if row["phone_id"] else None
    return [*cells, open_name(keyring, row["citizen_id"], row["name_enc"]), number]


def _lines(rows: Sequence[Sequence[object]]) -> str:
    content = io.StringIO(newline="")
    csv.writer(content).writerows([csv_safe(cell) for cell in row] for row in rows)
    return content.getvalue()


COUNT = """
SELECT count(*) FROM delivery_batch q JOIN delivery d ON d.batch_id = q.id WHERE q.broadcast_id = :broadcast AND d.created_at <= :at
"""

# A message's people have ids that lie together: from the first of them on, each piece is a walk along the primary key.
BEFORE_FIRST = "SELECT coalesce(min(first_member_id), 0) * 64 FROM delivery_batch WHERE broadcast_id = :broadcast"

_ROWS = """
SELECT d.id, m.citizen_id, m.wave, d.step, d.channel, d.number_country, d.state, d.error_code, d.accepted_at AS handed_over_at,
    d.delivered_at, d.answered_at, d.state_at {fields}
FROM delivery d JOIN audience_member m ON m.id = d.member_id {joins}
WHERE d.id > :after AND d.broadcast_id = :broadcast AND d.created_at <= :at ORDER BY d.id LIMIT :limit
"""
ROWS = _ROWS.format(fields="", joins="")
ROWS_WITH_CONTACTS = _ROWS.format(
    fields=", c.name_enc, p.id AS phone_id, p.e164_enc",
    joins="JOIN citizen c ON c.id = m.citizen_id LEFT JOIN phone p ON p.id = d.address_id AND d.channel IN ('sms', 'whatsapp', 'voice')",
)
