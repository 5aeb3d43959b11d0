"""More ways to a person, and what decides their order: addresses, declared needs, waves, quiet incidents, purposes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013_ways"
down_revision = "0012_live"
branch_labels = None
depends_on = None

CHANNELS = ("push", "web_push", "sms", "whatsapp", "email", "voice", "none")
PURPOSES = ("alert", "first_alert", "follow_up", "still_valid", "synthetic")
NO = sa.text("false")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("wants_whatsapp", "is_vulnerable", "is_tester"):
        op.add_column("citizen", sa.Column(name, sa.Boolean(), server_default=NO, nullable=False))
    op.add_column("incident", sa.Column("is_quiet", sa.Boolean(), server_default=NO, nullable=False))
    op.add_column("broadcast", sa.Column("purpose", _words(*PURPOSES, name="purpose"), server_default="alert", nullable=False))
    op.add_column("broadcast", sa.Column("hold_until", sa.DateTime(timezone=True)))
    op.add_column("audience", sa.Column("released_at", sa.DateTime(timezone=True)))
    op.add_column("audience_member", sa.Column("address_id", sa.Uuid()))
    op.add_column("audience_member", sa.Column("further_ways", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
    for table in ("audience_member", "delivery", "attempt"):
        _widen(table)
    _create_web_push_subscription()
    _create_email_address()
    op.execute("UPDATE audience a SET released_at = b.released_at FROM broadcast b WHERE b.audience_id = a.id")


def _widen(table: str) -> None:
    """The words for channels grow; none of the old ones goes."""
    words = ", ".join(f"'{word}'" for word in CHANNELS)
    op.drop_constraint(op.f(f"ck_{table}_channel"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_channel"), table, f"channel IN ({words})")


def _create_web_push_subscription() -> None:
    op.create_table(
        "web_push_subscription",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_enc", sa.LargeBinary(), nullable=False),
        sa.Column("endpoint_index", sa.LargeBinary(), nullable=False),
        sa.Column("p256dh_enc", sa.LargeBinary(), nullable=False),
        sa.Column("auth_enc", sa.LargeBinary(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_web_push_subscription_citizen_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_push_subscription")),
    )
    current = sa.text("retired_at IS NULL")
    op.create_index("ix_web_push_subscription_citizen_id", "web_push_subscription", ["citizen_id"], postgresql_where=current)
    op.create_index(
        "uq_web_push_subscription_endpoint_index", "web_push_subscription", ["endpoint_index"], unique=True, postgresql_where=current
    )


def _create_email_address() -> None:
    op.create_table(
        "email_address",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("address_enc", sa.LargeBinary(), nullable=False),
        sa.Column("address_index", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_email_address_citizen_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_address")),
    )
    current = sa.text("retired_at IS NULL")
    op.create_index("uq_email_address_citizen_id", "email_address", ["citizen_id"], unique=True, postgresql_where=current)
    op.create_index("ix_email_address_address_index", "email_address", ["address_index"], postgresql_where=current)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
