"""The minister's digest: by push and text at the promised times, and at once when something on a named list changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import State
from alerts.kit import audit
from alerts.kit.actor import SYSTEM
from alerts.kit.clock import db_now
from alerts.live.models import DigestState
from alerts.live.queries import find_snapshot, latest_snapshot, sheet_of
from alerts.live.rules.digest import Reason, reasons_between, rest_between, text_of
from alerts.notices.posting import Configured, Post, post
from alerts.notices.queries import list_candidates
from alerts.notices.rules import channels_of, on_duty
from alerts.staff.rules import Role
from alerts.statements.queries import has_turned_stale

KIND = "digest"
TASK = "live.digest"
NO_SOONER = timedelta(seconds=60)
"""Changes that come together are told together."""


def note_changed(session: Session, incident_ids: Iterable[UUID]) -> None:
    """Something changed in these: `tell` has to look, whatever becomes of whoever heard of it."""
    rows = [{"incident_id": each, "is_waiting": True} for each in sorted(incident_ids)]
    if rows:
        statement = insert(DigestState).values(rows)
        session.execute(statement.on_conflict_do_update(index_elements=["incident_id"], set_={"is_waiting": True}))


def list_due(session: Session) -> list[UUID]:
    """Open incidents that changed, whose promised time has come, or of which nobody was told yet."""
    state = DigestState
    due = (
        select(Incident.id)
        .join(state, state.incident_id == Incident.id, isouter=True)
        .where(
            Incident.state == State.OPEN,
            ~Incident.is_replayed,
            ~Incident.is_synthetic,
            (state.next_at.is_(None)) | (state.next_at <= db_now(session)) | state.is_waiting,
        )
    )
    return list(session.scalars(due.order_by(Incident.id)))


def tell(session: Session, incident_id: UUID, *, configured: Configured, every_seconds: float) -> set[Reason]:
    """Tell the ministers on duty, if there is a reason; the reasons, empty for none.

    Nothing is told of a replayed incident. What came within a minute of the last message waits for the end of that minute.
    """
    incident, state = get_incident(session, incident_id), _lock(session, incident_id)
    newest = latest_snapshot(session, incident_id)
    if newest is None or incident.is_replayed or incident.is_synthetic:
        return set()
    now = db_now(session)
    before = find_snapshot(session, incident_id, state.version) if state.version else None
    after = sheet_of(newest)
    reasons = reasons_between(sheet_of(before) if before else None, after)
    if has_turned_stale(session, incident_id, state.told_at):
        reasons.add(Reason.PUBLISHED_FIGURE)
    if incident.state is State.OPEN and state.next_at is not None and state.next_at <= now:
        reasons.add(Reason.PROMISED)
    if not reasons:
        state.is_waiting = False
        return set()
    if state.told_at is not None and now - state.told_at < NO_SOONER:
        state.is_waiting = True
        return set()
    texts = text_of(after, reasons, is_quiet=incident.is_quiet).model_dump()
    count = _post(session, incident, texts, configured=configured)
    every = rest_between(incident.severity, timedelta(seconds=every_seconds))
    state.version, state.told_at, state.next_at, state.is_waiting = newest.version, now, now + every, False
    detail = {"reasons": sorted(reasons), "messages": count, "version": newest.version}
    audit.record(session, actor=SYSTEM, action="digest.told", incident_id=incident_id, subject=("incident", incident_id), detail=detail)
    return reasons


def incidents_of(payloads: Iterable[dict[str, str]]) -> set[UUID]:
    """The incidents that events speak of."""
    return {UUID(payload["incident_id"]) for payload in payloads}


def _lock(session: Session, incident_id: UUID) -> DigestState:
    """One telling at a time; who waits finds it told."""
    session.execute(insert(DigestState).values(incident_id=incident_id).on_conflict_do_nothing())
    query = select(DigestState).where(DigestState.incident_id == incident_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _post(session: Session, incident: Incident, texts: dict[str, str], *, configured: Configured) -> int:
    """To every minister on duty, by every way at once; no calls: it is not a page, and nobody need answer."""
    root = "/exercise" if incident.status == "Exercise" else ""
    said = Post(
        kind=KIND,
        subject=("incident", incident.id),
        texts=texts,
        path=f"{root}/incidents/{incident.id}/minister",
        status=incident.status.value,
        is_quiet=incident.is_quiet,
    )
    ways = configured(incident.status) - {"voice"}
    told = on_duty(list_candidates(session, Role.MINISTER, None), db_now(session))
    return sum(post(session, said, each, channels_of(each, ways, is_quiet=incident.is_quiet)) for each in told)
