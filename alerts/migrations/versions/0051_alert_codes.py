"""The short code of a message is a column with an index: whoever asks whether a message is ours reads one row, not all messages.

Random, made by the database, so that every way of making a message has one, the code before this one included. Earlier messages
get one now; no text that was sent names any yet.
"""

from __future__ import annotations

from alembic import op

revision = "0051_alert_codes"
down_revision = "0050_rumours_by_two"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        CREATE FUNCTION new_alert_code() RETURNS text LANGUAGE sql VOLATILE AS $$
            SELECT string_agg(substr('23456789abcdefghjkmnpqrstvwxyz', 1 + get_byte(made.bytes, place) % 30, 1), '')
            FROM (SELECT uuid_send(gen_random_uuid()) AS bytes) AS made, generate_series(0, 5) AS place
        $$""")
    op.execute("ALTER TABLE broadcast ADD COLUMN alert_code text NOT NULL DEFAULT new_alert_code()")
    op.execute("CREATE INDEX ix_broadcast_alert_code ON broadcast (alert_code)")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
