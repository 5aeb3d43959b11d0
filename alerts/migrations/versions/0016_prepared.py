"""Texts that two people approved beforehand, holds, promised next messages, waves that need a new approval, quiet incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016_prepared"
down_revision = "0015_notices"
branch_labels = None
depends_on = None

NO = sa.text("false")
STATES = ("draft", "freezing", "submitted", "held", "approved", "rejected", "cancelled")
EVENTS = (
    "earthquake", "tsunami", "volcano", "storm", "flood", "wildfire", "epidemic", "conflict", "attack", "unrest", "hostage",
    "air_accident", "sea_accident", "road_or_rail_accident", "industrial_accident", "other",
)  # fmt: skip

BROADCAST_CHECKS = {
    "approved_by_person": "(state NOT IN ('approved', 'held')) OR (approved_by IS NOT NULL AND approved_via = 'session')",
    "first_alert_is_prepared": "(purpose <> 'first_alert') OR (template_id IS NOT NULL)",
    "prepared_by_two": (
        "(template_id IS NULL) OR (template_written_by IS NOT NULL AND template_approved_by IS NOT NULL"
        " AND template_written_by <> template_approved_by)"
    ),
    "held_has_an_end": "(state <> 'held') OR (hold_until IS NOT NULL AND purpose = 'first_alert')",
    "hold_was_kept": (
        "(purpose <> 'first_alert') OR (approved_at IS NULL) OR (confirmed_at IS NOT NULL)"
        " OR (hold_until IS NOT NULL AND approved_at >= hold_until)"
    ),
    "confirmed_by_another": "(confirmed_by IS NULL) OR (confirmed_by <> approved_by AND confirmed_at IS NOT NULL)",
}

GUARDS = (
    """
    CREATE FUNCTION fill_template(body text, places jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT replace(replace(replace(body, '{place}', coalesce(places ->> 'place', '')),
            '{hotline}', coalesce(places ->> 'hotline', '')), '{time}', coalesce(places ->> 'time', ''))
    $$
    """,
    # Words stand as they were approved; an approval or an end is written once.
    """
    CREATE FUNCTION refuse_template_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR (OLD.approved_by IS NOT NULL AND NEW.approved_by IS DISTINCT FROM OLD.approved_by)
            OR (OLD.retired_at IS NOT NULL AND NEW.retired_at IS DISTINCT FROM OLD.retired_at)
            OR (OLD.retired_at IS NOT NULL AND NEW.approved_by IS DISTINCT FROM OLD.approved_by)
            OR (NEW.code, NEW.version, NEW.kind, NEW.texts, NEW.title, NEW.created_by)
                IS DISTINCT FROM (OLD.code, OLD.version, OLD.kind, OLD.texts, OLD.title, OLD.created_by) THEN
            RAISE EXCEPTION 'a prepared text is append-only: write a new version' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER message_template_kept BEFORE UPDATE OR DELETE ON message_template
        FOR EACH ROW EXECUTE FUNCTION refuse_template_change()
    """,
    # Two people, in its new form. Free words: the approver has touched no version. Prepared words: the two are those who wrote
    # and approved the template, and the message says exactly what they approved. `still_valid`: what the two of the original approved.
    """
    CREATE OR REPLACE FUNCTION refuse_own_approval() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        prepared message_template;
        original broadcast;
        word text := CASE WHEN NEW.status = 'Exercise' THEN 'LATIHAN: ' ELSE '' END;
    BEGIN
        IF NEW.approved_by IS NULL THEN
            RETURN NEW;
        END IF;
        IF NEW.template_id IS NOT NULL THEN
            SELECT * INTO prepared FROM message_template WHERE id = NEW.template_id;
            IF prepared.approved_at IS NULL OR prepared.created_by <> NEW.template_written_by
                OR prepared.approved_by <> NEW.template_approved_by
                OR (prepared.kind = 'first_alert') <> (NEW.purpose = 'first_alert' AND NEW.msg_type = 'Alert')
                OR (prepared.kind <> 'first_alert' AND prepared.kind <> lower(NEW.msg_type))
                OR NEW.texts <> jsonb_build_object(
                    'id', word || fill_template(prepared.texts ->> 'id', NEW.template_places -> 'id'),
                    'en', word || fill_template(prepared.texts ->> 'en', NEW.template_places -> 'en')) THEN
                RAISE EXCEPTION 'one person may release only the very words that two people approved'
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END IF;
        IF NEW.purpose = 'still_valid' THEN
            SELECT * INTO original FROM broadcast WHERE id = NEW."references"[1];
            IF original.approved_at IS NULL OR original.approved_by IS DISTINCT FROM NEW.approved_by
                OR original.still_valid_texts IS DISTINCT FROM NEW.texts THEN
                RAISE EXCEPTION 'only what was approved with the original may say that it still holds'
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
        END IF;
        IF NEW.approved_by IN (NEW.created_by, NEW.submitted_by)
            OR EXISTS (SELECT FROM broadcast_hand h WHERE h.broadcast_id = NEW.id AND h.staff_id = NEW.approved_by) THEN
            RAISE EXCEPTION 'whoever wrote, edited or submitted a message cannot approve it'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    "DROP TRIGGER broadcast_two_people ON broadcast",
    """
    CREATE TRIGGER broadcast_two_people
        BEFORE INSERT OR UPDATE OF approved_by, state, texts, purpose, template_id, template_places ON broadcast
        FOR EACH ROW EXECUTE FUNCTION refuse_own_approval()
    """,
    # A wave beyond the limit is approved by one who touched no version of the message.
    """
    CREATE FUNCTION refuse_own_wave() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.approved_by IS NOT NULL AND EXISTS (
            SELECT FROM broadcast_hand h WHERE h.broadcast_id = NEW.broadcast_id AND h.staff_id = NEW.approved_by) THEN
            RAISE EXCEPTION 'whoever wrote, edited or submitted a message cannot approve a wave of it'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER audience_two_people BEFORE INSERT OR UPDATE OF approved_by ON audience
        FOR EACH ROW EXECUTE FUNCTION refuse_own_wave()
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_message_template()
    _widen_broadcast()
    _widen_audience()
    op.add_column("incident", sa.Column("quiet_reason", sa.Text()))
    op.add_column("incident", sa.Column("quiet_set_by", sa.Text()))
    op.add_column("incident", sa.Column("quiet_set_at", sa.DateTime(timezone=True)))
    for statement in GUARDS:
        op.execute(statement)


def _create_message_template() -> None:
    op.create_table(
        "message_template",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", _words("first_alert", "update", "cancel", name="kind"), nullable=False),
        sa.Column("event_kind", _words(*EVENTS, name="event_kind")),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("texts", postgresql.JSONB(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("approved_by", sa.Uuid()),
        sa.Column("approved_via", sa.Text()),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("retired_by", sa.Uuid()),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "(approved_by IS NULL AND approved_at IS NULL) OR (approved_at IS NOT NULL AND approved_by <> created_by"
            " AND approved_via = 'session')",
            name=op.f("ck_message_template_two_people"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_template")),
        sa.UniqueConstraint("code", "version", name=op.f("uq_message_template_code_version")),
    )
    in_use = sa.text("approved_at IS NOT NULL AND retired_at IS NULL")
    op.create_index("uq_message_template_in_use", "message_template", ["code"], unique=True, postgresql_where=in_use)


def _widen_broadcast() -> None:
    for name in ("template_id", "template_written_by", "template_approved_by", "confirmed_by"):
        op.add_column("broadcast", sa.Column(name, sa.Uuid()))
    for name in ("confirmed_at", "next_message_at", "promise_asked_at", "promise_settled_at", "waves_closed_at"):
        op.add_column("broadcast", sa.Column(name, sa.DateTime(timezone=True)))
    op.add_column("broadcast", sa.Column("template_places", postgresql.JSONB()))
    op.add_column("broadcast", sa.Column("next_message_offset", sa.SmallInteger()))
    op.add_column("broadcast", sa.Column("still_valid_texts", postgresql.JSONB()))
    op.add_column("broadcast", sa.Column("is_restricted", sa.Boolean(), server_default=NO, nullable=False))
    op.create_foreign_key(op.f("fk_broadcast_template_id"), "broadcast", "message_template", ["template_id"], ["id"])
    op.drop_constraint(op.f("ck_broadcast_state"), "broadcast", type_="check")
    words = ", ".join(f"'{word}'" for word in STATES)
    op.create_check_constraint(op.f("ck_broadcast_state"), "broadcast", f"state IN ({words})")
    op.drop_constraint(op.f("ck_broadcast_approved_by_person"), "broadcast", type_="check")
    for name, rule in BROADCAST_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_broadcast_{name}"), "broadcast", rule)
    op.create_index("ix_broadcast_held", "broadcast", ["hold_until"], postgresql_where=sa.text("state = 'held'"))
    promised = sa.text("next_message_at IS NOT NULL AND promise_settled_at IS NULL")
    op.create_index("ix_broadcast_promised", "broadcast", ["next_message_at"], postgresql_where=promised)


def _widen_audience() -> None:
    op.add_column("audience", sa.Column("needs_approval", sa.Boolean(), server_default=NO, nullable=False))
    for name in ("approved_by", "declined_by"):
        op.add_column("audience", sa.Column(name, sa.Uuid()))
    op.add_column("audience", sa.Column("approved_via", sa.Text()))
    for name in ("approved_at", "declined_at"):
        op.add_column("audience", sa.Column(name, sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("ck_audience_wave_approved_by_person"),
        "audience",
        "(released_at IS NULL) OR (NOT needs_approval) OR (approved_by IS NOT NULL AND approved_via = 'session')",
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")


def _words(*words: str, name: str) -> sa.Enum:
    """Text under a CHECK."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
