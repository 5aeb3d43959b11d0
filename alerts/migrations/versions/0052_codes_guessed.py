"""An alarm for codes of reports by SMS that somebody may be guessing."""

from __future__ import annotations

from alembic import op

revision = "0052_codes_guessed"
down_revision = "0051_alert_codes"
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
    "codes_guessed",
    "other",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("ck_alarm_alarm_kind"), "alarm", type_="check")
    op.create_check_constraint(op.f("ck_alarm_alarm_kind"), "alarm", f"kind IN ({', '.join(map(repr, ALARMS))})")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
