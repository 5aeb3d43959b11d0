"""The clock of a step runs from when its batch was begun, whether all of it was handed over or not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027_step_clock"
down_revision = "0026_replies_by_whatsapp"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("delivery_batch", sa.Column("begun_at", sa.DateTime(timezone=True)))
    op.add_column("delivery_batch", sa.Column("is_overtaken", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
