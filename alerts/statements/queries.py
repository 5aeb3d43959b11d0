"""Named reads of statements and rumours: for staff, and for the public page, which sees nothing but what was published."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, exists, or_, select
from sqlalchemy.orm import Session, aliased

from alerts.broadcasts.models import Broadcast, BroadcastText
from alerts.broadcasts.queries import list_chain, valid_seconds_left
from alerts.broadcasts.rules import Purpose, Variant
from alerts.broadcasts.rules import State as BroadcastState
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging, etag_of
from alerts.kit.i18n import LANGUAGES
from alerts.kit.ids import read_alert_code
from alerts.reports.queries import lock_filing
from alerts.statements.models import PublicPage, Rumour, Statement
from alerts.statements.rules import State, copies
from alerts.statements.schemas import RumourView, StatementView

SHOWN = 50


@dataclass(frozen=True)
class FoundAlert:
    """A message of ours. `text` is None where its words are for those who received it."""

    at: datetime
    text: dict[str, str] | None
    is_cancelled: bool
    is_exercise: bool
    is_over: bool = False
    """The time for which it held has passed."""
    is_shorter_later: bool = False
    """Whoever got it after the promised time of the next message reads it without that promise."""
    after: FoundAlert | None = None
    """What holds instead, where it was corrected or taken back by a message."""


@dataclass(frozen=True)
class Shown:
    """What the public sees of one incident: statements and answers, newest first."""

    page: PublicPage
    statements: list[Statement]
    rumours: list[Rumour]

    @property
    def current(self) -> Statement | None:
        """The newest that still stands."""
        return next((each for each in self.statements if each.state is State.PUBLISHED), None)

    @property
    def heading(self) -> dict[str, str]:
        """What was published stands under the words that it was published with; without a statement, under the address's own."""
        return self.current.heading if self.current else self.page.heading


def get_statement(session: Session, statement_id: UUID, actor: Actor | None = None) -> Statement:
    """The statement; 404 when there is none, or none of an incident that this actor may know of."""
    row = session.get(Statement, statement_id)
    if row is None:
        raise NotFoundError("statement_not_found", "There is no such statement.")
    if actor is not None:
        get_incident(session, row.incident_id, actor)
    return row


def claim_statement(session: Session, statement_id: UUID, actor: Actor) -> Statement:
    """The statement, locked for change.

    The incident's filings come first, as for whoever refreshes a sheet and flags what is stale: what becomes public now is seen
    by every later question about now, and nobody waits in a circle.
    """
    lock_filing(session, get_statement(session, statement_id, actor).incident_id)
    query = select(Statement).where(Statement.id == statement_id).with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one()


def get_rumour(session: Session, rumour_id: UUID, actor: Actor) -> Rumour:
    """The answer; 404 when there is none, or none of an incident that this actor may know of."""
    row = session.get(Rumour, rumour_id)
    if row is None:
        raise NotFoundError("rumour_not_found", "There is no such answer.")
    get_incident(session, row.incident_id, actor)
    return row


def claim_rumour(session: Session, rumour_id: UUID, actor: Actor) -> Rumour:
    """The answer, locked for change."""
    get_rumour(session, rumour_id, actor)
    query = select(Rumour).where(Rumour.id == rumour_id).with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one()


def list_statements(session: Session, incident_id: UUID, page: Paging) -> list[Statement]:
    """Up to `limit + 1`, newest first."""
    query = select(Statement).where(Statement.incident_id == incident_id)
    if page.cursor is not None:
        query = query.where(Statement.id < page.cursor)
    return list(session.scalars(query.order_by(Statement.id.desc()).limit(page.limit + 1)))


def list_rumours(session: Session, incident_id: UUID, page: Paging) -> list[Rumour]:
    """Up to `limit + 1`, newest first, those that were answered anew as well."""
    query = select(Rumour).where(Rumour.incident_id == incident_id)
    if page.cursor is not None:
        query = query.where(Rumour.id < page.cursor)
    return list(session.scalars(query.order_by(Rumour.id.desc()).limit(page.limit + 1)))


def newest_published(incident_id: UUID) -> ScalarSelect[UUID]:
    """The statement that stands in public now; those before it are history."""
    published = select(Statement.id).where(Statement.incident_id == incident_id, Statement.state == State.PUBLISHED)
    return published.order_by(Statement.published_at.desc()).limit(1).scalar_subquery()


def approved_hotlines(session: Session, incident_id: UUID) -> set[tuple[str, str]]:
    """Names and numbers that two people answered for, in what stands published of this incident."""
    query = select(Statement.hotlines).where(Statement.incident_id == incident_id, Statement.state == State.PUBLISHED)
    rows = session.scalars(query.where(Statement.needs_second_hand).order_by(Statement.published_at.desc()).limit(SHOWN))
    return {(each["name"], each["number"]) for row in rows for each in row}


def find_told_figure(session: Session, incident_id: UUID, key: str, by: datetime) -> dict[str, Any] | None:
    """This figure as the newest statement reads it aloud that stood in public at a moment, and reads it at all."""
    stood = Statement.published_at <= by, or_(Statement.withdrawn_at.is_(None), Statement.withdrawn_at > by)
    holds = Statement.figures.contains([{"key": key}])
    query = select(Statement.figures).where(Statement.incident_id == incident_id, *stood, holds)
    figures = session.scalar(query.order_by(Statement.published_at.desc()).limit(1)) or []
    return next((figure for figure in figures if figure["key"] == key), None)


def list_stale(session: Session, incident_id: UUID) -> list[Statement]:
    """Drafts, and what stands in public, that say otherwise than the sheet; newest first."""
    stands = or_(Statement.state == State.DRAFT, Statement.id == newest_published(incident_id))
    query = select(Statement).where(Statement.incident_id == incident_id, stands, Statement.stale_at.is_not(None))
    return list(session.scalars(query.order_by(Statement.id.desc()).limit(SHOWN)))


def has_turned_stale(session: Session, incident_id: UUID, since: datetime | None) -> bool:
    """Whether what stands in public turned stale after a moment (None: at all)."""
    stale_at = session.scalar(select(Statement.stale_at).where(Statement.id == newest_published(incident_id)))
    return stale_at is not None and (since is None or stale_at > since)


def find_page(session: Session, incident_id: UUID) -> PublicPage | None:
    return session.get(PublicPage, incident_id)


def find_shown(session: Session, slug: str, status: Status) -> Shown | None:
    """What is public under this address; None while nothing is."""
    page = session.scalars(select(PublicPage).where(PublicPage.slug == slug, PublicPage.status == status)).one_or_none()
    if page is None:
        return None
    published = select(Statement).where(Statement.incident_id == page.incident_id, Statement.published_at.is_not(None))
    statements = list(session.scalars(published.order_by(Statement.published_at.desc()).limit(SHOWN)))
    after = aliased(Rumour)
    is_replaced = exists().where(after.replaces == Rumour.id, after.state == State.PUBLISHED)
    answers = select(Rumour).where(Rumour.incident_id == page.incident_id, Rumour.state == State.PUBLISHED, ~is_replaced)
    rumours = list(session.scalars(answers.order_by(Rumour.published_at.desc()).limit(SHOWN)))
    return Shown(page, statements, rumours) if statements or rumours else None


def alert_query(code: str) -> Select[Broadcast]:
    """The message of this code, by its index; the newest, should two ever share one."""
    released = select(Broadcast).where(Broadcast.alert_code == code, Broadcast.released_at.is_not(None))
    return released.where(Broadcast.purpose != Purpose.SYNTHETIC).order_by(Broadcast.released_at.desc()).limit(1)


def find_alert(session: Session, typed: str) -> FoundAlert | None:
    """The released message that carries this code."""
    code = read_alert_code(typed)
    row = session.scalars(alert_query(code)).one_or_none() if code else None
    if row is None or row.released_at is None:
        return None
    last = _newest_correction(session, row)
    return replace(_found(session, row), after=_found(session, last) if last is not row else None)


def _newest_correction(session: Session, row: Broadcast) -> Broadcast:
    """The end of the chain of corrections that begins here, or with what this only repeats; the message itself where there is none."""
    for _ in range(SHOWN):
        corrects = Broadcast.references.overlap(list_chain(session, row.id)) & (Broadcast.purpose == Purpose.ALERT)
        released = select(Broadcast).where(Broadcast.incident_id == row.incident_id, corrects, Broadcast.released_at.is_not(None))
        after = session.scalars(released.order_by(Broadcast.released_at.desc()).limit(1)).one_or_none()
        if after is None:
            break
        row = after
    return row


def _found(session: Session, row: Broadcast) -> FoundAlert:
    """With the very words that left; whoever compares them letter by letter must find nothing missing."""
    assert row.released_at is not None
    sent = select(BroadcastText).where(BroadcastText.broadcast_id == row.id, BroadcastText.variant == Variant.PLAIN)
    texts = session.scalars(sent).all()
    words = {each.language: each.body for each in texts} or dict(row.texts)
    is_over = row.approved_at is not None and valid_seconds_left(session, row) == 0
    is_cancelled, is_exercise = row.state is BroadcastState.CANCELLED, row.status is Status.EXERCISE
    return FoundAlert(
        row.released_at,
        None if row.is_restricted else words,
        is_cancelled,
        is_exercise,
        is_over=is_over,
        is_shorter_later=any(each.later_body is not None for each in texts),
    )


def statement_etag(row: Statement) -> str:
    return etag_of("statement", row.id, row.version, row.stale_figures)


def texts_of(row: Statement) -> dict[str, str]:
    """All of it as one text, with the hotlines, per language."""
    return {language: " ".join(text for _, text in spoken(row, language)) for language in LANGUAGES}


def spoken(row: Statement, language: str) -> list[tuple[str, str]]:
    """Clause by clause, name and text; the hotlines are the last."""
    said = [(str(each["key"]), str(each["text"][language])) for each in row.clauses]
    if row.hotlines:
        numbers = ", ".join(f"{each['name']} {each['number']}" for each in row.hotlines)
        said.append(("hotlines", f"Hotline: {numbers}."))
    return said


def content_hash_of(row: Statement) -> str:
    """Over all that is frozen: texts, figures with their basis, hotlines, and what it is about."""
    frozen = [str(row.incident_id), row.number, row.heading, row.clauses, row.figures, row.hotlines, row.as_of.isoformat()]
    return hashlib.sha256(json.dumps(frozen, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def public_path(status: Status, slug: str) -> str:
    """Where everybody reads it. An exercise has its own road."""
    return f"{'/exercise' if status is Status.EXERCISE else ''}/public/incidents/{slug}"


def present_statement(session: Session, row: Statement, public_url: str) -> StatementView:
    page = find_page(session, row.incident_id)
    url = public_url.rstrip("/") + public_path(row.status, page.slug) if page else ""
    ready = {language: copies(spoken(row, language), heading=row.heading[language], link=url) for language in LANGUAGES}
    values = {name: getattr(row, name) for name in StatementView.model_fields if hasattr(Statement, name)}
    return StatementView(**values, is_stale=row.stale_at is not None, texts=texts_of(row), copies=ready, public_url=url)


def present_rumour(row: Rumour) -> RumourView:
    return RumourView.model_validate(row)
