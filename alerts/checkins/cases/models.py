"""Calls for help, and their history. Entries are written once and stay (a trigger refuses change)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from alerts.checkins.cases.rules import CaseState, EntryKind
from alerts.incidents.rules import Status
from alerts.kit.db import Base, enum_column, uuid_pk

IS_CURRENT = "state IN ('open', 'acknowledged', 'being_helped')"


def _one_open(column: str, who: str) -> Index:
    """Whoever asks has one open case per incident (and one outside any)."""
    return Index(
        f"uq_help_case_open_{column}",
        column,
        "incident_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text(f"{IS_CURRENT} AND {who}"),
    )


class HelpCase(Base):
    """Somebody needs help. `owner_mission` null: the ministry's crisis centre has it.

    Who asks is a citizen of the register, else a number that we know by its fingerprint. `says_safe_at`: they said "safe"
    since, and nobody has checked it. `acting_by`: who of the staff acts.
    """

    __tablename__ = "help_case"
    __table_args__ = (
        CheckConstraint("num_nonnulls(citizen_id, sender_index) >= 1", name="somebody_asks"),
        _one_open("citizen_id", "citizen_id IS NOT NULL"),
        _one_open("sender_index", "citizen_id IS NULL"),
        Index("ix_help_case_waiting", "owner_mission", "raised_at", postgresql_where=text(IS_CURRENT)),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incident.id"), index=True)
    status: Mapped[Status] = mapped_column(enum_column(Status))
    citizen_id: Mapped[UUID | None] = mapped_column(ForeignKey("citizen.id"), index=True)
    sender_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    sender_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    owner_mission: Mapped[str | None] = mapped_column(ForeignKey("mission.code"))
    is_owner_assumed: Mapped[bool] = mapped_column(server_default=text("false"))
    owned_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    state: Mapped[CaseState] = mapped_column(enum_column(CaseState), server_default=CaseState.OPEN.value)
    state_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    raised_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_call_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    says_safe_at: Mapped[datetime | None]
    acting_by: Mapped[str | None]
    first_checkin_id: Mapped[UUID | None] = mapped_column(ForeignKey("checkin.id"))
    first_message_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(server_default="1")


class HelpCaseEntry(Base):
    """One thing that happened to a case: a claim of the citizen, a note, a move, another owner."""

    __tablename__ = "help_case_entry"
    __table_args__ = (
        CheckConstraint(
            "to_state NOT IN ('resolved', 'referred')"
            " OR (contacted_by IS NOT NULL AND contacted_at IS NOT NULL AND contact_how IS NOT NULL)",
            name="closing_has_contact",
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("help_case.id"), index=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    kind: Mapped[EntryKind] = mapped_column(enum_column(EntryKind))
    actor: Mapped[str]
    checkin_id: Mapped[UUID | None] = mapped_column(ForeignKey("checkin.id"))
    message_id: Mapped[UUID | None]
    to_state: Mapped[CaseState | None] = mapped_column(enum_column(CaseState))
    to_mission: Mapped[str | None]
    contacted_by: Mapped[str | None]
    contacted_at: Mapped[datetime | None]
    contact_how: Mapped[str | None]
    note_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
