"""Made-up citizens who are sent real messages to see that the chain works; and what was found each minute.

No approval of a message to people is weakened: a synthetic message is approved by nobody, so it may be on a synthetic
incident alone, it can never become another kind of message, and its lists hold made-up people alone, at our own addresses.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021_round_trips"
down_revision = "0020_two_worlds"
branch_labels = None
depends_on = None

CLASSES = ("resident", "traveller", "contingent", "seafarer", "synthetic")
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
    "other",
)
APPROVED = """
(state NOT IN ('approved', 'held')) OR (approved_by IS NOT NULL AND approved_via = 'session')
OR (purpose = 'synthetic' AND state = 'approved' AND approved_by IS NULL AND approved_via = 'machine')
"""

GUARDS = (
    """
    CREATE FUNCTION refuse_synthetic_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'what is made up stays made up, and nothing else becomes so' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER citizen_synthetic_stays BEFORE UPDATE OF class ON citizen FOR EACH ROW
        WHEN ((OLD.class = 'synthetic') <> (NEW.class = 'synthetic')) EXECUTE FUNCTION refuse_synthetic_change()
    """,
    """
    CREATE TRIGGER incident_synthetic_stays BEFORE UPDATE OF is_synthetic, state ON incident FOR EACH ROW
        WHEN (OLD.is_synthetic <> NEW.is_synthetic OR NEW.is_synthetic AND NEW.state <> 'closed') EXECUTE FUNCTION refuse_synthetic_change()
    """,
    """
    CREATE TRIGGER broadcast_synthetic_stays BEFORE UPDATE OF purpose, only_sender ON broadcast FOR EACH ROW
        WHEN ((OLD.purpose = 'synthetic') <> (NEW.purpose = 'synthetic') OR OLD.only_sender IS DISTINCT FROM NEW.only_sender)
        EXECUTE FUNCTION refuse_synthetic_change()
    """,
    """
    CREATE FUNCTION refuse_misplaced_synthetic() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.purpose = 'synthetic') <> (SELECT is_synthetic FROM incident WHERE id = NEW.incident_id) THEN
            RAISE EXCEPTION 'synthetic messages belong to the synthetic incident, and no others do' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER broadcast_synthetic_placed BEFORE INSERT OR UPDATE OF purpose, incident_id ON broadcast
        FOR EACH ROW EXECUTE FUNCTION refuse_misplaced_synthetic()
    """,
    # Made-up people on synthetic lists alone, nobody else there, and only by addresses that are theirs.
    """
    CREATE FUNCTION refuse_mixed_synthetic() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM new_member n JOIN broadcast b ON b.id = n.broadcast_id
                   WHERE b.purpose <> 'synthetic' AND n.citizen_id IN (SELECT id FROM citizen WHERE class = 'synthetic')) THEN
            RAISE EXCEPTION 'a made-up citizen is sent synthetic messages alone' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF EXISTS (SELECT FROM broadcast b JOIN new_member n ON n.broadcast_id = b.id JOIN citizen c ON c.id = n.citizen_id
                   WHERE b.purpose = 'synthetic' AND (c.class <> 'synthetic' OR n.further_ways <> '[]' OR n.address_id IS NULL
                       OR n.address_id <> ALL (own_addresses(c.id)))) THEN
            RAISE EXCEPTION 'a synthetic message goes to made-up citizens alone, at their own address' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION own_addresses(whose uuid) RETURNS uuid[] LANGUAGE sql STABLE AS $$
        SELECT coalesce(array_agg(id), '{}') FROM (
            SELECT id FROM phone WHERE citizen_id = whose UNION ALL SELECT id FROM device WHERE citizen_id = whose
            UNION ALL SELECT id FROM web_push_subscription WHERE citizen_id = whose
            UNION ALL SELECT id FROM email_address WHERE citizen_id = whose) AS own(id)
    $$
    """,
    """
    CREATE TRIGGER audience_member_synthetic AFTER INSERT ON audience_member
        REFERENCING NEW TABLE AS new_member FOR EACH STATEMENT EXECUTE FUNCTION refuse_mixed_synthetic()
    """,
    # What a made-up citizen answers is counted nowhere: it is a mark on the round trip, never an answer or a call for help.
    """
    CREATE FUNCTION refuse_synthetic_person() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM citizen WHERE id = NEW.citizen_id AND class = 'synthetic') THEN
            RAISE EXCEPTION 'a made-up citizen is in no count' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER {table}_of_people BEFORE INSERT OR UPDATE OF citizen_id ON {table}
            FOR EACH ROW WHEN (NEW.citizen_id IS NOT NULL) EXECUTE FUNCTION refuse_synthetic_person()
        """
        for table in ("checkin", "help_case", "person", "call_row", "incident_list_member")
    ),
    # The last gate: a synthetic message leaves by the sender that it is to try, to the made-up person's own address.
    """
    CREATE FUNCTION refuse_synthetic_window() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        message record;
    BEGIN
        SELECT m.id, m.purpose, m.only_sender INTO message
        FROM delivery_batch b JOIN broadcast m ON m.id = b.broadcast_id WHERE b.id = NEW.batch_id;
        IF message.purpose = 'synthetic' AND (NEW.sender <> message.only_sender OR EXISTS (
            SELECT FROM unnest(NEW.deliveries) AS u(id) JOIN delivery d ON d.id = u.id JOIN audience_member a ON a.id = d.member_id
            WHERE d.address_id <> ALL (own_addresses(a.citizen_id)))) THEN
            RAISE EXCEPTION 'a synthetic message leaves by the sender that it tries, to our own address' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER send_window_synthetic BEFORE INSERT ON send_window FOR EACH ROW EXECUTE FUNCTION refuse_synthetic_window()
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _widen_citizen_and_incident()
    _widen_broadcast()
    _create_round_trip()
    _create_vital()
    op.drop_constraint(op.f("ck_alarm_alarm_kind"), "alarm", type_="check")
    op.create_check_constraint(op.f("ck_alarm_alarm_kind"), "alarm", f"kind IN ({_listed(ALARMS)})")
    for statement in GUARDS:
        op.execute(statement)


def _widen_citizen_and_incident() -> None:
    op.drop_constraint(op.f("ck_citizen_citizen_class"), "citizen", type_="check")
    op.create_check_constraint(op.f("ck_citizen_citizen_class"), "citizen", f"class IN ({_listed(CLASSES)})")
    # ZZ is no country: whatever counts by place counts no made-up person.
    nowhere = "(class = 'synthetic') = (country_iso2 = 'ZZ') AND (class <> 'synthetic' OR external_id IS NULL AND NOT is_tester)"
    op.create_check_constraint(op.f("ck_citizen_synthetic_is_nowhere"), "citizen", nowhere)
    op.create_index("ix_citizen_synthetic", "citizen", ["id"], postgresql_where=sa.text("class = 'synthetic'"))
    op.add_column("incident", sa.Column("is_synthetic", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    closed = "NOT is_synthetic OR (state = 'closed' AND status = 'Actual')"
    op.create_check_constraint(op.f("ck_incident_synthetic_is_closed"), "incident", closed)
    only_one = sa.text("is_synthetic")
    op.create_index("uq_incident_synthetic", "incident", ["is_synthetic"], unique=True, postgresql_where=only_one)


def _widen_broadcast() -> None:
    op.add_column("broadcast", sa.Column("only_sender", sa.Text()))
    op.create_check_constraint(
        op.f("ck_broadcast_synthetic_has_sender"), "broadcast", "(purpose = 'synthetic') = (only_sender IS NOT NULL)"
    )
    op.drop_constraint(op.f("ck_broadcast_approved_by_person"), "broadcast", type_="check")
    op.create_check_constraint(op.f("ck_broadcast_approved_by_person"), "broadcast", APPROVED)


def _create_round_trip() -> None:
    op.create_table(
        "round_trip",
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("expects", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("returned_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("expects IN ('accepted', 'delivered', 'answered')", name=op.f("ck_round_trip_trip_end")),
        sa.CheckConstraint("returned_at IS NULL OR ended_at IS NOT NULL", name=op.f("ck_round_trip_returned_is_over")),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"], name=op.f("fk_round_trip_broadcast_id")),
        sa.PrimaryKeyConstraint("broadcast_id", name=op.f("pk_round_trip")),
    )
    op.create_index("ix_round_trip_sender_began_at", "round_trip", ["sender", "began_at"])
    op.create_index("ix_round_trip_open", "round_trip", ["delivery_id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "probe",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("address_id", sa.Uuid(), nullable=False),
        sa.Column("address_index", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("alarmed_at", sa.DateTime(timezone=True)),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_probe_citizen_id")),
        sa.PrimaryKeyConstraint("sender", name=op.f("pk_probe")),
    )


def _create_vital() -> None:
    op.create_table(
        "vital",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("sample", sa.Text(), server_default="", nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name=op.f("pk_vital")),
    )
    op.create_table(
        "worker_beat",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("is_pace_shared", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("owner", "queue", name=op.f("pk_worker_beat")),
    )


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
