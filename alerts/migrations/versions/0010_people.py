"""Persons in an incident, and what was said of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_people"
down_revision = "0009_checkins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("citizen_id", sa.Uuid()),
        sa.Column("name_enc", sa.LargeBinary()),
        sa.Column(
            "nationality",
            _words("own", "own_child_dual", "foreign_family", "foreign_helped", "unverified", name="nationality"),
            nullable=False,
        ),
        sa.Column("mission_code", sa.Text()),
        sa.Column("place_code", sa.Text()),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_person_citizen_id")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_person_incident_id")),
        sa.ForeignKeyConstraint(["mission_code"], ["mission.code"], name=op.f("fk_person_mission_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_index(op.f("ix_person_citizen_id"), "person", ["citizen_id"], unique=False)
    op.create_index(
        op.f("ix_person_incident_id_citizen_id"),
        "person",
        ["incident_id", "citizen_id"],
        unique=True,
        postgresql_where=sa.text("citizen_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_person_incident_id_mission_code"), "person", ["incident_id", "mission_code"], unique=False)
    op.create_table(
        "person_statement",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("axis", _words("condition", "contact", "place", "wish", name="axis"), nullable=False),
        sa.Column("value", sa.Text()),
        sa.Column("claim", _words("reported", "corroborated", "contact_made", "verified", name="claim")),
        sa.Column("said_value", sa.Text()),
        sa.Column("said_claim", sa.Text()),
        sa.Column("authority_confirmed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("source", _words("mission", "ministry", "host_state", "media", "family", "self", name="source"), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("words_enc", sa.LargeBinary()),
        sa.Column("contacted_by", sa.Text()),
        sa.Column("contacted_at", sa.DateTime(timezone=True)),
        sa.Column("contact_how", sa.Text()),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("withdraws", sa.Uuid()),
        sa.Column("reason", sa.Text()),
        sa.CheckConstraint(
            "claim <> 'contact_made' OR (contacted_by IS NOT NULL AND contacted_at IS NOT NULL AND contact_how IS NOT NULL)",
            name=op.f("ck_person_statement_contact_has_who_when_how"),
        ),
        sa.CheckConstraint("(value IS NULL) = (claim IS NULL)", name=op.f("ck_person_statement_value_has_claim")),
        sa.CheckConstraint("(withdraws IS NULL) = (reason IS NULL)", name=op.f("ck_person_statement_withdrawal_has_reason")),
        sa.CheckConstraint("(withdraws IS NULL) = (value IS NOT NULL)", name=op.f("ck_person_statement_says_or_withdraws")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_person_statement_person_id")),
        sa.ForeignKeyConstraint(["withdraws"], ["person_statement.id"], name=op.f("fk_person_statement_withdraws")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_statement")),
        sa.UniqueConstraint("withdraws", name=op.f("uq_person_statement_withdraws")),
    )
    op.create_index(op.f("ix_person_statement_person_id"), "person_statement", ["person_id", "as_of"], unique=False)
    op.execute(
        "CREATE TRIGGER person_statement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON person_statement"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
