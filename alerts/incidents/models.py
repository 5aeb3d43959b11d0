"""Tables of incidents: the thing itself, where it is, whom it names, and which missions answer for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from alerts.incidents.rules import (
    Certainty,
    Kind,
    LevelBasis,
    ListKind,
    Severity,
    SiagaLevel,
    State,
    Status,
    Urgency,
)
from alerts.kit.db import Base, created_at, enum_column, uuid_pk
from alerts.missions.rules import Basis
from alerts.missions.rules import Role as Part
from alerts.places import AreaKind, AreaSpec, area_from


class Incident(Base):
    """What happened. `status` never changes (trigger); `version` rises with every change that a reader can see.

    `is_quiet`: attackers may hear a phone: no voice, no sound, no repeats, neutral first words.
    `sms_code`: how text messages call it; of an open incident no other open one has it.
    `lead_by`: who of the ministry took it over. `merged_into`: the incident that goes on in its place; it is closed then.
    `is_synthetic`: the one under which our own senders are tried; nobody sees it, and it is always closed.
    """

    __tablename__ = "incident"
    __table_args__ = (
        UniqueConstraint("id", "status"),
        CheckConstraint("NOT is_synthetic OR (state = 'closed' AND status = 'Actual')", name="synthetic_is_closed"),
        Index("uq_incident_sms_code", "sms_code", unique=True, postgresql_where=text("state = 'open'")),
        CheckConstraint("(merged_into IS NULL) = (merged_at IS NULL)", name="merged_says_when"),
        CheckConstraint("merged_into IS NULL OR (state = 'closed' AND merged_into <> id)", name="merged_is_closed"),
        Index("uq_incident_synthetic", "is_synthetic", unique=True, postgresql_where=text("is_synthetic")),
    )

    id: Mapped[UUID] = uuid_pk()
    kind: Mapped[Kind] = mapped_column(enum_column(Kind))
    title: Mapped[str]
    status: Mapped[Status] = mapped_column(enum_column(Status))
    urgency: Mapped[Urgency] = mapped_column(enum_column(Urgency))
    severity: Mapped[Severity] = mapped_column(enum_column(Severity))
    certainty: Mapped[Certainty] = mapped_column(enum_column(Certainty))
    occurred_at: Mapped[datetime]
    opened_at: Mapped[datetime] = created_at()
    opened_by: Mapped[str]
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.OPEN.value, index=True)
    state_changed_at: Mapped[datetime] = created_at()
    state_changed_by: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1")
    sms_code: Mapped[str | None]
    is_replayed: Mapped[bool] = mapped_column(server_default=text("false"))
    is_quiet: Mapped[bool] = mapped_column(server_default=text("false"))
    quiet_reason: Mapped[str | None]
    quiet_set_by: Mapped[str | None]
    quiet_set_at: Mapped[datetime | None]
    is_synthetic: Mapped[bool] = mapped_column(server_default=text("false"))
    lead_by: Mapped[str | None]
    lead_at: Mapped[datetime | None]
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("incident.id"), index=True)
    merged_at: Mapped[datetime | None]


class IncidentArea(Base):
    """One piece of ground of an incident. A removed one stays, with the time at which it was removed."""

    __tablename__ = "incident_area"
    __table_args__ = (
        CheckConstraint("(kind IN ('country', 'province')) = (code IS NOT NULL)", name="code"),
        CheckConstraint("(kind IN ('circle', 'polygon')) = (geometry IS NOT NULL)", name="geometry"),
        CheckConstraint("(siaga_level IS NULL) = (level_set_at IS NULL)", name="level"),
        Index("ix_incident_area_current", "incident_id", postgresql_where=text("removed_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"))
    kind: Mapped[AreaKind] = mapped_column(enum_column(AreaKind))
    code: Mapped[str | None]
    name: Mapped[str]
    geometry: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    siaga_level: Mapped[SiagaLevel | None] = mapped_column(enum_column(SiagaLevel))
    level_basis: Mapped[LevelBasis | None] = mapped_column(enum_column(LevelBasis))
    level_set_by: Mapped[str | None]
    level_set_at: Mapped[datetime | None]
    added_at: Mapped[datetime] = created_at()
    removed_at: Mapped[datetime | None]

    @property
    def spec(self) -> AreaSpec:
        """The ground itself: what the register is asked for, and what missions are found by."""
        return area_from(kind=self.kind, code=self.code, geometry=self.geometry)


class IncidentList(Base):
    """People named one by one (passengers, a crew, a group), as one source gave them in one version."""

    __tablename__ = "incident_list"
    __table_args__ = (UniqueConstraint("incident_id", "kind", "name", "version"),)

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"))
    kind: Mapped[ListKind] = mapped_column(enum_column(ListKind))
    name: Mapped[str]
    source: Mapped[str]
    version: Mapped[str]
    added_at: Mapped[datetime] = created_at()
    removed_at: Mapped[datetime | None]


class IncidentListMember(Base):
    """One name on a list. `citizen_id` is null while the register knows nobody by that external id."""

    __tablename__ = "incident_list_member"

    list_id: Mapped[UUID] = mapped_column(ForeignKey("incident_list.id"), primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID | None] = mapped_column(ForeignKey("citizen.id"), index=True)


class IncidentMission(Base):
    """A mission that acts in places of an incident, or is informed of them. `left_at` is set when no area concerns it any more.

    `is_by_word`: no place concerns it; somebody said that it stands in for a mission that cannot report.
    """

    __tablename__ = "incident_mission"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"), primary_key=True)
    mission_code: Mapped[str] = mapped_column(ForeignKey("mission.code"), primary_key=True, index=True)
    part: Mapped[Part] = mapped_column(enum_column(Part))
    basis: Mapped[Basis] = mapped_column(enum_column(Basis))
    is_assumed: Mapped[bool]
    places: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    joined_at: Mapped[datetime] = created_at()
    left_at: Mapped[datetime | None]
    report_due_at: Mapped[datetime | None]
    is_by_word: Mapped[bool] = mapped_column(server_default=text("false"))


class IncidentPast(Base):
    """What a row of an incident, of its areas (`part` says which table) or missions said `until` it was changed. Triggers write it."""

    __tablename__ = "incident_past"
    __table_args__ = (Index("ix_incident_past_incident_id_until", "incident_id", "until"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"))
    part: Mapped[str]
    key: Mapped[str]
    was: Mapped[dict[str, Any]] = mapped_column(JSONB)
    until: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
