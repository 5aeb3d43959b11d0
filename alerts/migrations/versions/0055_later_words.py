"""Waves that go out after the promised time of the next message have words of their own, without the promise."""

from __future__ import annotations

from alembic import op

revision = "0055_later_words"
down_revision = "0054_promise_far"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE broadcast_text ADD COLUMN later_body text",
    "ALTER TABLE audience ADD COLUMN is_after_promise boolean NOT NULL DEFAULT false",
    """
    CREATE OR REPLACE FUNCTION refuse_unmarked_text() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT status = 'Exercise' FROM broadcast WHERE id = NEW.broadcast_id)
            <> ANY (ARRAY[NEW.body ~ '^LATIHAN\\M', coalesce(NEW.later_body, NEW.body) ~ '^LATIHAN\\M']) THEN
            RAISE EXCEPTION 'every text of an exercise begins with LATIHAN, and no other does' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
