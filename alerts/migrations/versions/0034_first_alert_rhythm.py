"""Prepared words of a first alert may have a rhythm in which the next message is promised: approved with them, and never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034_first_alert_rhythm"
down_revision = "0033_words_barred"
branch_labels = None
depends_on = None

KEPT = """
CREATE OR REPLACE FUNCTION refuse_template_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (OLD.approved_by IS NOT NULL AND NEW.approved_by IS DISTINCT FROM OLD.approved_by)
        OR (OLD.retired_at IS NOT NULL AND NEW.retired_at IS DISTINCT FROM OLD.retired_at)
        OR (OLD.retired_at IS NOT NULL AND NEW.approved_by IS DISTINCT FROM OLD.approved_by)
        OR (NEW.code, NEW.version, NEW.kind, NEW.texts, NEW.title, NEW.created_by, NEW.next_message_every_minutes)
            IS DISTINCT FROM (OLD.code, OLD.version, OLD.kind, OLD.texts, OLD.title, OLD.created_by, OLD.next_message_every_minutes) THEN
        RAISE EXCEPTION 'a prepared text is append-only: write a new version' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("message_template", sa.Column("next_message_every_minutes", sa.SmallInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_message_template_only_first_promises"),
        "message_template",
        "(next_message_every_minutes IS NULL) OR (kind = 'first_alert' AND next_message_every_minutes > 0)",
    )
    op.execute(KEPT)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
