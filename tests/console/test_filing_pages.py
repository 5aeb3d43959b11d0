"""The mission's form: itself first, the whole list of question five with what was said before, and a sheet that had to wait."""

from __future__ import annotations

import re
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.console.check_rows import ask_rows
from alerts.reports.models import Report, ReportCheck, ReportNeed
from alerts.reports.rules.codes import Target
from tests.console.conftest import Browser
from tests.console.test_report_pages import form_key, reporting


def test_the_mission_itself_stands_on_the_sheet(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    status = {"status:staff_reached": "12", "status:staff_total": "14", "status:power": "not_working", "status:vehicles": "dua atau tiga"}
    key = form_key(person.get(f"{incident}/report").text)
    answer = person.post(f"{incident}/report", **status, form_key=key)
    assert answer.status_code == 303, answer.text
    assert session.scalars(select(Report.mission_status)).one() == {
        "staff_reached": 12,
        "staff_total": 14,
        "power": "not_working",
        "vehicles": "dua atau tiga",
    }
    assert "12 dari 14 dihubungi" in person.get(answer.headers["location"]).text
    officer = browse("duty_officer")
    assert "⚠ Listrik: tidak berfungsi" in officer.get(f"{incident}/minister").text
    rows = officer.get(f"/api/v1{incident}/summary").json()["missions"]
    facts = next(row["state_of_mission"] for row in rows if row["mission_code"] == "kbri-ankara")
    assert next((fact["key"], fact["text"]["en"]) for fact in facts) == ("staff", "12 of 14 reached")


def test_every_kind_of_question_five_has_a_row() -> None:
    rows = ask_rows([])
    assert [row.target for row in rows[:-1]] == list(Target)
    assert len({row.key for row in rows}) == len(rows)


def test_a_place_asked_before_comes_back_with_its_last_outcome(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    new = "check:hospital:new:"
    asked = {f"{new}target": "hospital", f"{new}name": "RS Antakya", f"{new}outcome": "asked", f"{new}by": "Atase", f"{new}answer": "nihil"}
    key = form_key(person.get(f"{incident}/report").text)
    person.post(f"{incident}/report", **asked, **{f"{new}at": "2026-02-06T14:05"}, form_key=key)
    page = person.get(f"{incident}/report").text
    found = re.search(r'name="(check:hospital:[0-9a-f]{8}:)outcome"', page)
    assert found
    assert "RS Antakya" in page
    assert "Atase: nihil" in page
    row = found.group(1)
    again = {f"{row}target": "hospital", f"{row}name": "RS Antakya", f"{row}outcome": "visited", "narrative": "didatangi"}
    assert person.post(f"{incident}/report", **again, form_key=form_key(page)).status_code == 303
    checks = session.scalars(select(ReportCheck).order_by(ReportCheck.id)).all()
    assert [(check.name, check.outcome) for check in checks] == [("RS Antakya", "asked"), ("RS Antakya", "visited")]
    assert checks[0].at is not None
    assert checks[0].at.isoformat() == "2026-02-06T11:05:00+00:00", "by the mission's clock"
    tallies = browse("duty_officer").get(f"/api/v1{incident}/summary").json()["questions"][4]["tallies"]
    assert [(tally["known"], tally["visited"]) for tally in tallies] == [(1, 1)]


def test_the_rows_left_alone_say_nothing(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    page = person.get(f"{incident}/report").text
    rows = dict(re.findall(r'name="(check:[a-z_]+:new:target)" value="([a-z_]+)"', page))
    assert len(rows) == len(Target)
    person.post(f"{incident}/report", **rows, narrative="hanya kata", form_key=form_key(page))
    assert session.scalars(select(ReportCheck)).all() == []


def test_a_sheet_that_waited_was_true_when_it_was_written(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    key = form_key(person.get(f"{incident}/report").text)
    first = person.post(f"{incident}/report", narrative="menunggu sinyal", waited_seconds="7200", form_key=key)
    again = person.post(f"{incident}/report", narrative="menunggu sinyal", waited_seconds="7260", form_key=key)
    assert first.headers["location"] == again.headers["location"], "the wait is no part of what was typed"
    report = session.scalars(select(Report)).one()
    assert timedelta(minutes=119) < report.known_at - report.as_of < timedelta(minutes=121)


def test_a_need_comes_back_until_it_is_met(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    officer = browse("duty_officer")
    new = "need:new0:"
    needed = {f"{new}what": "Surat perjalanan", f"{new}how_many": "sekitar 40", f"{new}by_when": "2026-02-06T14:05"}
    filed = person.post(f"{incident}/report", **needed, form_key=form_key(person.get(f"{incident}/report").text))
    assert filed.status_code == 303, filed.text
    assert "sekitar 40" in person.get(filed.headers["location"]).text
    (need,) = officer.get(f"/api/v1{incident}/summary").json()["needs"]
    assert (need["what"], need["how_many"], need["state"], need["by_when"]) == (
        "Surat perjalanan",
        "sekitar 40",
        "open",
        "2026-02-06T11:05:00Z",
    )
    assert "Surat perjalanan" in officer.get(f"{incident}/minister").text
    page = person.get(f"{incident}/report").text
    found = re.search(r'name="(need:[0-9a-f]{8}:)state"', page)
    assert found
    row = {f"{found.group(1)}what": "Surat perjalanan", f"{found.group(1)}how_many": "sekitar 40"}
    untouched = row | {f"{found.group(1)}state": "", "narrative": "tidak ada yang berubah"}
    person.post(f"{incident}/report", **untouched, form_key=form_key(page))
    assert len(session.scalars(select(ReportNeed)).all()) == 1, "a row left alone says nothing"
    page = person.get(f"{incident}/report").text
    assert person.post(f"{incident}/report", **row, **{f"{found.group(1)}state": "met"}, form_key=form_key(page)).status_code == 303
    assert [need["state"] for need in officer.get(f"/api/v1{incident}/summary").json()["needs"]] == ["met"]
    assert not re.search(r'name="need:[0-9a-f]{8}:state"', person.get(f"{incident}/report").text)
