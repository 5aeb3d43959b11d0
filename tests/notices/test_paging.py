"""A message that waits for approval pages the approver, then the deputies, until somebody acts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import approve_broadcast, cancel_broadcast, edit_broadcast, reject_broadcast, submit_broadcast
from alerts.broadcasts.first_alerts import release_first_alert
from alerts.broadcasts.queries import claim_broadcast
from alerts.broadcasts.schemas import Approval, BroadcastChange, FirstAlert
from alerts.incidents.queries import list_areas
from alerts.kit.actor import Via
from alerts.kit.db import begin
from alerts.kit.errors import ConflictError, ForbiddenError, NotFoundError
from alerts.notices.actions import PagingStart, acknowledge_paging, settle, start_paging
from alerts.notices.models import Paging
from alerts.staff.rules import Role
from alerts.staff.sign_in import actor_of
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.notices import make_roster
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from tests.factories.templates import make_template
from tests.notices.conftest import TEXTS, Office, address_of

People = Callable[..., Any]


def last_digits(office: Office, staff: Any) -> str:
    from alerts.notices.contacts import open_contact
    from alerts.notices.queries import list_contacts

    with begin(office.sessions) as session:
        phone = next(contact for contact in list_contacts(session, staff.id) if contact.kind == "phone")
        return open_contact(office.keyring, phone.id, phone.address_enc)[-4:]


def test_the_first_is_paged_by_every_way_and_each_round_adds_a_deputy(office: Office, people: People) -> None:
    first, second, third = people("approver", "phone", "push"), people("approver"), people("approver")
    with begin(office.sessions) as session:
        make_roster(session, third, first, second)
    office.submit()
    a, b, c = (last_digits(office, staff) for staff in (third, first, second))
    assert office.round() == [(a, "sms"), (a, "voice")]
    assert office.round() == [], "nothing before its time"
    office.pass_time()
    assert [pair for pair in office.round() if pair[1] != "push"] == sorted([(a, "sms"), (a, "voice"), (b, "sms"), (b, "voice")])
    office.pass_time()
    assert {pair[0] for pair in office.round() if pair[1] == "sms"} == {a, b, c}
    office.pass_time()
    assert {pair[0] for pair in office.round() if pair[1] == "sms"} == {a, b, c}, "and on until somebody acts"
    assert office.paging()["level"] == 4


def test_a_deputy_is_called_to_a_first_alert_while_it_is_held(office: Office, people: People) -> None:
    for _ in range(3):
        people("approver", "phone")
    with begin(office.sessions) as session:
        incident, template = make_incident(session), make_template(session)
        make_citizen(session, office.keyring)
        [area] = list_areas(session, incident.id)
        actor, command = make_actor(session, "duty_officer"), FirstAlert(template_id=template.id, area_id=area.id)
        release_first_alert(session, actor=actor, incident_id=incident.id, command=command, settings=office.settings)
    assert len({address for address, _ in office.round()}) == 3


def test_each_reads_their_own_language_and_where_to_act(office: Office, people: People) -> None:
    people("approver", language="en")
    broadcast_id = office.submit()
    office.round()
    [body] = [message.body for _, channel, message in office.outbound.sent if channel == "sms"]
    assert body.startswith("SIAGA: a message waits for your approval (recipients: 1). Gempa uji")
    link = f"{office.settings.public_url}/broadcasts/{broadcast_id}/approve"
    row = office.rows("SELECT path, body FROM notice LIMIT 1")[0]
    assert link.endswith(row["path"])
    assert "http" not in row["body"]


def test_nobody_who_touched_the_message_is_paged(office: Office, people: People) -> None:
    """Who wrote it may since have become an approver."""
    author, other = people("approver"), people("approver")
    office.submit(actor_of(author, Via.SESSION))
    assert {digits for digits, _ in office.round()} == {last_digits(office, other)}
    office.pass_time()
    assert {digits for digits, _ in office.round()} == {last_digits(office, other)}


def test_a_role_without_anybody_to_reach_raises_an_alarm_and_goes_on_looking(office: Office, people: People) -> None:
    office.submit()
    assert office.round() == []
    assert [row["kind"] for row in office.rows("SELECT kind, sender FROM alarm")] == ["nobody_to_page"]
    late = people("approver")
    office.pass_time()
    office.run("UPDATE paging SET level = 0")
    assert {digits for digits, _ in office.round()} == {last_digits(office, late)}


def approve(office: Office, broadcast_id: UUID) -> None:
    with begin(office.sessions) as session:
        approver = make_actor(session, "approver")
        approve_broadcast(session, actor=approver, broadcast_id=broadcast_id, command=Approval(content_hash=office.hash_of(broadcast_id)))


def reject(office: Office, broadcast_id: UUID) -> None:
    with begin(office.sessions) as session:
        reject_broadcast(session, actor=make_actor(session, "approver"), broadcast_id=broadcast_id, reason="belum jelas")


def cancel(office: Office, broadcast_id: UUID) -> None:
    with begin(office.sessions) as session:
        cancel_broadcast(session, actor=make_actor(session, "duty_officer"), broadcast_id=broadcast_id, reason="batal")


def edit(office: Office, broadcast_id: UUID) -> None:
    with begin(office.sessions) as session:
        broadcast = claim_broadcast(session, broadcast_id)
        edit_broadcast(
            session, actor=make_actor(session, "duty_officer"), broadcast=broadcast, command=BroadcastChange(validity_seconds=900)
        )


def acknowledge(office: Office, _: UUID) -> None:
    with begin(office.sessions) as session:
        acknowledge_paging(session, actor=make_actor(session, "approver"), paging_id=office.paging()["id"])


@pytest.mark.parametrize("act", [approve, reject, cancel, edit, acknowledge])
def test_an_act_stops_the_page_before_the_next_round(office: Office, people: People, act: Callable[[Office, UUID], None]) -> None:
    people("approver")
    broadcast_id = office.submit()
    assert office.round()
    act(office, broadcast_id)
    office.pass_time()
    assert office.round() == []
    stopped = office.paging()
    assert stopped["stopped_at"] is not None
    assert stopped["stop_reason"] == ("acknowledged" if act is acknowledge else "done")


def test_an_act_takes_back_what_is_not_handed_over_yet(office: Office, people: People) -> None:
    people("approver")
    broadcast_id = office.submit()
    office.ring()
    acknowledge(office, broadcast_id)
    assert office.send() == 0
    assert office.states() == {"cancelled": 2}


def test_submitted_anew_it_is_another_page(office: Office, people: People) -> None:
    people("approver")
    broadcast_id = office.submit()
    office.round()
    edit(office, broadcast_id)
    with begin(office.sessions) as session:
        author = make_actor(session, "duty_officer")
        submit_broadcast(session, actor=author, broadcast_id=broadcast_id, configured=senders("sms"))
    office.page(broadcast_id)
    office.page(broadcast_id)
    assert [row["stop_reason"] for row in office.rows("SELECT stop_reason FROM paging ORDER BY id")] == ["superseded", None]
    assert office.round(), "at once, whatever the first one's clock says"


def test_a_doubled_hint_begins_nothing_twice_and_what_was_taken_on_stays_so(office: Office, people: People) -> None:
    people("approver")
    broadcast_id = office.submit()
    office.round()
    acknowledge(office, broadcast_id)
    office.page(broadcast_id)
    assert len(office.rows("SELECT 1 FROM paging")) == 1
    assert office.round() == []


def test_two_workers_at_once_ring_a_round_once(office: Office, people: People) -> None:
    people("approver", "phone", "push")
    for _ in range(3):
        office.submit()
    barrier = Barrier(4)

    def work(_: int) -> int:
        barrier.wait()
        rung = office.ring()
        office.send()
        return rung

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 3
    office.send()
    assert office.states() == {"accepted": 9}
    names = [message.attempt_id for _, _, message in office.outbound.sent]
    assert len(names) == len(set(names)) == 9
    assert [row["level"] for row in office.rows("SELECT level FROM paging")] == [1, 1, 1]


def test_a_closed_incident_pages_nobody(office: Office, people: People) -> None:
    people("approver")
    office.submit()
    office.run("UPDATE incident SET state = 'closed'")
    assert office.round() == []
    assert office.paging()["stop_reason"] == "done"


def test_a_quiet_incident_says_nothing_on_a_locked_screen(office: Office, people: People) -> None:
    people("approver")
    broadcast_id = office.submit()
    office.run("DELETE FROM paging")
    office.run("UPDATE incident SET is_quiet = true")
    office.page(broadcast_id)
    office.round()
    assert {row["body"] for row in office.rows("SELECT body FROM notice")} == {"SIAGA: sebuah pesan menunggu persetujuan Anda."}


def test_only_the_role_that_was_asked_for_can_take_it_on_and_never_the_author(office: Office, people: People) -> None:
    author = people("approver")
    office.submit(actor_of(author, Via.SESSION))
    paging_id = office.paging()["id"]
    with begin(office.sessions) as session:
        stranger = make_actor(session, "duty_officer")
        with pytest.raises(NotFoundError):
            acknowledge_paging(session, actor=stranger, paging_id=paging_id)
        with pytest.raises(ForbiddenError):
            acknowledge_paging(session, actor=actor_of(author, Via.SESSION), paging_id=paging_id)
    assert office.paging()["stopped_at"] is None


def test_taking_it_on_twice_is_fine_and_after_a_decision_there_is_nothing_to_take_on(office: Office, people: People) -> None:
    people("approver")
    broadcast_id = office.submit()
    acknowledge(office, broadcast_id)
    acknowledge(office, broadcast_id)
    other = office.submit()
    reject(office, other)
    office.ring()
    with pytest.raises(ConflictError):
        acknowledge(office, other)
    log = office.rows("SELECT action, actor FROM action_log WHERE action LIKE 'paging.%' ORDER BY id")
    assert [row["action"] for row in log] == ["paging.started", "paging.acknowledged", "paging.started"]
    assert log[1]["actor"].startswith("staff:")


def test_addresses_are_opened_for_the_message_alone(office: Office, people: People) -> None:
    people("approver")
    office.submit()
    office.round()
    [number] = {address_of(message) for _, _, message in office.outbound.sent}
    assert number.startswith("+62811")
    stored = office.rows("SELECT notice::text AS row FROM notice UNION ALL SELECT staff_contact::text FROM staff_contact")
    assert not [row for row in stored if number[1:] in row["row"]]


def test_of_very_many_open_pages_some_are_settled_each_time_and_all_in_the_end(office: Office) -> None:
    for number in range(7):
        with begin(office.sessions) as session:
            start = PagingStart(kind="approval", subject=("broadcast", f"{number}"), role=Role.APPROVER, texts=TEXTS, path="/")
            assert start_paging(session, start)
    asked: list[str] = []

    def is_open(_: Session, paging: Paging) -> bool:
        asked.append(paging.subject_id)
        return False

    turns = []
    while office.rows("SELECT 1 FROM paging WHERE stopped_at IS NULL"):
        with begin(office.sessions) as session:
            turns.append(settle(session, {"approval": is_open}, at_most=3))
    assert turns == [3, 3, 1]
    assert sorted(asked) == [str(number) for number in range(7)], "each once"
