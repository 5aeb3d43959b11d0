"""An incident that becomes quiet is quiet for what was written before, too: no queued call rings a phone at a mission."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from alerts.incidents.actions import change_incident
from alerts.incidents.calling_out import call_out
from alerts.incidents.queries import claim_incident, incident_etag
from alerts.incidents.schemas import IncidentChange
from alerts.kit.db import begin
from alerts.notices.actions import ring_due
from alerts.notices.crew.actions import call_due
from alerts.reports.chasing.clock import KIND, plan_of
from tests.factories.incidents import HATAY, OPENER, make_incident
from tests.notices.conftest import ALL, Office
from tests.notices.test_chasing import clock, opened

People = Callable[..., Any]


def make_quiet(office: Office, incident_id: UUID) -> None:
    with begin(office.sessions) as session:
        etag = incident_etag(claim_incident(session, incident_id, OPENER))
        change = IncidentChange(is_quiet=True, quiet_reason="penyerang di dalam gedung")
        change_incident(session, actor=OPENER, incident_id=incident_id, command=change, if_match=etag, report_due=timedelta(minutes=5))


def sent(office: Office) -> list[tuple[str, str, bool]]:
    office.send()
    rows = office.rows("SELECT s.role, n.channel, n.is_quiet FROM notice n JOIN staff s ON s.id = n.staff_id WHERE n.state = 'accepted'")
    return sorted((row["role"], row["channel"], row["is_quiet"]) for row in rows)


def test_a_queued_call_of_the_crew_is_not_made_to_a_mission_and_a_queued_text_names_nothing(office: Office, people: People) -> None:
    people("head_of_mission", "phone", "push")
    people("duty_officer")
    with begin(office.sessions) as session:
        incident_id = make_incident(session, areas=[HATAY], title="Serangan bersenjata").id
        call_out(session, incident_id)
    call_due(office.sessions, configured=lambda _: ALL, deputy_seconds=180)
    make_quiet(office, incident_id)
    ministry = [("duty_officer", "sms", False), ("duty_officer", "voice", False)]
    assert sent(office) == [*ministry, ("head_of_mission", "push", True), ("head_of_mission", "sms", True)]
    cancelled = office.rows("SELECT s.role, n.channel FROM notice n JOIN staff s ON s.id = n.staff_id WHERE n.state = 'cancelled'")
    assert [(row["role"], row["channel"]) for row in cancelled] == [("head_of_mission", "voice")]
    told = office.rows("SELECT n.body FROM notice n JOIN staff s ON s.id = n.staff_id WHERE s.role = 'head_of_mission'")
    assert not [row for row in told if "Serangan" in row["body"]]


@pytest.mark.usefixtures("embassy")
def test_a_queued_call_of_a_chaser_is_not_made(office: Office) -> None:
    incident_id = opened(office)
    plans = {KIND: plan_of(office.settings.chasing)}
    for _ in range(2):
        clock(office)
        ring_due(office.sessions, configured=lambda _: office.channels, repeat_seconds=120, checks={}, plans=plans)
        office.run("UPDATE paging SET next_at = clock_timestamp() WHERE stopped_at IS NULL")
    make_quiet(office, incident_id)
    assert {channel for _, channel, _ in sent(office)} == {"push", "sms"}
    assert office.states()["cancelled"] == 1
