"""Country rules as data: one row per version, written once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017_country_rules"
down_revision = "0016_prepared"
branch_labels = None
depends_on = None

KNOWN = ("yes", "no", "unknown", "registered_only")
SENDERS = (
    "registered_alphanumeric", "registered_alphanumeric_only", "long_code_or_alphanumeric", "rewritten", "none", "unknown",
)  # fmt: skip
EMPTY = sa.text("''")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "country_rule",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("channel", _words("sms", "whatsapp", "voice", name="ruled_channel"), nullable=False),
        sa.Column("number_country", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *(sa.Column(name, _words(*KNOWN, name=name), nullable=False) for name in ("outbound", "two_way", "urls", "phone_numbers")),
        sa.Column("sender_kind", _words(*SENDERS, name="sender_kind"), nullable=False),
        sa.Column("sender_id", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("rate_per_second", sa.Float()),
        sa.Column("receipts", _words(*KNOWN, name="receipts"), nullable=False),
        sa.Column("quiet_scope", _words("nothing", "promotional", "everything", name="quiet_scope"), nullable=False),
        sa.Column("quiet_from", sa.Time()),
        sa.Column("quiet_until", sa.Time()),
        sa.Column("quiet_zone", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("price_per_segment", sa.Numeric(12, 6)),
        sa.Column("currency", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("note", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("source", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("edited_by", sa.Uuid()),
        sa.Column("edited_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("rate_per_second > 0", name=op.f("ck_country_rule_rate_is_positive")),
        sa.CheckConstraint("price_per_segment >= 0", name=op.f("ck_country_rule_price_is_not_negative")),
        sa.CheckConstraint("(price_per_segment IS NULL) = (currency = '')", name=op.f("ck_country_rule_price_has_currency")),
        sa.CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name=op.f("ck_country_rule_quiet_hours_have_two_ends")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_country_rule")),
        sa.UniqueConstraint(
            "provider", "channel", "number_country", "version", name=op.f("uq_country_rule_provider_channel_number_country_version")
        ),
    )
    op.execute(
        "CREATE TRIGGER country_rule_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON country_rule"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
