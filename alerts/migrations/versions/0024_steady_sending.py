"""Room in each page of deliveries for both updates of a row; the gate of windows finds rows by their keys alone.

The gate is that of 0020 in other words: its plan may be made while the tables are empty, and must be right when they are not.
"""

from __future__ import annotations

from alembic import op

revision = "0024_steady_sending"
down_revision = "0023_sheet_rests"
branch_labels = None
depends_on = None

GATE = """
CREATE OR REPLACE FUNCTION refuse_other_world_window() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    message record;
BEGIN
    SELECT m.id, m.status INTO message FROM delivery_batch b JOIN broadcast m ON m.id = b.broadcast_id WHERE b.id = NEW.batch_id;
    IF (message.status = 'Exercise') IS DISTINCT FROM (NEW.sender LIKE 'exercise:%') THEN
        RAISE EXCEPTION 'a message of status % is not sent by %', message.status, NEW.sender USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT FROM unnest(NEW.deliveries) AS u(id)
               LEFT JOIN LATERAL (SELECT d.broadcast_id, d.member_id FROM delivery d WHERE d.id = u.id OFFSET 0) d ON true
               LEFT JOIN LATERAL (SELECT a.broadcast_id FROM audience_member a WHERE a.id = d.member_id OFFSET 0) a ON true
               WHERE d.broadcast_id IS DISTINCT FROM message.id OR a.broadcast_id IS DISTINCT FROM message.id) THEN
        RAISE EXCEPTION 'a window sends a message to members of its own lists' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE delivery SET (fillfactor = 45)")
    op.execute(GATE)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
