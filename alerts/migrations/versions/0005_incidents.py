"""Incidents: areas, lists of people, missions that answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005_incidents"
down_revision = "0004_citizens"
branch_labels = None
depends_on = None

STATUS_FIXED = """
CREATE FUNCTION refuse_status_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the status of an incident never changes' USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "incident",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column(
            "kind",
            _words(
                "earthquake",
                "tsunami",
                "volcano",
                "storm",
                "flood",
                "wildfire",
                "epidemic",
                "conflict",
                "attack",
                "unrest",
                "hostage",
                "air_accident",
                "sea_accident",
                "road_or_rail_accident",
                "industrial_accident",
                "other",
                name="kind",
            ),
            nullable=False,
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", _words("Actual", "Exercise", name="status"), nullable=False),
        sa.Column("urgency", _words("Immediate", "Expected", "Future", "Past", "Unknown", name="urgency"), nullable=False),
        sa.Column("severity", _words("Extreme", "Severe", "Moderate", "Minor", "Unknown", name="severity"), nullable=False),
        sa.Column("certainty", _words("Observed", "Likely", "Possible", "Unlikely", "Unknown", name="certainty"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("state", _words("open", "closed", name="state"), server_default="open", nullable=False),
        sa.Column("state_changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("is_replayed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        sa.UniqueConstraint("id", "status", name=op.f("uq_incident_id_status")),
    )
    op.create_index(op.f("ix_incident_state"), "incident", ["state"], unique=False)
    op.create_table(
        "incident_area",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _words("country", "province", "circle", "polygon", name="area_kind"), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("geometry", postgresql.JSONB()),
        sa.Column("siaga_level", _words("I", "II", "III", name="siaga_level")),
        sa.Column("level_basis", _words("mission", "minister", name="level_basis")),
        sa.Column("level_set_by", sa.Text()),
        sa.Column("level_set_at", sa.DateTime(timezone=True)),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(kind IN ('circle', 'polygon')) = (geometry IS NOT NULL)", name=op.f("ck_incident_area_geometry")),
        sa.CheckConstraint("(kind IN ('country', 'province')) = (code IS NOT NULL)", name=op.f("ck_incident_area_code")),
        sa.CheckConstraint("(siaga_level IS NULL) = (level_set_at IS NULL)", name=op.f("ck_incident_area_level")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_incident_area_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_area")),
    )
    op.create_index(
        op.f("ix_incident_area_current"), "incident_area", ["incident_id"], unique=False, postgresql_where=sa.text("removed_at IS NULL")
    )
    op.create_table(
        "incident_list",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _words("flight", "ship", "group", name="list_kind"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_incident_list_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_list")),
        sa.UniqueConstraint("incident_id", "kind", "name", "version", name=op.f("uq_incident_list_incident_id_kind_name_version")),
    )
    op.create_table(
        "incident_mission",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("mission_code", sa.Text(), nullable=False),
        sa.Column("part", _words("acts", "informed", name="role"), nullable=False),
        sa.Column("basis", _words("district", "cover", "accreditation", name="basis"), nullable=False),
        sa.Column("is_assumed", sa.Boolean(), nullable=False),
        sa.Column("places", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True)),
        sa.Column("report_due_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_incident_mission_incident_id")),
        sa.ForeignKeyConstraint(["mission_code"], ["mission.code"], name=op.f("fk_incident_mission_mission_code")),
        sa.PrimaryKeyConstraint("incident_id", "mission_code", name=op.f("pk_incident_mission")),
    )
    op.create_index(op.f("ix_incident_mission_mission_code"), "incident_mission", ["mission_code"], unique=False)
    op.create_table(
        "incident_list_member",
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("citizen_id", sa.Uuid()),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_incident_list_member_citizen_id")),
        sa.ForeignKeyConstraint(["list_id"], ["incident_list.id"], name=op.f("fk_incident_list_member_list_id")),
        sa.PrimaryKeyConstraint("list_id", "external_id", name=op.f("pk_incident_list_member")),
    )
    op.create_index(op.f("ix_incident_list_member_citizen_id"), "incident_list_member", ["citizen_id"], unique=False)
    op.execute(STATUS_FIXED)
    op.execute(
        "CREATE TRIGGER incident_status_fixed BEFORE UPDATE ON incident FOR EACH ROW"
        " WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION refuse_status_change()"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
