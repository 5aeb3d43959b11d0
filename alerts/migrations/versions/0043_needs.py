"""What a mission needs: rows of its reports, written once like the rest of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043_needs"
down_revision = "0042_statements"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "report_need",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("how_many", sa.Text(), nullable=True),
        sa.Column("by_when", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Enum("open", "met", name="state", native_enum=False, create_constraint=True, length=40), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_need_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_need")),
        sa.UniqueConstraint("report_id", "position", name=op.f("uq_report_need_report_id_position")),
    )
    op.execute(
        "CREATE TRIGGER report_need_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON report_need"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
