"""The database that this installation was last known to run on: a restored one is another, and may not send at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019_installation"
down_revision = "0018_windows"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "installation",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("system_identifier", sa.Text(), nullable=False),
        sa.Column("timeline", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_is_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.execute("""
        INSERT INTO installation (id, system_identifier, timeline)
        SELECT 1, CAST(system_identifier AS text), CAST(('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64) AS bigint)
        FROM pg_control_system()
    """)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
