"""The crew that is called to an incident, handovers of shifts, and incidents taken over or merged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044_crew"
down_revision = "0043_needs"
branch_labels = None
depends_on = None

UNDERSTOOD = ("safe", "need_help", "opt_out", "unclear", "urgent_unread", "lapsit", "crew")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "crew_slot",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "function",
            sa.Enum(
                "duty_officer",
                "director",
                "spokesman",
                "minister_aide",
                "head_of_mission",
                "neighbour",
                name="function",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("mission_code", sa.Text(), nullable=True),
        sa.Column("mission_codes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("present", sa.Uuid(), nullable=True),
        sa.Column("is_quiet", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("texts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.CheckConstraint("status IN ('Actual', 'Exercise')", name=op.f("ck_crew_slot_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crew_slot")),
        sa.UniqueConstraint("incident_id", "function", "mission_code", name="uq_crew_slot_place", postgresql_nulls_not_distinct=True),
    )
    op.create_index("ix_crew_slot_next_at", "crew_slot", ["next_at"], unique=False, postgresql_where=sa.text("next_at IS NOT NULL"))
    op.create_table(
        "crew_call",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("deputy_of", sa.Uuid(), nullable=True),
        sa.Column("called_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["deputy_of"], ["crew_call.id"], name=op.f("fk_crew_call_deputy_of")),
        sa.ForeignKeyConstraint(["slot_id"], ["crew_slot.id"], name=op.f("fk_crew_call_slot_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_crew_call_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crew_call")),
        sa.UniqueConstraint("slot_id", "staff_id", name=op.f("uq_crew_call_slot_id_staff_id")),
    )
    op.create_index(op.f("ix_crew_call_staff_id"), "crew_call", ["staff_id"], unique=False)
    op.create_table(
        "crew_duty",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column(
            "function",
            sa.Enum(
                "duty_officer",
                "director",
                "spokesman",
                "minister_aide",
                "head_of_mission",
                "neighbour",
                name="function",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("is_on", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("hours_from", sa.Time(), nullable=True),
        sa.Column("hours_until", sa.Time(), nullable=True),
        sa.Column("zone", sa.Text(), server_default="Asia/Jakarta", nullable=False),
        sa.CheckConstraint("(hours_from IS NULL) = (hours_until IS NULL)", name=op.f("ck_crew_duty_hours_are_whole")),
        sa.CheckConstraint("position >= 1", name=op.f("ck_crew_duty_position")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_crew_duty_staff_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crew_duty")),
        sa.UniqueConstraint("function", "position", name=op.f("uq_crew_duty_function_position")),
        sa.UniqueConstraint("function", "staff_id", name=op.f("uq_crew_duty_function_staff_id")),
    )
    op.create_table(
        "handover",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status", sa.Enum("Actual", "Exercise", name="status", native_enum=False, create_constraint=True, length=40), nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("from_staff", sa.Uuid(), nullable=False),
        sa.Column("to_staff", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("sheet_version", sa.Integer(), nullable=True),
        sa.Column("open_points", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["from_staff"], ["staff.id"], name=op.f("fk_handover_from_staff")),
        sa.ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"], name=op.f("fk_handover_incident_id_status")),
        sa.ForeignKeyConstraint(["to_staff"], ["staff.id"], name=op.f("fk_handover_to_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handover")),
    )
    op.create_index(op.f("ix_handover_incident_id"), "handover", ["incident_id"], unique=False)
    op.create_table(
        "crew_answer",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column(
            "answer", sa.Enum("coming", "cannot", name="answer", native_enum=False, create_constraint=True, length=40), nullable=False
        ),
        sa.Column(
            "way",
            sa.Enum("page", "voice", "sms", "opened", name="answer_way", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("answered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["crew_call.id"], name=op.f("fk_crew_answer_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crew_answer")),
    )
    op.create_index(op.f("ix_crew_answer_call_id"), "crew_answer", ["call_id"], unique=False)
    op.add_column("incident", sa.Column("lead_by", sa.Text(), nullable=True))
    op.add_column("incident", sa.Column("lead_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("incident", sa.Column("merged_into", sa.Uuid(), nullable=True))
    op.add_column("incident", sa.Column("merged_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_incident_merged_into"), "incident", ["merged_into"], unique=False)
    op.create_foreign_key(op.f("fk_incident_merged_into"), "incident", "incident", ["merged_into"], ["id"])
    op.create_check_constraint(op.f("ck_incident_merged_says_when"), "incident", "(merged_into IS NULL) = (merged_at IS NULL)")
    op.create_check_constraint(
        op.f("ck_incident_merged_is_closed"), "incident", "merged_into IS NULL OR (state = 'closed' AND merged_into <> id)"
    )
    words = ", ".join(f"'{word}'" for word in UNDERSTOOD)
    op.execute(f"""
        ALTER TABLE inbound_message DROP CONSTRAINT ck_inbound_message_understood,
            ADD CONSTRAINT ck_inbound_message_understood CHECK (understood IN ({words})) NOT VALID""")
    op.execute("ALTER TABLE inbound_message VALIDATE CONSTRAINT ck_inbound_message_understood")
    for table in ("crew_call", "crew_answer", "handover"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
