"""What each account has seen of a sheet."""

from __future__ import annotations

from alembic import op

revision = "0037_sheet_look"
down_revision = "0036_deaths"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        CREATE TABLE sheet_look (
            staff_id uuid NOT NULL CONSTRAINT fk_sheet_look_staff_id_staff REFERENCES staff ON DELETE CASCADE,
            incident_id uuid NOT NULL CONSTRAINT fk_sheet_look_incident_id_incident REFERENCES incident,
            base_version integer,
            seen_version integer NOT NULL,
            seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT pk_sheet_look PRIMARY KEY (staff_id, incident_id))""")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
