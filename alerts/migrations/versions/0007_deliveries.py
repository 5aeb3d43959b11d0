"""The fan-out: batches, deliveries, attempts, receipts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_deliveries"
down_revision = "0006_broadcasts"
branch_labels = None
depends_on = None

GUARDS = (
    """
    CREATE TRIGGER receipt_append_only BEFORE DELETE OR TRUNCATE OR UPDATE OF attempt_id, raw_status, provider_id, error_code, received_at ON receipt
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "delivery_batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("state", _words("waiting", "claimed", "done", name="batch_state"), server_default="waiting", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_delivery_batch_broadcast_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_batch")),
    )
    op.create_index(op.f("ix_delivery_batch_broadcast_id"), "delivery_batch", ["broadcast_id"], unique=False)
    op.create_index("ix_delivery_batch_open", "delivery_batch", ["due_at"], unique=False, postgresql_where=sa.text("state <> 'done'"))
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("step", sa.Integer(), server_default="1", nullable=False),
        sa.Column("channel", _words("push", "sms", "none", name="channel"), nullable=False),
        sa.Column(
            "state",
            _words(
                "queued",
                "sending",
                "accepted",
                "sent",
                "delivered",
                "undelivered",
                "failed",
                "unknown",
                "expired",
                "cancelled",
                "opted_out",
                name="state",
            ),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("state_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state NOT IN ('accepted', 'sent') OR provider_id IS NOT NULL", name=op.f("ck_delivery_sent_has_provider_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["delivery_batch.id"], name=op.f("fk_delivery_batch_id")),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_delivery_broadcast_id")),
        sa.ForeignKeyConstraint(["member_id"], ["audience_member.id"], name=op.f("fk_delivery_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("member_id", "step", name=op.f("uq_delivery_member_id_step")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("ix_delivery_batch_state", "delivery", ["batch_id", "state"], unique=False)
    op.create_index("ix_delivery_broadcast_id", "delivery", ["broadcast_id"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("channel", _words("push", "sms", "none", name="channel"), nullable=False),
        sa.Column(
            "state",
            _words(
                "queued",
                "sending",
                "accepted",
                "sent",
                "delivered",
                "undelivered",
                "failed",
                "unknown",
                "expired",
                "cancelled",
                "opted_out",
                name="state",
            ),
            nullable=False,
        ),
        sa.Column("evidence", _words("answer", "callback", "lookup", "lease_expired", name="evidence"), nullable=True),
        sa.Column("resend_of", sa.Uuid(), nullable=True),
        sa.Column("intent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("look_up_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("raw_status", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["delivery_batch.id"], name=op.f("fk_attempt_batch_id")),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_attempt_delivery_id")),
        sa.ForeignKeyConstraint(["resend_of"], ["attempt.id"], name=op.f("fk_attempt_resend_of")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_delivery_id", "attempt", ["delivery_id"], unique=False)
    op.create_index("ix_attempt_open", "attempt", ["intent_at"], unique=False, postgresql_where=sa.text("state IN ('sending', 'unknown')"))
    op.create_table(
        "receipt",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("raw_status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_receipt_attempt_id")),
        sa.PrimaryKeyConstraint("attempt_id", "raw_status", name=op.f("pk_receipt")),
    )
    op.create_index("uq_attempt_resend_of", "attempt", ["resend_of"], unique=True, postgresql_where=sa.text("state <> 'failed'"))
    op.create_index("ix_receipt_new", "receipt", ["received_at"], postgresql_where=sa.text("applied_at IS NULL"))
    for statement in GUARDS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
