"""What is joined or reopened is seen again: the case opens, its calls are counted, and whoever has it is paged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.families.actions import join_enquiries
from alerts.families.paging import page_owners, still_waits
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from alerts.notices.models import Paging
from tests.factories.families import make_enquiry
from tests.factories.incidents import HATAY, OPENER, make_incident
from tests.families.conftest import SignIn, log, post, read

LOCK = text("SELECT id FROM enquiry WHERE id = :id FOR UPDATE NOWAIT")
WAITS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def move(client: TestClient, headers: dict[str, str], enquiry_id: str, *states: str) -> None:
    for to in states:
        answer = post(client, headers, f"enquiries/{enquiry_id}/move", {"to": to})
        assert answer.status_code == 200, answer.text


def listed(client: TestClient, headers: dict[str, str], incident: Incident) -> dict[str, tuple[int, int]]:
    rows = client.get(f"/api/v1/incidents/{incident.id}/enquiries", headers=headers).json()["items"]
    return {row["id"]: (row["calls"], row["waiting"]) for row in rows}


def test_a_question_joined_into_a_closed_case_opens_it(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    case = log(client, duty, incident, caller_phone="+62 813 1111 111")["enquiry"]["id"]
    move(client, duty, case, "closed")
    asks = log(client, duty, incident, caller_phone="+62 813 2222 222")["enquiry"]["id"]
    assert post(client, duty, f"enquiries/{asks}/join", {"into": case}).json()["state"] == "open"
    assert listed(client, duty, incident) == {case: (2, 2)}
    assert [line["kind"] for line in read(client, duty, case)["history"]] == ["moved", "moved"]


def test_a_closed_question_opens_no_closed_case(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    case, asks = (log(client, duty, incident, caller_phone=f"+62 813 1111 11{n}")["enquiry"]["id"] for n in range(2))
    for each in (case, asks):
        move(client, duty, each, "closed")
    assert post(client, duty, f"enquiries/{asks}/join", {"into": case}).json()["state"] == "closed"


def test_calls_of_joined_questions_are_counted_with_the_case(client: TestClient, sign_in: SignIn, incident: Incident) -> None:
    duty = sign_in("duty_officer", via="token")
    ids = [log(client, duty, incident, caller_phone=f"+62 813 9999 99{number}")["enquiry"]["id"] for number in range(3)]
    call = read(client, duty, ids[2])["call_list"][0]["id"]
    for joined in ids[1:]:
        post(client, duty, f"enquiries/{joined}/join", {"into": ids[0]})
    assert listed(client, duty, incident) == {ids[0]: (3, 3)}
    told = post(client, duty, f"enquiries/{ids[0]}/calls/{call}/told", {"told": []}).json()
    assert (told["calls"], told["waiting"], len(told["call_list"])) == (3, 2, 3)
    offered = log(client, duty, incident, sought_name="Riski", caller_phone="+62 813 8888 888")["matches"]
    assert [(match["id"], match["calls"]) for match in offered] == [(ids[0], 3)]
    assert read(client, duty, ids[1])["calls"] == 1, "what was joined has its own"


def test_a_case_that_a_call_opens_again_pages_whoever_has_it(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident
) -> None:
    duty, ankara = sign_in("duty_officer", via="token"), sign_in("mission_staff", via="token")
    case = log(client, duty, incident, place_code="TR-31")["enquiry"]["id"]
    assert page_owners(session, [case]) == 1
    move(client, ankara, case, "in_hand", "closed")
    stop_all(session)
    assert log(client, duty, incident)["is_joined"]
    assert page_owners(session, [case]) == 1
    assert still_waits(session, session.query(Paging).filter(Paging.stopped_at.is_(None)).one())


def test_a_case_that_a_mission_wrote_down_pages_it_when_another_desk_opens_it(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident
) -> None:
    duty, ankara = sign_in("duty_officer", via="token"), sign_in("mission_staff", via="token")
    case = log(client, ankara, incident)["enquiry"]["id"]
    move(client, ankara, case, "closed")
    assert page_owners(session, [case]) == 0
    move(client, duty, case, "open")
    assert page_owners(session, [case]) == 1


def test_what_its_own_desk_opens_again_pages_nobody_else(client: TestClient, session: Session, sign_in: SignIn, incident: Incident) -> None:
    ankara = sign_in("mission_staff", via="token")
    case = log(client, ankara, incident)["enquiry"]["id"]
    move(client, ankara, case, "closed", "open")
    assert page_owners(session, [case]) == 0


def test_the_crisis_centre_is_paged_for_what_it_is_given_back(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident
) -> None:
    duty, ankara = sign_in("duty_officer", via="token"), sign_in("mission_staff", via="token")
    case = log(client, ankara, incident)["enquiry"]["id"]
    given = post(client, duty, f"enquiries/{case}/assign", {"mission_code": None})
    assert (given.status_code, given.json()["owner_mission"]) == (200, None)
    assert page_owners(session, [case]) == 1
    assert session.query(Paging).one().subject_id.startswith("ministry ")


def test_a_question_that_is_separated_again_pages_whoever_has_it(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident
) -> None:
    duty = sign_in("duty_officer", via="token")
    case, asks = (log(client, duty, incident, place_code="TR-31", caller_phone=f"+62 813 1111 11{n}")["enquiry"]["id"] for n in range(2))
    assert page_owners(session, [case, asks]) == 1
    post(client, duty, f"enquiries/{asks}/join", {"into": case})
    move(client, duty, case, "in_hand")
    stop_all(session)
    post(client, duty, f"enquiries/{asks}/separate")
    assert page_owners(session, [asks]) == 1


def stop_all(session: Session) -> None:
    session.execute(text("UPDATE paging SET stopped_at = clock_timestamp(), next_at = NULL, stop_reason = 'acknowledged'"))


def test_a_call_for_a_question_that_is_being_joined_goes_to_its_case(sessions: Sessions, keyring: Keyring) -> None:
    with sessions.begin() as session:
        incident_id = make_incident(session, areas=[HATAY]).id
    with sessions.begin() as session:
        incident = session.get_one(Incident, incident_id)
        case, asks = (make_enquiry(session, keyring, incident, caller_phone=f"+62 813 1111 11{n}").enquiry.id for n in range(2))

    def call_again() -> tuple[UUID, bool]:
        with sessions.begin() as session:
            incident = session.get_one(Incident, incident_id)
            logged = make_enquiry(session, keyring, incident, caller_phone="+62 813 1111 111")
            return logged.enquiry.id, logged.is_joined

    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as first, sessions() as looks:
            join_enquiries(first, actor=OPENER, keyring=keyring, enquiry_id=asks, into=case)
            calling = pool.submit(call_again)
            while not looks.execute(WAITS).scalar_one():
                assert not calling.done(), "it waits for the first"
                looks.rollback()
        assert calling.result() == (case, True)


def test_two_questions_that_are_joined_crosswise_at_once_wait_in_one_order(sessions: Sessions, keyring: Keyring) -> None:
    with sessions.begin() as session:
        incident = make_incident(session, areas=[HATAY])
        lower, higher = sorted(make_enquiry(session, keyring, incident, caller_phone=f"+62 813 1111 11{n}").enquiry.id for n in range(2))

    def join() -> None:
        with sessions.begin() as session:
            join_enquiries(session, actor=OPENER, keyring=keyring, enquiry_id=higher, into=lower)

    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as first, sessions() as looks:
            first.execute(LOCK, {"id": lower})
            joining = pool.submit(join)
            while not looks.execute(WAITS).scalar_one():
                assert not joining.done(), "it waits for the first"
                looks.rollback()
            assert first.execute(LOCK, {"id": higher}).rowcount == 1, "and holds nothing that the first may want"
        joining.result()
