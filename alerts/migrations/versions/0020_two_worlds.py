"""Exercise and Actual never meet: what carries a status carries its incident's, and an exercise's lists hold testers alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020_two_worlds"
down_revision = "0019_installation"
branch_labels = None
depends_on = None


TESTERS = (
    # Whoever is enrolled without a word on when they consented, consented when it was written down.
    """
    CREATE FUNCTION note_tester_consent() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.tester_consented_at := CASE WHEN NEW.is_tester THEN coalesce(NEW.tester_consented_at, clock_timestamp()) END;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER citizen_tester_consent BEFORE INSERT OR UPDATE OF is_tester, tester_consented_at ON citizen
        FOR EACH ROW WHEN (NEW.is_tester <> (NEW.tester_consented_at IS NOT NULL)) EXECUTE FUNCTION note_tester_consent()
    """,
)

MESSAGES = (
    """
    CREATE FUNCTION refuse_other_world_broadcast() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND (NEW.incident_id, NEW.status) IS DISTINCT FROM (OLD.incident_id, OLD.status) THEN
            RAISE EXCEPTION 'a message never changes its incident or its status' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF EXISTS (SELECT FROM unnest(NEW."references") AS r(id) LEFT JOIN broadcast o ON o.id = r.id
                   WHERE (o.incident_id, o.status) IS DISTINCT FROM (NEW.incident_id, NEW.status)) THEN
            RAISE EXCEPTION 'a message refers only to messages of its own incident and status' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF EXISTS (SELECT FROM unnest(NEW.area_ids) AS r(id) LEFT JOIN incident_area a ON a.id = r.id
                   WHERE a.incident_id IS DISTINCT FROM NEW.incident_id)
            OR EXISTS (SELECT FROM unnest(NEW.list_ids) AS r(id) LEFT JOIN incident_list l ON l.id = r.id
                       WHERE l.incident_id IS DISTINCT FROM NEW.incident_id) THEN
            RAISE EXCEPTION 'a message goes to areas and lists of its own incident' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.audience_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM audience a WHERE a.id = NEW.audience_id AND a.broadcast_id = NEW.id) THEN
            RAISE EXCEPTION 'a message stands on a list of its own' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER broadcast_of_one_world BEFORE INSERT OR UPDATE OF incident_id, status, "references", area_ids, list_ids, audience_id
        ON broadcast FOR EACH ROW EXECUTE FUNCTION refuse_other_world_broadcast()
    """,
    """
    CREATE FUNCTION refuse_unmarked_text() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.body ~ '^LATIHAN\\M') <> (SELECT status = 'Exercise' FROM broadcast WHERE id = NEW.broadcast_id) THEN
            RAISE EXCEPTION 'every text of an exercise begins with LATIHAN, and no other does' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER broadcast_text_marked BEFORE INSERT OR UPDATE ON broadcast_text
        FOR EACH ROW EXECUTE FUNCTION refuse_unmarked_text()
    """,
    # Once per statement, over what it wrote: a million people are looked at together. A correction goes to exactly those who got
    # the original, also to whoever is no tester any more.
    """
    CREATE FUNCTION refuse_other_world_members() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        list record;
    BEGIN
        FOR list IN
            SELECT n.audience_id, n.broadcast_id, b.status, b."references", a.broadcast_id AS owner
            FROM (SELECT DISTINCT audience_id, broadcast_id FROM new_member) n
            JOIN broadcast b ON b.id = n.broadcast_id JOIN audience a ON a.id = n.audience_id
        LOOP
            IF list.owner <> list.broadcast_id THEN
                RAISE EXCEPTION 'a member belongs to the message of the list' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            IF list.status = 'Exercise' AND EXISTS (
                SELECT FROM new_member n JOIN citizen c ON c.id = n.citizen_id
                WHERE n.audience_id = list.audience_id AND NOT c.is_tester AND NOT EXISTS (
                    SELECT FROM audience_member o WHERE o.citizen_id = n.citizen_id AND o.broadcast_id = ANY (list."references"))) THEN
                RAISE EXCEPTION 'an exercise goes to enrolled testers alone' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
        END LOOP;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER audience_member_of_one_world AFTER INSERT ON audience_member
        REFERENCING NEW TABLE AS new_member FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_world_members()
    """,
)

SENDING = (
    """
    CREATE FUNCTION refuse_other_world_batch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.audience_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM audience a WHERE a.id = NEW.audience_id AND a.broadcast_id = NEW.broadcast_id) THEN
            RAISE EXCEPTION 'a batch sends a message to a list of that message' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER delivery_batch_of_one_world BEFORE INSERT OR UPDATE OF broadcast_id, audience_id ON delivery_batch
        FOR EACH ROW EXECUTE FUNCTION refuse_other_world_batch()
    """,
    """
    CREATE FUNCTION refuse_other_world_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM new_delivery n LEFT JOIN delivery_batch b ON b.id = n.batch_id
                   WHERE b.broadcast_id IS DISTINCT FROM n.broadcast_id) THEN
            RAISE EXCEPTION 'a delivery belongs to the message of its batch' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER delivery_of_one_world AFTER INSERT ON delivery
        REFERENCING NEW TABLE AS new_delivery FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_world_deliveries()
    """,
    """
    CREATE TRIGGER delivery_stays BEFORE UPDATE OF id, member_id, broadcast_id, batch_id, channel, address_id, number_country ON delivery
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    # The last gate before a carrier: whose sender it is, and that the people of the window are on the message's own lists.
    """
    CREATE FUNCTION refuse_other_world_window() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        message record;
    BEGIN
        SELECT m.id, m.status INTO message FROM delivery_batch b JOIN broadcast m ON m.id = b.broadcast_id WHERE b.id = NEW.batch_id;
        IF (message.status = 'Exercise') IS DISTINCT FROM (NEW.sender LIKE 'exercise:%') THEN
            RAISE EXCEPTION 'a message of status % is not sent by %', message.status, NEW.sender USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF EXISTS (SELECT FROM unnest(NEW.deliveries) AS u(id) LEFT JOIN delivery d ON d.id = u.id
                   LEFT JOIN audience_member a ON a.id = d.member_id
                   WHERE d.broadcast_id IS DISTINCT FROM message.id OR a.broadcast_id IS DISTINCT FROM message.id) THEN
            RAISE EXCEPTION 'a window sends a message to members of its own lists' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER send_window_of_one_world BEFORE INSERT ON send_window
        FOR EACH ROW EXECUTE FUNCTION refuse_other_world_window()
    """,
    """
    CREATE TRIGGER send_window_stays BEFORE UPDATE OF batch_id, sender, deliveries, numbers, resend_of ON send_window
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)

ANSWERS = (
    """
    CREATE FUNCTION refuse_other_world_checkin() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.member_id IS NOT NULL AND NEW.incident_id IS DISTINCT FROM (
            SELECT b.incident_id FROM audience_member m JOIN broadcast b ON b.id = m.broadcast_id WHERE m.id = NEW.member_id) THEN
            RAISE EXCEPTION 'an answer belongs to the incident whose message it answers' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER checkin_of_one_world BEFORE INSERT ON checkin FOR EACH ROW EXECUTE FUNCTION refuse_other_world_checkin()
    """,
    # Tables with an incident and a status of their own.
    """
    CREATE FUNCTION refuse_other_status() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.incident_id IS NOT NULL AND NEW.status IS DISTINCT FROM (SELECT status FROM incident WHERE id = NEW.incident_id) THEN
            RAISE EXCEPTION 'the status is that of the incident' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER {table}_of_one_world BEFORE INSERT OR UPDATE OF incident_id, status ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_other_status()
        """
        for table in ("help_case", "paging", "inbound_message")
    ),
    # Tables with a status that hang on another one.
    *(
        f"""
        CREATE FUNCTION refuse_other_status_of_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.{column} IS NOT NULL AND NEW.status IS DISTINCT FROM (SELECT status FROM {parent} WHERE id = NEW.{column}) THEN
                RAISE EXCEPTION 'the status is that of what it belongs to' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
        """  # noqa: S608 - our own names
        for table, column, parent in (("citizen_reply", "case_id", "help_case"), ("notice", "paging_id", "paging"))
    ),
    *(
        f"""
        CREATE TRIGGER {table}_of_one_world BEFORE INSERT OR UPDATE OF status, {column} ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_other_status_of_{table}()
        """
        for table, column in (("citizen_reply", "case_id"), ("notice", "paging_id"))
    ),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("citizen", sa.Column("tester_consented_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE citizen SET tester_consented_at = updated_at WHERE is_tester")
    word = sa.Enum("Actual", "Exercise", name="status", native_enum=False, create_constraint=True, length=40)
    op.add_column("inbound_message", sa.Column("status", word, server_default="Actual", nullable=False))
    op.execute("UPDATE inbound_message m SET status = i.status FROM incident i WHERE i.id = m.incident_id AND i.status <> 'Actual'")
    # Names of senders in what was written before: an exercise's carry their own from now on.
    op.execute("""
        UPDATE send_window w SET sender = 'exercise:' || w.sender FROM delivery_batch b JOIN broadcast m ON m.id = b.broadcast_id
        WHERE b.id = w.batch_id AND m.status = 'Exercise'
    """)
    op.execute("""
        UPDATE attempt a SET sender = 'exercise:' || a.sender FROM delivery d JOIN broadcast m ON m.id = d.broadcast_id
        WHERE d.id = a.delivery_id AND m.status = 'Exercise' AND a.sender <> ''
    """)
    for statement in (*TESTERS, *MESSAGES, *SENDING, *ANSWERS):
        op.execute(statement)
    op.create_check_constraint(op.f("ck_citizen_tester_consented"), "citizen", "is_tester = (tester_consented_at IS NOT NULL)")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
