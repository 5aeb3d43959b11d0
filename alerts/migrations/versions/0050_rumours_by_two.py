"""An answer to a rumour is words typed by hand: one person writes it, another publishes it.

Answers that one person gave before stay as they are. The code before this one can read answers but no longer give one: that it
could publish with one hand is what ends here.
"""

from __future__ import annotations

from alembic import op

revision = "0050_rumours_by_two"
down_revision = "0049_held_lines"
branch_labels = None
depends_on = None

# All that may still change of a draft; of an answer that was published nothing may.
MAY_CHANGE = "'state', 'published_by', 'published_at'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER rumour_append_only ON rumour")
    op.execute("""
        ALTER TABLE rumour
            ADD COLUMN state varchar(40) NOT NULL DEFAULT 'draft'
                CONSTRAINT ck_rumour_state CHECK (state IN ('draft', 'published', 'withdrawn')),
            ADD COLUMN drafted_by text,
            ADD COLUMN drafted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            ALTER COLUMN published_by DROP NOT NULL,
            ALTER COLUMN published_at DROP NOT NULL,
            ALTER COLUMN published_at DROP DEFAULT""")
    op.execute("UPDATE rumour SET state = 'published', drafted_by = published_by, drafted_at = published_at")
    op.execute("ALTER TABLE rumour ALTER COLUMN drafted_by SET NOT NULL")
    op.execute("""
        ALTER TABLE rumour
            DROP CONSTRAINT uq_rumour_replaces,
            ADD CONSTRAINT ck_rumour_published_by_somebody CHECK ((published_at IS NULL) = (published_by IS NULL)),
            ADD CONSTRAINT ck_rumour_published_when CHECK ((state = 'published') = (published_at IS NOT NULL)),
            ADD CONSTRAINT ck_rumour_second_hand CHECK (published_by IS NULL OR published_by <> drafted_by) NOT VALID""")
    op.execute("CREATE UNIQUE INDEX uq_rumour_replaces ON rumour (replaces) WHERE state = 'published'")
    op.execute(f"""
        CREATE FUNCTION refuse_change_of_answer() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND OLD.state = 'draft'
                AND to_jsonb(OLD) - ARRAY[{MAY_CHANGE}] = to_jsonb(NEW) - ARRAY[{MAY_CHANGE}] THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'what was answered is frozen' USING ERRCODE = 'restrict_violation';
        END $$""")
    op.execute("CREATE TRIGGER rumour_frozen BEFORE UPDATE OR DELETE ON rumour FOR EACH ROW EXECUTE FUNCTION refuse_change_of_answer()")
    op.execute("CREATE TRIGGER rumour_append_only BEFORE TRUNCATE ON rumour FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
