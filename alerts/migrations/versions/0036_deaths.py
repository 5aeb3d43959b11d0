"""The way of a death to its publication: who confirmed it, whether the family was told, with names and reasons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036_deaths"
down_revision = "0035_kept_counts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "death_step",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("step", _words("confirmed", "kin_told", "kin_not_found", "initials", "withdrawn", name="step"), nullable=False),
        sa.Column("basis", _words("host_authority", "dvi", "head_of_mission", name="basis")),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("how", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("withdraws", sa.Uuid()),
        sa.CheckConstraint("(step = 'confirmed') = (basis IS NOT NULL)", name=op.f("ck_death_step_confirmation_has_basis")),
        sa.CheckConstraint("(step = 'withdrawn') = (withdraws IS NOT NULL)", name=op.f("ck_death_step_withdrawal_names_its_step")),
        sa.CheckConstraint(
            "basis <> 'head_of_mission' OR role = 'head_of_mission'", name=op.f("ck_death_step_signed_by_the_head_of_mission")
        ),
        sa.CheckConstraint("step <> 'kin_not_found' OR role = 'minister'", name=op.f("ck_death_step_decided_by_the_minister")),
        sa.CheckConstraint("step NOT IN ('confirmed', 'kin_told') OR how IS NOT NULL", name=op.f("ck_death_step_says_how")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_death_step_person_id")),
        sa.ForeignKeyConstraint(["withdraws"], ["death_step.id"], name=op.f("fk_death_step_withdraws")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_death_step")),
        sa.UniqueConstraint("withdraws", name=op.f("uq_death_step_withdraws")),
    )
    op.create_index(op.f("ix_death_step_person_id"), "death_step", ["person_id"])
    op.execute(
        "CREATE TRIGGER death_step_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON death_step"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
