"""What staff of a mission read in the log of an incident that several missions have: the incident's own lines, and theirs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.actor import SYSTEM
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from tests.factories.incidents import HATAY, SYRIA, make_incident
from tests.factories.people import statement
from tests.factories.reports import line, new_key, report_body

SignIn = Callable[..., dict[str, str]]
ANKARA, DAMASCUS = "kbri-ankara", "kbri-damascus"
REASON = {ANKARA: "salah hitung di Hatay", DAMASCUS: "salah hitung di Aleppo"}
DEATH_REASON = "ibu kandung di Malang"


@pytest.fixture
def incident(session: Session, keyring: Keyring) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident


@pytest.fixture
def post(client: TestClient) -> Callable[..., dict[str, Any]]:
    def run(headers: dict[str, str], path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(f"/api/v1{path}", json=body, headers=headers | new_key())
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    return run


@pytest.fixture
def told(session: Session, incident: Incident, sign_in: SignIn, post: Callable[..., dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By mission: its corrected report and its dead, of whom the ministry recorded a step; and what the ministry did for all."""
    duty, at, found = sign_in("duty_officer"), db_now(session).isoformat(), {}
    for mission in (ANKARA, DAMASCUS):
        staff = sign_in("mission_staff", mission)
        reports = f"/incidents/{incident.id}/reports"
        first = post(staff, reports, report_body(line("injured", 3), source=f"mission:{mission}", as_of=at))
        again = {"supersedes": first["id"], "supersede_reason": REASON[mission]}
        post(staff, reports, report_body(line("injured", 2), source=f"mission:{mission}", as_of=at, **again))
        said = statement("condition", "dead", said_by="RS", source="host_state")
        person = post(
            duty,
            "/persons",
            {"incident_id": str(incident.id), "name": mission, "nationality": "own", "mission_code": mission} | {"statements": [said]},
        )
        step = {"said_by": "Direktur", "how": "didatangi", "reason": DEATH_REASON, "as_of": at}
        post(duty, f"/persons/{person['id']}/death/kin-told", step)
        found[mission] = {"person": person["id"], "report": first["id"]}
    record(
        session,
        actor=SYSTEM,
        action="digest.told",
        incident_id=incident.id,
        subject=("incident", incident.id),
        detail={"reasons": ["own_death"]},
    )
    record(session, actor=SYSTEM, action="shift.handed_over", incident_id=incident.id, subject=("handover", "1"))
    session.commit()
    return found


def log_of(client: TestClient, headers: dict[str, str], incident: Incident) -> list[dict[str, Any]]:
    """By the API, page by page; the file says the same."""
    url, found, cursor = f"/api/v1/incidents/{incident.id}/log", [], ""
    while cursor is not None:
        page = client.get(f"{url}?limit=3{cursor and '&cursor=' + cursor}", headers=headers).json()
        found += page["items"]
        cursor = page["next_cursor"]
    text = client.get(f"{url}.csv", headers=headers).text
    assert [row["id"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))] == [row["id"] for row in found]
    return found


@pytest.mark.parametrize(("mission", "other"), [(ANKARA, DAMASCUS), (DAMASCUS, ANKARA)])
@pytest.mark.parametrize("role", ["mission_staff", "head_of_mission"])
def test_a_mission_reads_its_own_lines_and_the_incidents(
    client: TestClient, sign_in: SignIn, incident: Incident, told: dict[str, dict[str, Any]], mission: str, other: str, role: str
) -> None:
    found = log_of(client, sign_in(role, mission), incident)
    assert REASON[other] not in str(found)
    assert told[other]["person"] not in str(found)
    assert told[other]["report"] not in str(found)
    assert {"digest.told", "shift.handed_over"}.isdisjoint(row["action"] for row in found)
    own = {(row["action"], row["subject_id"]) for row in found}
    assert ("incident.opened", str(incident.id)) in own
    assert {("person.opened", told[mission]["person"]), ("death.recorded", told[mission]["person"])} <= own
    assert ("report.filed", told[mission]["report"]) in own
    assert [row["detail"]["reason"] for row in found if "reason" in row["detail"]] == [REASON[mission]]


def test_the_ministry_reads_every_line_but_no_words_about_the_dead(
    client: TestClient, sign_in: SignIn, incident: Incident, told: dict[str, dict[str, Any]]
) -> None:
    found = log_of(client, sign_in("duty_officer"), incident)
    actions = [row["action"] for row in found]
    assert (actions.count("death.recorded"), actions.count("report.filed"), actions.count("digest.told")) == (2, 4, 1)
    assert {row["detail"].get("reason") for row in found} == {None, *REASON.values()}
    assert DEATH_REASON not in str(found)
