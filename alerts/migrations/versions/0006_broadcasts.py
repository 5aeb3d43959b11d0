"""Messages, their texts and hands, and their frozen lists of people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_broadcasts"
down_revision = "0005_incidents"
branch_labels = None
depends_on = None

GUARDS = (
    # Two people: the database refuses an approval by any hand that made the message.
    """
    CREATE FUNCTION refuse_own_approval() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.approved_by IS NOT NULL AND (
            NEW.approved_by IN (NEW.created_by, NEW.submitted_by)
            OR EXISTS (SELECT FROM broadcast_hand h WHERE h.broadcast_id = NEW.id AND h.staff_id = NEW.approved_by)) THEN
            RAISE EXCEPTION 'whoever wrote, edited or submitted a message cannot approve it'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER broadcast_two_people BEFORE INSERT OR UPDATE OF approved_by ON broadcast
        FOR EACH ROW EXECUTE FUNCTION refuse_own_approval()
    """,
    """
    CREATE TRIGGER broadcast_hand_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON broadcast_hand
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    # A frozen list stays as it is; only the generation of a citizen's link may rise.
    """
    CREATE TRIGGER audience_member_frozen BEFORE DELETE OR TRUNCATE OR UPDATE OF
        audience_id, broadcast_id, wave, citizen_id, phone_id, device_id, channel, unreachable, language, reason, number_country
        ON audience_member FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "broadcast",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("status", _words("Actual", "Exercise", name="status"), nullable=False),
        sa.Column("msg_type", _words("Alert", "Update", "Cancel", name="msg_type"), nullable=False),
        sa.Column("references", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "state",
            _words("draft", "freezing", "submitted", "approved", "rejected", "cancelled", name="state"),
            server_default="draft",
            nullable=False,
        ),
        sa.Column("texts", postgresql.JSONB(), nullable=False),
        sa.Column("area_ids", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("list_ids", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("channels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("validity_seconds", sa.Integer(), nullable=False),
        sa.Column("resend_unknown", _words("never", "once", name="resend_unknown"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("audience_id", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("submitted_by", sa.Uuid(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_via", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("cancelled_by", sa.Uuid(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state <> 'approved') OR (approved_by IS NOT NULL AND approved_via = 'session')", name=op.f("ck_broadcast_approved_by_person")
        ),
        sa.CheckConstraint(
            "(state NOT IN ('submitted', 'approved')) OR (content_hash IS NOT NULL)", name=op.f("ck_broadcast_submitted_is_hashed")
        ),
        sa.ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"], name="fk_broadcast_incident_status"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast")),
    )
    op.create_index("ix_broadcast_incident_id_id", "broadcast", ["incident_id", "id"], unique=False)
    op.create_table(
        "audience",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("wave", sa.Integer(), server_default="1", nullable=False),
        sa.Column("areas", postgresql.JSONB(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sharing_address", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_audience_broadcast_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audience")),
        sa.UniqueConstraint("broadcast_id", "number", name=op.f("uq_audience_broadcast_id_number")),
    )
    op.create_table(
        "broadcast_hand",
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_broadcast_hand_broadcast_id")),
        sa.PrimaryKeyConstraint("broadcast_id", "staff_id", name=op.f("pk_broadcast_hand")),
    )
    op.create_table(
        "broadcast_text",
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("variant", _words("plain", "reply", "link", "reply_link", name="variant"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_broadcast_text_broadcast_id")),
        sa.PrimaryKeyConstraint("broadcast_id", "language", "variant", name=op.f("pk_broadcast_text")),
    )
    op.create_table(
        "audience_member",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("audience_id", sa.BigInteger(), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("wave", sa.Integer(), server_default="1", nullable=False),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("phone_id", sa.Uuid(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("channel", _words("push", "sms", "none", name="channel"), nullable=False),
        sa.Column("unreachable", _words("no_address", "no_provider", "opted_out", name="unreachable"), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("number_country", sa.Text(), nullable=True),
        sa.Column("link_generation", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("(channel = 'none') = (unreachable IS NOT NULL)", name=op.f("ck_audience_member_none_has_a_reason")),
        sa.CheckConstraint("channel <> 'push' OR device_id IS NOT NULL", name=op.f("ck_audience_member_push_has_device")),
        sa.CheckConstraint("channel <> 'sms' OR phone_id IS NOT NULL", name=op.f("ck_audience_member_sms_has_phone")),
        sa.ForeignKeyConstraint(["audience_id"], ["audience.id"], name=op.f("fk_audience_member_audience_id")),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_audience_member_broadcast_id")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_audience_member_citizen_id")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_audience_member_device_id")),
        sa.ForeignKeyConstraint(["phone_id"], ["phone.id"], name=op.f("fk_audience_member_phone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audience_member")),
        sa.UniqueConstraint("audience_id", "citizen_id", name=op.f("uq_audience_member_audience_id_citizen_id")),
    )
    op.create_index("ix_audience_member_citizen_id", "audience_member", ["citizen_id"], unique=False)
    for statement in GUARDS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
