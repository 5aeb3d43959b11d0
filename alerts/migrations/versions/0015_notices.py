"""Messages to staff: their addresses, rosters, pages that repeat, the messages themselves, and alarms."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015_notices"
down_revision = "0014_cases"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
UUIDV7 = sa.text("uuidv7()")
NO = sa.text("false")
ROLES = ("minister", "duty_officer", "approver", "mission_staff", "head_of_mission", "administrator")
STATES = ("queued", "sending", "accepted", "sent", "delivered", "undelivered", "failed", "unknown", "expired", "cancelled")
STATUS = "status IN ('Actual', 'Exercise')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_staff_contact()
    _create_duty()
    _create_paging()
    _create_notice()
    _create_alarm()


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=UUIDV7, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=None if nullable else NOW, nullable=nullable)


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def _create_staff_contact() -> None:
    op.create_table(
        "staff_contact",
        _id(),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _words("phone", "push", "web_push", "email", name="contact_kind"), nullable=False),
        sa.Column("address_enc", sa.LargeBinary(), nullable=False),
        sa.Column("address_index", sa.LargeBinary(), nullable=False),
        sa.Column("p256dh_enc", sa.LargeBinary()),
        sa.Column("auth_enc", sa.LargeBinary()),
        sa.Column("number_country", sa.Text()),
        _time("created_at"),
        _time("retired_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff_contact"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_staff_contact_staff_id", ondelete="CASCADE"),
        sa.CheckConstraint("(kind = 'web_push') = (p256dh_enc IS NOT NULL AND auth_enc IS NOT NULL)", name="web_push_has_keys"),
        sa.CheckConstraint("(kind = 'phone') OR (number_country IS NULL)", name="country_of_phone"),
    )
    current = sa.text("retired_at IS NULL")
    columns = ["staff_id", "address_index"]
    op.create_index("uq_staff_contact_staff_id_address_index", "staff_contact", columns, unique=True, postgresql_where=current)
    devices = sa.text("retired_at IS NULL AND kind IN ('push', 'web_push')")
    op.create_index("uq_staff_contact_device", "staff_contact", ["address_index"], unique=True, postgresql_where=devices)


def _create_duty() -> None:
    op.create_table(
        "duty",
        _id(),
        sa.Column("role", _words(*ROLES, name="role"), nullable=False),
        sa.Column("mission_code", sa.Text()),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("is_on", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("hours_from", sa.Time()),
        sa.Column("hours_until", sa.Time()),
        sa.Column("zone", sa.Text(), server_default="Asia/Jakarta", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_duty"),
        sa.ForeignKeyConstraint(["mission_code"], ["mission.code"], name="fk_duty_mission_code"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_duty_staff_id", ondelete="CASCADE"),
        sa.UniqueConstraint("role", "mission_code", "staff_id", name="uq_duty_person", postgresql_nulls_not_distinct=True),
        sa.UniqueConstraint("role", "mission_code", "position", name="uq_duty_position", postgresql_nulls_not_distinct=True),
        sa.CheckConstraint("(hours_from IS NULL) = (hours_until IS NULL)", name="hours_are_whole"),
        sa.CheckConstraint("position >= 1", name="position"),
    )


def _create_paging() -> None:
    op.create_table(
        "paging",
        _id(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("incident_id", sa.Uuid()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("role", _words(*ROLES, name="role"), nullable=False),
        sa.Column("mission_code", sa.Text()),
        sa.Column("texts", postgresql.JSONB(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("excluded", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_quiet", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("level", sa.Integer(), server_default="0", nullable=False),
        _time("started_at"),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=NOW),
        _time("stopped_at", nullable=True),
        sa.Column("stopped_by", sa.Uuid()),
        sa.Column("stop_reason", _words("acknowledged", "done", "superseded", name="stop_reason")),
        sa.PrimaryKeyConstraint("id", name="pk_paging"),
        sa.CheckConstraint(STATUS, name="status"),
        sa.CheckConstraint("(stopped_at IS NULL) = (next_at IS NOT NULL)", name="open_has_a_next_round"),
        sa.CheckConstraint("(stopped_at IS NULL) = (stop_reason IS NULL)", name="stopped_says_why"),
    )
    still_open = sa.text("stopped_at IS NULL")
    op.create_index("uq_paging_open", "paging", ["kind", "subject_id"], unique=True, postgresql_where=still_open)
    op.create_index("ix_paging_next_at", "paging", ["next_at"], postgresql_where=still_open)


def _create_notice() -> None:
    op.create_table(
        "notice",
        _id(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("paging_id", sa.Uuid()),
        sa.Column("round", sa.Integer(), server_default="1", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("channel", _words("push", "web_push", "sms", "voice", "email", name="channel"), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), server_default="", nullable=False),
        sa.Column("is_quiet", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("state", _words(*STATES, name="state"), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _time("due_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _time("intent_at", nullable=True),
        _time("lease_until", nullable=True),
        sa.Column("provider_id", sa.Text()),
        sa.Column("raw_status", sa.Text()),
        sa.Column("error_code", sa.Text()),
        _time("state_at"),
        _time("accepted_at", nullable=True),
        _time("delivered_at", nullable=True),
        _time("acknowledged_at", nullable=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.ForeignKeyConstraint(["paging_id"], ["paging.id"], name="fk_notice_paging_id"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_notice_staff_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["contact_id"], ["staff_contact.id"], name="fk_notice_contact_id", ondelete="CASCADE"),
        sa.CheckConstraint(STATUS, name="status"),
        sa.CheckConstraint("(status = 'Exercise') = (upper(body) LIKE 'LATIHAN%')", name="exercise_says_so"),
        sa.CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="sending_has_a_lease"),
    )
    columns = ["paging_id", "round", "contact_id", "channel"]
    op.create_index("uq_notice_round", "notice", columns, unique=True, postgresql_where=sa.text("paging_id IS NOT NULL"))
    op.create_index("ix_notice_due_at", "notice", ["due_at"], postgresql_where=sa.text("state = 'queued'"))
    op.create_index("ix_notice_lease_until", "notice", ["lease_until"], postgresql_where=sa.text("state = 'sending'"))
    op.create_index("ix_notice_staff_id_id", "notice", ["staff_id", "id"])


def _create_alarm() -> None:
    kinds = ("stop_all", "no_permission", "dead_tokens", "content_filtered", "content_refused", "unread_answer", "nobody_to_page", "other")
    op.create_table(
        "alarm",
        _id(),
        sa.Column("kind", _words(*kinds, name="alarm_kind"), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), server_default="0", nullable=False),
        _time("first_at"),
        _time("last_at"),
        _time("paged_at", nullable=True),
        _time("acknowledged_at", nullable=True),
        sa.Column("acknowledged_by", sa.Uuid()),
        sa.PrimaryKeyConstraint("id", name="pk_alarm"),
        sa.CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged_by_somebody"),
    )
    still_open = sa.text("acknowledged_at IS NULL")
    op.create_index("uq_alarm_open", "alarm", ["kind", "sender"], unique=True, postgresql_where=still_open)
