"""Chasing missions: what was said of each mission's clock, and missions brought in by somebody's word to stand in for another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041_chasing"
down_revision = "0040_lapsit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("incident_mission", sa.Column("is_by_word", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "chase_word",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("status", _words("Actual", "Exercise", name="status"), nullable=False),
        sa.Column("mission_code", sa.Text(), nullable=False),
        sa.Column("word", _words("chased", "settled", "snoozed", "covered", "acknowledged", "resumed", name="word"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("covered_by", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("paging_id", sa.Uuid()),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("(word IN ('snoozed', 'acknowledged')) = (until IS NOT NULL)", name=op.f("ck_chase_word_silence_has_an_end")),
        sa.CheckConstraint("(word = 'covered') = (covered_by IS NOT NULL)", name=op.f("ck_chase_word_cover_says_by_whom")),
        sa.CheckConstraint("word NOT IN ('snoozed', 'covered') OR reason IS NOT NULL", name=op.f("ck_chase_word_silence_has_a_reason")),
        sa.CheckConstraint("covered_by <> mission_code", name=op.f("ck_chase_word_nobody_covers_itself")),
        sa.ForeignKeyConstraint(
            ["incident_id", "status"], ["incident.id", "incident.status"], name=op.f("fk_chase_word_incident_id_status")
        ),
        sa.ForeignKeyConstraint(["mission_code"], ["mission.code"], name=op.f("fk_chase_word_mission_code")),
        sa.ForeignKeyConstraint(["covered_by"], ["mission.code"], name=op.f("fk_chase_word_covered_by")),
        sa.ForeignKeyConstraint(["paging_id"], ["paging.id"], name=op.f("fk_chase_word_paging_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chase_word")),
        sa.UniqueConstraint("paging_id", "incident_id", name=op.f("uq_chase_word_paging_id_incident_id")),
    )
    op.create_index(op.f("ix_chase_word_incident_id"), "chase_word", ["incident_id", "mission_code"])
    op.execute(
        "CREATE TRIGGER chase_word_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chase_word"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
