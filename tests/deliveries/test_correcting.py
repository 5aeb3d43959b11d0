"""Putting right what went out, reminding who did not answer, saying what was promised: to whom, by which way, by how many people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import reject_broadcast, submit_broadcast
from alerts.broadcasts.models import Audience, Broadcast
from alerts.broadcasts.schemas import Approval, Correction
from alerts.broadcasts.template_rules import TemplateKind
from alerts.broadcasts.waves import open_wave
from alerts.channels.country_rules import Known
from alerts.country_rules.actions import change_rule, claim_rule, load_packaged_rules
from alerts.deliveries.actions import release, stop
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.correcting import approve_message, correct_broadcast, freeze_copied
from alerts.deliveries.escalation import Patience, escalate
from alerts.kit.actor import Actor, Via
from alerts.kit.db import begin
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.settings import Settings
from tests.deliveries.conftest import Fanout, approved, freely, members, numbers
from tests.factories.citizens import make_citizen
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from tests.factories.templates import make_template
from workers.app import Runtime
from workers.tasks import freeze_or_return

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
WAYS = senders()


def corrected(message: Fanout, kind: TemplateKind = TemplateKind.CANCEL, **more: int) -> Broadcast:
    """One person, prepared words, one click."""
    with begin(message.sessions) as session:
        template = make_template(session, kind)
        actor = make_actor(session, "duty_officer")
        command = Correction(msg_type=kind.value.capitalize(), template_id=template.id)
        return correct_broadcast(session, actor=actor, broadcast_id=message.broadcast_id, command=command, configured=WAYS, **more)


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
        correct_broadcast(session, actor=actor, broadcast_id=message.broadcast_id, command=command, configured=WAYS)


@pytest.mark.parametrize("kind", [TemplateKind.FIRST_ALERT, TemplateKind.UPDATE])
def test_words_prepared_for_something_else_correct_nothing(fanout: Make, carriers: Carriers, kind: TemplateKind) -> None:
    message = fanout(*numbers(1))
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        template, actor = make_template(session, kind), make_actor(session, "duty_officer")
    command = Correction(msg_type="Cancel", template_id=template.id)
    with pytest.raises(ConflictError), begin(message.sessions) as session:
        correct_broadcast(session, actor=actor, broadcast_id=message.broadcast_id, command=command, configured=WAYS)
    assert message.rows("SELECT state FROM broadcast") == [{"state": "approved"}]


def test_free_words_still_need_a_second_person(fanout: Make, carriers: Carriers, officer: Actor) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    correction = freely(message, officer)
    assert (correction.state, correction.approved_by) == ("submitted", None)
    with pytest.raises(ForbiddenError), begin(message.sessions) as session:
        approve_message(session, actor=officer, broadcast_id=correction.id, command=Approval(content_hash=correction.content_hash or ""))
    assert message.rows("SELECT state FROM broadcast WHERE id = :id", id=message.broadcast_id) == [{"state": "approved"}]
    assert approved(message, correction).state == "approved"
    assert message.rows("SELECT state FROM broadcast WHERE id = :id", id=message.broadcast_id) == [{"state": "cancelled"}]


def test_whoever_turns_out_to_have_it_after_the_list_was_made_is_corrected_too(fanout: Make, carriers: Carriers, officer: Actor) -> None:
    message = fanout(*numbers(2), "+6281219991211")
    message.release()
    message.send(carriers)
    correction = freely(message, officer)
    assert len(members(message, correction)) == 2
    [refused] = message.rows("SELECT id AS delivery_id, attempts AS number FROM delivery WHERE state = 'failed'")
    assert message.hear(refused, "delivered")
    message.apply()
    with pytest.raises(ConflictError, match="submit the correction anew"):
        approved(message, correction)
    with begin(message.sessions) as session:
        anew = submit_broadcast(session, actor=officer, broadcast_id=correction.id, configured=WAYS)
        assert anew.state == "freezing"
        asked = session.scalars(text("SELECT payload ->> 'audience_id' FROM outbox_event WHERE name = 'broadcast.copy_asked'")).all()
        assert asked == [str(anew.audience_id)]
        assert freeze_copied(session, actor=officer, broadcast_id=anew.id, audience_id=anew.audience_id or 0, configured=WAYS)
        assert session.get_one(Audience, anew.audience_id, populate_existing=True).count == 3
        assert anew.content_hash != correction.content_hash
    assert approved(message, anew).state == "approved"


def test_free_words_wait_until_every_latecomer_has_it(fanout: Make, carriers: Carriers, officer: Actor) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        make_citizen(session, message.keyring, phones=("+6281277700001",))
    with begin(message.sessions) as session:
        wave = open_wave(session, message.broadcast_id, configured=WAYS)
        assert wave is not None
    with pytest.raises(ConflictError, match="still going out"):
        freely(message, officer)
    for _ in range(2):
        with begin(message.sessions) as session:
            release(session, message.broadcast_id, audience_id=wave.id, batch_size=500)
    with pytest.raises(ConflictError, match="still going out"):
        freely(message, officer)
    message.send(carriers)
    assert len(members(message, freely(message, officer))) == 3


BOTH = {"device": "token-koreksi-0002", "phones": ("+6281260000009",)}


def test_while_free_words_wait_the_original_takes_no_further_step(fanout: Make, carriers: Carriers, officer: Actor) -> None:
    message = fanout(people=[BOTH])
    message.release()
    message.send(carriers)
    correction = freely(message, officer)
    assert message.step_time_passes() == 0
    with begin(message.sessions) as session:
        reject_broadcast(session, actor=make_actor(session, "approver"), broadcast_id=correction.id, reason="tidak perlu")
    with begin(message.sessions) as session:
        assert escalate(session, patience=Patience.of(message.settings)) == 1  # it was only put off


@pytest.mark.parametrize(("sms", "first", "second"), [("undelivered", "push", "sms"), ("delivered", "sms", "push")])
def test_a_correction_goes_by_the_way_that_worked_and_on_where_that_fails(
    fanout: Make, carriers: Carriers, sms: str, first: str, second: str
) -> None:
    message = fanout(people=[BOTH])
    message.release()
    message.send(carriers)
    assert message.step_time_passes() == 1
    message.send(carriers)
    [attempt] = message.rows("SELECT delivery_id, number FROM attempt WHERE channel = 'sms'")
    assert message.hear(attempt, sms)
    message.apply()
    assert sorted(message.states()) == sorted({"accepted", sms})
    correction = corrected(message)
    ways = message.rows("SELECT channel, further_ways -> 0 ->> 0 AS next FROM audience_member WHERE broadcast_id = :id", id=correction.id)
    assert ways == [{"channel": first, "next": second}]
    sent = replace(message, broadcast_id=correction.id)
    sent.release()
    sent.send(carriers)
    assert message.step_time_passes() == 0  # what was taken needs no second way
    message.run("UPDATE delivery SET state = 'failed' WHERE broadcast_id = :id", id=correction.id)
    assert message.step_time_passes() == 1
    assert message.rows("SELECT channel FROM delivery WHERE state = 'queued'") == [{"channel": second}]


def test_a_large_list_is_copied_by_a_worker(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(5))
    message.release()
    message.send(carriers)
    correction = corrected(message, freeze_at_once_max=4)
    assert (correction.state, members(message, correction)) == ("freezing", [])
    asked = {"broadcast_id": correction.id, "audience_id": correction.audience_id or 0, "actor": Actor(Via.SYSTEM), "configured": WAYS}
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
        wave = open_wave(session, message.broadcast_id, configured=WAYS)
        assert isinstance(wave, Audience)
        wave_id = wave.id
    with begin(message.sessions) as session:
        assert release(session, message.broadcast_id, audience_id=wave_id, batch_size=500) == 1
        assert release(session, message.broadcast_id, audience_id=wave_id, batch_size=500) == 0
    message.send(carriers)
    assert message.states() == {"accepted": 3}
    assert len(members(message, corrected(message))) == 3


WITH_A_NUMBER = {"id": "Keliru. Telepon 021 344 1508.", "en": "Wrong. Call 021 344 1508."}


def bar_numbers_in(session: Session, country: str) -> None:
    load_packaged_rules(session)
    rule, values = claim_rule(session, ("twilio", "sms", country)), {"phone_numbers": Known.NO, "source": "uji"}
    change_rule(session, actor=make_actor(session, "administrator"), rule=rule, values=values)


@pytest.mark.parametrize("at_once", [1, 100])
def test_free_words_that_a_network_would_block_are_refused_and_nothing_is_cancelled(fanout: Make, carriers: Carriers, at_once: int) -> None:
    message = fanout(*numbers(2))
    message.release()
    message.send(carriers)
    with begin(message.sessions) as session:
        bar_numbers_in(session, "ID")
        actor = make_actor(session, "duty_officer")
    command = Correction.model_validate({"msg_type": "Update", "texts": WITH_A_NUMBER})
    ids = {"broadcast_id": message.broadcast_id, "freeze_at_once_max": at_once}
    with pytest.raises(InvalidError, match="phone number"), begin(message.sessions) as session:
        correct_broadcast(session, actor=actor, command=command, configured=WAYS, **ids)
    assert message.rows("SELECT state FROM broadcast") == [{"state": "approved"}]


@pytest.mark.parametrize("is_large", [False, True])
def test_prepared_words_that_one_country_blocks_go_to_everybody_else_at_once(fanout: Make, carriers: Carriers, is_large: bool) -> None:
    both = [{"phones": ("+886912345679", "+6281200000002")}, {"phones": ("+6281200000003", "+886912345670")}]
    message = fanout("+6281200000001", "+886912345678", people=both)
    message.release()
    message.send(carriers)
    assert message.states() == {"accepted": 4}
    with begin(message.sessions) as session:
        bar_numbers_in(session, "TW")
        template = make_template(session, TemplateKind.UPDATE, texts=WITH_A_NUMBER)
        actor = make_actor(session, "duty_officer")
    command = Correction(msg_type="Update", template_id=template.id)
    ids = {"broadcast_id": message.broadcast_id, "freeze_at_once_max": 1 if is_large else 100}
    with begin(message.sessions) as session:
        correction = correct_broadcast(session, actor=actor, command=command, configured=WAYS, **ids)
    if is_large:
        ids = {"broadcast_id": correction.id, "audience_id": correction.audience_id}
        with begin(message.sessions) as session:
            assert freeze_copied(session, actor=actor, configured=WAYS, **ids)
    states = message.rows("SELECT purpose, state FROM broadcast ORDER BY id")
    assert [row["state"] for row in states] == ["cancelled", "approved"]
    found = message.rows(LEFT_OUT, id=correction.audience_id)
    assert [(row["channel"], row["unreachable"], row["country"], row["ways"]) for row in found] == [
        ("sms", None, "ID", 0),
        ("none", "words_barred", "TW", 0),
        ("sms", None, "ID", 0),
        ("sms", None, "ID", 0),
    ]
    assert message.rows("SELECT words_barred FROM audience WHERE id = :id", id=correction.audience_id) == [{"words_barred": 3}]


LEFT_OUT = """
SELECT channel, unreachable, number_country AS country, jsonb_array_length(further_ways) AS ways
FROM audience_member WHERE audience_id = :id ORDER BY id
"""


def test_a_correction_that_cannot_be_made_ready_is_told_to_people_and_pressed_again(
    fanout: Make, carriers: Carriers, sending_settings: Settings
) -> None:
    message = fanout(*numbers(3))
    message.release()
    message.send(carriers)
    correction = corrected(message, freeze_at_once_max=2)
    ids = {"broadcast_id": correction.id, "audience_id": correction.audience_id}

    def refuse(_: object) -> None:
        raise InvalidError("text_phone_barred", "barred since a minute ago")

    freeze_or_return(Runtime(sending_settings, message.sessions, message.sessions, carriers, WAYS), ids, refuse)
    [row] = message.rows("SELECT state, decision_reason FROM broadcast WHERE id = :id", id=correction.id)
    assert row == {"state": "cancelled", "decision_reason": "barred since a minute ago"}
    alarms = message.rows("SELECT payload ->> 'kind' AS kind FROM outbox_event WHERE name = 'delivery.alarm'")
    assert alarms == [{"kind": "message_stuck"}]
    again = corrected(message)
    assert (again.state, len(members(message, again))) == ("approved", 3)
