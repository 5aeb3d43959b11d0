"""Answers of citizens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_checkins"
down_revision = "0008_inbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "checkin",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("citizen_id", sa.Uuid()),
        sa.Column("answer", _words("safe", "need_help", "other", name="answer"), nullable=False),
        sa.Column("channel", _words("link", "sms", "app", "staff", name="channel"), nullable=False),
        sa.Column("rung", _words("reported", "corroborated", "contact_made", "verified", name="claim"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("note_enc", sa.LargeBinary()),
        sa.Column("member_id", sa.BigInteger()),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("contacted_by", sa.Text()),
        sa.Column("contacted_at", sa.DateTime(timezone=True)),
        sa.Column("contact_how", sa.Text()),
        sa.CheckConstraint(
            "rung IN ('reported', 'corroborated') OR (contacted_by IS NOT NULL AND contacted_at IS NOT NULL AND contact_how IS NOT NULL)",
            name=op.f("ck_checkin_contact_has_who_when_how"),
        ),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_checkin_citizen_id")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_checkin_incident_id")),
        sa.ForeignKeyConstraint(["member_id"], ["audience_member.id"], name=op.f("fk_checkin_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkin")),
    )
    op.create_index(op.f("ix_checkin_citizen_id"), "checkin", ["citizen_id"], unique=False)
    op.create_index(op.f("ix_checkin_incident_id_citizen_id"), "checkin", ["incident_id", "citizen_id", "received_at"], unique=False)
    op.create_index(op.f("ix_checkin_member_id"), "checkin", ["member_id"], unique=False)
    op.execute(
        "CREATE TRIGGER checkin_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkin"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.create_foreign_key(op.f("fk_inbound_message_checkin_id"), "inbound_message", "checkin", ["checkin_id"], ["id"])


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
