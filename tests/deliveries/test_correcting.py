"""Putting right what went out, reminding who did not answer, saying what was promised: to whom, by which way, by how many people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import approve_broadcast, cancel_broadcast
from alerts.broadcasts.models import Audience, Broadcast
from alerts.broadcasts.schemas import Approval, Correction, FollowUp
from alerts.broadcasts.template_rules import TemplateKind
from alerts.broadcasts.waves import open_wave
from alerts.deliveries.actions import release, stop
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.correcting import correct_broadcast, freeze_copied
from alerts.deliveries.evidence import mark_answered
from alerts.deliveries.following import ask_for_promised, follow_up, freeze_follow_up, keep_promises
from alerts.incidents.actions import change_incident, close_incident
from alerts.incidents.queries import get_incident, incident_etag
from alerts.incidents.schemas import IncidentChange
from alerts.kit.actor import Actor, Via
from alerts.kit.db import begin
from alerts.kit.errors import ConflictError, ForbiddenError
from tests.deliveries.conftest import Fanout
from tests.factories.citizens import make_citizen
from tests.factories.staff import make_actor
from tests.factories.templates import make_template

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
WAYS = frozenset({"push", "sms"})


def numbers(count: int) -> list[str]:
    return [f"+62812{60_000_000 + number}" for number in range(count)]


def corrected(message: Fanout, kind: TemplateKind = TemplateKind.CANCEL, **more: int) -> Broadcast:
    """One person, prepared words, one click."""
    with begin(message.sessions) as session:
        template = make_template(session, kind)
        actor = make_actor(session, "duty_officer")
        command = Correction(msg_type=kind.value.capitalize(), template_id=template.id)
        return correct_broadcast(session, actor=actor, broadcast_id=message.broadcast_id, command=command, **more)


def members(message: Fanout, broadcast: Broadcast) -> list[tuple[str, str, str]]:
    """(citizen, channel, language) of its list."""
    query = "SELECT citizen_id::text, channel, language FROM audience_member WHERE broadcast_id = :id ORDER BY 1"
    return [tuple(row.values()) for row in message.rows(query, id=broadcast.id)]  # type: ignore[misc]


def grown(message: Fanout, statement: str) -> None:
    message.run(statement, id=message.broadcast_id)


@pytest.mark.parametrize("kind", [TemplateKind.CANCEL, TemplateKind.UPDATE])
def test_one_person_corrects_at_once_and_to_exactly_those_who_may_have_it(fanout: Make, carriers: Carriers, kind: TemplateKind) -> None:
    message = fanout(*numbers(4), "+6281219990500", "+6281219991211", "device:token-koreksi-0001")
    message.release()
    message.send(carriers)
    correction = corrected(message, kind)
    got = "SELECT m.citizen_id::text, m.channel, m.language FROM delivery d JOIN audience_member m ON m.id = d.member_id"
    wanted = message.rows(f"{got} WHERE d.broadcast_id = :id AND d.state IN ('accepted', 'unknown') ORDER BY 1", id=message.broadcast_id)
    assert members(message, correction) == [tuple(row.values()) for row in wanted]
    assert len(wanted) == 6  # the number that does not exist got nothing to correct
    assert (correction.state, correction.msg_type, correction.references) == ("approved", kind.value.capitalize(), [message.broadcast_id])
    assert correction.template_written_by != correction.template_approved_by
    with begin(message.sessions) as session:
        assert session.get_one(Broadcast, message.broadcast_id).state == "cancelled"
        logged = session.scalars(text("SELECT action FROM action_log ORDER BY id")).all()
    assert {"broadcast.cancelled", "broadcast.correction_released"} <= set(logged)


def test_while_it_is_still_going_out_nothing_more_goes_and_whoever_is_in_flight_is_included(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(10))
    message.release()
    message.intend(3)
    correction = corrected(message)
    assert len(members(message, correction)) == 3
    with begin(message.sessions) as session:
        assert stop(session, message.broadcast_id) == 7
    message.run("UPDATE delivery_batch SET lease_until = clock_timestamp() - interval '1 second'")
    message.send(carriers)
    assert message.rows("SELECT count(*) AS n FROM delivery WHERE accepted_at IS NOT NULL") == [{"n": 0}]


def test_nobody_has_it_yet_but_it_is_on_its_way_so_it_is_stopped(fanout: Make) -> None:
    message = fanout(*numbers(3))
    message.release()
    correction = corrected(message)
    assert members(message, correction) == []
    with begin(message.sessions) as session:
        assert session.get_one(Broadcast, message.broadcast_id).state == "cancelled"


def test_a_token_corrects_nothing_with_prepared_words(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(1))
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        template, actor = make_template(session, TemplateKind.CANCEL), make_actor(session, "duty_officer", via=Via.TOKEN)
    command = Correction(msg_type="Cancel", template_id=template.id)
    with pytest.raises(ForbiddenError), begin(message.sessions) as session:
        correct_broadcast(session, actor=actor, broadcast_id=message.broadcast_id, command=command)


@pytest.mark.parametrize("kind", [TemplateKind.FIRST_ALERT, TemplateKind.UPDATE])
def test_words_prepared_for_something_else_correct_nothing(fanout: Make, carriers: Carriers, kind: TemplateKind) -> None:
    message = fanout(*numbers(1))
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        template, actor = make_template(session, kind), make_actor(session, "duty_officer")
    command = Correction(msg_type="Cancel", template_id=template.id)
    with pytest.raises(ConflictError), begin(message.sessions) as session:
        correct_broadcast(session, actor=actor, broadcast_id=message.broadcast_id, command=command)
    assert message.rows("SELECT state FROM broadcast") == [{"state": "approved"}]


def test_free_words_still_need_a_second_person(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        officer = make_actor(session, "duty_officer")
        command = Correction(msg_type="Update", texts={"id": "Ralat.", "en": "Correction."})
        correction = correct_broadcast(session, actor=officer, broadcast_id=message.broadcast_id, command=command)
    assert (correction.state, correction.approved_by) == ("submitted", None)
    with pytest.raises(ForbiddenError), begin(message.sessions) as session:
        approve_broadcast(session, actor=officer, broadcast_id=correction.id, command=Approval(content_hash=correction.content_hash or ""))


def test_a_large_list_is_copied_by_a_worker(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(5))
    message.release()
    message.send(carriers)
    correction = corrected(message, freeze_at_once_max=4)
    assert (correction.state, members(message, correction)) == ("freezing", [])
    asked = {"broadcast_id": correction.id, "audience_id": correction.audience_id or 0, "actor": Actor(Via.SYSTEM)}
    with begin(message.sessions) as session:
        assert freeze_copied(session, **asked) is True  # type: ignore[arg-type]
    with begin(message.sessions) as session:
        assert freeze_copied(session, **asked) is False  # type: ignore[arg-type]
        assert session.get_one(Broadcast, correction.id).state == "approved"
    assert len(members(message, correction)) == 5


def test_all_waves_are_corrected_once_a_person(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        make_citizen(session, message.keyring, phones=("+6281277700001",))
    with begin(message.sessions) as session:
        wave = open_wave(session, broadcast_id=message.broadcast_id, configured=WAYS)
        assert isinstance(wave, Audience)
        wave_id = wave.id
    with begin(message.sessions) as session:
        assert release(session, message.broadcast_id, audience_id=wave_id, batch_size=500) == 1
        assert release(session, message.broadcast_id, audience_id=wave_id, batch_size=500) == 0
    message.send(carriers)
    assert message.states() == {"accepted": 3}
    assert len(members(message, corrected(message))) == 3


def test_cancelling_stops_what_only_repeats_it(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    reminder = reminded(message)
    with begin(message.sessions) as session:
        cancel_broadcast(session, actor=make_actor(session, "approver"), broadcast_id=message.broadcast_id, reason="x")
    with begin(message.sessions) as session:
        assert session.get_one(Broadcast, reminder.id).state == "cancelled"


# -- reminders ------------------------------------------------------------------------------------------------------------


def reminded(message: Fanout, **more: int) -> Broadcast:
    with begin(message.sessions) as session:
        actor, command = make_actor(session, "duty_officer"), FollowUp(texts={"id": "Apakah Anda aman?", "en": "Are you safe?"})
        return follow_up(session, actor=actor, broadcast_id=message.broadcast_id, command=command, configured=WAYS, **more)


def test_only_who_did_not_answer_and_may_be_written_to_is_reminded(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(5))
    message.release()
    message.send(carriers)
    ids = [row["citizen_id"] for row in message.rows("SELECT citizen_id FROM audience_member ORDER BY id")]
    message.run("UPDATE delivery SET answered_at = now() WHERE member_id = (SELECT min(id) FROM audience_member)")
    message.run("UPDATE citizen SET opted_out_at = now() WHERE id = :id", id=ids[1])
    message.run("UPDATE citizen SET died_at = now() WHERE id = :id", id=ids[2])
    reminder = reminded(message)
    assert (reminder.state, reminder.purpose, reminder.references) == ("submitted", "follow_up", [message.broadcast_id])
    assert [row[0] for row in members(message, reminder)] == sorted(str(each) for each in ids[3:])


def test_a_large_reminder_is_frozen_by_a_worker_and_still_needs_a_second_person(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(3))
    message.release()
    message.send(carriers)
    reminder = reminded(message, freeze_at_once_max=2)
    assert reminder.state == "freezing"
    asked = {"broadcast_id": reminder.id, "audience_id": reminder.audience_id or 0, "configured": WAYS}
    with begin(message.sessions) as session:
        assert freeze_follow_up(session, **asked) is True  # type: ignore[arg-type]
        assert session.get_one(Broadcast, reminder.id).state == "submitted"


def test_when_all_have_answered_nobody_is_reminded(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    message.run("UPDATE delivery SET answered_at = now()")
    with pytest.raises(ConflictError, match="answered"):
        reminded(message)


def test_who_answers_after_the_list_was_frozen_is_not_reminded(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(3))
    message.release()
    message.send(carriers)
    reminder = reminded(message)
    approved(message, reminder)
    reminders = replace(message, broadcast_id=reminder.id)
    assert reminders.release() == 3
    answerer = message.rows("SELECT citizen_id FROM audience_member WHERE broadcast_id = :id ORDER BY id LIMIT 1", id=reminder.id)[0]
    with begin(message.sessions) as session:
        mark_answered(session, [{"citizen_id": answerer["citizen_id"], "incident_id": message.incident_id}])
    reminders.send(carriers)
    query = "SELECT state, error_code, citizen_id FROM delivery JOIN audience_member m ON m.id = member_id WHERE m.broadcast_id = :id"
    sent = message.rows(query, id=reminder.id)
    assert [row["state"] for row in sent].count("accepted") == 2
    assert [(r["state"], r["error_code"]) for r in sent if r["citizen_id"] == answerer["citizen_id"]] == [("cancelled", "answered")]


def approved(message: Fanout, broadcast: Broadcast) -> Broadcast:
    """By a second person."""
    with begin(message.sessions) as session:
        actor, command = make_actor(session, "approver"), Approval(content_hash=session.get_one(Broadcast, broadcast.id).content_hash or "")
        return approve_broadcast(session, actor=actor, broadcast_id=broadcast.id, command=command)


def test_a_quiet_incident_is_not_reminded(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    hushed(message)
    with pytest.raises(ConflictError, match="quiet"):
        reminded(message)


def hushed(message: Fanout) -> None:
    with begin(message.sessions) as session:
        incident, actor = get_incident(session, message.incident_id), make_actor(session, "duty_officer")
        command = IncidentChange(is_quiet=True, quiet_reason="penyanderaan")
        values = {"incident_id": incident.id, "command": command, "if_match": incident_etag(incident)}
        change_incident(session, actor=actor, report_due=timedelta(minutes=5), **values)  # type: ignore[arg-type]


# -- what was promised ---------------------------------------------------------------------------------------------------------


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
        return keep_promises(session)


def newest(session: Session) -> Broadcast:
    return session.scalars(text("SELECT id FROM broadcast ORDER BY id DESC LIMIT 1")).one()


def test_before_the_time_somebody_is_asked_once_and_nothing_is_sent(promised: Fanout) -> None:
    for lead, count in ((60, 0), (3600, 1), (3600, 0)):
        with begin(promised.sessions) as session:
            assert ask_for_promised(session, lead_seconds=lead) == count
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
