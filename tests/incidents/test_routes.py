from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.factories.incidents import HATAY, ISTANBUL, SYRIA, TURKEY, incident_body, make_incident

SignIn = Callable[..., dict[str, str]]
URL = "/api/v1/incidents"
_keys = count(1)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"incidents-{next(_keys)}"}


def opened(client: TestClient, headers: dict[str, str], **fields: Any) -> Response:
    return client.post(URL, json=incident_body(**fields), headers=headers | key())


def events(session: Session) -> list[str]:
    return [name for (name,) in session.execute(text("SELECT name FROM outbox_event ORDER BY id"))]


def test_opening_gives_all_that_a_first_sheet_needs(client: TestClient, session: Session, sign_in: SignIn) -> None:
    duty = sign_in("duty_officer")
    level = TURKEY | {"siaga_level": "II", "level_basis": "minister"}
    answer = opened(client, duty, areas=[level, SYRIA])
    assert answer.status_code == 201, answer.text
    view = answer.json()
    assert (view["state"], view["status"], view["version"], view["is_replayed"]) == ("open", "Actual", 1, False)
    assert view["occurred_at"] == "2023-02-06T01:17:00Z"
    turkey = next(area for area in view["areas"] if area["code"] == "TR")
    assert (turkey["siaga_level"], turkey["level_basis"]) == ("II", "minister")
    assert turkey["level_set_by"].startswith("staff:")
    missions = {mission["mission_code"]: mission for mission in view["missions"]}
    assert missions["kbri-ankara"]["places"] == ["TR"]
    assert missions["kbri-ankara"]["basis"] == "accreditation"
    assert "TR-34" in missions["kjri-istanbul"]["places"]
    assert "TR" not in missions["kjri-istanbul"]["places"]
    assert missions["kjri-istanbul"]["is_assumed"] is True
    assert missions["kbri-damascus"]["places"] == ["SY"]
    assert events(session) == ["incident.opened"]
    assert answer.headers["location"] == f"{URL}/{view['id']}"
    due = session.execute(text("SELECT min(report_due_at - joined_at) FROM incident_mission")).scalar_one()
    assert timedelta(seconds=1) < due <= timedelta(minutes=6)


def test_a_missions_part_is_said_as_none_where_nothing_is_known(client: TestClient, sign_in: SignIn) -> None:
    answer = opened(client, sign_in("duty_officer"), areas=[{"kind": "country", "code": "IL"}])
    assert answer.status_code == 201
    assert answer.json()["missions"] == []


def test_a_circle_finds_its_provinces_and_says_that_it_assumes(client: TestClient, sign_in: SignIn) -> None:
    circle = {"kind": "circle", "geometry": {"lat": 37.2, "lon": 37.0, "radius_km": 200}}
    view = opened(client, sign_in("duty_officer"), areas=[circle]).json()
    assert view["areas"][0]["geometry"] == circle["geometry"]
    ankara = next(mission for mission in view["missions"] if mission["mission_code"] == "kbri-ankara")
    assert "TR-27" in ankara["places"]
    assert ankara["is_assumed"] is True


BAD_INPUT: list[tuple[dict[str, Any], str | None]] = [
    ({"areas": []}, "areas"),
    ({"areas": [{"kind": "country", "code": "XX"}]}, "code"),
    ({"areas": [{"kind": "province", "code": "TR-99"}]}, "code"),
    ({"areas": [{"kind": "circle"}]}, "geometry"),
    ({"areas": [{"kind": "circle", "geometry": {"lat": 99, "lon": 0, "radius_km": 5}}]}, "geometry"),
    ({"areas": [{"kind": "polygon", "geometry": {"points": [[1, 1], [2, 2], [1, 1]]}}]}, "geometry"),
    ({"areas": [TURKEY | {"siaga_level": "I"}]}, "level_basis"),
    ({"areas": [TURKEY | {"siaga_level": "IV"}]}, "areas[0].siaga_level"),
    ({"occurred_at": "2023-02-06T04:17:00"}, "occurred_at"),
    ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
    ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at"),
    ({"title": ""}, "title"),
    ({"title": "a\x00b"}, None),
    ({"kind": "party"}, "kind"),
    ({"status": "Test"}, "status"),
    ({"severity": "extreme"}, "severity"),
    ({"surprise": 1}, "surprise"),
    ({"areas": [TURKEY | {"name": "a\x00b"}]}, None),
    ({"lists": [{"kind": "ship", "name": "KM", "source": "x", "version": "1", "members": ["a\x00b"]}]}, None),
    ({"areas": [{"kind": "circle", "geometry": {"lat": 1, "lon": 1e308, "radius_km": 1}}]}, "geometry"),
]


def test_bad_input_is_named(client: TestClient, session: Session, sign_in: SignIn) -> None:
    duty = sign_in("duty_officer")
    for change, field in BAD_INPUT:
        answer = opened(client, duty, **change)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), change
        if field is not None:
            assert answer.json()["field"] == field, change
    assert session.execute(text("SELECT count(*) FROM incident")).scalar_one() == 0
    assert events(session) == []


def test_opening_twice_with_one_key_opens_once(client: TestClient, session: Session, sign_in: SignIn) -> None:
    duty = sign_in("duty_officer") | key()
    first = client.post(URL, json=incident_body(), headers=duty)
    again = client.post(URL, json=incident_body(), headers=duty)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert client.post(URL, json=incident_body(title="lain"), headers=duty).status_code == 422
    assert session.execute(text("SELECT count(*) FROM incident")).scalar_one() == 1
    assert client.post(URL, json=incident_body(), headers=sign_in("duty_officer")).status_code == 400


def test_who_may_not_open(client: TestClient, sign_in: SignIn) -> None:
    for role in ("minister", "approver", "mission_staff", "administrator"):
        assert opened(client, sign_in(role)).status_code == 403, role


def test_a_head_of_mission_opens_in_the_own_district_only(client: TestClient, sign_in: SignIn) -> None:
    istanbul = sign_in("head_of_mission", "kjri-istanbul")
    assert opened(client, istanbul, areas=[ISTANBUL]).status_code == 201
    for areas in ([TURKEY], [ISTANBUL, HATAY], [SYRIA]):
        answer = opened(client, istanbul, areas=areas)
        assert (answer.status_code, answer.json()["code"]) == (403, "outside_district")
    assert opened(client, sign_in("head_of_mission", "kbri-ankara"), areas=[TURKEY]).status_code == 201


def test_a_mission_sees_what_involves_it_and_nothing_else(client: TestClient, session: Session, sign_in: SignIn) -> None:
    ours = make_incident(session, areas=[HATAY])
    theirs = make_incident(session, areas=[SYRIA])
    session.commit()
    ankara = sign_in("mission_staff", "kbri-ankara")
    assert [row["id"] for row in client.get(URL, headers=ankara).json()["items"]] == [str(ours.id)]
    assert client.get(f"{URL}/{ours.id}", headers=ankara).status_code == 200
    for path in (f"{URL}/{theirs.id}", f"{URL}/{theirs.id}/log"):
        assert client.get(path, headers=ankara).status_code == 404
    assert client.patch(f"{URL}/{theirs.id}", json={"title": "x"}, headers=ankara | {"If-Match": "*"}).status_code == 404
    assert len(client.get(URL, headers=sign_in("minister")).json()["items"]) == 2
    assert client.get(URL).status_code == 401
    assert client.get(URL, headers=sign_in("administrator")).status_code == 403


def test_lists_go_by_cursor_newest_first(client: TestClient, session: Session, sign_in: SignIn) -> None:
    made = [str(make_incident(session).id) for _ in range(5)]
    session.commit()
    duty, seen, cursor = sign_in("duty_officer"), [], ""
    while True:
        page = client.get(f"{URL}?limit=2{cursor}", headers=duty).json()
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == made[::-1]
    assert client.get(f"{URL}?limit=201", headers=duty).status_code == 422
    assert client.get(f"{URL}?state=closed", headers=duty).json()["items"] == []


def test_a_change_needs_the_version_that_it_is_based_on(client: TestClient, session: Session, sign_in: SignIn) -> None:
    incident, duty = make_incident(session), sign_in("duty_officer")
    session.commit()
    url = f"{URL}/{incident.id}"
    read = client.get(url, headers=duty)
    assert client.get(url, headers=duty | {"If-None-Match": read.headers["etag"]}).status_code == 304
    assert client.patch(url, json={"title": "Baru"}, headers=duty).status_code == 428
    changed = client.patch(url, json={"title": "Baru"}, headers=duty | {"If-Match": read.headers["etag"]})
    assert (changed.status_code, changed.json()["title"], changed.json()["version"]) == (200, "Baru", 2)
    stale = client.patch(url, json={"title": "Lain"}, headers=duty | {"If-Match": read.headers["etag"]})
    assert (stale.status_code, stale.json()["current"]["title"], stale.json()["current"]["version"]) == (412, "Baru", 2)
    same = client.patch(url, json={"title": "Baru"}, headers=duty | {"If-Match": changed.headers["etag"]})
    assert same.json()["version"] == 2, "nothing changed, so nothing is new"
    for body in ({"status": "Exercise"}, {"title": None}, {"occurred_at": "2999-01-01T00:00:00Z"}, {"areas": []}):
        assert client.patch(url, json=body, headers=duty | {"If-Match": "*"}).status_code == 422
    assert events(session) == ["incident.opened", "incident.changed"]


def test_replacing_areas_keeps_what_stays_and_finds_the_missions_anew(client: TestClient, session: Session, sign_in: SignIn) -> None:
    level = HATAY | {"siaga_level": "I", "level_basis": "mission"}
    incident, duty = make_incident(session, areas=[level, ISTANBUL]), sign_in("duty_officer")
    session.commit()
    url = f"{URL}/{incident.id}"
    before = {area["code"]: area for area in client.get(url, headers=duty).json()["areas"]}
    istanbul = sign_in("mission_staff", "kjri-istanbul")
    assert client.get(url, headers=istanbul).status_code == 200
    after = client.patch(url, json={"areas": [SYRIA, HATAY]}, headers=duty | {"If-Match": "*"}).json()
    areas = {area["code"]: area for area in after["areas"]}
    assert set(areas) == {"TR-31", "SY"}
    assert areas["TR-31"] == before["TR-31"], "id and level stay"
    assert [mission["mission_code"] for mission in after["missions"]] == ["kbri-ankara", "kbri-damascus"]
    assert client.get(url, headers=istanbul).status_code == 404
    back = client.patch(url, json={"areas": [HATAY, ISTANBUL]}, headers=duty | {"If-Match": "*"}).json()
    assert "kjri-istanbul" in [mission["mission_code"] for mission in back["missions"]]
    assert session.execute(text("SELECT count(*) FROM incident_area")).scalar_one() == 4, "removed rows stay"


def test_the_minister_and_a_head_of_mission_set_levels_and_nothing_else(client: TestClient, session: Session, sign_in: SignIn) -> None:
    incident = make_incident(session, areas=[HATAY, ISTANBUL])
    session.commit()
    url, any_version = f"{URL}/{incident.id}", {"If-Match": "*"}
    minister, head = sign_in("minister"), sign_in("head_of_mission", "kjri-istanbul")
    areas = {area["code"]: area["id"] for area in client.get(url, headers=minister).json()["areas"]}

    def levels(code: str, level: str | None) -> dict[str, Any]:
        return {"levels": [{"area_id": areas[code], "siaga_level": level}]}

    ordered = client.patch(url, json=levels("TR-31", "I"), headers=minister | any_version).json()
    assert [(a["siaga_level"], a["level_basis"]) for a in ordered["areas"] if a["code"] == "TR-31"] == [("I", "minister")]
    own = client.patch(url, json=levels("TR-34", "III"), headers=head | any_version).json()
    assert [(a["siaga_level"], a["level_basis"]) for a in own["areas"] if a["code"] == "TR-34"] == [("III", "mission")]
    assert client.patch(url, json=levels("TR-31", None), headers=head | any_version).json()["code"] == "outside_district"
    assert client.patch(url, json={"title": "x"}, headers=minister | any_version).status_code == 403
    staff = sign_in("mission_staff", "kjri-istanbul")
    assert client.patch(url, json=levels("TR-34", "I"), headers=staff | any_version).status_code == 403
    unknown = {"levels": [{"area_id": str(uuid4()), "siaga_level": "I"}]}
    assert client.patch(url, json=unknown, headers=minister | any_version).status_code == 422
    lower = client.patch(url, json=levels("TR-31", "III"), headers=minister | any_version)
    assert lower.status_code == 200
    gone = client.patch(url, json=levels("TR-31", None), headers=minister | any_version).json()
    assert [a["siaga_level"] for a in gone["areas"] if a["code"] == "TR-31"] == [None]
    log = client.get(f"{url}/log", headers=minister).json()["items"]
    moves = [(line["detail"]["levels"][0]["level"], line["detail"]["levels"][0]["is_raised"]) for line in log if "levels" in line["detail"]]
    assert moves == [(None, False), ("III", False), ("III", True), ("I", True)]


def test_a_closed_incident_takes_nothing_until_it_is_reopened(client: TestClient, session: Session, sign_in: SignIn) -> None:
    incident, duty = make_incident(session), sign_in("duty_officer")
    session.commit()
    url = f"{URL}/{incident.id}"
    reason = {"reason": "keadaan terkendali"}
    assert client.post(f"{url}/reopen", json=reason, headers=duty | key()).status_code == 409
    closed = client.post(f"{url}/close", json=reason, headers=duty | key())
    assert (closed.status_code, closed.json()["state"], closed.json()["version"]) == (200, "closed", 2)
    assert client.post(f"{url}/close", json=reason, headers=duty | key()).status_code == 409
    assert client.patch(url, json={"title": "x"}, headers=duty | {"If-Match": "*"}).status_code == 409
    assert client.post(f"{url}/reopen", json={"reason": ""}, headers=duty | key()).status_code == 422
    assert client.post(f"{url}/reopen", json=reason, headers=sign_in("minister") | key()).status_code == 403
    assert client.post(f"{url}/reopen", json=reason, headers=duty | key()).json()["state"] == "open"
    assert events(session) == ["incident.opened", "incident.closed", "incident.reopened"]
    log = client.get(f"{url}/log", headers=duty).json()["items"]
    assert [(line["action"], line["role"]) for line in log] == [
        ("incident.reopened", "duty_officer"),
        ("incident.closed", "duty_officer"),
        ("incident.opened", "duty_officer"),
    ]
    assert log[1]["detail"] == reason
    assert client.get(f"{url}/log?limit=1", headers=duty).json()["next_cursor"] == log[0]["id"]


def test_people_named_by_a_list(client: TestClient, session: Session, sign_in: SignIn) -> None:
    duty = sign_in("duty_officer")
    flight = {"kind": "flight", "name": "XY 123", "source": "carrier", "version": "1", "members": ["none-1", "none-2", "none-1"]}
    view = opened(client, duty, areas=[], lists=[flight]).json()
    assert [(each["name"], each["members"], each["unmatched"]) for each in view["lists"]] == [("XY 123", 2, 2)]
    assert view["missions"] == []
    url, any_version = f"{URL}/{view['id']}", duty | {"If-Match": "*"}
    other = flight | {"members": ["none-3"]}
    assert client.patch(url, json={"lists": [other]}, headers=any_version).json()["code"] == "list_version_used"
    newer = client.patch(url, json={"lists": [other | {"version": "2"}]}, headers=any_version).json()
    assert [(each["version"], each["members"]) for each in newer["lists"]] == [("2", 1)]
    assert client.patch(url, json={"lists": []}, headers=any_version).status_code == 422


def test_the_status_is_fixed_by_the_database(session: Session) -> None:
    incident = make_incident(session, status="Exercise")
    session.execute(text("UPDATE incident SET status = 'Exercise', title = 'sama' WHERE id = :id"), {"id": incident.id})
    with pytest.raises(IntegrityError, match="never changes"):
        session.execute(text("UPDATE incident SET status = 'Actual' WHERE id = :id"), {"id": incident.id})


def test_a_replayed_incident_keeps_its_real_time(client: TestClient, sign_in: SignIn) -> None:
    view = opened(client, sign_in("duty_officer", via="token"), is_replayed=True, occurred_at="2023-02-06T01:17:00Z").json()
    assert (view["is_replayed"], view["occurred_at"]) == (True, "2023-02-06T01:17:00Z")
    assert datetime.fromisoformat(view["opened_at"]) > datetime(2025, 1, 1, tzinfo=UTC)
    assert UUID(view["id"]).version == 7
