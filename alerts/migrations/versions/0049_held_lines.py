"""A held line that somebody let count as it was filed: written once, with a name and a reason."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049_held_lines"
down_revision = "0048_findings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "line_confirmation",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("confirmed_by", sa.Text(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_line_confirmation_incident_id")),
        sa.ForeignKeyConstraint(["line_id"], ["report_line.id"], name=op.f("fk_line_confirmation_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_confirmation")),
        sa.UniqueConstraint("line_id", name=op.f("uq_line_confirmation_line_id")),
    )
    op.create_index(op.f("ix_line_confirmation_incident_id"), "line_confirmation", ["incident_id"], unique=False)
    op.execute(
        "CREATE TRIGGER line_confirmation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON line_confirmation"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
