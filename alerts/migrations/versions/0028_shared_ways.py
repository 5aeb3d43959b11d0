"""How many people go by fewer ways than they have, per list; networks that mark a sender instead of blocking it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028_shared_ways"
down_revision = "0027_step_clock"
branch_labels = None
depends_on = None

SENDERS = (
    "registered_alphanumeric",
    "registered_alphanumeric_only",
    "registered_or_suspect",
    "long_code_or_alphanumeric",
    "rewritten",
    "none",
    "unknown",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("audience", sa.Column("sharing_ways", sa.Integer(), server_default="0", nullable=False))
    _allow(SENDERS)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _allow(words: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{word}'" for word in words)
    op.drop_constraint(op.f("ck_country_rule_sender_kind"), "country_rule", type_="check")
    op.create_check_constraint(op.f("ck_country_rule_sender_kind"), "country_rule", f"sender_kind IN ({listed})")
