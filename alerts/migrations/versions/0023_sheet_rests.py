"""What a sheet takes to compute decides how often that is done; progress of sending waits for its turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023_sheet_rests"
down_revision = "0022_exports"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("live_state", sa.Column("has_progress", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("live_state", sa.Column("took_seconds", sa.Float(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
