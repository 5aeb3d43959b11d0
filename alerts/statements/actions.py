"""Use cases of statements and rumours. None commits. What the sheet says is handed in by the slice that knows sheets."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, InvalidError
from alerts.kit.ids import CODE_LETTERS
from alerts.kit.outbox import publish
from alerts.statements.models import PublicPage, Rumour, Statement
from alerts.statements.queries import claim_rumour, claim_statement, content_hash_of, newest_published
from alerts.statements.rules import ALLOWED, WITHDRAWN_WORDS, State, Verdict, check_claim, check_texts
from alerts.statements.schemas import RumourIn, Withdrawal

SLUG_LETTERS = 6
TIMES = ("as_of", "next")


@dataclass(frozen=True)
class Composed:
    """A statement as the sheet of now makes it. `about`: what and where, for the address."""

    heading: dict[str, str]
    about: str
    clauses: list[dict[str, Any]]
    figures: list[dict[str, Any]]
    hotlines: list[dict[str, str]]
    typed: dict[str, Any]
    sheet_version: int | None
    as_of: datetime
    needs_second_hand: bool
    corrects: UUID | None = None


def draft_statement(session: Session, *, actor: Actor, incident: Incident, composed: Composed) -> Statement:
    """A new draft. 404/422: `corrects` is no published statement of this incident."""
    _check_corrects(session, incident.id, composed.corrects)
    open_page(session, incident, composed.heading, composed.about)
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"statement:{incident.id}", 0))))
    last = session.scalar(select(func.max(Statement.number)).where(Statement.incident_id == incident.id)) or 0
    row = Statement(incident_id=incident.id, status=incident.status, number=last + 1, hands=[actor.key], drafted_by=actor.key)
    _put(row, composed)
    session.add(row)
    session.flush()
    _log(session, actor, row, "statement.drafted")
    return row


def edit_statement(session: Session, *, actor: Actor, row: Statement, composed: Composed) -> Statement:
    """The draft anew from the sheet of now. 409 when it is no draft any more."""
    _check_move(row, State.DRAFT)
    _check_corrects(session, row.incident_id, composed.corrects)
    _put(row, composed)
    row.hands = [*row.hands, *([] if actor.key in row.hands else [actor.key])]
    row.version += 1
    row.stale_at = row.stale_figures = None
    session.flush()
    _log(session, actor, row, "statement.edited")
    return row


def publish_statement(session: Session, *, actor: Actor, row: Statement, composed: Composed) -> Statement:
    """Freeze it under this name. `composed`: the same choice on the sheet of now; what differs by then is a 409.

    409 `second_hand_needed`: it holds deaths or typed words, and whoever wrote it may not be the only one to answer for it.
    """
    _check_move(row, State.PUBLISHED)
    changed = changed_figures(row.figures, {each["key"]: each for each in composed.figures})
    if changed or _lasting(row.clauses) != _lasting(composed.clauses):
        raise ConflictError("figures_changed", "The figures have changed since this was written: make it anew.", changed=changed)
    row.needs_second_hand = row.needs_second_hand or composed.needs_second_hand
    if row.needs_second_hand and actor.key in row.hands:
        raise ConflictError("second_hand_needed", "It holds deaths or words of your own: somebody else publishes it.")
    row.state, row.published_by, row.published_at = State.PUBLISHED, actor.key, db_now(session)
    row.content_hash = content_hash_of(row)
    _head(session, row.incident_id, row.heading)
    row.stale_at = row.stale_figures = None
    row.version += 1
    session.flush()
    _log(session, actor, row, "statement.published", content_hash=row.content_hash)
    return row


def withdraw_statement(session: Session, *, actor: Actor, statement_id: UUID, command: Withdrawal) -> Statement:
    """Take it back, with a reason in prepared words that the public reads; it stays in the history. A draft is given up."""
    row = claim_statement(session, statement_id, actor)
    _check_move(row, State.WITHDRAWN)
    row.state, row.withdrawn_by, row.withdrawn_at = State.WITHDRAWN, actor.key, db_now(session)
    row.withdraw_reason = dict(WITHDRAWN_WORDS[command.reason])
    row.version += 1
    session.flush()
    _log(session, actor, row, "statement.withdrawn")
    return row


def draft_rumour(session: Session, *, actor: Actor, incident: Incident, command: RumourIn) -> Rumour:
    """BENAR or TIDAK BENAR, for somebody else to publish. 409: the answer that it replaces was replaced before."""
    _check_words(command.claim.model_dump(), command.verdict, command.explanation.model_dump())
    if command.replaces is not None:
        _check_replaces(session, incident.id, command.replaces)
    row = Rumour(incident_id=incident.id, status=incident.status, drafted_by=actor.key, **command.model_dump())
    session.add(row)
    session.flush()
    session.refresh(row)
    _log_rumour(session, actor, row, "rumour.drafted")
    return row


def publish_rumour(session: Session, *, actor: Actor, row: Rumour, page: Mapping[str, Any], incident: Incident) -> Rumour:
    """Put the answer on the public page, under this name. 409: it is no draft, somebody else must do it, or another was quicker."""
    _check_is_draft(row)
    if actor.key == row.drafted_by:
        raise ConflictError("second_hand_needed", "An answer is words of your own: somebody else publishes it.")
    _check_words(row.claim, row.verdict, row.explanation)
    if row.replaces is not None:
        _check_replaces(session, row.incident_id, row.replaces)
    open_page(session, incident, page["heading"], page["about"])
    _head(session, incident.id, page["heading"])
    row.state, row.published_by, row.published_at = State.PUBLISHED, actor.key, db_now(session)
    session.flush()
    _log_rumour(session, actor, row, "rumour.answered")
    return row


def withdraw_rumour(session: Session, *, actor: Actor, rumour_id: UUID) -> Rumour:
    """Give up a draft. 409 once it is published: answer anew then."""
    row = claim_rumour(session, rumour_id, actor)
    _check_is_draft(row)
    row.state = State.WITHDRAWN
    session.flush()
    _log_rumour(session, actor, row, "rumour.given_up")
    return row


def flag_stale(session: Session, incident_id: UUID, current: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare drafts and what stands published with the figures of now. Publishes `statement.stale` when one turns stale."""
    stands = or_(Statement.state == State.DRAFT, Statement.id == newest_published(incident_id))
    query = select(Statement).where(Statement.incident_id == incident_id, stands)
    for row in session.scalars(query.order_by(Statement.id).with_for_update()):
        changed = changed_figures(row.figures, current)
        if changed == (row.stale_figures or []):
            continue
        is_new = row.stale_at is None and bool(changed)
        row.stale_at = (row.stale_at or db_now(session)) if changed else None
        row.stale_figures = changed or None
        if is_new:
            publish(session, "statement.stale", statement_id=row.id, incident_id=incident_id, is_published=row.state is State.PUBLISHED)


def changed_figures(said: list[dict[str, Any]], current: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The figures that were said and that nobody gives any more, or gives otherwise. `after` is null for what is gone."""
    changed = []
    for figure in said:
        now = current.get(figure["key"])
        if now is None or now["value"] != figure["value"]:
            changed.append(
                {"key": figure["key"], "label": figure["label"], "before": figure["value"], "after": now["value"] if now else None}
            )
    return changed


def open_page(session: Session, incident: Incident, heading: dict[str, str], about: str) -> None:
    """Give the incident its public address, once. A draft made later changes no word of what stands there."""
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(SLUG_LETTERS))
    values = {"incident_id": incident.id, "status": incident.status, "slug": f"{about}-{letters}", "heading": heading}
    session.execute(insert(PublicPage).values(**values).on_conflict_do_nothing(index_elements=["incident_id"]))


def _head(session: Session, incident_id: UUID, heading: dict[str, str]) -> None:
    """What the page is headed with while no statement stands on it; only publishing changes it."""
    session.execute(update(PublicPage).where(PublicPage.incident_id == incident_id).values(heading=heading))


def _lasting(clauses: list[dict[str, Any]]) -> list[Any]:
    """What is said, without the times in it; a clause without a figure may say otherwise by now too."""
    return [each["key"] if each["key"] in TIMES else (each["key"], each["text"]) for each in clauses]


def _put(row: Statement, composed: Composed) -> None:
    for name in ("heading", "clauses", "figures", "hotlines", "typed", "sheet_version", "as_of", "needs_second_hand", "corrects"):
        setattr(row, name, getattr(composed, name))


def _check_move(row: Statement, to: State) -> None:
    if to is not State.DRAFT and to in ALLOWED[row.state]:
        return
    if to is State.DRAFT and row.state is State.DRAFT:
        return
    raise ConflictError("statement_state", "The statement is not in a state that allows this.", state=row.state.value)


def _check_corrects(session: Session, incident_id: UUID, corrects: UUID | None) -> None:
    if corrects is None:
        return
    row = session.get(Statement, corrects)
    if row is None or row.incident_id != incident_id or row.published_at is None:
        raise InvalidError("not_published", "What it corrects is no published statement of this incident.", field="corrects")


def _check_replaces(session: Session, incident_id: UUID, replaces: UUID) -> None:
    """Under a lock on what is replaced: of two that are published at once the second sees the first."""
    before = session.scalars(select(Rumour).where(Rumour.id == replaces).with_for_update()).one_or_none()
    if before is None or before.incident_id != incident_id or before.state is not State.PUBLISHED:
        raise InvalidError("not_answered", "What it replaces is no answer of this incident.", field="replaces")
    after = select(Rumour.id).where(Rumour.replaces == replaces, Rumour.state == State.PUBLISHED)
    if session.scalars(after).first() is not None:
        raise ConflictError("already_replaced", "This answer was replaced before.")


def _check_words(claim: Mapping[str, str], verdict: Verdict, explanation: Mapping[str, str]) -> None:
    check_claim(claim, verdict, field="claim")
    check_texts(explanation, field="explanation")


def _check_is_draft(row: Rumour) -> None:
    if row.state is not State.DRAFT:
        raise ConflictError("rumour_state", "The answer is not in a state that allows this.", state=row.state.value)


def _log_rumour(session: Session, actor: Actor, row: Rumour, action: str) -> None:
    detail = {"verdict": row.verdict, "replaces": str(row.replaces) if row.replaces else None}
    audit.record(session, actor=actor, action=action, incident_id=row.incident_id, subject=("rumour", row.id), detail=detail)
    publish(session, action, rumour_id=row.id, incident_id=row.incident_id)


def _log(session: Session, actor: Actor, row: Statement, action: str, **detail: Any) -> None:
    detail |= {"number": row.number, "clauses": [each["key"] for each in row.clauses]}
    audit.record(session, actor=actor, action=action, incident_id=row.incident_id, subject=("statement", row.id), detail=detail)
    publish(session, action, statement_id=row.id, incident_id=row.incident_id)
