"""What the minister was last told of each incident, and when the next message is promised."""

from __future__ import annotations

from alembic import op

revision = "0038_digest_state"
down_revision = "0037_sheet_look"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        CREATE TABLE digest_state (
            incident_id uuid NOT NULL CONSTRAINT pk_digest_state PRIMARY KEY
                CONSTRAINT fk_digest_state_incident_id_incident REFERENCES incident,
            version integer,
            told_at timestamptz,
            next_at timestamptz,
            is_waiting boolean NOT NULL DEFAULT false)""")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
