"""Exports of who was reached: asked for with a reason, granted by another person, fetched once. And attempts after the first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022_exports"
down_revision = "0021_round_trips"
branch_labels = None
depends_on = None

GUARDS = (
    """
    CREATE FUNCTION refuse_export_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'what was asked for, granted and fetched stays as it was' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER reach_export_asked_stays BEFORE UPDATE ON reach_export FOR EACH ROW
        WHEN ((OLD.broadcast_id, OLD.asked_by, OLD.asked_at, OLD.reason, OLD.has_contacts, OLD.row_count)
                IS DISTINCT FROM (NEW.broadcast_id, NEW.asked_by, NEW.asked_at, NEW.reason, NEW.has_contacts, NEW.row_count)
            OR OLD.decided_at IS NOT NULL AND (OLD.decided_by, OLD.decided_at, OLD.is_granted, OLD.expires_at)
                IS DISTINCT FROM (NEW.decided_by, NEW.decided_at, NEW.is_granted, NEW.expires_at)
            OR OLD.fetched_at IS NOT NULL AND OLD.fetched_at IS DISTINCT FROM NEW.fetched_at)
        EXECUTE FUNCTION refuse_export_change()
    """,
    "CREATE TRIGGER reach_export_no_delete BEFORE DELETE ON reach_export FOR EACH ROW EXECUTE FUNCTION refuse_export_change()",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "reach_export",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("has_contacts", sa.Boolean(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_via", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_granted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(decided_by IS NULL) = (decided_at IS NULL)", name=op.f("ck_reach_export_decided_by_somebody")),
        sa.CheckConstraint(
            "NOT is_granted OR (decided_by IS NOT NULL AND decided_by <> asked_by AND decided_via = 'session')",
            name=op.f("ck_reach_export_granted_by_another"),
        ),
        sa.CheckConstraint("fetched_at IS NULL OR is_granted", name=op.f("ck_reach_export_fetched_when_granted")),
        sa.CheckConstraint("length(reason) > 0", name=op.f("ck_reach_export_says_why")),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_reach_export_broadcast_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reach_export")),
    )
    op.create_index(op.f("ix_reach_export_broadcast_id"), "reach_export", ["broadcast_id"])
    # Attempts after the first are few: whoever looks for second sendings need not read all of them.
    op.create_index("ix_attempt_again", "attempt", ["delivery_id"], postgresql_where=sa.text("number > 1"))
    for statement in GUARDS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
