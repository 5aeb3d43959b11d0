"""What a caller says of the person sought is kept with the call: a call that joins a case loses nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045_callers_words"
down_revision = "0044_crew"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("enquiry_call", sa.Column("sought_name_enc", sa.LargeBinary()))
    op.add_column("enquiry_call", sa.Column("sought_phone_index", sa.LargeBinary()))
    op.add_column("enquiry_call", sa.Column("about_enc", sa.LargeBinary()))
    op.add_column("enquiry_call", sa.Column("place_code", sa.Text()))


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
