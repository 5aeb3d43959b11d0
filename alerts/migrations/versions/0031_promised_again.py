"""A promise that is kept again and again while its message holds, and an alarm for a message that cannot be made ready."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031_promised_again"
down_revision = "0030_browsers_of_exercises"
branch_labels = None
depends_on = None

ALARMS = (
    "stop_all",
    "no_permission",
    "dead_tokens",
    "content_filtered",
    "content_refused",
    "unread_answer",
    "nobody_to_page",
    "round_trip_late",
    "promise_broken",
    "message_stuck",
    "other",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("broadcast", sa.Column("next_message_every_minutes", sa.SmallInteger()))
    op.add_column("broadcast", sa.Column("promise_due_at", sa.DateTime(timezone=True)))
    again = "(next_message_every_minutes IS NULL) OR (next_message_every_minutes > 0 AND next_message_at IS NOT NULL)"
    op.create_check_constraint(op.f("ck_broadcast_again_after_a_first"), "broadcast", again)
    op.drop_constraint(op.f("ck_alarm_alarm_kind"), "alarm", type_="check")
    op.create_check_constraint(op.f("ck_alarm_alarm_kind"), "alarm", f"kind IN ({', '.join(map(repr, ALARMS))})")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
