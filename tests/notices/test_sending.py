"""Intent, handing over, record: what a dead, slept or doubled worker leaves, and what the carrier says later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alerts.channels.ports import ReportedState, Verdict
from alerts.deliveries.rules import Outcome
from alerts.deliveries.rules import State as DeliveryState
from alerts.kit.db import begin
from alerts.notices.contacts import remove_contact
from alerts.notices.queries import list_contacts
from alerts.notices.rules import parse_attempt
from alerts.notices.sending import commit_intents, note_receipt, record
from alerts.staff.sign_in import actor_of
from tests.factories.staff import make_actor
from tests.notices.conftest import Office

People = Callable[..., Any]
SMS = frozenset({"sms"})
ACCEPTED = Outcome(DeliveryState.ACCEPTED, provider_id="SM1", raw_status="queued")


class KilledError(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.fixture
def office(office: Office) -> Office:
    office.channels = SMS
    return office


def test_a_worker_killed_while_handing_over_leaves_unknown_and_the_next_round_goes(office: Office, people: People) -> None:
    people("approver")
    office.submit()
    office.outbound.answers = [KilledError()]
    office.ring()
    with pytest.raises(KilledError):
        office.send()
    assert office.states() == {"sending": 1}
    assert office.send() == 0, "an intent is never repeated, whoever holds it"
    office.run("UPDATE notice SET lease_until = clock_timestamp() - interval '1 second'")
    assert office.send() == 0
    assert office.states() == {"unknown": 1}
    office.pass_time()
    assert len(office.round()) == 1
    assert office.states() == {"unknown": 1, "accepted": 1}
    assert [row["round"] for row in office.rows("SELECT round FROM notice ORDER BY id")] == [1, 2]


def test_a_worker_that_slept_past_its_lease_writes_nothing(office: Office, people: People) -> None:
    people("approver")
    office.submit()
    office.ring()
    with begin(office.sessions) as session:
        rows = commit_intents(session, limit=10, lease_seconds=60)
    office.run("UPDATE notice SET lease_until = clock_timestamp() - interval '1 second'")
    office.send()
    with begin(office.sessions) as session:
        assert record(session, rows, [ACCEPTED], retry_seconds=1) == 0
    assert office.states() == {"unknown": 1}


def test_what_was_not_begun_in_time_goes_back_to_the_queue(office: Office, people: People) -> None:
    people("approver")
    office.submit()
    office.outbound.answers = [None]
    office.round()
    assert office.states() == {"queued": 1}
    office.run("UPDATE notice SET due_at = clock_timestamp()")
    assert office.send() == 1
    assert office.states() == {"accepted": 1}
    assert office.rows("SELECT attempts FROM notice") == [{"attempts": 2}]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Outcome(DeliveryState.QUEUED, code="20429", retry_after=30), "queued"),
        (Outcome(DeliveryState.QUEUED, code="no_sender_configured"), "failed"),
        (Outcome(DeliveryState.QUEUED, code="21408", verdict=Verdict.NO_PERMISSION), "failed"),
        (Outcome(DeliveryState.OPTED_OUT, code="21610", verdict=Verdict.OPTED_OUT), "failed"),
        (Outcome(DeliveryState.FAILED, code="21211", verdict=Verdict.BAD_NUMBER), "failed"),
        (Outcome(DeliveryState.UNKNOWN, code="http_500"), "unknown"),
        (ACCEPTED, "accepted"),
    ],
)
def test_each_answer_has_its_state(office: Office, people: People, answer: Outcome, state: str) -> None:
    people("approver")
    office.submit()
    office.outbound.answers = [answer]
    office.round()
    assert office.states() == {state: 1}
    assert office.send() == 0, "neither at once nor by itself"
    assert office.rows("SELECT error_code FROM notice") == [{"error_code": answer.code}]


def test_an_unknown_is_resolved_by_its_receipt_and_states_only_climb(office: Office, people: People) -> None:
    people("approver")
    office.submit()
    office.outbound.answers = [Outcome(DeliveryState.UNKNOWN, code="http_500")]
    office.round()
    found = parse_attempt(office.outbound.sent[0][2].attempt_id)
    assert found is not None

    def told(reported: ReportedState | None) -> bool:
        with begin(office.sessions) as session:
            return note_receipt(session, notice=found, reported=reported, provider_id="SM9", raw_status="x")

    assert told(ReportedState.DELIVERED)
    assert told(ReportedState.SENT)
    assert told(None)
    assert office.states() == {"delivered": 1}
    assert office.rows("SELECT provider_id FROM notice") == [{"provider_id": "SM9"}]
    with begin(office.sessions) as session:
        later = (found[0], found[1] + 1)
        assert not note_receipt(session, notice=later, reported=ReportedState.SENT, provider_id="SM9", raw_status="sent")


def test_a_receipt_that_comes_before_the_answer_is_kept(office: Office, people: People) -> None:
    people("approver")
    office.submit()
    office.ring()
    with begin(office.sessions) as session:
        rows = commit_intents(session, limit=10, lease_seconds=60)
    with begin(office.sessions) as session:
        note_receipt(session, notice=(rows[0]["id"], 1), reported=ReportedState.DELIVERED, provider_id="SM1", raw_status="delivered")
    with begin(office.sessions) as session:
        assert record(session, rows, [ACCEPTED], retry_seconds=1) == 0
    assert office.states() == {"delivered": 1}


def test_what_is_too_old_or_has_lost_its_address_or_account_is_not_sent(office: Office, people: People) -> None:
    gone, shut, slow = people("approver"), people("approver"), people("approver")
    office.submit()
    for _ in range(3):
        office.run("UPDATE paging SET next_at = clock_timestamp()")
        office.ring()
    office.run("DELETE FROM notice WHERE round < 3")
    with begin(office.sessions) as session:
        contact = list_contacts(session, gone.id)[0]
        remove_contact(session, actor=actor_of(gone, make_actor(session).via), staff_id=gone.id, contact_id=contact.id)
    office.run("UPDATE staff SET is_active = false WHERE id = :id", id=shut.id)
    office.run("UPDATE notice SET expires_at = clock_timestamp() WHERE staff_id = :id", id=slow.id)
    assert office.send() == 0
    assert office.states() == {"cancelled": 2, "expired": 1}


def test_a_device_that_is_gone_is_not_asked_again(office: Office, people: People) -> None:
    staff = people("approver", "push", "phone")
    office.channels = frozenset({"push"})
    office.submit()
    office.outbound.answers = [Outcome(DeliveryState.FAILED, code="UNREGISTERED", verdict=Verdict.DEAD_TOKEN)]
    office.round()
    with begin(office.sessions) as session:
        assert [contact.kind for contact in list_contacts(session, staff.id)] == ["phone"]


def test_a_damaged_address_fails_alone(office: Office, people: People) -> None:
    people("approver", "phone", "phone")
    office.submit()
    office.run("UPDATE staff_contact SET address_enc = '\\x01' WHERE id = (SELECT min(id::text)::uuid FROM staff_contact)")
    assert len(office.round()) == 1
    assert office.states() == {"failed": 1, "accepted": 1}


def test_a_number_whose_country_lets_no_address_through_gets_none(office: Office, people: People) -> None:
    with begin(office.sessions) as session:
        from tests.factories.notices import make_contact
        from tests.factories.staff import make_staff

        staff = make_staff(session, "approver")
        make_contact(session, office.keyring, staff, "phone", "+971501234567")
        make_contact(session, office.keyring, staff, "phone", "+85291234567")
    office.submit()
    office.round()
    has_link = {message.to_e164[:3]: "http" in message.body for _, _, message in office.outbound.sent}
    assert has_link == {"+97": False, "+85": True}


def test_an_exercise_goes_to_the_exercise_and_says_so(office: Office, people: People) -> None:
    people("approver")
    office.submit(status="Exercise")
    office.round()
    [(status, _, message)] = office.outbound.sent
    assert status == "Exercise"
    assert message.body.startswith("LATIHAN: ")
    assert "/exercise/broadcasts/" in office.rows("SELECT path FROM notice")[0]["path"]


@pytest.mark.parametrize("change", ["body = 'SIAGA: x'", "status = 'Actual'"])
def test_the_table_itself_takes_no_exercise_without_its_word(office: Office, people: People, change: str) -> None:
    from sqlalchemy.exc import IntegrityError

    people("approver")
    office.submit(status="Exercise")
    office.ring()
    with pytest.raises(IntegrityError, match=r"exercise_says_so|the status is that of what it belongs to"):
        office.run(f"UPDATE notice SET {change}")


def test_a_call_asks_whether_one_takes_it_on_and_takes_the_answer_at_our_own_door(office: Office, people: People) -> None:
    people("approver", language="en")
    office.channels = frozenset({"voice"})
    office.submit()
    office.round()
    [(_, channel, call)] = office.outbound.sent
    assert (channel, call.language, call.question) == ("voice", "en", "Press 1 if you take this on.")
    assert call.answer_url.startswith(f"{office.settings.public_url}/hooks/notices/voice/{call.attempt_id}.")
    assert call.status_callback.startswith(f"{office.settings.public_url}/hooks/notices/status/{call.attempt_id}.")
