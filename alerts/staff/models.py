"""Tables of accounts, sessions, tokens and sign-in attempts. No secret is stored in a form that can be used."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, Text, false, func, true
from sqlalchemy.orm import Mapped, mapped_column

from alerts.kit.db import Base, created_at, enum_column, uuid_pk
from alerts.staff.rules import MISSION_ROLES, Role

_MISSION_ROLE_LIST = ", ".join(f"'{role}'" for role in sorted(MISSION_ROLES))


class Staff(Base):
    """One person with one role; `mission_code` (a plain column: missions lie higher) for mission roles only."""

    __tablename__ = "staff"
    __table_args__ = (
        CheckConstraint(f"(role IN ({_MISSION_ROLE_LIST})) = (mission_code IS NOT NULL)", name="mission_of_role"),
        CheckConstraint("language IN ('id', 'en')", name="language"),
        CheckConstraint("username = lower(username)", name="username_lower"),
    )

    id: Mapped[UUID] = uuid_pk()
    username: Mapped[str] = mapped_column(Text, unique=True)
    display_name: Mapped[str] = mapped_column(Text)
    role: Mapped[Role] = mapped_column(enum_column(Role))
    mission_code: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text, server_default="id")
    password_hash: Mapped[str] = mapped_column(Text)
    must_change_password: Mapped[bool] = mapped_column(server_default=false())
    is_active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = created_at()


class StaffSession(Base):
    """A signed-in browser. Only the SHA-256 of the cookie is stored."""

    __tablename__ = "staff_session"

    id: Mapped[UUID] = uuid_pk()
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = created_at()
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class ApiToken(Base):
    """A bearer token of an API client; it acts with the rights of its account and can never approve."""

    __tablename__ = "api_token"

    id: Mapped[UUID] = uuid_pk()
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = created_at()
    revoked_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """One try. Account and address are kept as keyed fingerprints: enough to count, nothing to read.

    People type passwords into the name field; a fingerprint does not give them away.
    """

    __tablename__ = "sign_in_attempt"
    __table_args__ = (
        Index(None, "account_index", "attempted_at"),
        Index(None, "address_index", "attempted_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_index: Mapped[bytes] = mapped_column(LargeBinary)
    address_index: Mapped[bytes] = mapped_column(LargeBinary)
    is_success: Mapped[bool]
    attempted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
