"""Versions of the sheet: made only when something changed, never altered, and the minute series beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.db import Sessions
from alerts.live.actions import note_progress, refresh, refresh_all
from alerts.live.models import FigureMinute, LiveState, Snapshot
from alerts.reports.models import ReportLine
from alerts.settings import Settings
from tests.factories.reports import line, new_key, report_body

AT_ONCE = timedelta(0)
SignIn = Callable[..., dict[str, str]]
FileReport = Callable[[dict[str, Any]], Any]


def again(session: Session, incident: Incident) -> int | None:
    version = refresh(session, incident.id, no_more_often=AT_ONCE)
    session.commit()
    return version


def test_first_sheet_from_the_register_alone(session: Session, incident: Incident, client: TestClient, sign_in: SignIn) -> None:
    assert again(session, incident) == 1
    sheet = client.get(f"/api/v1/incidents/{incident.id}/summary", headers=sign_in("minister")).json()
    assert sheet["version"] == 1
    assert [q["key"] for q in sheet["questions"]] == ["present", "host_casualties", "ours", "authorities", "searched"]
    assert [q["answer"] for q in sheet["questions"]] == ["number", "not_known", "not_known", "not_known", "not_known"]
    assert sheet["registered"]["people"] == 0
    assert "Informasi mengenai keadaan WNI masih dikumpulkan." in sheet["sentence"]["id"]
    assert "selamat" not in sheet["sentence"]["id"]
    assert {mission["mission_code"] for mission in sheet["missions"]} == {"kbri-ankara", "kjri-istanbul"}


def test_a_version_is_made_only_when_more_than_ages_changed(session: Session, incident: Incident, file: FileReport) -> None:
    assert again(session, incident) == 1
    assert again(session, incident) is None
    file(report_body(line("injured", 2)))
    assert again(session, incident) == 2
    assert again(session, incident) is None
    file(report_body(line("injured", 2), narrative="tidak ada yang baru"))
    made = session.scalars(select(Snapshot.version).where(Snapshot.incident_id == incident.id)).all()
    assert sorted(made) == [1, 2]


def test_a_stored_version_is_never_altered(session: Session, incident: Incident) -> None:
    again(session, incident)
    for statement in ("UPDATE snapshot SET version = 9", "DELETE FROM snapshot"):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(text(statement))


def test_changes_since_a_version(session: Session, incident: Incident, file: FileReport, client: TestClient, sign_in: SignIn) -> None:
    file(report_body(line("injured", 2), as_of="2026-01-01T00:00:00+00:00"))
    again(session, incident)
    file(report_body(line("injured", 5), line("dead", "asked_none_reported"), as_of="2026-01-01T02:00:00+00:00"))
    again(session, incident)
    url, minister = f"/api/v1/incidents/{incident.id}/summary", sign_in("minister")
    changes = client.get(url, params={"since_version": 1}, headers=minister).json()["changes"]
    by_key = {item["key"]: item for item in changes["items"]}
    total = by_key["total/own.injured"]
    assert (total["before"]["id"], total["after"]["id"]) == ("2", "5")
    new = by_key["figure/own/dead/own/TR/standing@mission:kbri-ankara"]
    assert (new["before"], new["after"]["id"]) == (None, "hingga saat ini belum ada laporan (dilaporkan)")
    assert client.get(url, params={"since_version": 2}, headers=minister).json()["changes"]["items"] == []
    assert client.get(url, params={"since_version": 7}, headers=minister).status_code == 404
    stored = client.get(f"{url}/versions/1", headers=minister).json()
    assert stored["version"] == 1
    assert next(q for q in stored["questions"] if q["key"] == "ours")["values"][0]["number"] == 2


def test_minute_series_has_the_main_figures(
    session: Session, incident: Incident, file: FileReport, client: TestClient, sign_in: SignIn
) -> None:
    file(report_body(line("injured", 2), line("dead", "asked_none_reported")))
    again(session, incident)
    rows = {row.figure: row.value for row in session.scalars(select(FigureMinute))}
    assert rows["own.injured"] == 2
    assert rows["registered"] == 0
    assert "own.dead" not in rows, "nobody gave a number of dead: there is no point, not a zero"
    points = client.get(f"/api/v1/incidents/{incident.id}/series", headers=sign_in("minister")).json()["points"]
    assert {point["figure"] for point in points} == set(rows)


def test_a_withdrawn_figure_ends_in_the_series(
    session: Session, incident: Incident, file: FileReport, client: TestClient, sign_in: SignIn
) -> None:
    first = file(report_body(line("dead", 4)))
    again(session, incident)
    line_id = session.scalars(select(ReportLine.id).where(ReportLine.report_id == first.id)).one()
    taken_back = line("dead", None, withdraws=str(line_id), withdraw_reason="orang yang sama")
    file(report_body(taken_back, as_of="2026-01-01T02:00:00+00:00"))
    session.execute(text("UPDATE figure_minute SET minute = minute - interval '5 minutes'"))
    again(session, incident)
    again(session, incident)
    minister = sign_in("minister")
    points = client.get(f"/api/v1/incidents/{incident.id}/series", headers=minister).json()["points"]
    assert [point["value"] for point in points if point["figure"] == "own.dead"] == [4, None]
    file(report_body(line("dead", 4), as_of="2026-01-01T03:00:00+00:00"))
    again(session, incident)
    points = client.get(f"/api/v1/incidents/{incident.id}/series", headers=minister).json()["points"]
    assert [point["value"] for point in points if point["figure"] == "own.dead"] == [4, 4], "the same minute has its last value"


def test_a_storm_is_put_off_and_swept(
    savepoint_sessions: Sessions, settings: Settings, session: Session, incident: Incident, file: FileReport
) -> None:
    assert refresh(session, incident.id, no_more_often=timedelta(hours=1)) == 1
    session.commit()
    file(report_body(line("injured", 2)))
    assert refresh(session, incident.id, no_more_often=timedelta(hours=1)) is None
    session.commit()
    assert session.get_one(LiveState, incident.id).is_dirty
    session.execute(text("UPDATE live_state SET computed_at = computed_at - interval '1 second'"))
    session.commit()
    assert refresh_all(settings, savepoint_sessions) == 1
    session.expire_all()
    assert not session.get_one(LiveState, incident.id).is_dirty


def test_progress_of_sending_waits_for_its_turn_and_a_costly_sheet_longer(
    savepoint_sessions: Sessions, settings: Settings, session: Session, incident: Incident
) -> None:
    refresh(session, incident.id)
    session.execute(text("UPDATE live_state SET took_seconds = 0.4"))
    note_progress(session, [incident.id])
    note_progress(session, [incident.id])
    session.commit()
    assert looked_at(session, settings, savepoint_sessions, ago=7.0) == 0, "less than twenty times what it takes"
    assert looked_at(session, settings, savepoint_sessions, ago=8.1) == 1
    assert not session.get_one(LiveState, incident.id).has_progress


def looked_at(session: Session, settings: Settings, sessions: Sessions, *, ago: float) -> int:
    """Whether a sweep computes a sheet that is so old."""
    session.execute(text("UPDATE live_state SET computed_at = clock_timestamp() - make_interval(secs => :ago)"), {"ago": ago})
    before = session.execute(text("SELECT max(computed_at) FROM live_state")).scalar_one()
    session.commit()
    refresh_all(settings, sessions)
    session.expire_all()
    return int(session.execute(text("SELECT max(computed_at) FROM live_state")).scalar_one() > before)


def test_who_may_read_a_sheet(incident: Incident, client: TestClient, sign_in: SignIn) -> None:
    url = f"/api/v1/incidents/{incident.id}/summary"
    for role in ("minister", "duty_officer", "approver"):
        assert client.get(url, headers=sign_in(role)).status_code == 200
    assert client.get(url).status_code == 401
    assert client.get(url, headers=sign_in("mission_staff")).status_code == 403
    missing = url.replace(str(incident.id), "01998d5e-0000-7000-8000-000000000001")
    assert client.get(missing, headers=sign_in("minister")).status_code == 404


@pytest.mark.parametrize(
    "params", [{"as_of": "yesterday"}, {"known_at": "0001-01-01T00:00:00Z"}, {"since_version": 0}, {"since_version": 2**40}]
)
def test_a_question_that_makes_no_sense_is_refused(incident: Incident, client: TestClient, sign_in: SignIn, params: dict[str, Any]) -> None:
    answer = client.get(f"/api/v1/incidents/{incident.id}/summary", params=params, headers=sign_in("minister"))
    assert answer.status_code == 422


def test_an_exercise_says_so_in_the_sentence(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    body = {
        "kind": "earthquake",
        "title": "Latihan",
        "status": "Exercise",
        "occurred_at": "2026-01-01T00:00:00Z",
        "areas": [{"kind": "country", "code": "TR"}],
    }
    opened = client.post("/api/v1/incidents", json=body, headers=sign_in("duty_officer") | new_key())
    assert opened.status_code == 201, opened.text
    sheet = client.get(f"/api/v1/incidents/{opened.json()['id']}/summary", headers=sign_in("minister")).json()
    assert sheet["sentence"]["id"].startswith("LATIHAN.")
    assert sheet["sentence"]["en"].startswith("LATIHAN (exercise).")
