"""By whose link, and which one, a browser or an app came: raising the link's generation takes it away again."""

from __future__ import annotations

from alembic import op

revision = "0032_devices_by_link"
down_revision = "0031_promised_again"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("device", "web_push_subscription"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN link_member_id bigint, ADD COLUMN link_generation integer")
        op.create_check_constraint(op.f(f"ck_{table}_link_is_whole"), table, "(link_member_id IS NULL) = (link_generation IS NULL)")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
