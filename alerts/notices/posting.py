"""Writing messages to staff down, to be sent by a worker: for pages, alarms, and whatever a higher slice has to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.kit.clock import db_now
from alerts.kit.outbox import publish
from alerts.notices.models import Notice
from alerts.notices.rules import ACTUAL, Candidate, Channel, Contact, ready_text

LIVES_SECONDS = 3600.0
Configured = Callable[[str], frozenset[str]]
"""The channels that have a sender, by status: an exercise has senders of its own, and no others."""


@dataclass(frozen=True)
class Post:
    """What is said, in id and en, and what about. `lives_seconds`: after that it is not sent any more.

    No personal data beyond what the reader may see on the page at `path`; no link that opens anything by itself.
    `paging` is the page and its round.
    """

    kind: str
    subject: tuple[str, object]
    texts: Mapping[str, str]
    path: str = ""
    status: str = ACTUAL
    is_quiet: bool = False
    lives_seconds: float = LIVES_SECONDS
    paging: tuple[UUID, int] | None = None


def post(session: Session, said: Post, candidate: Candidate, ways: Iterable[tuple[Contact, Channel]]) -> int:
    """One message per way, in the person's language, and a ring for the sender; the count. A round's message exists once."""
    paging_id, number = said.paging or (None, 1)
    now = db_now(session)
    common: dict[str, Any] = {"kind": said.kind, "subject_kind": said.subject[0], "subject_id": str(said.subject[1])}
    common |= {"paging_id": paging_id, "round": number, "status": said.status, "staff_id": candidate.staff_id, "path": said.path}
    common |= {"language": candidate.language, "is_quiet": said.is_quiet, "due_at": now, "state_at": now}
    common |= {"body": ready_text(said.texts[candidate.language], status=said.status)}
    common |= {"expires_at": now + timedelta(seconds=said.lives_seconds)}
    rows = [common | {"contact_id": contact.id, "channel": channel} for contact, channel in ways]
    if not rows:
        return 0
    made = session.execute(insert(Notice).on_conflict_do_nothing().returning(Notice.id), rows).all()
    publish(session, "notice.queued", subject_id=str(said.subject[1]))
    return len(made)
