"""A browser subscribes for one of our two keys: what is meant goes by the one, an exercise by the other."""

from __future__ import annotations

from alembic import op

revision = "0030_browsers_of_exercises"
down_revision = "0029_senders_at_rest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE web_push_subscription ADD COLUMN is_exercise boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
