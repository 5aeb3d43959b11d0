"""The board of missions, as a browser without script uses it; and what each reader may see of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.live.actions import refresh
from alerts.live.queries import latest_snapshot, sheet_of
from alerts.reports.actions import file_report
from alerts.reports.chasing.clock import chase, pace_of
from alerts.reports.schemas import ReportIn
from alerts.settings import Settings
from tests.console.conftest import Browser
from tests.factories.incidents import HATAY, ISTANBUL, make_incident
from tests.factories.reports import line, report_body
from tests.factories.staff import make_actor, make_staff, token_headers

ANKARA, ISTANBUL_KJRI = "kbri-ankara", "kjri-istanbul"


@pytest.fixture
def incident(session: Session, settings: Settings) -> Incident:
    """Two missions, both late, both asked."""
    made = make_incident(session, areas=[HATAY, ISTANBUL])
    session.execute(text("UPDATE incident_mission SET report_due_at = clock_timestamp() - interval '3 minutes'"))
    chase(session, pace_of(settings))
    session.commit()
    return made


def key_of(page: str, ending: str) -> str:
    found = re.search(rf'name="form_key" value="([0-9a-f]{{32}}{ending})"', page)
    assert found, ending
    return found.group(1)


def board(client: TestClient, headers: dict[str, str], path: str = "/api/v1/missions/board") -> dict[str, Any]:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return {row["mission_code"]: row for row in answer.json()["items"]}


def test_the_ministry_sees_all_missions_and_acts_by_forms_alone(browse: Browser, session: Session, incident: Incident) -> None:
    duty = browse("duty_officer")
    page = duty.get("/missions/board").text
    assert "KBRI Ankara" in page
    assert "KJRI Istanbul" in page
    assert page.count("sedang ditagih sejak") == 2
    assert "belum ada laporan" in page
    base = f"/incidents/{incident.id}/missions/{ANKARA}"
    form = {"form_key": key_of(page, "1a"), "back": "board"}
    first, again = (duty.post(f"{base}/acknowledge", **form) for _ in range(2))
    assert (first.status_code, first.headers["location"], again.headers["location"]) == (303, "/missions/board", "/missions/board")
    assert session.execute(text("SELECT count(*) FROM chase_word WHERE word = 'acknowledged'")).scalar_one() == 1
    page = duty.get("/missions/board?state=acknowledged").text
    assert "ditangani Duty Officer" in page
    assert "KJRI Istanbul" not in page.split('<ul class="plain">', 1)[1].split("<datalist")[0]
    put_off = duty.post(f"{base}/snooze", form_key="1" * 32, minutes="60", reason="Konvoi di jalan", back="incident")
    assert put_off.headers["location"] == f"/incidents/{incident.id}/missions"
    assert "Konvoi di jalan" in duty.get(f"/incidents/{incident.id}/missions").text
    duty.post(f"{base}/resume", form_key="2" * 32)
    duty.post(f"{base}/cover", form_key="3" * 32, mission_code=ISTANBUL_KJRI, reason="KBRI terkena")
    page = duty.get("/missions/board").text
    assert "KJRI Istanbul yang melapor" in page
    assert "menggantikan KBRI Ankara" in page


def test_a_form_that_lacks_its_reason_is_refused_with_a_sentence(browse: Browser, incident: Incident) -> None:
    duty, base = browse("duty_officer"), f"/incidents/{incident.id}/missions/{ANKARA}"
    for act, more in (("snooze", {"minutes": "60"}), ("cover", {"mission_code": ISTANBUL_KJRI})):
        refused = duty.post(f"{base}/{act}", form_key=f"{act:0<32}", came_from="/missions/board", **more)
        assert refused.status_code == 422, refused.text
        assert "Papan perwakilan" in refused.text
    assert duty.post(f"{base}/snooze", form_key="9" * 32, minutes="7", reason="tidak ada", came_from="/missions/board").status_code == 422


def test_a_mission_sees_its_own_row_and_files_from_it(browse: Browser, incident: Incident) -> None:
    staff = browse("mission_staff")
    page = staff.get("/missions/board").text
    assert "KBRI Ankara" in page
    assert "KJRI Istanbul" not in page
    assert f"/incidents/{incident.id}/report" in page
    assert "snooze" not in page
    other = staff.post(f"/incidents/{incident.id}/missions/{ISTANBUL_KJRI}/acknowledge", form_key="1" * 32)
    assert other.status_code == 404
    mine = f"/incidents/{incident.id}/missions/{ANKARA}"
    assert staff.post(f"{mine}/snooze", form_key="2" * 32, minutes="60", reason="nanti saja").status_code == 403
    assert staff.post(f"{mine}/acknowledge", form_key=key_of(page, "1a"), back="board").status_code == 303


def test_the_board_says_how_complete_a_mission_is(client: TestClient, session: Session, settings: Settings, incident: Incident) -> None:
    duty = token_headers(session, make_staff(session, "duty_officer"))
    before = board(client, duty)[ANKARA]
    assert (before["reports"], before["completeness"]["done"], before["completeness"]["of"]) == (0, 0, 15)
    assert (before["is_overdue"], before["due_basis"], before["chaser"]["state"]) == (True, "first", "chasing")
    body = report_body(
        line("injured", 2, places=["TR-31"]), line("safe", "asked_none_reported", places=["TR-31"]), as_of="2023-02-06T04:30:00Z"
    )
    body |= {
        "mission_status": {"office": "utuh"},
        "checks": [{"target": "hospital", "name": "RS Adana", "places": ["TR-31"], "outcome": "asked"}],
    }
    actor = make_actor(session, "mission_staff")
    file_report(session, actor=actor, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    chase(session, pace_of(settings))
    after = board(client, duty, f"/api/v1/incidents/{incident.id}/missions")[ANKARA]
    assert after["completeness"]["axes"] == {"condition": True, "contact": True, "place": False, "wish": False, "population": False}
    assert after["completeness"]["asked"]["hospital"] is True
    assert (after["completeness"]["done"], after["reports"]) == (4, 1)
    assert (after["due_basis"], after["is_overdue"], after["chaser"]["state"]) == ("severity", False, "waiting")


def test_another_missions_staff_see_only_their_own(client: TestClient, session: Session, incident: Incident) -> None:
    istanbul = token_headers(session, make_staff(session, "mission_staff", mission_code=ISTANBUL_KJRI))
    session.commit()
    assert set(board(client, istanbul)) == {ISTANBUL_KJRI}
    assert set(board(client, istanbul, f"/api/v1/incidents/{incident.id}/missions")) == {ISTANBUL_KJRI}
    elsewhere = token_headers(session, make_staff(session, "mission_staff", mission_code="kbri-tokyo"))
    session.commit()
    assert board(client, elsewhere) == {}
    assert client.get(f"/api/v1/incidents/{incident.id}/missions", headers=elsewhere).status_code == 404


def test_an_exercise_has_a_board_of_its_own(browse: Browser, session: Session, incident: Incident) -> None:
    make_incident(session, areas=[HATAY], status="Exercise", title="Latihan banjir")
    session.commit()
    duty = browse("duty_officer")
    assert "Latihan banjir" not in duty.get("/missions/board").text
    page = duty.get("/exercise/missions/board").text
    assert "Latihan banjir" in page
    assert incident.title not in page


def test_the_sheet_says_who_is_asked_and_who_has_taken_it_on(
    browse: Browser, session: Session, settings: Settings, incident: Incident
) -> None:
    def row() -> Any:
        refresh(session, incident.id)
        session.commit()
        newest = latest_snapshot(session, incident.id)
        assert newest is not None
        return next(each for each in sheet_of(newest).missions if each.mission_code == ANKARA)

    assert row().chaser.state == "chasing"
    duty = browse("duty_officer")
    duty.post(f"/incidents/{incident.id}/missions/{ANKARA}/snooze", form_key="1" * 32, minutes="60", reason="Konvoi di jalan")
    session.execute(text("UPDATE live_state SET computed_at = computed_at - interval '1 minute'"))
    mark = row().chaser
    assert (mark.state, mark.reason) == ("snoozed", "Konvoi di jalan")
    assert mark.by.startswith("Duty Officer")
    for page in ("/minister", ""):
        assert "ditunda Duty Officer" in duty.get(f"/incidents/{incident.id}{page}").text


def test_whoever_stands_in_for_another_reads_so_on_their_own_board(
    browse: Browser, client: TestClient, session: Session, incident: Incident
) -> None:
    browse("duty_officer").post(
        f"/incidents/{incident.id}/missions/{ANKARA}/cover", form_key="4" * 32, mission_code=ISTANBUL_KJRI, reason="KBRI terkena"
    )
    theirs = browse("mission_staff", mission_code=ISTANBUL_KJRI)
    assert "menggantikan KBRI Ankara" in theirs.get("/missions/board").text
    covered = browse("mission_staff", mission_code=ANKARA).get("/missions/board").text
    assert "KJRI Istanbul yang melapor" in covered
