"""Situation reports by text message: how incidents are called in one, one-time codes, and the message that a report came as."""

from __future__ import annotations

from alembic import op

revision = "0040_lapsit"
down_revision = "0039_families"
branch_labels = None
depends_on = None

UNDERSTOOD = ("safe", "need_help", "opt_out", "unclear", "urgent_unread", "lapsit")
# 23 letters without I, L and O, 8 digits without 0 and 1; a step of 2003 is prime to 4232, so neighbours look unlike.
GIVE_OPEN_ONES_A_CODE = """
WITH numbered AS (SELECT id, (row_number() OVER (ORDER BY id) * 2003 % 4232)::int AS n FROM incident WHERE state = 'open')
UPDATE incident i SET sms_code = substr('ABCDEFGHJKMNPQRSTUVWXYZ', n / 184 + 1, 1) || substr('23456789', n % 184 / 23 + 1, 1)
    || substr('ABCDEFGHJKMNPQRSTUVWXYZ', n % 23 + 1, 1)
FROM numbered WHERE numbered.id = i.id
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE incident ADD COLUMN sms_code text")
    op.execute(GIVE_OPEN_ONES_A_CODE)
    op.execute("CREATE UNIQUE INDEX uq_incident_sms_code ON incident (sms_code) WHERE state = 'open'")
    op.execute("""
        CREATE TABLE lapsit_code_list (
            id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT pk_lapsit_code_list PRIMARY KEY,
            mission_code text NOT NULL CONSTRAINT fk_lapsit_code_list_mission_code_mission REFERENCES mission,
            size smallint NOT NULL,
            made_by text NOT NULL,
            made_at timestamptz NOT NULL DEFAULT now(),
            revoked_at timestamptz,
            revoked_by text,
            revoke_reason text,
            CONSTRAINT ck_lapsit_code_list_revoked_says_why CHECK (num_nonnulls(revoked_at, revoked_by, revoke_reason) IN (0, 3)),
            CONSTRAINT ck_lapsit_code_list_size CHECK (size > 0))""")
    op.execute("CREATE INDEX ix_lapsit_code_list_mission_code ON lapsit_code_list (mission_code)")
    op.execute("""
        CREATE TABLE lapsit_code (
            id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT pk_lapsit_code PRIMARY KEY,
            list_id uuid NOT NULL CONSTRAINT fk_lapsit_code_list_id_lapsit_code_list REFERENCES lapsit_code_list,
            number smallint NOT NULL,
            code_index bytea NOT NULL CONSTRAINT uq_lapsit_code_code_index UNIQUE,
            used_at timestamptz,
            report_id uuid CONSTRAINT fk_lapsit_code_report_id_report REFERENCES report CONSTRAINT uq_lapsit_code_report_id UNIQUE,
            CONSTRAINT uq_lapsit_code_list_id_number UNIQUE (list_id, number),
            CONSTRAINT ck_lapsit_code_used_by_a_report CHECK ((used_at IS NULL) = (report_id IS NULL)))""")
    op.execute("ALTER TABLE inbound_message ADD COLUMN report_id uuid CONSTRAINT fk_inbound_message_report_id_report REFERENCES report")
    op.execute("ALTER TABLE inbound_message DROP CONSTRAINT ck_inbound_message_understood")
    words = ", ".join(f"'{word}'" for word in UNDERSTOOD)
    op.execute(f"ALTER TABLE inbound_message ADD CONSTRAINT ck_inbound_message_understood CHECK (understood IN ({words}))")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
