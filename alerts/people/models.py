"""Persons in an incident, and what was said of each. Statements are written once and stay (a trigger refuses change)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from alerts.incidents.rules import Claim
from alerts.kit.db import Base, created_at, enum_column, uuid_pk
from alerts.people.rules import Axis, Nationality, Source


class Person(Base):
    """Somebody in an incident, in the register or not. `mission_code` is the mission that looks after them.

    `name_sounds`: what the name is found by in another spelling; null where it was written before there were any.
    """

    __tablename__ = "person"
    __table_args__ = (
        Index("ix_person_incident_id_mission_code", "incident_id", "mission_code"),
        Index(
            "ix_person_incident_id_citizen_id",
            "incident_id",
            "citizen_id",
            unique=True,
            postgresql_where=text("citizen_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incident.id"))
    citizen_id: Mapped[UUID | None] = mapped_column(ForeignKey("citizen.id"), index=True)
    name_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    name_sounds: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    nationality: Mapped[Nationality] = mapped_column(enum_column(Nationality))
    mission_code: Mapped[str | None] = mapped_column(ForeignKey("mission.code"))
    place_code: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1")
    created_by: Mapped[str]
    created_at: Mapped[datetime] = created_at()


class PersonStatement(Base):
    """One thing said on one axis, or (with `withdraws`) the taking back of an earlier one, with author and reason.

    `said_value` and `said_claim` are as filed; `value` and `claim` are how it stands (`rules.file_statement`).
    """

    __tablename__ = "person_statement"
    __table_args__ = (
        CheckConstraint(
            "claim <> 'contact_made' OR (contacted_by IS NOT NULL AND contacted_at IS NOT NULL AND contact_how IS NOT NULL)",
            name="contact_has_who_when_how",
        ),
        CheckConstraint("(withdraws IS NULL) = (reason IS NULL)", name="withdrawal_has_reason"),
        CheckConstraint("(withdraws IS NULL) = (value IS NOT NULL)", name="says_or_withdraws"),
        CheckConstraint("(value IS NULL) = (claim IS NULL)", name="value_has_claim"),
        Index("ix_person_statement_person_id", "person_id", "as_of"),
    )

    id: Mapped[UUID] = uuid_pk()
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    axis: Mapped[Axis] = mapped_column(enum_column(Axis))
    value: Mapped[str | None]
    claim: Mapped[Claim | None] = mapped_column(enum_column(Claim))
    said_value: Mapped[str | None]
    said_claim: Mapped[str | None]
    authority_confirmed: Mapped[bool] = mapped_column(server_default=text("false"))
    source: Mapped[Source] = mapped_column(enum_column(Source))
    said_by: Mapped[str]
    words_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    contacted_by: Mapped[str | None]
    contacted_at: Mapped[datetime | None]
    contact_how: Mapped[str | None]
    as_of: Mapped[datetime]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    recorded_by: Mapped[str]
    withdraws: Mapped[UUID | None] = mapped_column(ForeignKey("person_statement.id"), unique=True)
    reason: Mapped[str | None]
