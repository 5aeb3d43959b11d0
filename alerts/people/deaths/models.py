"""The way of a death to its publication, row by row. Rows are written once and stay (a trigger refuses change)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from alerts.kit.db import Base, enum_column, uuid_pk
from alerts.people.deaths.rules import Basis, Step


class DeathStep(Base):
    """Somebody recorded one step, with their name (`recorded_by`, in their `role`) and a reason.

    `said_by`: an office or a function, never a relative's name. `as_of`: when it was confirmed, told or decided. `how`: the
    document, on what the identification rests, or how the family was told. `finding_id`: the statement "dead" that it was made for.
    """

    __tablename__ = "death_step"
    __table_args__ = (
        CheckConstraint("(step = 'confirmed') = (basis IS NOT NULL)", name="confirmation_has_basis"),
        CheckConstraint("(step = 'withdrawn') = (withdraws IS NOT NULL)", name="withdrawal_names_its_step"),
        CheckConstraint("basis <> 'head_of_mission' OR role = 'head_of_mission'", name="signed_by_the_head_of_mission"),
        CheckConstraint("step <> 'kin_not_found' OR role = 'minister'", name="decided_by_the_minister"),
        CheckConstraint("step NOT IN ('confirmed', 'kin_told') OR how IS NOT NULL", name="says_how"),
    )

    id: Mapped[UUID] = uuid_pk()
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    finding_id: Mapped[UUID | None] = mapped_column(ForeignKey("person_statement.id"))
    step: Mapped[Step] = mapped_column(enum_column(Step))
    basis: Mapped[Basis | None] = mapped_column(enum_column(Basis))
    said_by: Mapped[str]
    how: Mapped[str | None]
    reason: Mapped[str]
    as_of: Mapped[datetime]
    known_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    recorded_by: Mapped[str]
    role: Mapped[str]
    withdraws: Mapped[UUID | None] = mapped_column(ForeignKey("death_step.id"), unique=True)
