"""A step on the way of a death to its publication belongs to the finding that it was made for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048_findings"
down_revision = "0047_pictures"
branch_labels = None
depends_on = None

# The newest word "dead" that was known and stood when the step was recorded: it is of the finding that stood then.
FILL = """
UPDATE death_step d SET finding_id = (
    SELECT s.id FROM person_statement s
    WHERE s.person_id = d.person_id AND s.axis = 'condition' AND s.value = 'dead' AND s.known_at <= d.known_at
      AND NOT EXISTS (SELECT 1 FROM person_statement w WHERE w.withdraws = s.id AND w.known_at <= d.known_at)
    ORDER BY s.as_of DESC, s.known_at DESC, s.id DESC LIMIT 1)
WHERE d.step <> 'withdrawn'
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("death_step", sa.Column("finding_id", sa.Uuid()))
    op.create_foreign_key(op.f("fk_death_step_finding_id"), "death_step", "person_statement", ["finding_id"], ["id"])
    # Once, by the migration, the rows are filled in; nobody else may change one.
    op.execute("ALTER TABLE death_step DISABLE TRIGGER death_step_append_only")
    op.execute(FILL)
    op.execute("ALTER TABLE death_step ENABLE TRIGGER death_step_append_only")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
