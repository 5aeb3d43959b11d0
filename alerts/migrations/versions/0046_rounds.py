"""A call-out that was stopped stays so; an incident that is opened again calls its crew anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046_rounds"
down_revision = "0045_callers_words"
branch_labels = None
depends_on = None

PLACE = ["incident_id", "function", "mission_code"]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("incident", sa.Column("state_changed_by", sa.Text(), nullable=True))
    op.add_column("crew_slot", sa.Column("round", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("crew_slot", sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(STOP)
    op.create_check_constraint(op.f("ck_crew_slot_stopped_calls_nobody"), "crew_slot", "stopped_at IS NULL OR next_at IS NULL")
    # The same name, so that the code before finds what its upsert names.
    op.drop_constraint("uq_crew_slot_place", "crew_slot", type_="unique")
    op.create_unique_constraint("uq_crew_slot_place", "crew_slot", [*PLACE, "round"], postgresql_nulls_not_distinct=True)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


STOP = """
UPDATE crew_slot SET stopped_at = incident.state_changed_at, next_at = NULL
FROM incident WHERE incident.id = crew_slot.incident_id AND incident.state = 'closed'
"""
