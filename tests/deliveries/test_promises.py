"""The word that was promised: when it is said, to whom, of what never, and how it goes on. One message's fault is its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import cancel_broadcast
from alerts.broadcasts.calls import promise_still_open
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.waves import open_wave
from alerts.deliveries.actions import release
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.correcting import freeze_copied
from alerts.deliveries.lookups import look_up
from alerts.deliveries.promises import ask_for_promised, give_up_promise, keep_promise, list_due, list_to_ask
from alerts.incidents.actions import change_incident, close_incident
from alerts.incidents.queries import get_incident, incident_etag
from alerts.incidents.schemas import IncidentChange
from alerts.kit.actor import SYSTEM, Actor
from alerts.kit.db import begin
from alerts.kit.errors import InvalidError
from alerts.notices.models import Paging
from tests.deliveries.conftest import ACCOUNT, TOKEN, Carrier, Fanout, freely, numbers
from tests.factories.citizens import make_citizen
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from workers.apart import each_apart

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
WAYS = senders()


def hushed(message: Fanout) -> None:
    with begin(message.sessions) as session:
        incident, actor = get_incident(session, message.incident_id), make_actor(session, "duty_officer")
        command = IncidentChange(is_quiet=True, quiet_reason="penyanderaan")
        values = {"incident_id": incident.id, "command": command, "if_match": incident_etag(incident)}
        change_incident(session, actor=actor, report_due=timedelta(minutes=5), **values)  # type: ignore[arg-type]


@pytest.fixture
def promised(fanout: Make, carriers: Carriers) -> Fanout:
    """A message to three people that promises the next one, and the promised time has come."""
    message = fanout(*numbers(3), next_message_at=datetime.now(UTC) + timedelta(minutes=30), validity_seconds=3600)
    message.release()
    message.send(carriers)
    return message


def due(message: Fanout) -> None:
    message.run("UPDATE broadcast SET next_message_at = clock_timestamp() - interval '1 second' WHERE next_message_at IS NOT NULL")


def kept(message: Fanout) -> int:
    with begin(message.sessions) as session:
        return sum([keep_promise(session, broadcast_id, configured=WAYS) for broadcast_id in list_due(session)])


def test_before_the_time_somebody_is_asked_once_and_nothing_is_sent(promised: Fanout) -> None:
    for lead, count in ((60, 0), (3600, 1), (3600, 0)):
        with begin(promised.sessions) as session:
            asked = [ask_for_promised(session, each, lead_seconds=lead) for each in list_to_ask(session, lead_seconds=lead)]
            assert sum(asked) == count
    assert promised.rows("SELECT role FROM paging WHERE kind = 'promise'") == [{"role": "duty_officer"}]
    assert kept(promised) == 0


def test_at_the_time_the_prepared_word_goes_by_itself_to_those_who_got_it(promised: Fanout, carriers: Carriers) -> None:
    due(promised)
    assert kept(promised) == 1
    assert kept(promised) == 0
    [row] = promised.rows("SELECT * FROM broadcast WHERE purpose = 'still_valid'")
    [original] = promised.rows("SELECT * FROM broadcast WHERE id = :id", id=promised.broadcast_id)
    assert (row["state"], row["msg_type"], row["references"]) == ("approved", "Update", [promised.broadcast_id])
    assert (row["approved_by"], row["created_by"]) == (original["approved_by"], None)
    assert row["texts"] == original["still_valid_texts"]
    assert promised.rows("SELECT count(*) AS n FROM audience_member WHERE broadcast_id = :id", id=row["id"]) == [{"n": 3}]


def test_the_text_itself_promises_the_time(promised: Fanout) -> None:
    bodies = [row["body"] for row in promised.rows("SELECT body FROM broadcast_text WHERE variant = 'plain' AND language = 'id'")]
    assert all("Kabar berikutnya pukul" in body for body in bodies)


def late_wave(message: Fanout, *people: str) -> int:
    """These come into the area later, and get the message; the wave's number."""
    with begin(message.sessions) as session:
        for number in people:
            make_citizen(session, message.keyring, phones=(number,))
    with begin(message.sessions) as session:
        wave = open_wave(session, message.broadcast_id, configured=WAYS)
        assert wave is not None
        number, audience_id = wave.wave, wave.id
    with begin(message.sessions) as session:
        release(session, message.broadcast_id, audience_id=audience_id, batch_size=500)
    return number


def text_to(carrier: Carrier, number: str) -> str:
    """What a number was sent, as the carrier lists it; the person's own link cut out."""
    listed = httpx.get(f"{carrier.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", params={"To": number}, auth=(ACCOUNT, TOKEN))
    [message] = listed.json()["messages"]
    return re.sub(r"http\S+", "", message["body"])


def test_who_comes_after_the_promised_time_is_not_promised_it(promised: Fanout, carriers: Carriers, carrier: Carrier) -> None:
    before, after = "+6281280000001", "+6281280000002"
    assert late_wave(promised, before) == 2
    promised.send(carriers)
    due(promised)
    assert late_wave(promised, after) == 3
    promised.send(carriers)
    first, later = text_to(carrier, before), text_to(carrier, after)
    assert re.sub(r" Kabar berikutnya pukul [^)]+\)\.", "", first) == later != first, "nothing else differs"
    lists = promised.rows("SELECT is_after_promise FROM audience ORDER BY wave")
    assert [row["is_after_promise"] for row in lists] == [False, False, True]
    assert kept(promised) == 1
    query = "SELECT count(*) AS n FROM audience_member m JOIN broadcast b ON b.id = m.broadcast_id WHERE b.purpose = 'still_valid'"
    assert promised.rows(query) == [{"n": 5}], "the word that was promised comes to the latecomers as to all"


def test_an_unknown_of_a_late_wave_is_found_by_the_words_that_it_was_sent(promised: Fanout, carriers: Carriers, carrier: Carrier) -> None:
    due(promised)
    late_wave(promised, "+628129990500")
    promised.send(carriers)
    assert promised.states()["unknown"] == 1
    promised.grow_old()
    assert look_up(promised.settings, promised.sessions, carriers) == 1
    assert "unknown" not in promised.states()


@pytest.mark.parametrize("end", ["cancelled", "over", "closed", "quiet", "something_else"])
def test_it_is_never_said_of_what_is_over(promised: Fanout, end: str) -> None:
    due(promised)
    with begin(promised.sessions) as session:
        actor = make_actor(session, "duty_officer")
        if end == "cancelled":
            cancel_broadcast(session, actor=actor, broadcast_id=promised.broadcast_id, reason="x")
        elif end == "closed":
            close_incident(session, actor=actor, incident_id=promised.incident_id, reason="selesai")
        elif end == "over":
            session.execute(text("UPDATE broadcast SET approved_at = approved_at - interval '2 hours'"))
    if end == "quiet":
        hushed(promised)
    if end == "something_else":
        promised.run(NEWER, original=promised.broadcast_id)
    assert kept(promised) == 0
    assert promised.rows("SELECT count(*) AS n FROM broadcast WHERE purpose = 'still_valid'") == [{"n": 0}]
    why = promised.rows("SELECT detail ->> 'why' AS why FROM action_log WHERE action = 'broadcast.promise_settled'")
    assert len(why) == 1


NEWER = """
INSERT INTO broadcast (incident_id, status, msg_type, state, texts, channels, validity_seconds, resend_unknown, content_hash, approved_by,
    approved_via, approved_at)
SELECT incident_id, status, 'Alert', 'approved', texts, channels, 60, 'never', 'x', gen_random_uuid(), 'session', clock_timestamp()
FROM broadcast WHERE id = :original
"""


def test_while_a_correction_waits_nothing_is_called_valid(promised: Fanout, officer: Actor) -> None:
    correction = freely(promised, officer)
    due(promised)
    assert kept(promised) == 0
    with begin(promised.sessions) as session:
        cancel_broadcast(session, actor=officer, broadcast_id=correction.id, reason="x")
    assert kept(promised) == 1


def test_the_promise_is_kept_in_the_approved_rhythm_until_the_message_ends(fanout: Make, carriers: Carriers) -> None:
    at = datetime.now(timezone(timedelta(hours=3))).replace(second=0, microsecond=0) + timedelta(minutes=30)
    message = fanout(*numbers(2), next_message_at=at, next_message_every_minutes=45)
    message.release()
    message.send(carriers)
    [original] = message.rows("SELECT validity_seconds FROM broadcast")
    assert original["validity_seconds"] >= (30 + 2 * 45) * 60  # said three times at least
    said = []
    for _ in range(5):  # each time its promised minute has just come
        message.run(
            "UPDATE broadcast SET approved_at = approved_at - (coalesce(promise_due_at, next_message_at) - clock_timestamp()),"
            " next_message_at = next_message_at - (coalesce(promise_due_at, next_message_at) - clock_timestamp()),"
            " promise_due_at = promise_due_at - (promise_due_at - clock_timestamp())"
            " WHERE promise_settled_at IS NULL AND next_message_at IS NOT NULL"
        )
        said.append(kept(message))
    assert said == [1, 1, 1, 0, 0]
    words = message.rows(
        "SELECT b.next_message_at, t.body FROM broadcast b JOIN broadcast_text t ON t.broadcast_id = b.id AND t.language = 'en'"
        " AND t.variant = 'plain' WHERE b.purpose = 'still_valid' ORDER BY b.id"
    )
    for word in words[:2]:
        local = word["next_message_at"].astimezone(timezone(timedelta(hours=3)))
        assert f"Next message at {local:%H:%M} (UTC+3)." in word["body"]
    assert "Next message" not in words[2]["body"]
    assert message.rows("SELECT DISTINCT validity_seconds <= :most AS is_within FROM broadcast", most=original["validity_seconds"]) == [
        {"is_within": True}
    ]


def test_the_page_for_a_promise_that_was_kept_does_not_ring_for_the_next_one(fanout: Make, carriers: Carriers) -> None:
    message = fanout(
        *numbers(1), next_message_at=datetime.now(UTC) + timedelta(minutes=30), next_message_every_minutes=45, validity_seconds=10_800
    )
    message.release()
    message.send(carriers)
    message.run("UPDATE broadcast SET next_message_at = clock_timestamp() + interval '1 minute'")
    with begin(message.sessions) as session:
        assert ask_for_promised(session, message.broadcast_id, lead_seconds=3600)
        paging = session.scalars(select(Paging)).one()
        assert promise_still_open(session, paging)
        session.execute(text("UPDATE broadcast SET promise_due_at = next_message_at + interval '45 minutes'"))
        assert not promise_still_open(session, paging)


def test_a_large_list_is_copied_by_a_worker_and_goes_out_by_itself(promised: Fanout) -> None:
    due(promised)
    with begin(promised.sessions) as session:
        assert keep_promise(session, promised.broadcast_id, configured=WAYS, copy_at_once_max=2)
        [word] = session.scalars(select(Broadcast).where(Broadcast.purpose == "still_valid"))
        assert (word.state, kept(promised)) == ("freezing", 0)
        assert freeze_copied(session, actor=SYSTEM, configured=WAYS, broadcast_id=word.id, audience_id=word.audience_id or 0)
        assert word.state == "approved"


@pytest.fixture
def another(promised: Fanout, fanout: Make, carriers: Carriers) -> Fanout:
    """A second message whose promised time has come as well; a trigger of the test's own lets nothing refer to the first."""
    message = fanout("+6281277700002", next_message_at=datetime.now(UTC) + timedelta(minutes=30), validity_seconds=3600)
    message.release()
    message.send(carriers)
    due(message)
    message.run("UPDATE broadcast SET next_message_at = next_message_at - interval '1 minute' WHERE id = :id", id=promised.broadcast_id)
    message.run(BROKEN.format(promised.broadcast_id))
    message.run("CREATE TRIGGER broken BEFORE INSERT ON broadcast FOR EACH ROW EXECUTE FUNCTION broken()")
    return message


BROKEN = """
CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW."references" = ARRAY['{}'::uuid] THEN RAISE EXCEPTION 'broken'; END IF; RETURN NEW;
END $$
"""


def test_what_one_message_cannot_say_keeps_no_other_waiting(promised: Fanout, another: Fanout) -> None:
    with begin(promised.sessions) as session:
        found = list_due(session)
    assert found[0] == promised.broadcast_id, "the broken one comes first"
    each_apart(promised.sessions, found, partial(keep_promise, configured=WAYS), when_refused=give_up_promise)
    said = promised.rows("SELECT \"references\" FROM broadcast WHERE purpose = 'still_valid'")
    assert [row["references"] for row in said] == [[another.broadcast_id]]
    assert alarms(promised) == ["message_stuck"]
    with begin(promised.sessions) as session:
        assert list_due(session) == [promised.broadcast_id]  # what the database refused may pass the next time


def test_what_our_own_rules_refuse_is_told_and_not_tried_every_second(promised: Fanout) -> None:
    def refuse(_: Session, broadcast_id: UUID) -> None:
        raise InvalidError("text_phone_barred", f"barred for {broadcast_id}")

    due(promised)
    each_apart(promised.sessions, [promised.broadcast_id], refuse, when_refused=give_up_promise)
    assert alarms(promised) == ["message_stuck"]
    assert kept(promised) == 0


def alarms(message: Fanout) -> list[str]:
    return [row["kind"] for row in message.rows("SELECT payload ->> 'kind' AS kind FROM outbox_event WHERE name = 'delivery.alarm'")]
