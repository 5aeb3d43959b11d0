"""Calls for help with an owner; messages by more ways in; the call list of the unreached; roaming broadcasts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014_cases"
down_revision = "0013_ways"
branch_labels = None
depends_on = None

CHECKIN_CHANNELS = ("link", "sms", "app", "staff", "whatsapp", "voice", "open_link")
CASE_STATES = ("open", "acknowledged", "being_helped", "resolved", "referred")
REPLY_STATES = ("queued", "sending", "accepted", "sent", "delivered", "undelivered", "failed", "unknown", "cancelled")
ENTRY_KINDS = ("raised", "claim", "says_safe", "note", "moved", "assigned")
OUTCOMES = ("reached_safe", "reached_need_help", "no_answer", "wrong_number", "number_dead", "refused", "call_back_at")
ROAMING_STATES = ("asked", "sending", "accepted", "refused", "unknown")
CURRENT = sa.text("state IN ('open', 'acknowledged', 'being_helped')")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    words = ", ".join(f"'{word}'" for word in CHECKIN_CHANNELS)
    op.drop_constraint(op.f("ck_checkin_channel"), "checkin", type_="check")
    op.create_check_constraint(op.f("ck_checkin_channel"), "checkin", f"channel IN ({words})")
    _create_help_case()
    _create_help_case_entry()
    _create_citizen_reply()
    _widen_inbound_message()
    _create_call_row()
    _create_call_outcome()
    _create_roaming_broadcast()
    _create_roaming_count()


def _create_help_case() -> None:
    op.create_table(
        "help_case",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid()),
        sa.Column("status", _words("Actual", "Exercise", name="status"), nullable=False),
        sa.Column("citizen_id", sa.Uuid()),
        sa.Column("sender_index", sa.LargeBinary()),
        sa.Column("sender_enc", sa.LargeBinary()),
        sa.Column("owner_mission", sa.Text()),
        sa.Column("is_owner_assumed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("owned_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("state", _words(*CASE_STATES, name="case_state"), server_default="open", nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("last_call_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("says_safe_at", sa.DateTime(timezone=True)),
        sa.Column("acting_by", sa.Text()),
        sa.Column("first_checkin_id", sa.Uuid()),
        sa.Column("first_message_id", sa.Uuid()),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("num_nonnulls(citizen_id, sender_index) >= 1", name=op.f("ck_help_case_somebody_asks")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_help_case_incident_id")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_help_case_citizen_id")),
        sa.ForeignKeyConstraint(["owner_mission"], ["mission.code"], name=op.f("fk_help_case_owner_mission")),
        sa.ForeignKeyConstraint(["first_checkin_id"], ["checkin.id"], name=op.f("fk_help_case_first_checkin_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_help_case")),
    )
    op.create_index(op.f("ix_help_case_incident_id"), "help_case", ["incident_id"])
    op.create_index(op.f("ix_help_case_citizen_id"), "help_case", ["citizen_id"])
    op.create_index("ix_help_case_waiting", "help_case", ["owner_mission", "raised_at"], postgresql_where=CURRENT)
    for column, who in (("citizen_id", "citizen_id IS NOT NULL"), ("sender_index", "citizen_id IS NULL")):
        op.create_index(
            f"uq_help_case_open_{column}",
            "help_case",
            [column, "incident_id"],
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=sa.text(f"state IN ('open', 'acknowledged', 'being_helped') AND {who}"),
        )


def _create_help_case_entry() -> None:
    op.create_table(
        "help_case_entry",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("kind", _words(*ENTRY_KINDS, name="entry_kind"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("checkin_id", sa.Uuid()),
        sa.Column("message_id", sa.Uuid()),
        sa.Column("to_state", _words(*CASE_STATES, name="case_state")),
        sa.Column("to_mission", sa.Text()),
        sa.Column("contacted_by", sa.Text()),
        sa.Column("contacted_at", sa.DateTime(timezone=True)),
        sa.Column("contact_how", sa.Text()),
        sa.Column("note_enc", sa.LargeBinary()),
        sa.CheckConstraint(
            "to_state NOT IN ('resolved', 'referred')"
            " OR (contacted_by IS NOT NULL AND contacted_at IS NOT NULL AND contact_how IS NOT NULL)",
            name=op.f("ck_help_case_entry_closing_has_contact"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["help_case.id"], name=op.f("fk_help_case_entry_case_id")),
        sa.ForeignKeyConstraint(["checkin_id"], ["checkin.id"], name=op.f("fk_help_case_entry_checkin_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_help_case_entry")),
    )
    op.create_index(op.f("ix_help_case_entry_case_id"), "help_case_entry", ["case_id"])
    _append_only("help_case_entry")


def _create_citizen_reply() -> None:
    op.create_table(
        "citizen_reply",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("told", _words(*CASE_STATES, name="case_state"), nullable=False),
        sa.Column("phone_id", sa.Uuid(), nullable=False),
        sa.Column("status", _words("Actual", "Exercise", name="status"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", _words(*REPLY_STATES, name="reply_state"), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("intent_at", sa.DateTime(timezone=True)),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("state_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("provider_id", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name=op.f("ck_citizen_reply_sending_has_lease")),
        sa.ForeignKeyConstraint(["case_id"], ["help_case.id"], name=op.f("fk_citizen_reply_case_id")),
        sa.ForeignKeyConstraint(["phone_id"], ["phone.id"], name=op.f("fk_citizen_reply_phone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_citizen_reply")),
        sa.UniqueConstraint("case_id", "told", name=op.f("uq_citizen_reply_case_id_told")),
    )
    waiting = sa.text("state IN ('queued', 'sending')")
    op.create_index("ix_citizen_reply_open", "citizen_reply", ["due_at"], postgresql_where=waiting)


def _widen_inbound_message() -> None:
    table = "inbound_message"
    op.add_column(table, sa.Column("channel", _words("sms", "whatsapp", "open_link", name="way_in"), server_default="sms", nullable=False))
    op.add_column(table, sa.Column("mission_code", sa.Text()))
    op.add_column(table, sa.Column("case_id", sa.Uuid()))
    for name in ("name_enc", "place_enc", "address_index"):
        op.add_column(table, sa.Column(name, sa.LargeBinary()))
    op.create_foreign_key(op.f("fk_inbound_message_mission_code"), table, "mission", ["mission_code"], ["code"])
    op.create_foreign_key(op.f("fk_inbound_message_case_id"), table, "help_case", ["case_id"], ["id"])
    op.create_index(
        "ix_inbound_message_address", table, ["address_index", "received_at"], postgresql_where=sa.text("address_index IS NOT NULL")
    )


def _create_call_row() -> None:
    op.create_table(
        "call_row",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_outcome", _words(*OUTCOMES, name="outcome")),
        sa.Column("last_at", sa.DateTime(timezone=True)),
        sa.Column("next_try_at", sa.DateTime(timezone=True)),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(claimed_by IS NULL) = (claimed_until IS NULL)", name=op.f("ck_call_row_claim_has_lease")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_call_row_incident_id")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_call_row_citizen_id")),
        sa.ForeignKeyConstraint(["member_id"], ["audience_member.id"], name=op.f("fk_call_row_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_row")),
        sa.UniqueConstraint("incident_id", "citizen_id", name=op.f("uq_call_row_incident_id_citizen_id")),
    )
    op.create_index(op.f("ix_call_row_citizen_id"), "call_row", ["citizen_id"])


def _create_call_outcome() -> None:
    op.create_table(
        "call_outcome",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("call_row_id", sa.Uuid(), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("mission_code", sa.Text()),
        sa.Column("outcome", _words(*OUTCOMES, name="outcome"), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("call_back_at", sa.DateTime(timezone=True)),
        sa.Column("note_enc", sa.LargeBinary()),
        sa.CheckConstraint("(outcome = 'call_back_at') = (call_back_at IS NOT NULL)", name=op.f("ck_call_outcome_call_back_has_time")),
        sa.ForeignKeyConstraint(["call_row_id"], ["call_row.id"], name=op.f("fk_call_outcome_call_row_id")),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_call_outcome_broadcast_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_outcome")),
    )
    op.create_index(op.f("ix_call_outcome_call_row_id"), "call_outcome", ["call_row_id"])
    op.create_index(op.f("ix_call_outcome_broadcast_id"), "call_outcome", ["broadcast_id"])
    _append_only("call_outcome")


def _create_roaming_broadcast() -> None:
    op.create_table(
        "roaming_broadcast",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("state", _words(*ROAMING_STATES, name="roaming_state"), server_default="asked", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()")),
        sa.Column("intent_at", sa.DateTime(timezone=True)),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("state_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("operator_ref", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("counted_at", sa.DateTime(timezone=True)),
        sa.Column("is_final", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("state <> 'accepted' OR operator_ref IS NOT NULL", name=op.f("ck_roaming_broadcast_accepted_has_ref")),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_roaming_broadcast_broadcast_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roaming_broadcast")),
        sa.UniqueConstraint(
            "broadcast_id", "country", "operator", "language", name=op.f("uq_roaming_broadcast_broadcast_id_country_operator_language")
        ),
    )


def _create_roaming_count() -> None:
    op.create_table(
        "roaming_count",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("roaming_broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("phones_found", sa.BigInteger(), nullable=False),
        sa.Column("phones_delivered", sa.BigInteger()),
        sa.ForeignKeyConstraint(["roaming_broadcast_id"], ["roaming_broadcast.id"], name=op.f("fk_roaming_count_roaming_broadcast_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roaming_count")),
        sa.UniqueConstraint("roaming_broadcast_id", "as_of", name=op.f("uq_roaming_count_roaming_broadcast_id_as_of")),
    )
    _append_only("roaming_count")


def _append_only(table: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
