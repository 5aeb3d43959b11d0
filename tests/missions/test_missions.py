"""Missions in the database and over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.missions.actions import load_missions
from alerts.missions.models import Mission, MissionCountry, MissionDistrict
from alerts.missions.queries import responsible_missions
from alerts.missions.rules import Basis, Role
from alerts.places import country_codes, provinces, sovereign_of

EXPECTED = [
    ("TR-31", [("kbri-ankara", "accreditation", "acts")]),
    ("TR-34", [("kjri-istanbul", "district", "acts"), ("kbri-ankara", "accreditation", "informed")]),
    ("TR", [("kjri-istanbul", "district", "acts"), ("kbri-ankara", "accreditation", "acts")]),
    ("SY-HL", [("kbri-damascus", "accreditation", "acts")]),
    ("NP", [("kbri-dhaka", "accreditation", "acts")]),
    ("YE-SN", [("kbri-muscat", "cover", "acts")]),
    ("HK", [("kjri-hong-kong", "district", "acts"), ("kbri-beijing", "accreditation", "informed")]),
    ("TW", [("kdei-taipei", "district", "acts")]),
    ("TW-TXG", [("kdei-taipei", "district", "acts")]),
    ("IL-TA", []),
    ("PS-GZA", [("kbri-amman", "accreditation", "acts")]),
    ("NC", [("kjri-noumea", "district", "acts"), ("kbri-paris", "accreditation", "informed")]),
    ("GU", [("kbri-washington", "accreditation", "acts")]),
    ("SA-02", [("kjri-jeddah", "district", "acts"), ("kbri-riyadh", "accreditation", "informed")]),
    ("SD", [("kbri-khartoum", "accreditation", "acts")]),
    ("IL", []),
]


def test_loading_twice_changes_nothing(session: Session) -> None:
    for model in (MissionDistrict, MissionCountry, Mission):
        session.execute(delete(model))
    first, second = load_missions(session), load_missions(session)
    assert (first.missions, first.written) == (134, 134 + 190 + session.scalar(select(func.count()).select_from(MissionDistrict)))
    assert (second.missions, second.written, second.removed) == (134, 0, 0)


def test_loading_repairs_what_was_changed_and_takes_away_what_is_no_longer_so(session: Session) -> None:
    session.execute(update(Mission).where(Mission.code == "kbri-ankara").values(city="Elsewhere"))
    session.add(MissionDistrict(mission_code="kjri-istanbul", place_code="TR-31", is_assumed=False, source_words="wrong"))
    session.add(Mission(code="honorary_consul-x", kind="honorary_consul", name="x", city="x", lat=0, lon=0, state="open", source="own"))
    session.flush()
    again = load_missions(session)
    assert (again.written, again.removed) == (1, 1)
    assert session.get_one(Mission, "honorary_consul-x").name == "x", "what an installation added stays"


@pytest.mark.parametrize(("place", "expected"), EXPECTED)
def test_who_answers(session: Session, place: str, expected: list[tuple[str, str, str]]) -> None:
    found = responsible_missions(session, [place])
    assert [(part.mission_code, part.basis.value, part.role.value) for part in found] == expected


def test_every_state_but_a_few_has_somebody(session: Session) -> None:
    states = sorted(code for code in country_codes() if sovereign_of(code) == code)
    answered = {part.place for part in responsible_missions(session, states)}
    # No mission is known to be accredited here (or it is home, or nobody's land).
    assert set(states) - answered == {"AQ", "BB", "BV", "EH", "FK", "GS", "ID", "IL", "LI", "SS"}


def test_every_district_place_has_an_acting_consulate(session: Session) -> None:
    places = set(session.scalars(select(MissionDistrict.place_code)))
    acting = [part for part in responsible_missions(session, sorted(places)) if part.role is Role.ACTS]
    assert {part.place for part in acting} == places
    assert {part.basis for part in acting} == {Basis.DISTRICT}
    assert places <= set(provinces()) | country_codes()


def test_a_suspended_mission_must_be_covered(session: Session) -> None:
    session.add(Mission(code="kbri-x", kind="kbri", name="x", city="x", lat=0, lon=0, state="suspended", source="x"))
    with pytest.raises(IntegrityError, match="suspended_is_covered"):
        session.flush()


def test_the_list_is_read_by_cursor_to_its_end(client: TestClient, session: Session, sign_in: Callable[..., dict[str, str]]) -> None:
    session.commit()
    headers, seen, cursor = sign_in("duty_officer"), [], ""
    while True:
        answer = client.get(f"/api/v1/missions?limit=50{cursor}", headers=headers).json()
        seen += [mission["code"] for mission in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = f"&cursor={answer['next_cursor']}"
    assert len(seen) == len(set(seen)) == 134
    assert seen == sorted(seen)


def test_one_mission_and_its_etag(client: TestClient, session: Session, sign_in: Callable[..., dict[str, str]]) -> None:
    session.commit()
    headers = sign_in("minister")
    answer = client.get("/api/v1/missions/kbri-muscat", headers=headers)
    assert [c["country"]["code"] for c in answer.json()["accreditations"]] == ["OM", "YE"]
    assert answer.json()["accreditations"][1]["country"]["id"] == "Yaman"
    again = client.get("/api/v1/missions/kbri-muscat", headers=headers | {"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/api/v1/missions/kbri-atlantis", headers=headers).status_code == 404


def test_filters_and_the_question_who_answers(client: TestClient, session: Session, sign_in: Callable[..., dict[str, str]]) -> None:
    session.commit()
    headers = sign_in("duty_officer")
    suspended = client.get("/api/v1/missions?state=suspended", headers=headers).json()["items"]
    assert [(m["code"], m["covered_by"]) for m in suspended] == [("kbri-sanaa", "kbri-muscat")]
    assert [m["code"] for m in client.get("/api/v1/missions?country=TR", headers=headers).json()["items"]] == [
        "kbri-ankara",
        "kjri-istanbul",
    ]
    found = client.get("/api/v1/missions/responsible?place=TR-34&place=IL", headers=headers).json()["items"]
    assert [(part["mission_name"], part["is_assumed"]) for part in found] == [("KJRI Istanbul", True), ("KBRI Ankara", False)]
    wrong = client.get("/api/v1/missions/responsible?place=TR-99", headers=headers)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "query.place")


def test_nobody_reads_missions_unasked(client: TestClient) -> None:
    assert client.get("/api/v1/missions").status_code == 401
