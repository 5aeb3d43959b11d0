"""Whoever answers for a call for help is paged until somebody takes it on, and a locked phone does not say who called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.cases.actions import assign_case, move_case, note_case
from alerts.checkins.cases.paging import KIND, page_owners, still_waits
from alerts.checkins.cases.rules import CaseState
from alerts.checkins.cases.schemas import CaseMove
from alerts.checkins.rules import Answer, Channel
from alerts.incidents.models import Incident
from alerts.kit.actor import SYSTEM, Via
from alerts.kit.db import begin
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging as Page
from alerts.notices.actions import acknowledge_paging, ring_due, settle
from alerts.notices.queries import list_pagings
from alerts.staff.sign_in import actor_of
from tests.factories.citizens import make_citizen
from tests.factories.incidents import HATAY, make_incident
from tests.factories.notices import make_roster
from tests.factories.staff import make_actor
from tests.notices.conftest import Office
from workers.staff import STILL_WAITS
from workers.wiring import REACTIONS

People = Callable[..., Any]
CHECKS = {KIND: still_waits}
NAME = "Siti Rahasia"


def call(office: Office, **incident: Any) -> UUID:
    """Somebody in Hatay needs help; the case, paged about."""
    with begin(office.sessions) as session:
        made = make_incident(session, areas=[HATAY], **incident)
    return call_again(office, made, is_tester=incident.get("status") == "Exercise")


def call_again(office: Office, made: Incident, *, is_tester: bool = False) -> UUID:
    """Somebody else in the same incident."""
    with begin(office.sessions) as session:
        person = make_citizen(session, office.keyring, name=NAME, province_code="TR-31", phones=(), is_tester=is_tester)
        new = NewCheckin(made.id, person.id, Answer.NEED_HELP, Channel.SMS)
        record_checkin(session, actor=SYSTEM, keyring=office.keyring, new=new)
    case_id: UUID = office.rows("SELECT id FROM help_case ORDER BY id DESC")[0]["id"]
    page(office, case_id)
    return case_id


def page(office: Office, case_id: UUID) -> None:
    with begin(office.sessions) as session:
        page_owners(session, [case_id])


def ring(office: Office) -> list[str]:
    """What the clock rings; the channels by which somebody was told."""
    before = len(office.outbound.sent)
    with begin(office.sessions) as session:
        settle(session, CHECKS)
    ring_due(office.sessions, configured=lambda _: office.channels, repeat_seconds=120, checks=CHECKS)
    office.send()
    return sorted(channel for _, channel, _ in office.outbound.sent[before:])


def asked(office: Office) -> tuple[str, str | None]:
    row = office.paging()
    return row["role"], row["mission_code"]


def roster(office: Office, *people: Any) -> None:
    """Each of them the only one of their role at their mission."""
    with begin(office.sessions) as session:
        for person in people:
            make_roster(session, person)


def move(office: Office, case_id: UUID, to: CaseState) -> None:
    with begin(office.sessions) as session:
        actor = make_actor(session, "mission_staff", mission_code="kbri-ankara")
        move_case(session, actor=actor, keyring=office.keyring, case_id=case_id, command=CaseMove(to=to))


def test_a_call_for_help_pages_whoever_owns_it() -> None:
    for event in ("case.raised", "case.changed"):
        assert "checkins.page_owners" in REACTIONS[event]
    assert STILL_WAITS[KIND] is still_waits


def test_the_missions_staff_are_paged_until_somebody_acknowledges(office: Office, people: People) -> None:
    people("mission_staff", mission_code="kbri-ankara")
    case_id = call(office)
    assert asked(office) == ("mission_staff", "kbri-ankara")
    assert ring(office) == ["sms", "voice"]
    page(office, case_id)
    office.pass_time()
    assert ring(office) == ["sms", "voice"], "again, and once a round however often the case is told of"
    move(office, case_id, CaseState.ACKNOWLEDGED)
    office.pass_time()
    assert ring(office) == []
    assert office.paging()["stop_reason"] == "done"
    page(office, case_id)
    assert len(office.rows("SELECT 1 FROM paging")) == 1


@pytest.mark.parametrize("is_quiet", [False, True])
def test_a_locked_phone_says_nothing_of_who_called(office: Office, people: People, *, is_quiet: bool) -> None:
    people("mission_staff", mission_code="kbri-ankara", language="en")
    quiet = {"is_quiet": True, "quiet_reason": "penggeledahan rumah"} if is_quiet else {}
    case_id = call(office, title="Gempa uji", **quiet)
    ring(office)
    [body] = {row["body"] for row in office.rows("SELECT body FROM notice")}
    assert body == ("SIAGA: calls for help wait: 1." if is_quiet else "SIAGA: calls for help wait: 1. Gempa uji")
    assert {row["path"] for row in office.rows("SELECT path FROM notice")} == {f"/cases/{case_id}"}
    for _, _, message in office.outbound.sent:
        said = str(vars(message) if hasattr(message, "__dict__") else [getattr(message, name) for name in message.__slots__])
        assert not any(secret in said for secret in ("Siti", "Rahasia", "Hatay", "TR-31"))


def test_the_head_is_paged_where_the_roster_has_no_staff_on_duty(office: Office, people: People) -> None:
    off = people("mission_staff", mission_code="kbri-ankara")
    head = people("head_of_mission", mission_code="kbri-ankara")
    roster(office, off, head)
    office.run("UPDATE duty SET is_on = false WHERE staff_id = :staff", staff=off.id)
    call(office)
    assert asked(office) == ("head_of_mission", "kbri-ankara")


def test_the_ministry_is_paged_where_a_mission_has_nobody_on_duty(office: Office, people: People) -> None:
    off, _ = people("mission_staff", mission_code="kbri-ankara"), people("duty_officer", language="en")
    roster(office, off)
    office.run("UPDATE duty SET is_on = false")
    call(office, title="Gempa uji")
    assert asked(office) == ("duty_officer", None)
    assert ring(office) == ["sms", "voice"]
    [body] = {row["body"] for row in office.rows("SELECT body FROM notice")}
    assert body.startswith("SIAGA: calls for help wait: 1, and nobody is on duty at ")


def test_a_mission_without_anybody_to_reach_leaves_it_to_the_ministry(office: Office, people: People) -> None:
    people("duty_officer")
    call(office)
    assert asked(office) == ("duty_officer", None)


def test_a_mission_that_does_nothing_is_not_the_last_to_be_asked(office: Office, people: People) -> None:
    people("mission_staff", mission_code="kbri-ankara")
    officer = people("duty_officer")
    call(office)
    assert ring(office) == ["sms", "voice"], "the mission first, alone"
    with begin(office.sessions) as session:
        actor = actor_of(officer, Via.SESSION)
        assert list_pagings(session, actor, Page(None, 10)) == []
        with pytest.raises(NotFoundError):
            acknowledge_paging(session, actor=actor, paging_id=office.paging()["id"])
    office.pass_time()
    assert ring(office) == ["sms", "sms", "voice", "voice"], "then the ministry too"
    with begin(office.sessions) as session:
        assert [each.mission_code for each in list_pagings(session, actor, Page(None, 10))] == ["kbri-ankara"]
        acknowledge_paging(session, actor=actor, paging_id=office.paging()["id"])
    office.pass_time()
    assert ring(office) == []


def test_another_owner_is_paged_instead(office: Office, people: People) -> None:
    people("mission_staff", mission_code="kbri-ankara")
    people("mission_staff", mission_code="kbri-athens")
    case_id = call(office)
    with begin(office.sessions) as session:
        officer = make_actor(session, "duty_officer")
        note_case(session, actor=officer, keyring=office.keyring, case_id=case_id, note="menunggu")
        assign_case(session, actor=officer, keyring=office.keyring, case_id=case_id, mission_code="kbri-athens")
    page(office, case_id)
    assert asked(office) == ("mission_staff", "kbri-athens")
    ring(office)
    before = office.rows("SELECT stop_reason FROM paging WHERE mission_code = 'kbri-ankara'")
    assert [row["stop_reason"] for row in before] == ["done"]


def test_many_calls_ring_as_one_and_tell_how_many_wait(office: Office, people: People) -> None:
    staff = people("mission_staff", mission_code="kbri-ankara")
    case_id = call(office, title="Gempa uji")
    with begin(office.sessions) as session:
        incident = session.query(Incident).one()
    assert ring(office) == ["sms", "voice"]
    later = [call_again(office, incident) for _ in range(20)]
    assert ring(office) == [], "no phone rings for each"
    office.pass_time()
    assert ring(office) == ["sms", "voice"]
    newest = office.rows("SELECT body, path FROM notice ORDER BY id DESC LIMIT 1")[0]
    assert newest == {"body": "SIAGA: permintaan tolong yang menunggu: 21. Gempa uji", "path": "/cases"}
    with begin(office.sessions) as session:
        acknowledge_paging(session, actor=actor_of(staff, Via.SESSION), paging_id=office.paging()["id"])
    for each in (case_id, *later):
        page(office, each)
    office.pass_time()
    assert ring(office) == [], "somebody has them"
    call_again(office, incident)
    assert ring(office) == ["sms", "voice"], "a later call is new"
    assert len(office.rows("SELECT 1 FROM paging")) == 2


def test_an_exercise_says_so(office: Office, people: People) -> None:
    people("mission_staff", mission_code="kbri-ankara")
    case_id = call(office, status="Exercise")
    ring(office)
    rows = office.rows("SELECT body, path, status FROM notice")
    assert rows
    assert all(row["body"].startswith("LATIHAN") and row["path"] == f"/exercise/cases/{case_id}" for row in rows)
    assert {status for status, _, _ in office.outbound.sent} == {"Exercise"}
