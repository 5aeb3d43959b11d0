"""Families who ask after somebody; names found in another spelling by the fingerprints of their sounds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039_families"
down_revision = "0038_digest_state"
branch_labels = None
depends_on = None

STATES = ("open", "in_hand", "closed")
RELATIONS = ("parent", "spouse", "child", "sibling", "other_family", "friend", "employer", "other")
KINDS = ("noted", "moved", "assigned", "recognised", "joined", "separated", "permitted", "told")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("person", sa.Column("name_sounds", postgresql.ARRAY(sa.BigInteger())))
    _create_citizen_name()
    _create_enquiry()
    _create_enquiry_call()
    _create_enquiry_entry()


def _create_citizen_name() -> None:
    op.create_table(
        "citizen_name",
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("name_index", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("sounds", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_citizen_name_citizen_id")),
        sa.PrimaryKeyConstraint("citizen_id", name=op.f("pk_citizen_name")),
    )
    op.create_index("ix_citizen_name_sounds", "citizen_name", ["sounds"], postgresql_using="gin")


def _create_enquiry() -> None:
    op.create_table(
        "enquiry",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("status", _words("Actual", "Exercise", name="status"), nullable=False),
        sa.Column("sought_name_enc", sa.LargeBinary(), nullable=False),
        sa.Column("sought_sounds", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("about_enc", sa.LargeBinary()),
        sa.Column("sought_phone_index", sa.LargeBinary()),
        sa.Column("place_code", sa.Text()),
        sa.Column("owner_mission", sa.Text()),
        sa.Column("is_owner_assumed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_handed_over", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("owned_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("state", _words(*STATES, name="enquiry_state"), server_default="open", nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("acting_by", sa.Text()),
        sa.Column("citizen_id", sa.Uuid()),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("joined_into", sa.Uuid()),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("last_call_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("joined_into <> id", name=op.f("ck_enquiry_not_joined_to_itself")),
        sa.ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"], name=op.f("fk_enquiry_incident_id_status")),
        sa.ForeignKeyConstraint(["owner_mission"], ["mission.code"], name=op.f("fk_enquiry_owner_mission")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_enquiry_citizen_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_enquiry_person_id")),
        sa.ForeignKeyConstraint(["joined_into"], ["enquiry.id"], name=op.f("fk_enquiry_joined_into")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enquiry")),
    )
    op.create_index("ix_enquiry_incident_id", "enquiry", ["incident_id", "owner_mission", "state"])
    op.create_index("ix_enquiry_sought_sounds", "enquiry", ["sought_sounds"], postgresql_using="gin")
    for column in ("citizen_id", "person_id", "joined_into"):
        op.create_index(op.f(f"ix_enquiry_{column}"), "enquiry", [column])


def _create_enquiry_call() -> None:
    op.create_table(
        "enquiry_call",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("enquiry_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("taken_by", sa.Text(), nullable=False),
        sa.Column("caller_name_enc", sa.LargeBinary()),
        sa.Column("caller_phone_enc", sa.LargeBinary()),
        sa.Column("caller_phone_index", sa.LargeBinary()),
        sa.Column("relation", _words(*RELATIONS, name="relation"), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True)),
        sa.Column("last_contact_enc", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["enquiry_id"], ["enquiry.id"], name=op.f("fk_enquiry_call_enquiry_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enquiry_call")),
        sa.UniqueConstraint("reference", name=op.f("uq_enquiry_call_reference")),
    )
    op.create_index(op.f("ix_enquiry_call_enquiry_id"), "enquiry_call", ["enquiry_id"])
    known = sa.text("caller_phone_index IS NOT NULL")
    op.create_index("ix_enquiry_call_caller", "enquiry_call", ["caller_phone_index"], postgresql_where=known)
    _append_only("enquiry_call")


def _create_enquiry_entry() -> None:
    op.create_table(
        "enquiry_entry",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("enquiry_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("kind", _words(*KINDS, name="entry_kind"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Uuid()),
        sa.Column("to_state", _words(*STATES, name="enquiry_state")),
        sa.Column("to_mission", sa.Text()),
        sa.Column("other_id", sa.Uuid()),
        sa.Column("tells", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("contacted_by", sa.Text()),
        sa.Column("contacted_at", sa.DateTime(timezone=True)),
        sa.Column("contact_how", sa.Text()),
        sa.Column("note_enc", sa.LargeBinary()),
        sa.CheckConstraint(
            "kind <> 'permitted' OR tells = '{}' OR (contacted_by IS NOT NULL AND contacted_at IS NOT NULL AND contact_how IS NOT NULL)",
            name=op.f("ck_enquiry_entry_permission_has_contact"),
        ),
        sa.CheckConstraint("(kind = 'moved') = (to_state IS NOT NULL)", name=op.f("ck_enquiry_entry_move_has_state")),
        sa.ForeignKeyConstraint(["enquiry_id"], ["enquiry.id"], name=op.f("fk_enquiry_entry_enquiry_id")),
        sa.ForeignKeyConstraint(["call_id"], ["enquiry_call.id"], name=op.f("fk_enquiry_entry_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enquiry_entry")),
    )
    op.create_index(op.f("ix_enquiry_entry_enquiry_id"), "enquiry_entry", ["enquiry_id"])
    _append_only("enquiry_entry")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _append_only(table: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
