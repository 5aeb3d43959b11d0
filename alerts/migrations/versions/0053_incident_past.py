"""What was true of an incident, its areas and its missions before they were changed: so that the past can be asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0053_incident_past"
down_revision = "0052_codes_guessed"
branch_labels = None
depends_on = None

KEEP_PAST = """
CREATE FUNCTION keep_incident_past() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE was jsonb := to_jsonb(OLD);
BEGIN
    INSERT INTO incident_past (incident_id, part, key, was)
    VALUES (CAST(coalesce(was ->> 'incident_id', was ->> 'id') AS uuid), TG_TABLE_NAME, coalesce(was ->> 'mission_code', was ->> 'id'), was);
    RETURN NULL;
END $$
"""
WATCHED = {
    "incident": ("kind", "title", "urgency", "severity", "occurred_at", "state"),
    "incident_area": ("siaga_level",),
    "incident_mission": ("basis", "is_assumed", "places", "joined_at", "left_at", "report_due_at"),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "incident_past",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("was", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_incident_past_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_past")),
    )
    op.create_index("ix_incident_past_incident_id_until", "incident_past", ["incident_id", "until"], unique=False)
    op.execute(
        "CREATE TRIGGER incident_past_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON incident_past"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(KEEP_PAST)
    for table, columns in WATCHED.items():
        old, new = (", ".join(f"{row}.{name}" for name in columns) for row in ("OLD", "NEW"))
        op.execute(
            f"CREATE TRIGGER {table}_keeps_its_past AFTER UPDATE ON {table} FOR EACH ROW"
            f" WHEN (ROW({old}) IS DISTINCT FROM ROW({new})) EXECUTE FUNCTION keep_incident_past()"
        )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
