"""Accounts, sessions, API tokens, sign-in attempts."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0002_staff"
down_revision = "0001_kit"
branch_labels = None
depends_on = None

ROLES = "'minister', 'duty_officer', 'approver', 'mission_staff', 'head_of_mission', 'administrator'"
NOW = sa.text("now()")
UUIDV7 = sa.text("uuidv7()")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_staff()
    _create_credentials()
    _create_attempts()


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=None if nullable else NOW, nullable=nullable)


def _create_staff() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.Uuid(), server_default=UUIDV7, nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("mission_code", sa.Text()),
        sa.Column("language", sa.Text(), server_default="id", nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_staff"),
        sa.UniqueConstraint("username", name="uq_staff_username"),
        sa.CheckConstraint(f"role IN ({ROLES})", name="ck_staff_role"),
        sa.CheckConstraint("(role IN ('head_of_mission', 'mission_staff')) = (mission_code IS NOT NULL)", name="ck_staff_mission_of_role"),
        sa.CheckConstraint("language IN ('id', 'en')", name="ck_staff_language"),
        sa.CheckConstraint("username = lower(username)", name="ck_staff_username_lower"),
    )


def _create_credentials() -> None:
    op.create_table(
        "staff_session",
        sa.Column("id", sa.Uuid(), server_default=UUIDV7, nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        _time("last_seen_at"),
        _time("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff_session"),
        sa.UniqueConstraint("token_hash", name="uq_staff_session_token_hash"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_staff_session_staff_id", ondelete="CASCADE"),
    )
    op.create_index("ix_staff_session_staff_id", "staff_session", ["staff_id"])
    op.create_table(
        "api_token",
        sa.Column("id", sa.Uuid(), server_default=UUIDV7, nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("token_hash", name="uq_api_token_token_hash"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_api_token_staff_id", ondelete="CASCADE"),
    )
    op.create_index("ix_api_token_staff_id", "api_token", ["staff_id"])


def _create_attempts() -> None:
    op.create_table(
        "sign_in_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_index", sa.LargeBinary(), nullable=False),
        sa.Column("address_index", sa.LargeBinary(), nullable=False),
        sa.Column("is_success", sa.Boolean(), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_attempt"),
    )
    for column in ("account_index", "address_index"):
        op.create_index(f"ix_sign_in_attempt_{column}_attempted_at", "sign_in_attempt", [column, "attempted_at"])
