"""Messages that may call for help have a desk at once, and keep their sender on the call list until somebody has read them."""

from __future__ import annotations

from alembic import op

revision = "0025_read_first"
down_revision = "0024_steady_sending"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE inbound_message ADD COLUMN given_at timestamptz")
    op.execute("ALTER TABLE call_row ADD COLUMN urgent_at timestamptz")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
