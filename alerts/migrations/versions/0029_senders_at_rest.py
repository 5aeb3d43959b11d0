"""Senders that refuse our account rest for everybody; what receipts say of failures is counted by the clock; batches of dead devices stop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029_senders_at_rest"
down_revision = "0028_shared_ways"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # The index first: what locks a batch comes when the building, which may take seconds, is over.
    told = sa.text("state IN ('undelivered', 'failed') AND evidence IN ('callback', 'lookup') AND error_code IS NOT NULL")
    op.create_index("ix_attempt_told_failed", "attempt", ["resolved_at"], postgresql_where=told)
    now = sa.text("clock_timestamp()")
    op.create_table(
        "sender_rest",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sender", name="pk_sender_rest"),
    )
    op.add_column("delivery_batch", sa.Column("dead_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("delivery_batch", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
