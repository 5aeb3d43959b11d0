"""What was known at a minute, and what changed since this account last looked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.clock import db_now
from alerts.live.actions import refresh
from alerts.live.models import FigureMinute
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from tests.factories.incidents import OPENER, make_incident
from tests.factories.reports import line, report_body

Browser = Callable[..., TestClient]


@pytest.fixture
def incident(session: Session) -> Incident:
    """Opened two hours ago; half an hour ago somebody reported ten injured."""
    incident = make_incident(session)
    now = db_now(session)
    session.execute(update(Incident).values(opened_at=now - timedelta(hours=2), occurred_at=now - timedelta(hours=3)))
    session.execute(text("UPDATE incident_area SET added_at = added_at - interval '2 hours'"))
    body = report_body(line("injured", 10), source="ministry", as_of=now.isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    return incident


@pytest.mark.parametrize("lang", ["id", "en"])
def test_the_slider_shows_what_was_known_then_and_the_button_works_without_it(incident: Incident, browse: Browser, lang: str) -> None:
    page = browse("minister", lang=lang).get(f"/incidents/{incident.id}/past?minute=30").text
    assert 'type="range"' in page
    assert 'max="120"' in page
    assert "10 WNI" not in page, "nobody had said it then"
    now = browse("minister", lang=lang).get(f"/incidents/{incident.id}/past").text
    assert "10" in now
    assert ("Belum diketahui" if lang == "id" else "Not known yet") in page


def test_a_time_outside_is_the_nearest_within(incident: Incident, browse: Browser) -> None:
    browser = browse("minister")
    for query in ("minute=86000", "at=2020-01-01T00:00", "at=2150-01-01T00:00"):
        assert browser.get(f"/incidents/{incident.id}/past?{query}").status_code == 200, query
    for query in ("minute=-1", "minute=x", "at=yesterday"):
        assert browser.get(f"/incidents/{incident.id}/past?{query}").status_code == 422, query


def test_the_course_is_a_drawing_and_a_table_of_the_same_figures(session: Session, incident: Incident, browse: Browser) -> None:
    for minutes, value in ((20, 4), (60, 9)):
        minute = (db_now(session) - timedelta(minutes=120 - minutes)).replace(second=0, microsecond=0)
        session.add(FigureMinute(incident_id=incident.id, minute=minute, figure="own.injured", value=value))
    session.commit()
    page = browse("duty_officer").get(f"/incidents/{incident.id}/past").text
    assert "WNI luka-luka" in page
    assert '<path d="M' in page
    assert '<td class="num">9</td>' in page
    early = browse("duty_officer").get(f"/incidents/{incident.id}/past?minute=30").text
    assert '<td class="num">9</td>' not in early


def test_what_changed_since_this_account_last_looked_is_the_same_on_every_screen(
    session: Session, incident: Incident, browse: Browser
) -> None:
    minister = browse("minister")
    page = f"/incidents/{incident.id}/minister"
    assert "Berubah sejak" not in minister.get(page).text, "the first look has no before"
    session.execute(text("UPDATE sheet_look SET seen_at = seen_at - interval '1 hour'"))
    body = report_body(line("unaccounted", 3), source="ministry", as_of=db_now(session).isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    for _ in range(3):
        assert "belum dapat dihubungi" in minister.get(page).text.partition('id="changes-title"')[2].partition("</section>")[0]
    assert 'id="changes-title"' in minister.get(f"{page}/sheet").text


def test_nobody_else_sees_it(incident: Incident, browse: Browser) -> None:
    assert browse("mission_staff", mission_code="kbri-ankara").get(f"/incidents/{incident.id}/past").status_code in (403, 404)
