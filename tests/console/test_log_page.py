"""The log of an incident: every line with its reason, page by page, and as a file without formulas."""

from __future__ import annotations

import csv
import io

from sqlalchemy.orm import Session

from alerts.console.routes_log import PAGE_SIZE
from alerts.incidents.actions import close_incident, reopen_incident
from alerts.kit.audit import record
from tests.console.conftest import Browser
from tests.factories.incidents import OPENER, make_incident


def test_the_page_says_who_did_what_and_why_and_only_reasons_when_asked(browse: Browser, session: Session) -> None:
    incident = make_incident(session)
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="salah <alamat>")
    session.commit()
    officer = browse("duty_officer")
    page = officer.get(f"/incidents/{incident.id}/log").text
    assert "membuka kejadian" in page
    assert "salah &lt;alamat&gt;" in page
    only = officer.get(f"/incidents/{incident.id}/log?reasons=true").text
    assert "salah &lt;alamat&gt;" in only
    assert "membuka kejadian" not in only
    assert f"/incidents/{incident.id}/log" in officer.get(f"/incidents/{incident.id}").text


def test_older_lines_come_by_their_cursor(browse: Browser, session: Session) -> None:
    incident = make_incident(session)
    for _ in range(PAGE_SIZE):
        record(session, actor=OPENER, action="incident.changed", incident_id=incident.id)
    session.commit()
    officer = browse("duty_officer")
    page = officer.get(f"/incidents/{incident.id}/log").text
    assert page.count("<li><time") == PAGE_SIZE
    assert "membuka kejadian" not in page
    older = page.split("/log?cursor=")[1].split('"')[0]
    assert "membuka kejadian" in officer.get(f"/incidents/{incident.id}/log?cursor={older}").text


def test_the_file_holds_every_line_and_no_formula(browse: Browser, session: Session) -> None:
    incident = make_incident(session)
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="=1+1")
    reopen_incident(session, actor=OPENER, incident_id=incident.id, reason="dibuka lagi")
    session.commit()
    answer = browse("duty_officer").get(f"/incidents/{incident.id}/log.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["action"] for row in rows][-1] == "incident.opened"
    assert [row["reason"] for row in rows if row["action"] == "incident.closed"] == ["'=1+1"]


def test_another_missions_incident_has_no_log(browse: Browser, session: Session) -> None:
    incident = make_incident(session)
    session.commit()
    stranger = browse("mission_staff", mission_code="kbri-tokyo")
    for path in ("log", "log.csv"):
        assert stranger.get(f"/incidents/{incident.id}/{path}").status_code == 404
