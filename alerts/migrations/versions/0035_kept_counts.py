"""What is dear to count for a sheet is kept beside it, for all who ask."""

from __future__ import annotations

from alembic import op

revision = "0035_kept_counts"
down_revision = "0034_first_alert_rhythm"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE live_state ADD COLUMN counted jsonb")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
