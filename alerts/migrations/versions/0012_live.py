"""Snapshots of the answer sheet and the minute series."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012_live"
down_revision = "0011_reports"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "snapshot",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_snapshot_incident_id")),
        sa.PrimaryKeyConstraint("incident_id", "version", name=op.f("pk_snapshot")),
    )
    op.create_table(
        "figure_minute",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figure", sa.Text(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_figure_minute_incident_id")),
        sa.PrimaryKeyConstraint("incident_id", "minute", "figure", name=op.f("pk_figure_minute")),
    )

    op.create_table(
        "live_state",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_dirty", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_live_state_incident_id")),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_live_state")),
    )
    _append_only("snapshot")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _append_only(table: str) -> None:
    """What was filed or shown is never altered, by whatever role."""
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
