"""Messages that came in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008_inbox"
down_revision = "0007_deliveries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "inbound_message",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("from_enc", sa.LargeBinary(), nullable=False),
        sa.Column("from_index", sa.LargeBinary(), nullable=False),
        sa.Column("body_enc", sa.LargeBinary(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("media", sa.Integer(), nullable=False),
        sa.Column("carrier_opted_out", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("state", _words("received", "matched", "unmatched", "handled", name="state"), server_default="received", nullable=False),
        sa.Column("understood", _words("safe", "need_help", "opt_out", "unclear", "urgent_unread", name="understood")),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("citizen_id", sa.Uuid()),
        sa.Column("incident_id", sa.Uuid()),
        sa.Column("checkin_id", sa.Uuid()),
        sa.Column("handled_by", sa.Text()),
        sa.Column("handled_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(state = 'handled') = (handled_at IS NOT NULL)", name=op.f("ck_inbound_message_handled_has_time")),
        sa.CheckConstraint("(state = 'received') = (understood IS NULL)", name=op.f("ck_inbound_message_read_is_understood")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_inbound_message_citizen_id")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_inbound_message_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_message")),
        sa.UniqueConstraint("provider_id", name=op.f("uq_inbound_message_provider_id")),
    )
    op.create_index(op.f("ix_inbound_message_citizen_id"), "inbound_message", ["citizen_id"], unique=False)
    op.create_index(op.f("ix_inbound_message_from_index"), "inbound_message", ["from_index"], unique=False)
    op.create_index(op.f("ix_inbound_message_incident_id"), "inbound_message", ["incident_id"], unique=False)
    op.create_index(
        op.f("ix_inbound_message_waiting"), "inbound_message", ["id"], unique=False, postgresql_where=sa.text("state <> 'handled'")
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
