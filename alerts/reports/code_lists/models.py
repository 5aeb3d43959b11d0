"""Lists of one-time codes, and what became of each. The codes themselves are kept nowhere."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from alerts.kit.db import Base, created_at, uuid_pk


class LapsitCodeList(Base):
    """One list of one mission, printed on one page. Taken back: none of its codes is worth anything any more."""

    __tablename__ = "lapsit_code_list"
    __table_args__ = (
        CheckConstraint("num_nonnulls(revoked_at, revoked_by, revoke_reason) IN (0, 3)", name="revoked_says_why"),
        CheckConstraint("size > 0", name="size"),
    )

    id: Mapped[UUID] = uuid_pk()
    mission_code: Mapped[str] = mapped_column(ForeignKey("mission.code"), index=True)
    size: Mapped[int] = mapped_column(SmallInteger)
    made_by: Mapped[str]
    made_at: Mapped[datetime] = created_at()
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]
    revoke_reason: Mapped[str | None]


class LapsitCode(Base):
    """One code: a keyed fingerprint over mission and digits. Used once, by the report that it came with."""

    __tablename__ = "lapsit_code"
    __table_args__ = (
        UniqueConstraint("list_id", "number"),
        CheckConstraint("(used_at IS NULL) = (report_id IS NULL)", name="used_by_a_report"),
    )

    id: Mapped[UUID] = uuid_pk()
    list_id: Mapped[UUID] = mapped_column(ForeignKey("lapsit_code_list.id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    code_index: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    used_at: Mapped[datetime | None]
    report_id: Mapped[UUID | None] = mapped_column(ForeignKey("report.id"), unique=True)
