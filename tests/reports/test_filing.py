"""Filing over HTTP: nothing is refused for its content, nothing filed is lost, and who may speak for whom."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.factories.reports import FIRST, line, new_key, report_body

SignIn = Callable[..., dict[str, str]]
FILED_TABLES = ("report", "report_line", "report_check", "report_need", "report_problem", "line_confirmation", "conflict_resolution")
INCIDENT = {
    "kind": "earthquake",
    "title": "Gempa ujian",
    "urgency": "Immediate",
    "severity": "Severe",
    "certainty": "Observed",
    "occurred_at": "2026-01-01T00:00:00+00:00",
    "is_replayed": True,
    "areas": [{"kind": "country", "code": "TR"}],
}


def open_incident(client: TestClient, sign_in: SignIn, **more: Any) -> str:
    answer = client.post("/api/v1/incidents", json=INCIDENT | more, headers=sign_in("duty_officer") | new_key())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def incident_id(client: TestClient, sign_in: SignIn) -> str:
    return open_incident(client, sign_in)


@pytest.fixture
def file(client: TestClient, sign_in: SignIn, incident_id: str) -> Callable[..., dict[str, Any]]:
    """`file(body)` as staff of kbri-ankara, `file(body, "duty_officer")` as the ministry."""
    tokens: dict[str, dict[str, str]] = {}

    def filed(body: dict[str, Any], role: str = "mission_staff") -> dict[str, Any]:
        headers = tokens.setdefault(role, sign_in(role))
        answer = client.post(f"/api/v1/incidents/{incident_id}/reports", json=body, headers=headers | new_key())
        assert answer.status_code == 201, answer.text
        return answer.json()

    return filed


def test_a_plain_report_is_accepted(file: Callable[..., dict[str, Any]]) -> None:
    answer = file(report_body(line("injured", 2, places=["TR-31"], how="dirujuk ke rumah sakit")))
    assert (answer["state"], answer["version"], answer["problems"]) == ("accepted", 1, [])
    assert (answer["lines"][0]["value"], answer["lines"][0]["number"]) == ("2", 2)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (-3, "negative"),
        ("-3", "negative"),
        (2.5, "not_whole"),
        ("2,5", "not_whole"),
        (1e9, "implausible"),
        (10**25, "implausible"),
        ("belasan", "not_a_number"),
        ("", "value_missing"),
        (None, "value_missing"),
        (0, "zero_needs_check"),
        ("0", "zero_needs_check"),
        ("checked_none_found", "check_without_how"),
    ],
)
def test_what_cannot_be_counted_is_held_and_kept(file: Callable[..., dict[str, Any]], value: Any, rule: str) -> None:
    answer = file(report_body(line("dead", value)))
    assert answer["state"] == "held"
    assert [problem["rule"] for problem in answer["problems"]] == [rule]
    assert answer["problems"][0]["message"]["id"]
    assert answer["problems"][0]["message"]["en"]
    assert answer["lines"][0]["state"] == "held"
    kept = answer["lines"][0]["value"]
    assert kept == (value if isinstance(value, str) else "" if value is None else kept)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        assert float(kept) == float(value)


@pytest.mark.parametrize("value", ["12", 12, 12.0, "１２", " 12 "])
def test_digits_are_understood_however_they_are_written(file: Callable[..., dict[str, Any]], value: Any) -> None:
    answer = file(report_body(line("injured", value)))
    assert answer["state"] == "accepted"
    assert answer["lines"][0]["number"] == 12


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines": [{"category": "tewas", "places": ["TR"], "value": 1}]}, "lines[0].category"),
        ({"lines": [{"category": "dead", "places": ["TR"], "value": "a\x00b"}]}, "lines[0]"),
        ({"lines": [{"category": "dead", "places": ["TR"], "value": True}]}, "lines[0].value"),
        ({"narrative": "x" * 20_001}, "narrative"),
        ({"narrative": "\ud800"}, "narrative"),
        ({"source": "mission:KBRI Ankara"}, "source"),
        ({"as_of": "2026-01-01T00:00:00"}, "as_of"),
        ({"as_of": "0001-01-01T00:00:00+14:00"}, "as_of"),
        ({"casualties": 3}, "casualties"),
        ({"mission_status": {"office": {"deep": 1}}}, "mission_status"),
    ],
)
def test_only_what_cannot_be_stored_is_refused(
    client: TestClient, sign_in: SignIn, incident_id: str, change: dict[str, Any], field: str
) -> None:
    import json

    content = json.dumps(report_body(line("dead", 1)) | change)
    headers = sign_in("mission_staff") | new_key() | {"Content-Type": "application/json"}
    answer = client.post(f"/api/v1/incidents/{incident_id}/reports", content=content, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert any(error["field"].startswith(field) for error in answer.json()["errors"]), answer.text


@pytest.mark.parametrize("content", ["{", "[NaN", '{"source": "ministry", "lines": [{"category": "dead", "value": NaN}]}'])
def test_what_is_not_json_is_refused(client: TestClient, sign_in: SignIn, incident_id: str, content: str) -> None:
    headers = sign_in("mission_staff") | new_key() | {"Content-Type": "application/json"}
    answer = client.post(f"/api/v1/incidents/{incident_id}/reports", content=content, headers=headers)
    assert answer.status_code in (400, 422), answer.text


def test_arithmetic_within_an_axis(file: Callable[..., dict[str, Any]]) -> None:
    parts = [line("evacuated", n, kind="of_which", of="evacuated", words=w) for n, w in ((14, "a"), (21, "b"), (7, "c"), (3, "d"))]
    answer = file(report_body(line("evacuated", 43), *parts))
    assert answer["state"] == "held"
    assert {problem["rule"] for problem in answer["problems"]} == {"parts_do_not_sum"}
    assert "45" in answer["problems"][0]["message"]["id"]
    assert "43" in answer["problems"][0]["message"]["id"]
    assert [row["value"] for row in answer["lines"]] == ["43", "14", "21", "7", "3"]


def test_a_subset_larger_than_its_set_is_held(file: Callable[..., dict[str, Any]]) -> None:
    answer = file(report_body(line("injured", 3), line("in_hospital", 4, kind="of_which", of="injured"), line("dead", 1)))
    assert [row["state"] for row in answer["lines"]] == ["held", "held", "accepted"]


def test_a_total_of_the_host_state_is_nobodys_death_of_ours(file: Callable[..., dict[str, Any]]) -> None:
    """Series and nationality that were left out follow from who reports."""
    answer = file(report_body(line("dead", 912), source="host_state", author="presiden"), "duty_officer")
    assert (answer["lines"][0]["series"], answer["lines"][0]["nationality"]) == ("host_state", "mixed")
    press = file(report_body(line("registered", 116, nationality="own"), source="media", author="A"), "duty_officer")
    assert (press["lines"][0]["series"], press["lines"][0]["nationality"]) == ("media", "own")
    quoted = file(report_body(line("injured", 5835, series="host_state")))
    assert (quoted["lines"][0]["series"], quoted["lines"][0]["nationality"]) == ("host_state", "mixed")


def test_unknown_place_is_held_with_what_was_written(file: Callable[..., dict[str, Any]]) -> None:
    answer = file(report_body(line("injured", 3, places=["Negeri Antah"])))
    assert (answer["state"], answer["lines"][0]["places"]) == ("held", ["Negeri Antah"])


def test_contact_without_who_when_how_counts_as_reported(file: Callable[..., dict[str, Any]]) -> None:
    proof = {"who": "tim KBRI", "when": "2026-01-01T08:00:00+03:00", "how": "ditemui di rumah"}
    without = line("safe", 2, claim="contact_made", contact=proof | {"how": " "})
    answer = file(report_body(without, line("safe", 3, places=["SY"], claim="contact_made", contact=proof)))
    assert [row["counted_claim"] for row in answer["lines"]] == ["reported", "contact_made"]
    assert [row["claim"] for row in answer["lines"]] == ["contact_made", "contact_made"]
    assert answer["state"] == "accepted"


def test_two_missions_that_differ_conflict_and_both_stay(client: TestClient, sign_in: SignIn, file: Callable[..., dict[str, Any]]) -> None:
    first = file(report_body(line("injured", 10)))
    second = file(report_body(line("injured", 12), source="ministry", as_of="2026-01-01T05:00:00+00:00"), "duty_officer")
    assert (first["state"], second["state"]) == ("accepted", "conflicting")
    assert second["problems"][0]["rule"] == "sources_differ"


def test_same_value_from_another_source_agrees(file: Callable[..., dict[str, Any]]) -> None:
    file(report_body(line("injured", 10)))
    assert file(report_body(line("injured", 10), source="ministry"), "duty_officer")["state"] == "accepted"


def test_a_correction_supersedes_and_a_second_one_conflicts(file: Callable[..., dict[str, Any]]) -> None:
    wrong = file(report_body(line("injured", 21)))
    right = file(report_body(line("injured", 12), supersedes=wrong["id"], supersede_reason="angka tertukar"))
    assert (right["state"], right["version"]) == ("accepted", 2)
    late = file(report_body(line("injured", 13), supersedes=wrong["id"], supersede_reason="hitung ulang"))
    assert late["state"] == "conflicting"
    assert "already_superseded" in {problem["rule"] for problem in late["problems"]}


def test_superseding_anothers_report_is_stored_but_supersedes_nothing(file: Callable[..., dict[str, Any]]) -> None:
    theirs = file(report_body(line("injured", 10), source="ministry"), "duty_officer")
    mine = file(report_body(line("dead", 1), supersedes=theirs["id"]))
    assert (mine["state"], mine["supersedes"]) == ("conflicting", None)
    assert file(report_body(line("dead", 1), supersedes=str(uuid4())))["state"] == "conflicting"


def test_a_clock_a_day_ahead_is_stored_and_flagged(client: TestClient, sign_in: SignIn, file: Callable[..., dict[str, Any]]) -> None:
    answer = file(report_body(line("injured", 4), as_of="2126-01-01T00:00:00+00:00"))
    assert answer["state"] == "accepted"
    assert [problem["rule"] for problem in answer["problems"]] == ["clock_off"]
    incident = answer["incident_id"]
    sheet = client.get(f"/api/v1/incidents/{incident}/summary", headers=sign_in("minister")).json()
    ours = next(question for question in sheet["questions"] if question["key"] == "ours")
    assert [figure["number"] for figure in ours["values"]] == [4], "a fast clock hid a report"


def test_a_clock_a_day_behind_is_stored_and_flagged_and_hides_no_newer_figure(client: TestClient, sign_in: SignIn) -> None:
    url = f"/api/v1/incidents/{open_incident(client, sign_in, is_replayed=False)}"
    mission, now = sign_in("mission_staff"), datetime.now(UTC)
    for ago, number in ((timedelta(hours=2), 4), (timedelta(days=1), 9)):
        answer = client.post(f"{url}/reports", json=report_body(line("injured", number), as_of=now - ago), headers=mission | new_key())
        assert (answer.status_code, answer.json()["state"]) == (201, "accepted")
    assert [problem["rule"] for problem in answer.json()["problems"]] == ["clock_off"]
    sheet = client.get(f"{url}/summary", headers=sign_in("minister")).json()
    ours = next(question for question in sheet["questions"] if question["key"] == "ours")
    assert [figure["number"] for figure in ours["values"]] == [4]


def test_mission_speaks_for_itself_only(client: TestClient, sign_in: SignIn, incident_id: str) -> None:
    url = f"/api/v1/incidents/{incident_id}/reports"
    mission, ministry = sign_in("mission_staff"), sign_in("duty_officer")
    for headers, source in (
        (mission, "mission:kbri-damascus"),
        (mission, "ministry"),
        (mission, "media"),
        (ministry, "mission:kbri-ankara"),
    ):
        answer = client.post(url, json=report_body(line("dead", 1), source=source), headers=headers | new_key())
        assert answer.status_code == 403, (source, answer.text)
    stranger = sign_in("mission_staff", "kbri-tokyo")
    assert client.post(url, json=report_body(source="mission:kbri-tokyo"), headers=stranger | new_key()).status_code == 404
    assert client.get(url, headers=stranger).status_code == 404
    assert client.post(url, json=report_body(source="ministry"), headers=sign_in("minister") | new_key()).status_code == 403


def test_closed_incident_takes_no_report(client: TestClient, sign_in: SignIn, incident_id: str) -> None:
    officer = sign_in("duty_officer")
    closed = client.post(f"/api/v1/incidents/{incident_id}/close", json={"reason": "selesai"}, headers=officer | new_key())
    assert closed.status_code == 200
    answer = client.post(f"/api/v1/incidents/{incident_id}/reports", json=report_body(), headers=sign_in("mission_staff") | new_key())
    assert answer.status_code == 409


def test_reading_back(client: TestClient, sign_in: SignIn, file: Callable[..., dict[str, Any]], incident_id: str) -> None:
    filed = [file(report_body(line("injured", n), as_of=f"2026-01-01T0{n}:00:00+00:00", narrative=f"ke-{n}")) for n in (1, 2, 3)]
    mission = sign_in("mission_staff")
    url = f"/api/v1/incidents/{incident_id}/reports"
    page = client.get(f"{url}?limit=2", headers=mission).json()
    assert [row["id"] for row in page["items"]] == [filed[2]["id"], filed[1]["id"]]
    rest = client.get(f"{url}?limit=2&cursor={page['next_cursor']}", headers=mission).json()
    assert ([row["id"] for row in rest["items"]], rest["next_cursor"]) == ([filed[0]["id"]], None)
    one = client.get(f"{url}/{filed[0]['id']}", headers=mission)
    assert one.json() == filed[0]
    again = client.get(f"{url}/{filed[0]['id']}", headers=mission | {"If-None-Match": one.headers["etag"]})
    assert again.status_code == 304
    assert client.get(f"{url}/{uuid4()}", headers=mission).status_code == 404


def test_another_missions_report_does_not_exist(
    client: TestClient, sign_in: SignIn, file: Callable[..., dict[str, Any]], incident_id: str
) -> None:
    theirs = file(report_body(line("injured", 1), source="ministry"), "duty_officer")
    mission = sign_in("mission_staff")
    assert client.get(f"/api/v1/incidents/{incident_id}/reports/{theirs['id']}", headers=mission).status_code == 404
    assert client.get(f"/api/v1/incidents/{incident_id}/reports", headers=mission).json()["items"] == []


MissionFiles = Callable[..., dict[str, Any]]


@pytest.fixture
def istanbul(client: TestClient, sign_in: SignIn, incident_id: str) -> MissionFiles:
    """`istanbul(*lines)`: filed by staff of the other mission of the country; read back as they read it."""
    headers = sign_in("mission_staff", "kjri-istanbul")

    def filed(*lines: dict[str, Any]) -> dict[str, Any]:
        url, body = f"/api/v1/incidents/{incident_id}/reports", report_body(*lines, source="mission:kjri-istanbul")
        answer = client.post(url, json=body, headers=headers | new_key())
        assert answer.status_code == 201, answer.text
        assert client.get(f"{url}/{answer.json()['id']}", headers=headers).json() == answer.json()
        return answer.json()  # type: ignore[no-any-return]

    return filed


def test_a_mission_learns_that_another_differs_but_not_what_it_said(
    client: TestClient, sign_in: SignIn, file: Callable[..., dict[str, Any]], istanbul: MissionFiles
) -> None:
    file(report_body(line("dead", 4), line("seriously_injured", 7)))
    answer = istanbul(line("dead", 1), line("injured", 2), line("injured", -5))
    assert answer["state"] == "conflicting"
    told = {problem["rule"]: problem["message"] for problem in answer["problems"]}
    assert {"sources_differ", "negative"} <= set(told)
    assert told["sources_differ"]["id"].startswith("Sumber lain")
    assert "-5" in told["negative"]["id"], "what it wrote itself is shown"
    assert "ankara" not in str(answer["problems"])
    assert not {"4", "7"} & set(" ".join(f"{both['id']} {both['en']}" for both in told.values()).split())
    url = f"/api/v1/incidents/{answer['incident_id']}/reports/{answer['id']}"
    seen = client.get(url, headers=sign_in("duty_officer")).json()["problems"]
    assert "4 (mission:kbri-ankara)" in next(p for p in seen if p["rule"] == "sources_differ")["message"]["id"]


def test_a_mission_cannot_withdraw_a_line_of_another(
    client: TestClient, sign_in: SignIn, file: Callable[..., dict[str, Any]], istanbul: MissionFiles
) -> None:
    line_id = file(report_body(line("dead", 4)))["lines"][0]["id"]
    back = line("dead", None, withdraws=line_id, withdraw_reason="tidak benar")
    tried, unknown = istanbul(back), istanbul(back | {"withdraws": str(uuid4())})
    assert (tried["state"], tried["lines"][0]["state"], tried["lines"][0]["withdraws"]) == ("held", "held", None)
    assert tried["problems"] == unknown["problems"], "not even whether there is such a line"
    assert "hanya sumbernya sendiri atau kementerian" in tried["problems"][0]["message"]["id"]
    url = f"/api/v1/incidents/{tried['incident_id']}/summary"
    assert client.get(url, headers=sign_in("duty_officer")).json()["withdrawn"] == []
    done = file(report_body(back, source="ministry", as_of="2026-01-01T05:00:00+00:00"), "duty_officer")
    assert (done["state"], done["lines"][0]["withdraws"]) == ("accepted", line_id)
    assert len(client.get(url, headers=sign_in("duty_officer")).json()["withdrawn"]) == 1


def test_a_mission_withdraws_a_line_of_its_own(file: Callable[..., dict[str, Any]]) -> None:
    line_id = file(report_body(line("dead", 4)))["lines"][0]["id"]
    back = line("dead", None, withdraws=line_id, withdraw_reason="orang yang sama")
    done = file(report_body(back, as_of="2026-01-01T05:00:00+00:00"))
    assert (done["state"], done["lines"][0]["withdraws"]) == ("accepted", line_id)


def test_sending_twice_files_once(client: TestClient, sign_in: SignIn, incident_id: str) -> None:
    headers = sign_in("mission_staff") | new_key()
    url, body = f"/api/v1/incidents/{incident_id}/reports", report_body(line("injured", 2))
    first, second = client.post(url, json=body, headers=headers), client.post(url, json=body, headers=headers)
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(client.get(url, headers=sign_in("duty_officer")).json()["items"]) == 1


@pytest.mark.parametrize("table", FILED_TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_what_was_filed_cannot_be_altered(session: Session, file: Callable[..., dict[str, Any]], table: str, statement: str) -> None:
    file(report_body(line("dead", -1), checks=[{"target": "hospital", "name": "RS", "outcome": "asked"}], needs=[{"what": "tenda"}]))
    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.execute(text(statement.format(table)))


def test_conflict_is_decided_with_name_and_reason(
    client: TestClient, sign_in: SignIn, file: Callable[..., dict[str, Any]], incident_id: str
) -> None:
    mission = file(report_body(line("injured", 10)))
    file(report_body(line("injured", 12), source="ministry"), "duty_officer")
    officer = sign_in("duty_officer")
    summary = f"/api/v1/incidents/{incident_id}/summary"
    (conflict,) = client.get(summary, headers=officer).json()["conflicts"]
    url = f"/api/v1/incidents/{incident_id}/conflicts/{conflict['id']}/resolve"
    body = {"keep_line_id": mission["lines"][0]["id"], "reason": "dihitung ulang oleh KBRI"}
    assert client.post(url, json=body, headers=sign_in("mission_staff") | new_key()).status_code == 403
    wrong = client.post(url, json=body | {"keep_line_id": str(uuid4())}, headers=officer | new_key())
    assert (wrong.status_code, wrong.json()["field"]) == (422, "keep_line_id")
    assert client.post(url, json=body, headers=officer | new_key()).status_code == 201
    sheet = client.get(summary, headers=officer).json()
    assert sheet["conflicts"] == []
    ours = next(question for question in sheet["questions"] if question["key"] == "ours")
    assert [figure["number"] for figure in ours["values"]] == [10]
    assert [figure["number"] for figure in sheet["older"]] == [12]
    assert client.post(url, json=body, headers=officer | new_key()).status_code == 404
    file(report_body(line("injured", 14), source="ministry", as_of=FIRST.replace(hour=2)), "duty_officer")
    assert len(client.get(summary, headers=officer).json()["conflicts"]) == 1, "a new contradiction is a new conflict"


def test_two_at_once_are_both_kept_and_the_later_conflicts(committed_client: TestClient, sign_in: SignIn, sessions: Any) -> None:
    incident_id = open_incident(committed_client, sign_in)
    headers = [sign_in("mission_staff") for _ in range(6)]

    def one(n: int) -> Any:
        body = report_body(line("injured", n + 1))
        return committed_client.post(f"/api/v1/incidents/{incident_id}/reports", json=body, headers=headers[n] | new_key())

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(one, range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    states = {answer.json()["version"]: answer.json()["state"] for answer in answers}
    assert states == {1: "accepted"} | dict.fromkeys(range(2, 7), "conflicting")
