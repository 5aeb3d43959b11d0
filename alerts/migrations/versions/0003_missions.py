"""Missions, their accreditations and consular districts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_missions"
down_revision = "0002_staff"
branch_labels = None
depends_on = None

KINDS = "'kbri', 'kjri', 'kri', 'ptri', 'kdei', 'honorary_consul'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "mission",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("country_iso2", sa.Text()),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("covered_by", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_mission"),
        sa.ForeignKeyConstraint(["covered_by"], ["mission.code"], name="fk_mission_covered_by", deferrable=True, initially="DEFERRED"),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_mission_mission_kind")),
        sa.CheckConstraint("state IN ('open', 'relocated', 'suspended')", name=op.f("ck_mission_mission_state")),
        sa.CheckConstraint("(state = 'suspended') = (covered_by IS NOT NULL)", name=op.f("ck_mission_suspended_is_covered")),
        sa.CheckConstraint("covered_by <> code", name=op.f("ck_mission_not_covered_by_itself")),
    )
    op.create_table(
        "mission_country",
        sa.Column("mission_code", sa.Text(), nullable=False),
        sa.Column("country_iso2", sa.Text(), nullable=False),
        sa.Column("basis", sa.String(40), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mission_code", "country_iso2", name="pk_mission_country"),
        sa.ForeignKeyConstraint(["mission_code"], ["mission.code"], name="fk_mission_country_mission_code"),
        sa.CheckConstraint("basis IN ('resident', 'accredited')", name=op.f("ck_mission_country_accreditation_basis")),
    )
    op.create_index("ix_mission_country_country_iso2", "mission_country", ["country_iso2"])
    op.create_table(
        "mission_district",
        sa.Column("mission_code", sa.Text(), nullable=False),
        sa.Column("place_code", sa.Text(), nullable=False),
        sa.Column("is_assumed", sa.Boolean(), nullable=False),
        sa.Column("source_words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mission_code", "place_code", name="pk_mission_district"),
        sa.ForeignKeyConstraint(["mission_code"], ["mission.code"], name="fk_mission_district_mission_code"),
    )
    op.create_index("ix_mission_district_place_code", "mission_district", ["place_code"])


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
