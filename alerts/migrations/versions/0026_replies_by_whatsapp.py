"""A call for help by WhatsApp is answered by WhatsApp."""

from __future__ import annotations

from alembic import op

revision = "0026_replies_by_whatsapp"
down_revision = "0025_read_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""ALTER TABLE citizen_reply ADD COLUMN way varchar(40) NOT NULL DEFAULT 'sms'
        CONSTRAINT ck_citizen_reply_way_in CHECK (way IN ('sms', 'whatsapp', 'open_link'))""")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
