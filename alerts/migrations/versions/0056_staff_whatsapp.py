"""Staff may be reached by WhatsApp."""

from __future__ import annotations

from alembic import op

revision = "0056_staff_whatsapp"
down_revision = "0055_later_words"
branch_labels = None
depends_on = None

KINDS = "'phone', 'whatsapp', 'push', 'web_push', 'email'"
CHANNELS = "'push', 'web_push', 'sms', 'whatsapp', 'voice', 'email'"
CHECKS = (
    ("staff_contact", "contact_kind", f"kind IN ({KINDS})"),
    ("staff_contact", "country_of_phone", "(kind IN ('phone', 'whatsapp')) OR (number_country IS NULL)"),
    ("notice", "channel", f"channel IN ({CHANNELS})"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, name, condition in CHECKS:
        op.execute(f"""
            ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name},
                ADD CONSTRAINT ck_{table}_{name} CHECK ({condition}) NOT VALID""")
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_{name}")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
