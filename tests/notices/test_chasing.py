"""A mission whose report does not come is asked step by step, by one page whatever its incidents, until it reports."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alerts.incidents.actions import change_incident, close_incident
from alerts.incidents.queries import claim_incident, incident_etag
from alerts.incidents.schemas import IncidentChange
from alerts.kit.actor import Actor, Via
from alerts.kit.db import begin
from alerts.kit.errors import ConflictError, InvalidError, NotFoundError
from alerts.kit.http import Paging as Page
from alerts.notices.actions import acknowledge_paging, ring_due, settle
from alerts.notices.queries import list_pagings
from alerts.reports.actions import file_report
from alerts.reports.chasing import actions
from alerts.reports.chasing.clock import KIND, chase, pace_of, plan_of
from alerts.reports.chasing.queries import Owed, get_owed
from alerts.reports.chasing.rules import Chaser
from alerts.reports.chasing.schemas import CoverIn, SnoozeIn
from alerts.reports.queries import present_report
from alerts.reports.schemas import ReportIn
from alerts.staff.sign_in import actor_of
from tests.factories.incidents import HATAY, OPENER, SYRIA, make_incident
from tests.factories.reports import line, report_body
from tests.notices.conftest import Office
from workers.staff import STILL_WAITS
from workers.wiring import DRAINS, REACTIONS

People = Callable[..., Any]
ANKARA, DAMASCUS = "kbri-ankara", "kbri-damascus"
CHECKS = {KIND: STILL_WAITS[KIND]}
WHY = "Konvoi sedang di jalan."


def opened(office: Office, **fields: Any) -> UUID:
    """An open incident in Hatay whose first report is due."""
    with begin(office.sessions) as session:
        incident_id = make_incident(session, **({"areas": [HATAY]} | fields)).id
    overdue(office, incident_id)
    return incident_id


def overdue(office: Office, incident_id: UUID) -> None:
    office.run("UPDATE incident_mission SET report_due_at = clock_timestamp() - interval '1 second' WHERE incident_id = :i", i=incident_id)


def clock(office: Office) -> int:
    """What the clock and the events ring."""
    with begin(office.sessions) as session:
        return chase(session, pace_of(office.settings))


def asked(office: Office) -> list[tuple[str, str]]:
    """One turn of the clock, a round where one is due, and its sending: (the account's role, channel) in order."""
    clock(office)
    before = len(office.rows("SELECT id FROM notice"))
    with begin(office.sessions) as session:
        settle(session, CHECKS)
    plans = {KIND: plan_of(office.settings.chasing)}
    ring_due(office.sessions, configured=lambda _: office.channels, repeat_seconds=120, checks=CHECKS, plans=plans)
    office.send()
    rows = office.rows("SELECT s.role, n.channel FROM notice n JOIN staff s ON s.id = n.staff_id ORDER BY n.id")[before:]
    return sorted((row["role"], row["channel"]) for row in rows)


def open_pages(office: Office) -> list[dict[str, Any]]:
    return office.rows("SELECT * FROM paging WHERE stopped_at IS NULL ORDER BY id")


def words(office: Office, incident_id: UUID, mission: str = ANKARA) -> list[str]:
    query = "SELECT word FROM chase_word WHERE incident_id = :i AND mission_code = :m ORDER BY id"
    return [row["word"] for row in office.rows(query, i=incident_id, m=mission)]


def report(office: Office, incident_id: UUID, *, mission: str = ANKARA, **more: Any) -> None:
    with begin(office.sessions) as session:
        actor = Actor(Via.SYSTEM, role="mission_staff", mission_code=mission, label="t")
        body = report_body(line("injured", 1, places=["TR-31"]), source=f"mission:{mission}", as_of=datetime.now(UTC), **more)
        file_report(session, actor=actor, incident_id=incident_id, command=ReportIn.model_validate(body))


def owed(office: Office, incident_id: UUID, mission: str = ANKARA) -> Owed:
    with begin(office.sessions) as session:
        return get_owed(session, (incident_id, mission), actor=OPENER, pace=pace_of(office.settings))


def say(office: Office, act: Callable[..., Owed], incident_id: UUID, *, actor: Actor = OPENER, mission: str = ANKARA, **more: Any) -> Owed:
    with begin(office.sessions) as session:
        return act(session, (incident_id, mission), actor=actor, pace=pace_of(office.settings), **more)


def later(**more: float) -> datetime:
    return datetime.now(UTC) + timedelta(**more)


@pytest.mark.usefixtures("embassy")
def test_the_steps_go_from_the_duty_phone_to_the_ministry_each_after_its_own_wait(office: Office) -> None:
    incident_id = opened(office)
    waits = office.settings.chasing
    steps = [
        ([("mission_staff", "push"), ("mission_staff", "sms")], waits.voice_after_seconds),
        ([("mission_staff", "voice")], waits.head_after_seconds),
        ([("head_of_mission", "sms"), ("head_of_mission", "voice")], waits.ministry_after_seconds),
        ([("duty_officer", "sms"), ("duty_officer", "voice")], waits.repeat_seconds),
        (sorted([("duty_officer", "sms"), ("duty_officer", "voice")] * 2), waits.repeat_seconds),
    ]
    for people, seconds in steps:
        assert asked(office) == people
        [page] = open_pages(office)
        left = (page["next_at"] - datetime.now(UTC)).total_seconds()
        assert seconds - 30 < left <= seconds
        assert asked(office) == [], "nobody before the step's own time"
        office.pass_time()
    assert words(office, incident_id) == ["chased"]
    body = office.rows("SELECT body FROM notice ORDER BY id LIMIT 1")[0]["body"]
    assert body.startswith("SIAGA: laporan KBRI Ankara")
    assert "Gempa uji" in body


@pytest.mark.usefixtures("embassy")
def test_a_report_ends_it_and_the_promised_time_silences_it(office: Office) -> None:
    incident_id = opened(office)
    asked(office)
    report(office, incident_id, next_report_at=later(hours=5).isoformat())
    assert clock(office) == 0
    assert open_pages(office) == []
    office.pass_time()
    assert asked(office) == []
    assert owed(office, incident_id).state is Chaser.WAITING


@pytest.mark.usefixtures("embassy")
def test_a_promised_time_that_passes_is_asked_about_and_a_report_without_one_by_severity(office: Office) -> None:
    incident_id = opened(office)
    old, promised = later(hours=-2), later(hours=-1)
    insert = (
        "INSERT INTO report (incident_id, status, source, mission_code, version, state, as_of, known_at, next_report_at, filed, filed_by)"
        " VALUES (:i, 'Actual', 'mission:kbri-ankara', 'kbri-ankara', :v, 'accepted', :at, :at, :next, '{}', 't')"
    )
    office.run(insert, i=incident_id, v=1, at=old, next=promised)
    assert asked(office) != []
    assert owed(office, incident_id).clock.due_at == promised  # type: ignore[union-attr]
    office.run(insert, i=incident_id, v=2, at=later(minutes=-20), next=None)
    assert clock(office) == 0, "within half an hour of the last report, where it is Extreme"
    office.run(insert, i=incident_id, v=3, at=later(minutes=-10), next=None)
    with begin(office.sessions) as session:
        incident = claim_incident(session, incident_id, OPENER)
        session.execute(text("UPDATE incident_mission SET report_due_at = NULL"))
        etag = incident_etag(incident)
        change = IncidentChange.model_validate({"severity": "Minor"})
        change_incident(session, actor=OPENER, incident_id=incident_id, command=change, if_match=etag, report_due=timedelta(minutes=5))
    assert owed(office, incident_id).clock.due_at > later(hours=5)  # type: ignore[union-attr]


@pytest.mark.usefixtures("embassy")
def test_a_time_promised_far_ahead_is_kept_and_told_but_not_waited_for(office: Office) -> None:
    incident_id = opened(office)
    pace = pace_of(office.settings)
    with begin(office.sessions) as session:
        actor = Actor(Via.SYSTEM, role="mission_staff", mission_code=ANKARA, label="t")
        body = report_body(source=f"mission:{ANKARA}", as_of=datetime.now(UTC), next_report_at=later(days=90).isoformat())
        command = ReportIn.model_validate(body)
        filed = file_report(session, actor=actor, incident_id=incident_id, command=command, longest=pace.longest)
        view = present_report(session, filed)
        assert [problem.rule for problem in view.problems] == ["promise_far"]
        assert "next_report_at" in view.problems[0].message.id
        assert filed.state.value == "accepted", "nothing is refused for its content"
        assert filed.next_report_at == command.next_report_at
    due = owed(office, incident_id).clock
    assert due is not None
    assert later(hours=5) < due.due_at <= later(hours=6)


@pytest.mark.usefixtures("embassy")
def test_several_incidents_of_one_mission_are_one_page_that_goes_on_where_it_is(office: Office) -> None:
    first = opened(office)
    asked(office)
    office.pass_time()
    second = opened(office, title="Banjir Adana")
    assert asked(office) == [("mission_staff", "voice")]
    [page] = open_pages(office)
    assert page["level"] == 2
    assert "Gempa uji; Banjir Adana" in page["texts"]["id"]
    report(office, first)
    clock(office)
    [page] = open_pages(office)
    assert "Gempa uji" not in page["texts"]["id"]
    report(office, second)
    assert clock(office) == 0
    assert open_pages(office) == []


@pytest.mark.usefixtures("embassy")
def test_an_exercise_has_a_page_of_its_own_that_says_so(office: Office) -> None:
    opened(office)
    opened(office, status="Exercise", title="Latihan gempa")
    asked(office)
    assert [page["status"] for page in open_pages(office)] == ["Actual", "Exercise"]
    assert open_pages(office)[1]["path"].startswith("/exercise/missions/board")
    bodies = {row["status"]: row["body"] for row in office.rows("SELECT status, body FROM notice")}
    assert bodies["Exercise"].startswith("LATIHAN: SIAGA")
    assert not bodies["Actual"].startswith("LATIHAN")


@pytest.mark.usefixtures("embassy")
def test_in_a_quiet_incident_nobody_at_the_mission_is_called_and_a_locked_phone_says_nothing(office: Office) -> None:
    opened(office, is_quiet=True, quiet_reason="penyerangan")
    told = []
    for _ in range(5):
        told += asked(office)
        office.pass_time()
    assert {role for role, channel in told if channel == "voice"} == {"duty_officer"}, "no phone of the ministry gives anybody away"
    texts = [role for role, channel in told if channel == "sms"]
    assert texts[:3] == ["mission_staff", "head_of_mission", "duty_officer"]
    assert texts[3:] == ["duty_officer"] * 4, "the ministry is asked until somebody has it, the mission once"
    for row in office.rows("SELECT body FROM notice"):
        assert "Gempa" not in row["body"]
        assert "Ankara" not in row["body"]


def test_where_nobody_of_the_mission_can_be_asked_the_ministry_is_at_once(office: Office, people: People) -> None:
    people("duty_officer")
    opened(office)
    assert asked(office) == [("duty_officer", "sms"), ("duty_officer", "voice")]


def test_where_nobody_at_all_can_be_asked_there_is_an_alarm(office: Office) -> None:
    opened(office)
    asked(office)
    assert [row["kind"] for row in office.rows("SELECT kind FROM alarm")] == ["nobody_to_page"]


def test_whoever_takes_the_page_on_has_it_for_a_time_and_then_it_begins_again(office: Office, embassy: dict[str, Any]) -> None:
    incident_id = opened(office)
    asked(office)
    with begin(office.sessions) as session:
        acknowledge_paging(session, actor=actor_of(embassy["staff"], Via.SESSION), paging_id=open_pages_id(office))
    assert clock(office) == 0
    assert words(office, incident_id) == ["chased", "acknowledged"]
    assert owed(office, incident_id).state is Chaser.ACKNOWLEDGED
    assert asked(office) == []
    with begin(office.sessions) as session:
        done = pace_of(office.settings)
        short = type(done)(done.first, done.by_severity, timedelta(0), done.snooze_max)
        actions.acknowledge(session, (incident_id, ANKARA), actor=OPENER, pace=short)
    assert asked(office) == [("mission_staff", "push"), ("mission_staff", "sms")], "from the first step"
    assert words(office, incident_id) == ["chased", "acknowledged", "acknowledged", "chased"]


def open_pages_id(office: Office) -> UUID:
    page_id: UUID = open_pages(office)[0]["id"]
    return page_id


def test_the_head_of_the_mission_and_the_ministry_may_take_it_on_once_it_reached_them(office: Office, embassy: dict[str, Any]) -> None:
    opened(office)
    asked(office)
    head = actor_of(embassy["head"], Via.SESSION)
    with begin(office.sessions) as session:
        assert list_pagings(session, head, Page(None, 10)) == []
    for _ in range(2):
        office.pass_time()
        asked(office)
    with begin(office.sessions) as session:
        [page] = list_pagings(session, head, Page(None, 10))
        acknowledge_paging(session, actor=head, paging_id=page.id)
    assert clock(office) == 0


@pytest.mark.usefixtures("embassy")
def test_snoozed_until_a_time_and_asked_again_on_request(office: Office) -> None:
    incident_id = opened(office)
    asked(office)
    say(office, actions.snooze, incident_id, command=SnoozeIn(minutes=60, reason=WHY))
    assert clock(office) == 0
    assert owed(office, incident_id).state is Chaser.SNOOZED
    say(office, actions.resume, incident_id)
    assert clock(office) == 1
    logged = office.rows("SELECT action, detail FROM action_log WHERE action LIKE 'chase.%' ORDER BY id")
    assert [row["action"] for row in logged] == ["chase.snoozed", "chase.resumed"]
    assert logged[0]["detail"]["reason"] == WHY


@pytest.mark.usefixtures("embassy")
def test_what_cannot_be_said(office: Office) -> None:
    incident_id = opened(office)
    with pytest.raises(InvalidError):
        say(office, actions.cover, incident_id, command=CoverIn(mission_code="kbri-atlantis", reason="tidak ada"))
    with pytest.raises(InvalidError):
        say(office, actions.cover, incident_id, command=CoverIn(mission_code=ANKARA, reason="diri sendiri"))
    with pytest.raises(InvalidError):
        say(office, actions.snooze, incident_id, command=SnoozeIn(minutes=361, reason=WHY))
    other = Actor(Via.SYSTEM, role="mission_staff", mission_code=DAMASCUS, label="t")
    with pytest.raises(NotFoundError):
        say(office, actions.acknowledge, incident_id, actor=other)
    report(office, incident_id)
    with pytest.raises(ConflictError):
        say(office, actions.acknowledge, incident_id)
    with begin(office.sessions) as session:
        close_incident(session, actor=OPENER, incident_id=incident_id, reason="selesai")
    with pytest.raises(ConflictError):
        say(office, actions.snooze, incident_id, command=SnoozeIn(minutes=60, reason=WHY))


@pytest.mark.usefixtures("embassy")
def test_of_a_closed_or_replayed_incident_nobody_is_asked(office: Office) -> None:
    incident_id = opened(office)
    opened(office, is_replayed=True, areas=[SYRIA])
    asked(office)
    assert [page["mission_code"] for page in open_pages(office)] == [ANKARA]
    with begin(office.sessions) as session:
        close_incident(session, actor=OPENER, incident_id=incident_id, reason="selesai")
    office.pass_time()
    assert asked(office) == []
    assert open_pages(office) == []


@pytest.mark.usefixtures("embassy")
def test_two_clocks_at_once_begin_one_page(office: Office) -> None:
    incident_id = opened(office)
    opened(office, title="Banjir")
    barrier = Barrier(2)

    def run(_: int) -> int:
        barrier.wait()
        return clock(office)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, range(2))) == [1, 1]
    assert len(office.rows("SELECT id FROM paging")) == 1
    assert words(office, incident_id) == ["chased"]


@pytest.mark.usefixtures("embassy")
def test_a_word_once_written_stays(office: Office) -> None:
    opened(office)
    clock(office)
    for change in ("UPDATE chase_word SET reason = 'lain'", "DELETE FROM chase_word"):
        with pytest.raises(DBAPIError, match="append"):
            office.run(change)


def test_a_filing_rings_the_clock_and_a_word_the_sheet() -> None:
    for event in ("report.filed", "chase.changed", "paging.acknowledged", "incident.opened", "incident.closed"):
        assert "reports.chase" in REACTIONS[event]
    for event in ("chase.changed", "chase.noted"):
        assert "live.refresh" in REACTIONS[event]
    assert "reports.chase" in DRAINS
