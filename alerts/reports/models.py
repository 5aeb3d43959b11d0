"""Reports as they were filed. Rows are written once: a trigger refuses every change."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from alerts.incidents.rules import Status
from alerts.kit.db import Base, enum_column, uuid_pk
from alerts.reports.rules.codes import (
    Category,
    Claim,
    LineKind,
    LineState,
    Nationality,
    NeedState,
    Outcome,
    ReportState,
    Rule,
    Series,
    Silence,
    Target,
)


def _enum(kind: type[StrEnum], name: str) -> Enum:
    """A second column of the same kind in one table needs a CHECK of its own name."""
    column = enum_column(kind)
    column.name = name
    return column


class Report(Base):
    """One report. `as_of` is the filer's word, `known_at` the database's clock at the moment of filing.

    `filed` is the whole body as it came. `status` is the incident's and cannot differ from it.
    """

    __tablename__ = "report"
    __table_args__ = (
        ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"]),
        UniqueConstraint("incident_id", "source", "version"),
        CheckConstraint("(mission_code IS NULL) = (left(source, 8) <> 'mission:')", name="source"),
        Index("ix_report_incident_id_known_at", "incident_id", "known_at"),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID]
    status: Mapped[Status] = mapped_column(enum_column(Status))
    source: Mapped[str]
    mission_code: Mapped[str | None] = mapped_column(ForeignKey("mission.code"))
    author: Mapped[str | None]
    version: Mapped[int]
    state: Mapped[ReportState] = mapped_column(enum_column(ReportState))
    as_of: Mapped[datetime]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("report.id"))
    supersede_reason: Mapped[str | None]
    narrative: Mapped[str | None]
    next_report_at: Mapped[datetime | None]
    mission_status: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    filed: Mapped[dict[str, Any]] = mapped_column(JSONB)
    filed_by: Mapped[str]


class ReportLine(Base):
    """One line. `raw` is the value as it came; `number` or `silence` is what it was understood as, if at all."""

    __tablename__ = "report_line"
    __table_args__ = (
        UniqueConstraint("report_id", "position"),
        CheckConstraint("number IS NULL OR silence IS NULL", name="one_value"),
        CheckConstraint("number > 0", name="number_is_positive"),
        Index("ix_report_line_withdraws", "withdraws", postgresql_where=text("withdraws IS NOT NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"))
    position: Mapped[int]
    category: Mapped[Category] = mapped_column(enum_column(Category))
    places: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    kind: Mapped[LineKind] = mapped_column(enum_column(LineKind))
    of: Mapped[Category | None] = mapped_column("of_category", _enum(Category, "of_category"))
    nationality: Mapped[Nationality] = mapped_column(enum_column(Nationality))
    series: Mapped[Series] = mapped_column(enum_column(Series))
    claim: Mapped[Claim] = mapped_column(enum_column(Claim))
    counted_claim: Mapped[Claim] = mapped_column(_enum(Claim, "counted_claim"))
    authority_confirmed: Mapped[bool]
    raw: Mapped[str]
    number: Mapped[int | None] = mapped_column(BigInteger)
    silence: Mapped[Silence | None] = mapped_column(enum_column(Silence))
    is_approximate: Mapped[bool]
    how: Mapped[str | None]
    contact: Mapped[dict[str, str | None] | None] = mapped_column(JSONB(none_as_null=True))
    words: Mapped[str | None]
    withdraws: Mapped[UUID | None] = mapped_column(ForeignKey("report_line.id"))
    withdraw_reason: Mapped[str | None]
    foreign_country: Mapped[str | None]
    state: Mapped[LineState] = mapped_column(enum_column(LineState))


class ReportCheck(Base):
    """One place that somebody asked, or did not."""

    __tablename__ = "report_check"
    __table_args__ = (UniqueConstraint("report_id", "position"),)

    id: Mapped[UUID] = uuid_pk()
    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"))
    position: Mapped[int]
    target: Mapped[Target] = mapped_column(enum_column(Target))
    name: Mapped[str]
    places: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    outcome: Mapped[Outcome] = mapped_column(enum_column(Outcome))
    at: Mapped[datetime | None]
    by: Mapped[str | None]
    answer: Mapped[str | None]
    found: Mapped[int | None]


class ReportNeed(Base):
    """One thing that the filer needs. `how_many` in the filer's words."""

    __tablename__ = "report_need"
    __table_args__ = (UniqueConstraint("report_id", "position"),)

    id: Mapped[UUID] = uuid_pk()
    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"))
    position: Mapped[int]
    what: Mapped[str]
    how_many: Mapped[str | None]
    by_when: Mapped[datetime | None]
    state: Mapped[NeedState] = mapped_column(enum_column(NeedState))


class ReportProblem(Base):
    """What was asked about a report at filing. The sentence is made of rule and parameters when it is read."""

    __tablename__ = "report_problem"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"), index=True)
    line: Mapped[int | None]
    rule: Mapped[Rule] = mapped_column(enum_column(Rule))
    params: Mapped[dict[str, str]] = mapped_column(JSONB)


class LineConfirmation(Base):
    """Somebody let a held line count as it was filed: the arithmetic is odd, the figure is right. Once per line, kept for ever."""

    __tablename__ = "line_confirmation"

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"), index=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("report_line.id"), unique=True)
    reason: Mapped[str]
    confirmed_by: Mapped[str]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ConflictResolution(Base):
    """Somebody decided which of contradicting lines stands. The newest decision of a conflict counts."""

    __tablename__ = "conflict_resolution"
    __table_args__ = (Index("ix_conflict_resolution_incident_id", "incident_id", "conflict_id"),)

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"))
    conflict_id: Mapped[str]
    keep_line_id: Mapped[UUID] = mapped_column(ForeignKey("report_line.id"))
    reason: Mapped[str]
    resolved_by: Mapped[str]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
