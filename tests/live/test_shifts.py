"""What a mission opened is the ministry's to take over or to merge; a shift is handed over with a signature."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.incidents.calling_out import KIND, still_waits
from alerts.incidents.models import Incident
from alerts.incidents.queries import claim_incident, list_areas, list_missions
from alerts.kit.audit import list_actions
from alerts.kit.clock import db_now
from alerts.kit.db import Sessions, begin, rows_of
from alerts.live.queries import Asked, load_sheet
from alerts.live.shifts.actions import merge
from alerts.notices.models import Paging
from alerts.notices.rules import StopReason
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.settings import Settings
from alerts.staff.rules import Role
from tests.factories.incidents import HATAY, ISTANBUL, OPENER, REPORT_DUE, make_incident
from tests.factories.reports import line, report_body
from tests.factories.staff import make_actor, make_staff, session_headers
from tests.support.stages import wait_until


@pytest.fixture
def officer(session: Session, settings: Settings) -> dict[str, str]:
    staff = make_staff(session, "duty_officer", username="petugas.piket")
    session.commit()
    return session_headers(session, staff, settings)


def post(client: TestClient, headers: dict[str, str], path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/incidents/{path}", json=body, headers=headers | {"Idempotency-Key": uuid4().hex})


def file_injured(session: Session, incident: Incident, number: int, **more: Any) -> None:
    body = report_body(line("injured", number, **more), source="ministry", as_of=db_now(session).isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))


def paging_of(session: Session, incident: Incident) -> Paging | None:
    return session.scalars(select(Paging).where(Paging.kind == KIND, Paging.subject_id == str(incident.id))).one_or_none()


class TestOpenedByAMission:
    """The ministry is paged until somebody takes it on, takes it over, merges or closes it."""

    def opened(self, session: Session, **fields: Any) -> Incident:
        head = make_actor(session, "head_of_mission", mission_code="kbri-ankara")
        return make_incident(session, actor=head, areas=[HATAY], **fields)

    def test_the_ministry_is_paged_and_not_about_its_own(self, session: Session) -> None:
        paging = paging_of(session, self.opened(session))
        assert paging is not None
        assert (paging.role, paging.mission_code, paging.status) == (Role.DUTY_OFFICER, None, "Actual")
        assert "Gempa uji" in paging.texts["id"]
        assert paging_of(session, make_incident(session)) is None

    def test_a_quiet_one_names_nothing_and_an_exercise_is_one(self, session: Session) -> None:
        quiet = paging_of(session, self.opened(session, is_quiet=True, quiet_reason="penyerangan"))
        assert quiet is not None
        assert quiet.is_quiet
        assert "Gempa uji" not in str(quiet.texts)
        exercise = paging_of(session, self.opened(session, status="Exercise"))
        assert exercise is not None
        assert exercise.status == "Exercise"
        assert exercise.path.startswith("/exercise/")

    def test_taking_it_over_ends_the_page_and_says_who_leads(self, client: TestClient, session: Session, officer: dict[str, str]) -> None:
        incident = self.opened(session)
        session.commit()
        answer = post(client, officer, f"{incident.id}/take-over", reason="dampak lintas negara")
        assert answer.status_code == 200, answer.text
        assert answer.json()["lead_by"].startswith("staff:")
        session.expire_all()
        paging = paging_of(session, incident)
        assert paging is not None
        assert paging.stop_reason is StopReason.DONE
        assert not still_waits(session, paging)
        [done] = [each for each in list_actions(session, incident.id, true()) if each.action == "incident.taken_over"]
        assert done.detail["reason"] == "dampak lintas negara"

    def test_a_mission_cannot_take_over_and_nobody_a_closed_one(
        self, client: TestClient, session: Session, settings: Settings, officer: dict[str, str]
    ) -> None:
        incident = self.opened(session)
        head = make_staff(session, "head_of_mission", mission_code="kbri-ankara")
        headers = session_headers(session, head, settings)
        session.commit()
        assert post(client, headers, f"{incident.id}/take-over").status_code == 403
        assert post(client, officer, f"{incident.id}/close", reason="salah alarm").status_code == 200
        assert post(client, officer, f"{incident.id}/take-over").status_code == 409


class TestMerging:
    """The other one goes on, with the areas and the reports of both."""

    def test_reports_of_both_count_in_the_one_that_goes_on(self, client: TestClient, session: Session, officer: dict[str, str]) -> None:
        theirs, ours = make_incident(session, areas=[HATAY]), make_incident(session, areas=[ISTANBUL])
        file_injured(session, theirs, 7, places=["TR-31"])
        session.commit()
        before = db_now(session)
        answer = post(client, officer, f"{theirs.id}/merge", into=str(ours.id), reason="gempa yang sama")
        assert answer.status_code == 200, answer.text
        assert answer.json()["id"] == str(ours.id)
        session.expire_all()
        assert (theirs.state.value, theirs.merged_into) == ("closed", ours.id)
        assert {area.code for area in list_areas(session, ours.id)} == {"TR-31", "TR-34"}
        assert {each.mission_code for each in list_missions(session, ours.id)} >= {"kbri-ankara"}
        assert '"number":7' in load_sheet(session, ours).model_dump_json()
        assert '"number":7' not in load_sheet(session, ours, Asked(known_at=before)).model_dump_json(), "it was not known there then"

    def test_what_is_filed_afterwards_counts_too(self, client: TestClient, session: Session, officer: dict[str, str]) -> None:
        theirs, ours = make_incident(session, areas=[HATAY]), make_incident(session, areas=[HATAY])
        file_injured(session, theirs, 7, places=["TR-31"])
        session.commit()
        assert post(client, officer, f"{theirs.id}/merge", into=str(ours.id), reason="gempa yang sama").status_code == 200
        file_injured(session, ours, 9, places=["TR-31"])
        session.commit()
        assert '"number":9' in load_sheet(session, ours).model_dump_json()

    def test_a_merged_one_is_not_opened_again_and_takes_no_report(
        self, client: TestClient, session: Session, officer: dict[str, str]
    ) -> None:
        theirs, ours = make_incident(session), make_incident(session)
        session.commit()
        assert post(client, officer, f"{theirs.id}/merge", into=str(ours.id), reason="sama").status_code == 200
        again = post(client, officer, f"{theirs.id}/reopen", reason="coba lagi")
        assert (again.status_code, again.json()["code"]) == (409, "incident_merged")
        assert post(client, officer, f"{ours.id}/merge", into=str(theirs.id), reason="sama").status_code == 409

    def test_neither_with_itself_nor_an_exercise_with_an_actual_event(
        self, client: TestClient, session: Session, officer: dict[str, str]
    ) -> None:
        theirs = make_incident(session)
        for into, code in ((theirs.id, "same_incident"), (make_exercise(session).id, "other_status")):
            answer = post(client, officer, f"{theirs.id}/merge", into=str(into), reason="sama")
            assert (answer.status_code, answer.json()["code"]) == (409, code)

    def test_a_past_crisis_that_is_played_again_is_none_of_today(
        self, client: TestClient, session: Session, officer: dict[str, str]
    ) -> None:
        theirs, replayed = make_incident(session), make_incident(session, is_replayed=True)
        session.commit()
        for one, other in ((theirs, replayed), (replayed, theirs)):
            answer = post(client, officer, f"{one.id}/merge", into=str(other.id), reason="sama")
            assert (answer.status_code, answer.json()["code"]) == (409, "other_replay")

    def test_who_must_not_be_heard_is_not_told_loudly_by_another_incident(
        self, client: TestClient, session: Session, officer: dict[str, str]
    ) -> None:
        quiet, loud = make_incident(session, is_quiet=True, quiet_reason="penyerangan"), make_incident(session, areas=[ISTANBUL])
        session.commit()
        answer = post(client, officer, f"{quiet.id}/merge", into=str(loud.id), reason="sama")
        assert (answer.status_code, answer.json()["code"]) == (409, "quiet_into_loud")
        assert "quiet" in answer.json()["detail"]
        assert post(client, officer, f"{loud.id}/merge", into=str(quiet.id), reason="sama").status_code == 200
        session.expire_all()
        assert (quiet.is_quiet, quiet.state.value) == (True, "open")

    def test_with_persons_of_its_own_it_is_taken_over_instead(self, client: TestClient, session: Session, officer: dict[str, str]) -> None:
        theirs, ours = make_incident(session), make_incident(session)
        session.commit()
        person = {"incident_id": str(theirs.id), "name": "Siti", "nationality": "own"}
        made = client.post("/api/v1/persons", json=person, headers=officer | {"Idempotency-Key": uuid4().hex})
        assert made.status_code == 201, made.text
        answer = post(client, officer, f"{theirs.id}/merge", into=str(ours.id), reason="sama")
        assert (answer.status_code, answer.json()["code"]) == (409, "incident_has_ties")
        assert answer.json()["ties"] == ["persons"]


def test_two_who_merge_the_same_pair_take_turns(sessions: Sessions) -> None:
    """Each takes the two in the same order: the second waits for the first, holding nothing that the first needs."""
    with begin(sessions) as session:
        low, high = sorted(make_incident(session).id for _ in range(2))

    def other_way() -> None:
        with begin(sessions) as session:
            merge(session, actor=OPENER, incident_id=high, into=low, reason="sama", report_due=REPORT_DUE)

    with ThreadPoolExecutor(1) as pool:
        with begin(sessions) as session:
            claim_incident(session, low, OPENER)
            second = pool.submit(other_way)
            wait_until(lambda: is_waiting(sessions))
            session.execute(text("SELECT 1 FROM incident WHERE id = :id FOR UPDATE NOWAIT"), {"id": high})
        second.result(timeout=20)


def is_waiting(sessions: Sessions) -> bool:
    with begin(sessions) as session:
        return bool(rows_of(session.execute(text("SELECT 1 FROM pg_locks WHERE NOT granted"))))


def make_exercise(session: Session) -> Incident:
    incident = make_incident(session, status="Exercise")
    session.commit()
    return incident


class TestHandover:
    """Signed once, never changed."""

    def test_it_names_both_the_words_the_version_and_what_was_open(
        self, client: TestClient, session: Session, officer: dict[str, str]
    ) -> None:
        incident, relief = make_incident(session), make_staff(session, "duty_officer")
        session.commit()
        answer = post(client, officer, f"{incident.id}/handovers", to_staff=str(relief.id), note="Kemlu Turki menelepon.")
        assert answer.status_code == 201, answer.text
        body = answer.json()
        assert (body["to_staff"], body["note"], body["sheet_version"]) == (str(relief.id), "Kemlu Turki menelepon.", None)
        assert body["open_points"]["unanswered"] > 0
        listed = client.get(f"/api/v1/incidents/{incident.id}/handovers", headers=officer).json()["items"]
        assert [each["id"] for each in listed] == [body["id"]]
        assert "shift.handed_over" in {each.action for each in list_actions(session, incident.id, true())}
        with pytest.raises(DBAPIError, match="handover"), session.begin_nested():
            session.execute(text("UPDATE handover SET note = 'lain'"))

    def test_only_to_somebody_else_of_the_ministry_and_over_a_version_that_there_is(
        self, client: TestClient, session: Session, officer: dict[str, str]
    ) -> None:
        incident, relief = make_incident(session), make_staff(session, "duty_officer")
        head = make_staff(session, "head_of_mission", mission_code="kbri-ankara")
        session.commit()
        for body, field in (
            ({"to_staff": str(head.id)}, "to_staff"),
            ({"to_staff": str(make_staff(session, "administrator").id)}, "to_staff"),
            ({"to_staff": str(uuid4())}, "to_staff"),
            ({"to_staff": str(relief.id), "sheet_version": 999}, "sheet_version"),
        ):
            answer = post(client, officer, f"{incident.id}/handovers", note="catatan", **body)
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["field"].endswith(field) if "errors" in answer.json() else field in answer.text
