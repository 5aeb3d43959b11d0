"""The document: who approved what, what was released to whom, and what is known of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Audience, Broadcast
from alerts.broadcasts.queries import list_waves, promised_at
from alerts.broadcasts.rules import Channel, with_promise
from alerts.incidents.models import Incident
from alerts.live.reach.schemas import HandsView, ListView, ProofView, ReachView, WindowsView
from alerts.live.reach.statement import statement_of
from alerts.staff.queries import names_of


def prove(session: Session, broadcast: Broadcast, incident: Incident, reach: ReachView) -> ProofView:
    """The document of one message with these counts. Words of a quiet incident or a restricted message are not in it."""
    lists = _released(session, broadcast)
    names = names_of(session, [*_hands(broadcast).values(), *(each.approved_by for each in lists)])
    is_silent_on_words = incident.is_quiet or broadcast.is_restricted
    content: dict[str, Any] = {
        "broadcast_id": broadcast.id,
        "incident_id": incident.id,
        "incident_title": incident.title,
        "status": broadcast.status,
        "msg_type": broadcast.msg_type,
        "as_of": reach.as_of,
        "content_hash": broadcast.content_hash,
        "texts": None if is_silent_on_words else with_promise(broadcast.texts, promised_at(broadcast)),
        "ways": [Channel(each) for each in broadcast.channels],
        "validity_seconds": broadcast.validity_seconds,
        "resend_unknown": broadcast.resend_unknown,
        "released_at": broadcast.released_at,
        "hands": _present_hands(broadcast, names),
        "lists": [_list(each, names) for each in lists],
        "windows": _windows(session, broadcast.id),
        "statement": statement_of(reach, status=broadcast.status, released_at=broadcast.released_at),
        "reach": reach,
    }
    proof = ProofView(**content, document_sha256="")
    return proof.model_copy(update={"document_sha256": digest_of(proof)})


def digest_of(proof: ProofView) -> str:
    """SHA-256, hex, of the document without itself: JSON with sorted keys and no blanks."""
    content = proof.model_dump(mode="json", exclude={"document_sha256"})
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _released(session: Session, broadcast: Broadcast) -> list[Audience]:
    """The approved list and the waves that were released; what was frozen for an earlier submission, or waits, is not part of it."""
    found = {each.id: each for each in list_waves(session, broadcast.id) if each.released_at is not None}
    first = session.get(Audience, broadcast.audience_id) if broadcast.audience_id else None
    if first is not None:
        found[first.id] = first
    return sorted(found.values(), key=lambda each: (each.wave, each.number))


def _hands(broadcast: Broadcast) -> dict[str, UUID | None]:
    return {
        "written_by": broadcast.created_by,
        "submitted_by": broadcast.submitted_by,
        "approved_by": broadcast.approved_by,
        "words_written_by": broadcast.template_written_by,
        "words_approved_by": broadcast.template_approved_by,
        "confirmed_by": broadcast.confirmed_by,
        "cancelled_by": broadcast.cancelled_by,
    }


def _present_hands(broadcast: Broadcast, names: dict[UUID, str]) -> HandsView:
    who = {name: names.get(staff_id) if staff_id else None for name, staff_id in _hands(broadcast).items()}
    return HandsView(**who, submitted_at=broadcast.submitted_at, approved_at=broadcast.approved_at, cancelled_at=broadcast.cancelled_at)


def _list(row: Audience, names: dict[UUID, str]) -> ListView:
    approved_by = names.get(row.approved_by) if row.approved_by else None
    values = {"number": row.number, "wave": row.wave, "count": row.count, "frozen_at": row.frozen_at, "released_at": row.released_at}
    return ListView(**values, approved_by=approved_by)


def _windows(session: Session, broadcast_id: UUID) -> WindowsView:
    return WindowsView.model_validate(dict(session.execute(text(WINDOWS), {"broadcast": broadcast_id}).mappings().one()))


WINDOWS = """
SELECT count(*) AS count, coalesce(sum(cardinality(w.deliveries)), 0) AS handings_over,
    coalesce(sum(cardinality(w.deliveries)) FILTER (WHERE w.resend_of IS NOT NULL), 0) AS resends,
    count(*) FILTER (WHERE w.closed_at IS NULL) AS open
FROM delivery_batch b JOIN send_window w ON w.batch_id = b.id WHERE b.broadcast_id = :broadcast
"""
