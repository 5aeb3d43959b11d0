"""Public statements, our answers to rumours, and the address under which an incident's are found."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from alerts.incidents.rules import Status
from alerts.kit.db import Base, created_at, enum_column, uuid_pk
from alerts.statements.rules import State, Verdict


class PublicPage(Base):
    """The address of an incident's public page. It says what happened and where, and nothing that staff typed."""

    __tablename__ = "public_page"
    __table_args__ = (ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"]),)

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[Status] = mapped_column(enum_column(Status))
    slug: Mapped[str] = mapped_column(unique=True)
    heading: Mapped[dict[str, str]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = created_at()


class Statement(Base):
    """One statement. What was published is frozen by a trigger; withdrawing and `stale_*` are all that may follow.

    `clauses`: `{key, text: {id, en}}` in order. `figures`: what they read aloud, with basis and time. `typed`: what a person
    chose and wrote, to edit it again. `hands`: whoever drafted or edited. `stale_figures`: what the sheet says otherwise now.
    """

    __tablename__ = "statement"
    __table_args__ = (
        ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"]),
        UniqueConstraint("incident_id", "number"),
        CheckConstraint("(published_at IS NULL) = (published_by IS NULL)", name="published_by_somebody"),
        CheckConstraint("(published_at IS NULL) = (content_hash IS NULL)", name="published_is_frozen"),
        CheckConstraint("state <> 'published' OR published_at IS NOT NULL", name="published_when"),
        CheckConstraint("(state = 'withdrawn') = (withdrawn_at IS NOT NULL)", name="withdrawn_when"),
        CheckConstraint("NOT needs_second_hand OR published_by IS NULL OR NOT published_by = ANY (hands)", name="second_hand"),
        Index("ix_statement_current", "incident_id", postgresql_where=text("state <> 'withdrawn'")),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID]
    status: Mapped[Status] = mapped_column(enum_column(Status))
    number: Mapped[int]
    version: Mapped[int] = mapped_column(server_default="1")
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.DRAFT.value)
    heading: Mapped[dict[str, str]] = mapped_column(JSONB)
    clauses: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    figures: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    hotlines: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    typed: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sheet_version: Mapped[int | None]
    as_of: Mapped[datetime]
    needs_second_hand: Mapped[bool]
    hands: Mapped[list[str]] = mapped_column(ARRAY(Text))
    drafted_by: Mapped[str]
    drafted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    corrects: Mapped[UUID | None] = mapped_column(ForeignKey("statement.id"))
    published_by: Mapped[str | None]
    published_at: Mapped[datetime | None]
    content_hash: Mapped[str | None]
    withdrawn_by: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    withdraw_reason: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    stale_at: Mapped[datetime | None]
    stale_figures: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))


class Rumour(Base):
    """A claim that goes round, and our answer: one person writes it, another publishes it, and no word changes between.

    Another answer to the same claim `replaces` it; a trigger freezes what was published, and the words from the first.
    """

    __tablename__ = "rumour"
    __table_args__ = (
        ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"]),
        CheckConstraint("(published_at IS NULL) = (published_by IS NULL)", name="published_by_somebody"),
        CheckConstraint("(state = 'published') = (published_at IS NOT NULL)", name="published_when"),
        CheckConstraint("published_by IS NULL OR published_by <> drafted_by", name="second_hand"),
        Index("uq_rumour_replaces", "replaces", unique=True, postgresql_where=text("state = 'published'")),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(index=True)
    status: Mapped[Status] = mapped_column(enum_column(Status))
    claim: Mapped[dict[str, str]] = mapped_column(JSONB)
    verdict: Mapped[Verdict] = mapped_column(enum_column(Verdict))
    explanation: Mapped[dict[str, str]] = mapped_column(JSONB)
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.DRAFT.value)
    drafted_by: Mapped[str]
    drafted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    published_by: Mapped[str | None]
    published_at: Mapped[datetime | None]
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("rumour.id"))
