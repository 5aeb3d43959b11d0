"""A held line counts once somebody confirms it, with a name and a reason, and from then on: never before, never twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.factories.reports import FIRST, line, new_key, report_body
from tests.reports.test_filing import SignIn, open_incident

PARTS = report_body(
    line("registered", 4159),
    line("registered", 2686, kind="of_which", of="registered", words="mahasiswa"),
    line("registered", 1488, kind="of_which", of="registered", words="pekerja"),
)
REASON = "15 orang tercatat sebagai mahasiswa dan pekerja"
HOLD = report_body(line("injured", 3), line("in_hospital", 5, kind="of_which", of="injured"), line("dead", "belasan"))


class Desk:
    """One incident, and who speaks in it."""

    def __init__(self, client: TestClient, sign_in: SignIn) -> None:
        self.client, self._sign_in = client, sign_in
        self.officer, self.mission = sign_in("duty_officer"), sign_in("mission_staff")
        self.incident_id = open_incident(client, sign_in)
        self.base = f"/api/v1/incidents/{self.incident_id}"

    def file(self, body: dict[str, Any], who: dict[str, str] | None = None) -> dict[str, Any]:
        answer = self.client.post(f"{self.base}/reports", json=body, headers=(who or self.mission) | new_key())
        assert answer.status_code == 201, answer.text
        return answer.json()

    def confirm(self, report: dict[str, Any], *positions: int, who: dict[str, str] | None = None, reason: str = REASON) -> Response:
        ids = [report["lines"][at]["id"] for at in positions]
        return self.post(report["id"], {"line_ids": ids, "reason": reason}, who)

    def post(self, report_id: str, body: dict[str, Any], who: dict[str, str] | None = None) -> Response:
        return self.client.post(f"{self.base}/reports/{report_id}/confirm", json=body, headers=(who or self.officer) | new_key())

    def sheet(self, **params: str) -> dict[str, Any]:
        answer = self.client.get(f"{self.base}/summary", headers=self.officer, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sign_in(self, role: str, *more: str) -> dict[str, str]:
        return self._sign_in(role, *more)


@pytest.fixture
def desk(client: TestClient, sign_in: SignIn) -> Desk:
    return Desk(client, sign_in)


def figures(sheet: dict[str, Any], category: str) -> list[dict[str, Any]]:
    asked = [figure for question in sheet["questions"] for figure in (*question["values"], *question["others"])]
    return [figure for figure in (*asked, *sheet["figures"]) if figure["category"] == category]


def test_what_does_not_sum_counts_once_it_is_confirmed_and_never_before(desk: Desk, session: Session) -> None:
    report = desk.file(PARTS)
    before = desk.sheet()
    assert ({held["raw"] for held in before["held"]}, figures(before, "registered")) == ({"4159", "2686", "1488"}, [])
    assert all(held["is_confirmable"] for held in before["held"])
    answer = desk.confirm(report, 0, 1, 2)
    assert answer.status_code == 201, answer.text
    assert [(each["line_id"], each["reason"]) for each in answer.json()["confirmed"]] == [(each["id"], REASON) for each in report["lines"]]
    after = desk.sheet()
    assert after["held"] == []
    (whole,) = figures(after, "registered")
    assert (whole["number"], sorted(part["number"] for part in whole["of_which"]), whole["confirmed"]["reason"]) == (
        4159,
        [1488, 2686],
        REASON,
    )
    then = desk.sheet(as_of=before["as_of"], known_at=before["known_at"])
    assert ({held["raw"] for held in then["held"]}, figures(then, "registered")) == ({"4159", "2686", "1488"}, [])
    told = session.execute(text("SELECT action, detail FROM action_log WHERE action = 'report.confirmed'")).one()
    assert told.detail["reason"] == REASON
    assert session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'report.confirmed'")).scalar_one() == 1


def test_what_was_filed_stays_as_it_was_filed(desk: Desk) -> None:
    report = desk.file(PARTS)
    url = f"{desk.base}/reports/{report['id']}"
    filed = desk.client.get(url, headers=desk.mission).json()
    desk.confirm(report, 0, 1, 2)
    assert desk.client.get(url, headers=desk.mission).json() == filed


def test_one_line_alone_counts_and_the_others_stay_held(desk: Desk) -> None:
    report = desk.file(HOLD)
    assert desk.confirm(report, 0).status_code == 201
    sheet = desk.sheet()
    assert [figure["number"] for figure in figures(sheet, "injured")] == [3]
    assert {(held["raw"], held["is_confirmable"]) for held in sheet["held"]} == {("5", True), ("belasan", False)}


def test_confirming_again_changes_nothing_and_keeps_the_first_word(desk: Desk, session: Session) -> None:
    report = desk.file(PARTS)
    first = desk.confirm(report, 0, who=desk.mission).json()
    again = desk.confirm(report, 0, 0, reason="lain lagi")
    assert (again.status_code, again.json()) == (201, first)
    assert session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'report.confirmed'")).scalar_one() == 1
    assert len(desk.confirm(report, 0, 1, 2, reason="lain lagi").json()["confirmed"]) == 3


def test_who_may(desk: Desk) -> None:
    report = desk.file(PARTS)
    for role, status in {"minister": 403, "approver": 403, "public_information": 403, "administrator": 403}.items():
        assert desk.confirm(report, 0, who=desk.sign_in(role)).status_code == status, role
    assert desk.confirm(report, 0, who=desk.sign_in("mission_staff", "kbri-tokyo")).status_code == 404
    istanbul = desk.sign_in("mission_staff", "kjri-istanbul")
    assert desk.client.get(desk.base, headers=istanbul).status_code == 200, "a mission of the same incident"
    refused = desk.confirm(report, 0, who=istanbul)
    assert (refused.status_code, refused.json()["code"]) == (404, "report_not_found")
    assert desk.confirm(report, 0, who=desk.mission).status_code == 201
    of_ministry = desk.file(PARTS | {"source": "ministry"}, desk.officer)
    assert desk.confirm(of_ministry, 0, who=desk.mission).status_code == 404
    assert desk.confirm(of_ministry, 0).status_code == 201


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("belasan", "not_a_number"),
        (-3, "negative"),
        (0, "zero_needs_check"),
        (10**9, "implausible"),
        ("checked_none_found", "check_without_how"),
    ],
)
def test_what_was_not_understood_must_be_filed_anew(desk: Desk, value: Any, rule: str) -> None:
    report = desk.file(report_body(line("dead", value)))
    assert [each["rule"] for each in report["problems"]] == [rule]
    refused = desk.confirm(report, 0)
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (422, "line_not_confirmable", "line_ids")
    assert len(desk.sheet()["held"]) == 1


def test_the_same_thing_said_twice_is_no_arithmetic(desk: Desk) -> None:
    report = desk.file(report_body(line("injured", 3), line("injured", 4)))
    assert desk.confirm(report, 0).json()["code"] == "line_not_confirmable"


def test_what_is_not_held_now_is_refused_by_name(desk: Desk) -> None:
    report = desk.file(PARTS)
    counted = desk.file(report_body(line("injured", 2)))
    assert (desk.confirm(counted, 0).status_code, desk.confirm(counted, 0).json()["field"]) == (409, "line_ids")
    desk.file(PARTS | {"supersedes": report["id"], "supersede_reason": "salah ketik", "lines": [line("registered", 4174)]})
    late = desk.confirm(report, 0)
    assert (late.status_code, late.json()["code"], late.json()["field"]) == (409, "line_not_held", "line_ids")
    other = desk.post(counted["id"], {"line_ids": [report["lines"][0]["id"]], "reason": REASON})
    assert (other.status_code, other.json()["code"], other.json()["field"]) == (404, "line_not_found", "line_ids")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"reason": "  a "}, "reason"), ({"reason": None}, "reason"), ({"line_ids": []}, "line_ids"), ({"line_ids": ["x"]}, "line_ids[0]")],
)
def test_a_fault_is_named_by_its_field(desk: Desk, change: dict[str, Any], field: str) -> None:
    report = desk.file(PARTS)
    answer = desk.post(report["id"], {"line_ids": [report["lines"][0]["id"]], "reason": REASON} | change)
    assert answer.status_code == 422
    assert field in answer.text
    assert len(desk.sheet()["held"]) == 3


def test_nothing_is_confirmed_in_a_closed_incident(desk: Desk) -> None:
    report = desk.file(PARTS)
    desk.client.post(f"{desk.base}/close", json={"reason": "selesai"}, headers=desk.officer | new_key())
    assert desk.confirm(report, 0).status_code == 409
    assert len(desk.sheet()["held"]) == 3


def test_a_report_or_line_that_does_not_exist(desk: Desk) -> None:
    report = desk.file(PARTS)
    body = {"line_ids": [str(uuid4())], "reason": REASON}
    assert desk.post(str(uuid4()), body).status_code == 404
    assert desk.post(report["id"], body).json()["field"] == "line_ids"


def test_a_line_of_a_merged_incident_is_confirmed_where_it_is_shown(desk: Desk, client: TestClient, sign_in: SignIn) -> None:
    report = desk.file(PARTS)
    into = open_incident(client, sign_in)
    merged = client.post(f"{desk.base}/merge", json={"into": into, "reason": "kejadian yang sama"}, headers=desk.officer | new_key())
    assert merged.status_code == 200, merged.text
    assert desk.confirm(report, 0, 1, 2).status_code == 409, "what was merged takes nothing more"
    desk.base = f"/api/v1/incidents/{into}"
    assert desk.confirm(report, 0, 1, 2).status_code == 201
    sheet = desk.sheet()
    assert (sheet["held"], [figure["number"] for figure in figures(sheet, "registered")]) == ([], [4159])


def test_a_confirmed_figure_may_contradict_another(desk: Desk) -> None:
    report = desk.file(HOLD)
    desk.file(report_body(line("injured", 9), source="ministry", as_of=FIRST.replace(hour=2)), desk.officer)
    assert desk.sheet()["conflicts"] == []
    desk.confirm(report, 0)
    assert [sorted(each["number"] for each in clash["figures"]) for clash in desk.sheet()["conflicts"]] == [[3, 9]]


def test_many_at_once_confirm_once(committed_client: TestClient, sign_in: SignIn, sessions: Any) -> None:
    desk = Desk(committed_client, sign_in)
    report = desk.file(PARTS)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda at: desk.confirm(report, 0, 1, 2, reason=f"alasan {at}"), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1, "the first word stands"
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM line_confirmation")).scalar_one() == 3
        assert session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'report.confirmed'")).scalar_one() == 1
