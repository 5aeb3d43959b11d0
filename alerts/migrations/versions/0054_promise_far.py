"""A report may be asked about a promise too far ahead."""

from __future__ import annotations

from alembic import op

revision = "0054_promise_far"
down_revision = "0053_incident_past"
branch_labels = None
depends_on = None

RULES = (
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
    "promise_far",
    "reason_missing",
    "already_superseded",
    "supersedes_unknown",
    "withdraws_unknown",
    "filed_at_once",
    "sources_differ",
    "severity_exceeds_injured",
    "falls_without_reason",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    words = ", ".join(f"'{word}'" for word in RULES)
    op.execute(f"""
        ALTER TABLE report_problem DROP CONSTRAINT ck_report_problem_rule,
            ADD CONSTRAINT ck_report_problem_rule CHECK (rule IN ({words})) NOT VALID""")
    op.execute("ALTER TABLE report_problem VALIDATE CONSTRAINT ck_report_problem_rule")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
