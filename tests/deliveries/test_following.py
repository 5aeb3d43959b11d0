"""Reminding who did not answer, and saying what was promised: to whom, when, and of what never."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.broadcasts.actions import cancel_broadcast
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.schemas import FollowUp
from alerts.citizens.actions import register_device
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.evidence import mark_answered
from alerts.deliveries.facts import export_facts
from alerts.deliveries.following import follow_up, freeze_follow_up
from alerts.incidents.actions import change_incident
from alerts.incidents.queries import get_incident, incident_etag
from alerts.incidents.schemas import IncidentChange
from alerts.kit.actor import Actor
from alerts.kit.db import begin
from alerts.kit.errors import ConflictError
from alerts.sandbox.judge import facts_of, judge, read_journal
from tests.deliveries.conftest import Carrier, Fanout, approved, freely, members, numbers
from tests.factories.senders import senders
from tests.factories.staff import make_actor

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
WAYS = senders()


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


def test_who_is_rightly_left_out_of_a_reminder_is_not_missed(fanout: Make, carriers: Carriers, carrier: Carrier) -> None:
    """Between its freezing and their turn one answers, one dies and one is found to be the same person as another."""
    message = fanout(*numbers(5))
    message.release()
    message.send(carriers)
    reminder = reminded(message)
    approved(message, reminder)
    reminders = replace(message, broadcast_id=reminder.id)
    assert reminders.release() == 5
    ids = [row["citizen_id"] for row in message.rows("SELECT citizen_id FROM audience_member WHERE broadcast_id = :id", id=reminder.id)]
    with begin(message.sessions) as session:
        mark_answered(session, [{"citizen_id": ids[0], "incident_id": message.incident_id}])
    message.run("UPDATE citizen SET died_at = now() WHERE id = :id", id=ids[1])
    message.run("UPDATE citizen SET merged_into = :other WHERE id = :id", id=ids[2], other=ids[3])
    reminders.send(carriers)
    with begin(message.sessions) as session:
        verdict = judge(read_journal(carrier.log_path), facts_of(export_facts(session)))
    count = verdict.by_broadcast[str(reminder.id)]
    assert (count.frozen, count.handed_over, count.left_out, count.unreachable, count.missed) == (5, 2, 3, 0, 0)
    assert (verdict.left_out_why, verdict.missed_why) == ({"answered": 1, "died": 1, "merged": 1}, {})
    assert reminders.reach().stopped == 3, "our own count, in its words"


def test_what_is_being_corrected_is_not_reminded_of(fanout: Make, carriers: Carriers, officer: Actor) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    correction = freely(message, officer)
    with pytest.raises(ConflictError, match="corrected"):
        reminded(message)
    approved(message, correction)
    with pytest.raises(ConflictError, match="still stands"):
        reminded(message)


def test_a_reminder_that_waits_is_neither_approved_nor_frozen_while_a_correction_does(
    fanout: Make, carriers: Carriers, officer: Actor
) -> None:
    message = fanout(*numbers(3))
    message.release()
    message.send(carriers)
    small, large = reminded(message), reminded(message, freeze_at_once_max=2)
    correction = freely(message, officer)
    with pytest.raises(ConflictError) as refused:
        approved(message, small)
    assert refused.value.code == "corrected"
    with pytest.raises(ConflictError, match="corrected"), begin(message.sessions) as session:
        freeze_follow_up(session, broadcast_id=large.id, audience_id=large.audience_id or 0, configured=WAYS)
    with begin(message.sessions) as session:
        cancel_broadcast(session, actor=officer, broadcast_id=correction.id, reason="x")
    assert approved(message, small).state == "approved"


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_whom_only_the_reminder_reached_is_corrected_too(fanout: Make, carriers: Carriers, officer: Actor, when: str) -> None:
    message = fanout(*numbers(1), "+6281219991211")
    message.release()
    message.send(carriers)
    [missed] = message.rows("SELECT citizen_id FROM delivery d JOIN audience_member m ON m.id = d.member_id WHERE d.state = 'failed'")
    with begin(message.sessions) as session:  # a newer way
        register_device(session, message.keyring, citizen_id=missed["citizen_id"], token="token-pengingat-0001")
    reminder = reminded(message)
    approved(message, reminder)
    reminders = replace(message, broadcast_id=reminder.id)
    reminders.release()
    if when == "before":
        reminders.send(carriers)
    correction = freely(message, officer)
    if when == "meanwhile":
        assert str(missed["citizen_id"]) not in {row[0] for row in members(message, correction)}
        reminders.send(carriers)
        with pytest.raises(ConflictError, match="submit the correction anew"):
            approved(message, correction)
    else:
        found = members(message, correction)
        assert len(found) == 2, "each person once"
        assert (str(missed["citizen_id"]), "push", "id") in found
        assert approved(message, correction).state == "approved"


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


def test_cancelling_stops_what_only_repeats_it(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    reminder = reminded(message)
    with begin(message.sessions) as session:
        cancel_broadcast(session, actor=make_actor(session, "approver"), broadcast_id=message.broadcast_id, reason="x")
    with begin(message.sessions) as session:
        assert session.get_one(Broadcast, reminder.id).state == "cancelled"


def sent_again(message: Fanout, carriers: Carriers) -> Fanout:
    """A reminder of it, approved and sent."""
    reminder = reminded(message)
    approved(message, reminder)
    reminders = replace(message, broadcast_id=reminder.id)
    reminders.release()
    reminders.send(carriers)
    return reminders


def test_cancelling_stops_a_reminder_of_a_reminder(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    again = reminded(sent_again(message, carriers))
    with begin(message.sessions) as session:
        cancel_broadcast(session, actor=make_actor(session, "approver"), broadcast_id=message.broadcast_id, reason="x")
    with begin(message.sessions) as session:
        assert session.get_one(Broadcast, again.id).state == "cancelled"


def test_a_reminder_waits_with_what_it_reminds_of_while_a_correction_does(fanout: Make, carriers: Carriers, officer: Actor) -> None:
    message = fanout(people=[{"phones": ("+6281260000001", "+6281260000002")}])
    message.release()
    message.send(carriers)
    reminders = sent_again(message, carriers)
    waiting = reminded(reminders)
    correction = freely(message, officer)
    assert message.step_time_passes() == 0
    with pytest.raises(ConflictError, match="corrected"):
        reminded(reminders)
    with pytest.raises(ConflictError, match="corrected"):
        approved(message, waiting)
    with begin(message.sessions) as session:
        cancel_broadcast(session, actor=officer, broadcast_id=correction.id, reason="x")
    assert message.step_time_passes() == 2, "the original's, and the reminder's"
    assert approved(message, waiting).state == "approved"
