"""Numbers that a list leaves out because their networks block its words: counted per list, and a reason of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033_words_barred"
down_revision = "0032_devices_by_link"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("audience", sa.Column("words_barred", sa.Integer(), server_default="0", nullable=False))
    op.drop_constraint(op.f("ck_audience_member_unreachable"), "audience_member", type_="check")
    # One more word is allowed: what is there holds already, and a million rows need not be read for it.
    op.execute(
        "ALTER TABLE audience_member ADD CONSTRAINT ck_audience_member_unreachable"
        " CHECK (unreachable IN ('no_address', 'no_provider', 'opted_out', 'words_barred')) NOT VALID"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
