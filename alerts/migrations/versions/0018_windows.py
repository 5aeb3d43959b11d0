"""Intents become windows; a delivery's id is its member and step; attempts are named by delivery and number.

This one does not work beside the previous code (ADR 0016): stop the workers and the relay first, and nothing may be
under way. What was sent before stays on record: rows are carried over.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018_windows"
down_revision = "0017_country_rules"
branch_labels = None
depends_on = None

CHANNELS = ("push", "web_push", "sms", "whatsapp", "email", "voice", "none")
STATES = (
    "queued",
    "sending",
    "accepted",
    "sent",
    "delivered",
    "undelivered",
    "failed",
    "unknown",
    "expired",
    "cancelled",
    "opted_out",
)
EVIDENCE = ("answer", "callback", "lookup", "lease_expired", "restored")
NOW = sa.text("now()")
OLD = ("delivery", "attempt", "receipt")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _set_aside()
    _grow_batch()
    _create_delivery()
    _create_send_window()
    _create_attempt()
    _create_receipt()
    for statement in CARRY_OVER:
        op.execute(statement)
    for table in reversed(OLD):
        op.drop_table(f"old_{table}")
    op.execute(RECEIPT_GUARD)
    op.add_column("audience", sa.Column("released_to", sa.BigInteger(), server_default="0", nullable=False))


def _set_aside() -> None:
    """The old tables under other names, with their indexes and constraints, so that the new ones can have theirs."""
    op.execute("DROP TRIGGER receipt_append_only ON receipt")
    for table in OLD:
        op.execute(SET_ASIDE.format(table=table))
        op.rename_table(table, f"old_{table}")


def _grow_batch() -> None:
    for column in (
        sa.Column("audience_id", sa.BigInteger()),
        sa.Column("step", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("channel", _words(*CHANNELS, name="channel"), server_default="sms", nullable=False),
        sa.Column("number_country", sa.Text(), server_default="", nullable=False),
        sa.Column("first_member_id", sa.BigInteger(), server_default="0", nullable=False),
        _at("next_step_at"),
    ):
        op.add_column("delivery_batch", column)
    op.create_index("ix_delivery_batch_audience_id", "delivery_batch", ["audience_id"])
    waiting = sa.text("next_step_at IS NOT NULL")
    op.create_index("ix_delivery_batch_next_step_at", "delivery_batch", ["next_step_at"], postgresql_where=waiting)


def _create_delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("address_id", sa.Uuid()),
        sa.Column("step", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("channel", _words(*CHANNELS, name="channel"), nullable=False),
        sa.Column("state", _words(*STATES, name="state"), server_default="queued", nullable=False),
        sa.Column("number_country", sa.Text()),
        _at("next_attempt_at"),
        sa.Column("provider_id", sa.Text()),
        sa.Column("error_code", sa.Text()),
        _at("state_at", is_now=True),
        _at("created_at", is_now=True),
        _at("accepted_at"),
        _at("delivered_at"),
        _at("answered_at"),
        sa.CheckConstraint("id = member_id * 64 + step AND step BETWEEN 1 AND 63", name=op.f("ck_delivery_id_is_member_and_step")),
        sa.CheckConstraint("state NOT IN ('accepted', 'sent') OR provider_id IS NOT NULL", name=op.f("ck_delivery_sent_has_provider_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_delivery_batch_id", "delivery", ["batch_id"])


def _create_send_window() -> None:
    op.create_table(
        "send_window",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("deliveries", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("numbers", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("resend_of", postgresql.ARRAY(sa.SmallInteger())),
        sa.Column("intent_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        _at("closed_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_send_window")),
    )
    op.create_index("ix_send_window_open", "send_window", ["lease_until"], postgresql_where=sa.text("closed_at IS NULL"))


def _create_attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("delivery_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("window_id", sa.BigInteger()),
        sa.Column("channel", _words(*CHANNELS, name="channel"), nullable=False),
        sa.Column("sender", sa.Text(), server_default="", nullable=False),
        sa.Column("state", _words(*STATES, name="state"), nullable=False),
        sa.Column("evidence", _words(*EVIDENCE, name="evidence"), nullable=False),
        sa.Column("resend_of", sa.SmallInteger()),
        _at("intent_at", is_now=True),
        _at("resolved_at", is_now=True),
        _at("looked_up_at"),
        _at("look_up_tried_at"),
        sa.Column("provider_id", sa.Text()),
        sa.Column("raw_status", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_open", "attempt", ["intent_at"], postgresql_where=sa.text("state = 'unknown'"))
    is_off = sa.text("state = 'undelivered' AND error_code = '30003'")
    op.create_index("ix_attempt_handset_off", "attempt", ["resolved_at"], postgresql_where=is_off)


def _create_receipt() -> None:
    op.create_table(
        "receipt",
        sa.Column("delivery_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("raw_status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default="twilio", nullable=False),
        sa.Column("error_code", sa.Text()),
        sa.Column("provider_id", sa.Text()),
        _at("received_at", is_now=True),
        _at("applied_at"),
        sa.PrimaryKeyConstraint("delivery_id", "number", "raw_status", name=op.f("pk_receipt")),
    )
    op.create_index("ix_receipt_new", "receipt", ["received_at"], postgresql_where=sa.text("applied_at IS NULL"))


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def _at(name: str, *, is_now: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=NOW if is_now else None, nullable=not is_now)


SET_ASIDE = """
DO $$
DECLARE it record;
BEGIN
    FOR it IN SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype <> 'n' LOOP
        EXECUTE format('ALTER TABLE {table} RENAME CONSTRAINT %I TO %I', it.conname, 'old_' || it.conname);
    END LOOP;
    FOR it IN SELECT indexname FROM pg_indexes WHERE tablename = '{table}' AND indexname NOT LIKE 'old_%' LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', it.indexname, 'old_' || it.indexname);
    END LOOP;
END $$
"""

# Unreachable people get a batch too (done), one per message; what was being sent when the old code stopped is unknown.
CARRY_OVER = (
    """
    INSERT INTO delivery_batch (broadcast_id, state, channel) SELECT DISTINCT broadcast_id, 'done', 'none' FROM old_delivery WHERE batch_id IS NULL
    """,
    """
    INSERT INTO delivery (id, member_id, broadcast_id, batch_id, address_id, step, attempts, channel, state, number_country, next_attempt_at,
        provider_id, error_code, state_at, created_at, accepted_at, delivered_at, answered_at)
    SELECT d.member_id * 64 + d.step, d.member_id, d.broadcast_id,
        coalesce(d.batch_id, (SELECT max(b.id) FROM delivery_batch b WHERE b.broadcast_id = d.broadcast_id AND b.channel = 'none')),
        CASE d.channel WHEN 'push' THEN m.device_id ELSE m.phone_id END, d.step, d.attempts, d.channel,
        CASE d.state WHEN 'sending' THEN 'unknown' ELSE d.state END, m.number_country, d.next_attempt_at, d.provider_id, d.error_code,
        d.state_at, d.created_at, d.accepted_at, d.delivered_at, d.answered_at
    FROM old_delivery d JOIN audience_member m ON m.id = d.member_id
    """,
    """
    INSERT INTO attempt (delivery_id, number, channel, state, evidence, resend_of, intent_at, resolved_at, looked_up_at,
        look_up_tried_at, provider_id, raw_status, error_code)
    SELECT d.member_id * 64 + d.step, a.number, a.channel, CASE a.state WHEN 'sending' THEN 'unknown' ELSE a.state END,
        coalesce(a.evidence, 'lease_expired'), o.number, a.intent_at, coalesce(a.resolved_at, a.intent_at), a.looked_up_at,
        a.look_up_tried_at, a.provider_id, a.raw_status, a.error_code
    FROM old_attempt a JOIN old_delivery d ON d.id = a.delivery_id LEFT JOIN old_attempt o ON o.id = a.resend_of
    """,
    """
    INSERT INTO receipt (delivery_id, number, raw_status, error_code, provider_id, received_at, applied_at)
    SELECT d.member_id * 64 + d.step, a.number, r.raw_status, r.error_code, r.provider_id, r.received_at, r.applied_at
    FROM old_receipt r JOIN old_attempt a ON a.id = r.attempt_id JOIN old_delivery d ON d.id = a.delivery_id
    """,
    """
    UPDATE delivery_batch b SET audience_id = m.audience_id, channel = d.channel, first_member_id = d.first
    FROM (SELECT batch_id, min(member_id) AS first, min(channel) AS channel FROM delivery GROUP BY 1) d
    JOIN audience_member m ON m.id = d.first WHERE b.id = d.batch_id
    """,
)

RECEIPT_GUARD = """
CREATE TRIGGER receipt_append_only
    BEFORE DELETE OR TRUNCATE OR UPDATE OF delivery_id, number, raw_status, provider_id, error_code, received_at ON receipt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
