"""How the sheet's pages speak: one box per warning, silence that is no 0, an incident that is played again in its own time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from alerts.console.sheet_view import Mark, marks_shown
from alerts.incidents.models import Incident
from alerts.kit.actor import Actor, Via
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.live.queries import load_sheet
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from tests.console.conftest import Browser
from tests.factories.incidents import HATAY, OPENER, TURKEY, make_incident
from tests.factories.reports import line, report_body


def filed(session: Session, incident: Incident, *lines: dict[str, Any], as_of: datetime | None = None) -> None:
    body = report_body(*lines, source="ministry", as_of=(as_of or db_now(session)).isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()


def boxes(page: str) -> list[str]:
    return re.findall(r'class="note secretly"[^>]*>(.*?)</div>', page, re.DOTALL)


def test_deaths_under_one_warning_stand_in_one_box_with_their_places(browse: Browser, session: Session) -> None:
    incident = make_incident(session, areas=[HATAY, TURKEY])
    filed(session, incident, line("dead", 2, places=["TR-31"]), line("dead", 3, places=["TR-27"]))
    for suffix in ("", "/minister", "/past", "/brief"):
        (box,) = boxes(browse("minister").get(f"/incidents/{incident.id}{suffix}").text)
        assert "2 (Hatay)" in box, suffix
        assert "3 (Gaziantep)" in box, suffix
        assert box.count("<strong>⚠") == 1, suffix


def test_lines_that_say_the_same_are_said_once_with_their_number(session: Session) -> None:
    incident = make_incident(session, areas=[HATAY])
    filed(session, incident, line("dead", "beberapa"))
    filed(session, incident, line("dead", "beberapa"))
    ((mark, times),) = marks_shown(load_sheet(session, incident))[0].lines
    assert isinstance(mark, Mark)
    assert (mark.value.id, times) == ("beberapa", 2)


def test_where_nobody_was_asked_no_0_stands_for_their_answers(browse: Browser, session: Session) -> None:
    incident = make_incident(session)
    session.commit()
    page = browse("minister").get(f"/incidents/{incident.id}/minister").text
    assert "Belum ada yang ditanyai: belum ada pesan dikirim." in page
    assert "0 dari 0" not in page
    tiles = browse("duty_officer").get(f"/incidents/{incident.id}/numbers").text.split("</dl>")[0]
    assert '<dd class="big">0</dd>' not in tiles.split("terdaftar di sana")[1].split("</div>", 1)[1]


def test_the_past_of_an_incident_played_again_has_the_ages_of_then(browse: Browser, session: Session) -> None:
    incident = make_incident(session, occurred_at="2023-02-06T01:17:00Z", areas=[HATAY])
    session.execute(update(Incident).values(is_replayed=True))
    filed(session, incident, line("injured", 10), as_of=datetime(2023, 2, 6, 9, tzinfo=UTC))
    page = browse("minister").get(f"/incidents/{incident.id}/past").text
    assert "10" in page
    assert "hari lalu" not in page.split('id="then"')[1], "a report of then is new to whoever stands there"


def test_the_log_names_a_citizen_as_one(browse: Browser, session: Session) -> None:
    incident = make_incident(session)
    record(session, actor=Actor(Via.LINK, label="member:6800"), action="case.raised", incident_id=incident.id)
    record(session, actor=Actor(Via.SYSTEM, label="call"), action="case.changed", incident_id=incident.id)
    session.commit()
    page = browse("duty_officer").get(f"/incidents/{incident.id}/log").text
    assert "member:6800" not in page
    assert "Seorang WNI lewat tautan" in page
    assert re.search(r"Jawaban lewat telepon</strong>\s+mencatat perkembangan permintaan bantuan", page)
