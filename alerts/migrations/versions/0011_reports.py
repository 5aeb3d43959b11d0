"""Reports as filed, what was asked about them, and how conflicts were decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011_reports"
down_revision = "0010_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "report",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status", sa.Enum("Actual", "Exercise", name="status", native_enum=False, create_constraint=True, length=40), nullable=False
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("mission_code", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("accepted", "held", "conflicting", name="report_state", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("supersedes", sa.Uuid(), nullable=True),
        sa.Column("supersede_reason", sa.Text(), nullable=True),
        sa.Column("narrative", sa.Text(), nullable=True),
        sa.Column("next_report_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mission_status", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("filed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("filed_by", sa.Text(), nullable=False),
        sa.CheckConstraint("(mission_code IS NULL) = (left(source, 8) <> 'mission:')", name=op.f("ck_report_source")),
        sa.ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"], name=op.f("fk_report_incident_id_status")),
        sa.ForeignKeyConstraint(["mission_code"], ["mission.code"], name=op.f("fk_report_mission_code")),
        sa.ForeignKeyConstraint(["supersedes"], ["report.id"], name=op.f("fk_report_supersedes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("incident_id", "source", "version", name=op.f("uq_report_incident_id_source_version")),
    )
    op.create_index("ix_report_incident_id_known_at", "report", ["incident_id", "known_at"], unique=False)
    op.create_table(
        "report_line",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "category",
            sa.Enum(
                "dead",
                "seriously_injured",
                "lightly_injured",
                "injured",
                "ill",
                "in_hospital",
                "detained",
                "trapped",
                "missing",
                "unaccounted",
                "safe",
                "sheltering",
                "en_route",
                "evacuated",
                "repatriated",
                "stranded",
                "affected",
                "stayed",
                "registered",
                "estimated_present",
                name="category",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("places", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("standing", "planned", "of_which", name="line_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column(
            "of_category",
            sa.Enum(
                "dead",
                "seriously_injured",
                "lightly_injured",
                "injured",
                "ill",
                "in_hospital",
                "detained",
                "trapped",
                "missing",
                "unaccounted",
                "safe",
                "sheltering",
                "en_route",
                "evacuated",
                "repatriated",
                "stranded",
                "affected",
                "stayed",
                "registered",
                "estimated_present",
                name="of_category",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "nationality",
            sa.Enum(
                "own",
                "own_child_dual",
                "foreign_family",
                "foreign_helped",
                "unverified",
                "mixed",
                name="nationality",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "series",
            sa.Enum("own", "host_state", "media", name="series", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column(
            "claim",
            sa.Enum(
                "reported", "corroborated", "contact_made", "verified", name="claim", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column(
            "counted_claim",
            sa.Enum(
                "reported",
                "corroborated",
                "contact_made",
                "verified",
                name="counted_claim",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("authority_confirmed", sa.Boolean(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column(
            "silence",
            sa.Enum(
                "not_asked",
                "asked_no_answer",
                "asked_none_reported",
                "checked_none_found",
                name="silence",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("is_approximate", sa.Boolean(), nullable=False),
        sa.Column("how", sa.Text(), nullable=True),
        sa.Column("contact", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("withdraws", sa.Uuid(), nullable=True),
        sa.Column("withdraw_reason", sa.Text(), nullable=True),
        sa.Column("foreign_country", sa.Text(), nullable=True),
        sa.Column(
            "state", sa.Enum("accepted", "held", name="line_state", native_enum=False, create_constraint=True, length=40), nullable=False
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_report_line_number_is_positive")),
        sa.CheckConstraint("number IS NULL OR silence IS NULL", name=op.f("ck_report_line_one_value")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_line_report_id")),
        sa.ForeignKeyConstraint(["withdraws"], ["report_line.id"], name=op.f("fk_report_line_withdraws")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_line")),
        sa.UniqueConstraint("report_id", "position", name=op.f("uq_report_line_report_id_position")),
    )
    op.create_index(
        "ix_report_line_withdraws", "report_line", ["withdraws"], unique=False, postgresql_where=sa.text("withdraws IS NOT NULL")
    )
    op.create_table(
        "report_check",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "target",
            sa.Enum(
                "authorities",
                "hospital",
                "mortuary",
                "police",
                "disaster_agency",
                "airport",
                "hotel",
                "employer",
                "community",
                "other",
                name="target",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("places", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "not_tried", "tried_no_answer", "asked", "visited", name="outcome", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("found", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_check_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_check")),
        sa.UniqueConstraint("report_id", "position", name=op.f("uq_report_check_report_id_position")),
    )
    op.create_table(
        "report_problem",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column(
            "rule",
            sa.Enum(
                "not_a_number",
                "negative",
                "not_whole",
                "implausible",
                "value_missing",
                "zero_needs_check",
                "check_without_how",
                "unknown_place",
                "no_place",
                "set_missing",
                "subset_exceeds_set",
                "parts_do_not_sum",
                "parts_leave_a_rest",
                "same_cell_twice",
                "contact_without_proof",
                "clock_off",
                "reason_missing",
                "already_superseded",
                "supersedes_unknown",
                "withdraws_unknown",
                "filed_at_once",
                "sources_differ",
                "severity_exceeds_injured",
                "falls_without_reason",
                name="rule",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_problem_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_problem")),
    )
    op.create_index(op.f("ix_report_problem_report_id"), "report_problem", ["report_id"], unique=False)
    op.create_table(
        "conflict_resolution",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("conflict_id", sa.Text(), nullable=False),
        sa.Column("keep_line_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("resolved_by", sa.Text(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_conflict_resolution_incident_id")),
        sa.ForeignKeyConstraint(["keep_line_id"], ["report_line.id"], name=op.f("fk_conflict_resolution_keep_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflict_resolution")),
    )
    op.create_index("ix_conflict_resolution_incident_id", "conflict_resolution", ["incident_id", "conflict_id"], unique=False)

    _append_only("report")
    _append_only("report_line")
    _append_only("report_check")
    _append_only("report_problem")
    _append_only("conflict_resolution")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _append_only(table: str) -> None:
    """What was filed or shown is never altered, by whatever role."""
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
