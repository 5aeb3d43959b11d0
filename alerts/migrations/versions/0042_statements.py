"""Public statements and answers to rumours; the role of those who write them. What was published is frozen."""

from __future__ import annotations

from alembic import op

revision = "0042_statements"
down_revision = "0041_chasing"
branch_labels = None
depends_on = None

ROLES = "'minister', 'duty_officer', 'approver', 'mission_staff', 'head_of_mission', 'administrator', 'public_information'"
ROLE_TABLES = ("staff", "duty", "paging")
# The constraint that lists the roles; its name depends on who made it.
DROP_ROLES = """
    DO $$
    DECLARE found text;
    BEGIN
        FOR found IN SELECT conname FROM pg_constraint
            WHERE conrelid = 'TABLE_NAME'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%administrator%'
        LOOP
            EXECUTE format('ALTER TABLE TABLE_NAME DROP CONSTRAINT %I', found);
        END LOOP;
    END $$"""
# All that may still change once somebody has published it.
MAY_CHANGE = "'state', 'version', 'withdrawn_by', 'withdrawn_at', 'withdraw_reason', 'stale_at', 'stale_figures'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ROLE_TABLES:
        op.execute(DROP_ROLES.replace("TABLE_NAME", table))
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_role CHECK (role IN ({ROLES})) NOT VALID")
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_role")
    op.execute("""
        CREATE TABLE public_page (
            incident_id uuid NOT NULL CONSTRAINT pk_public_page PRIMARY KEY,
            status varchar(40) NOT NULL CONSTRAINT ck_public_page_status CHECK (status IN ('Actual', 'Exercise')),
            slug text NOT NULL CONSTRAINT uq_public_page_slug UNIQUE,
            heading jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT fk_public_page_incident_id_status FOREIGN KEY (incident_id, status) REFERENCES incident (id, status))""")
    op.execute("""
        CREATE TABLE statement (
            id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT pk_statement PRIMARY KEY,
            incident_id uuid NOT NULL,
            status varchar(40) NOT NULL CONSTRAINT ck_statement_status CHECK (status IN ('Actual', 'Exercise')),
            number integer NOT NULL,
            version integer NOT NULL DEFAULT 1,
            state varchar(40) NOT NULL DEFAULT 'draft' CONSTRAINT ck_statement_state CHECK (state IN ('draft', 'published', 'withdrawn')),
            heading jsonb NOT NULL,
            clauses jsonb NOT NULL,
            figures jsonb NOT NULL,
            hotlines jsonb NOT NULL,
            typed jsonb NOT NULL,
            sheet_version integer,
            as_of timestamptz NOT NULL,
            needs_second_hand boolean NOT NULL,
            hands text[] NOT NULL,
            drafted_by text NOT NULL,
            drafted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            corrects uuid CONSTRAINT fk_statement_corrects REFERENCES statement,
            published_by text,
            published_at timestamptz,
            content_hash text,
            withdrawn_by text,
            withdrawn_at timestamptz,
            withdraw_reason jsonb,
            stale_at timestamptz,
            stale_figures jsonb,
            CONSTRAINT uq_statement_incident_id_number UNIQUE (incident_id, number),
            CONSTRAINT ck_statement_published_by_somebody CHECK ((published_at IS NULL) = (published_by IS NULL)),
            CONSTRAINT ck_statement_published_is_frozen CHECK ((published_at IS NULL) = (content_hash IS NULL)),
            CONSTRAINT ck_statement_published_when CHECK (state <> 'published' OR published_at IS NOT NULL),
            CONSTRAINT ck_statement_withdrawn_when CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL)),
            CONSTRAINT ck_statement_second_hand CHECK (NOT needs_second_hand OR published_by IS NULL OR NOT published_by = ANY (hands)),
            CONSTRAINT fk_statement_incident_id_status FOREIGN KEY (incident_id, status) REFERENCES incident (id, status))""")
    op.execute("CREATE INDEX ix_statement_current ON statement (incident_id) WHERE state <> 'withdrawn'")
    op.execute("""
        CREATE TABLE rumour (
            id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT pk_rumour PRIMARY KEY,
            incident_id uuid NOT NULL,
            status varchar(40) NOT NULL CONSTRAINT ck_rumour_status CHECK (status IN ('Actual', 'Exercise')),
            claim jsonb NOT NULL,
            verdict varchar(40) NOT NULL CONSTRAINT ck_rumour_verdict CHECK (verdict IN ('true', 'false')),
            explanation jsonb NOT NULL,
            published_by text NOT NULL,
            published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            replaces uuid CONSTRAINT fk_rumour_replaces REFERENCES rumour CONSTRAINT uq_rumour_replaces UNIQUE,
            CONSTRAINT fk_rumour_incident_id_status FOREIGN KEY (incident_id, status) REFERENCES incident (id, status))""")
    op.execute("CREATE INDEX ix_rumour_incident_id ON rumour (incident_id)")
    op.execute(f"""
        CREATE FUNCTION refuse_change_of_published() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND (OLD.published_at IS NULL
                OR to_jsonb(OLD) - ARRAY[{MAY_CHANGE}] = to_jsonb(NEW) - ARRAY[{MAY_CHANGE}]
                   AND NEW.state IN ('published', 'withdrawn') AND NOT (OLD.state = 'withdrawn' AND NEW.state <> 'withdrawn')) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'what was published is frozen' USING ERRCODE = 'restrict_violation';
        END $$""")
    op.execute(
        "CREATE TRIGGER statement_frozen BEFORE UPDATE OR DELETE ON statement FOR EACH ROW EXECUTE FUNCTION refuse_change_of_published()"
    )
    for table, events in (("statement", "TRUNCATE"), ("rumour", "UPDATE OR DELETE OR TRUNCATE")):
        op.execute(f"CREATE TRIGGER {table}_append_only BEFORE {events} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
