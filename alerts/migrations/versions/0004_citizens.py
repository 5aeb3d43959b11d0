"""Tables of citizens."""

from __future__ import annotations

from alembic import op

revision = "0004_citizens"
down_revision = "0003_missions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
