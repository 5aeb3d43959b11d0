"""What holds for every route, generated from the interface's own document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.db import Sessions
from alerts.kit.idempotency import IdempotencyKey
from alerts.staff.rules import MISSION_ROLES, PERMISSIONS, Role
from tests.api.conftest import World
from tests.api.interface import STREAMS, Operation, all_operations, faults, headers_for
from tests.api.rights import (
    ANYBODY,
    LAST,
    MINISTRY_ONLY,
    OPENED_FIRST,
    OTHER_ORDER,
    PROMISED,
    PUBLIC,
    QUEUES,
    RIGHT_OF,
    STRANGERS_WORDS,
    WITHOUT_KEY,
)
from tests.factories.incidents import HATAY, incident_body, make_incident
from tests.factories.reports import report_body


@pytest.fixture(scope="session")
def operations(document: dict[str, Any]) -> list[Operation]:
    """All of them, those last that take something away from the others."""
    return sorted(all_operations(document), key=lambda operation: LAST.index(operation.id) + 1 if operation.id in LAST else 0)


def asked_at_once(operations: list[Operation]) -> Iterator[Operation]:
    """All that answer and end: a stream has tests of its own."""
    return (operation for operation in operations if operation.id not in STREAMS)


def role_for(operation: Operation) -> str | None:
    """Somebody who may: the duty officer, else the approver, staff of a mission, the administrator, the minister."""
    if operation.is_public:
        return None
    right = RIGHT_OF[operation.id]
    roles = (Role.DUTY_OFFICER, Role.APPROVER, Role.MISSION_STAFF, Role.ADMINISTRATOR, Role.MINISTER)
    return next(role.value for role in roles if right == ANYBODY or right in PERMISSIONS[role])


# -- the document ---------------------------------------------------------------------------------------------------------


def test_every_promised_path_exists(operations: list[Operation]) -> None:
    words = PROMISED.split()
    promised = set(zip(words[::2], words[1::2], strict=True))
    assert promised - {(operation.method, operation.path) for operation in operations} == set()


def test_each_operation_is_described(operations: list[Operation]) -> None:
    ids = [operation.id for operation in operations]
    assert len(ids) == len(set(ids))
    for operation in operations:
        assert operation.spec["summary"], operation.id
        assert operation.spec["description"], operation.id
        for status, response in operation.spec["responses"].items():
            assert response["description"], (operation.id, status)
            if status >= "400":
                assert set(response["content"]) <= {"application/problem+json", "text/html"}, (operation.id, status)
        if not operation.is_public:
            assert {"401", "403"} <= set(operation.spec["responses"]), operation.id


def test_each_body_has_an_example(operations: list[Operation]) -> None:
    bodies = {operation.id: operation.body() for operation in operations}
    assert [name for name, body in bodies.items() if body is not None and body[1] is None] == []


def test_the_document_names_what_needs_no_account(operations: list[Operation]) -> None:
    assert {operation.id for operation in operations if operation.is_public} == PUBLIC
    assert {operation.id for operation in operations} - PUBLIC == set(RIGHT_OF)


# -- who may ---------------------------------------------------------------------------------------------------------------


def test_nobody_gets_in_without_an_account(world: World, operations: list[Operation]) -> None:
    wrong = {"Authorization": "Bearer no-token-of-ours"}
    for operation in operations:
        if operation.id not in PUBLIC:
            assert world.call(operation, None).status_code == 401, operation.id
            answer = world.call(operation, None, headers=wrong)
            assert (answer.status_code, faults(operation, answer)) == (401, []), operation.id


def test_each_role_may_do_exactly_what_its_rights_say(world: World, operations: list[Operation]) -> None:
    wrong = []
    for operation in asked_at_once(operations):
        for role in Role if operation.id not in PUBLIC else ():
            # Who heads a mission opens without a level on the minister's word.
            is_own_body = operation.id == "open_incident" and role is Role.HEAD_OF_MISSION
            answer = world.call(operation, role.value, **({"json": incident_body(areas=[HATAY])} if is_own_body else {}))
            wrong += [f"{operation.id} by {role}: {fault}" for fault in faults(operation, answer)]
            is_refused = answer.status_code == 403
            if is_refused == may(role, operation.id):
                wrong.append(f"{operation.id} by {role}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


def may(role: Role, operation_id: str) -> bool:
    """The right, and what only a word in the body decides: a mission speaks for itself, the ministry for the rest."""
    if operation_id == "change_incident":
        return role is Role.DUTY_OFFICER
    return has_right(role, operation_id) and not (operation_id in MINISTRY_ONLY and role in MISSION_ROLES)


def has_right(role: Role, operation_id: str) -> bool:
    """Whether the operation lets the role in; of another mission's things it then knows nothing."""
    right = RIGHT_OF[operation_id]
    return right == ANYBODY or right in PERMISSIONS[role]


def test_another_missions_things_do_not_exist(world: World, operations: list[Operation], sign_in: Callable[..., dict[str, str]]) -> None:
    world.who["other"] = sign_in("mission_staff", "kbri-tokyo", via="token")
    # No mission's: a mission's own code, a country's rules, the register's runs. And public doors have no mission to ask.
    shared = {"code", "run_id", "provider"}
    tried = set()
    for operation in asked_at_once(operations):
        if operation.id in PUBLIC or not operation.path_names or shared & set(operation.path_names):
            continue
        if has_right(Role.MISSION_STAFF, operation.id):
            own_word = {"json": report_body(source="mission:kbri-tokyo")} if operation.id == "file_report" else {}
            answer = world.call(operation, "other", **own_word)
            assert (answer.status_code, faults(operation, answer)) == (404, []), operation.id
            tried.add(operation.id)
    assert {"get_incident", "get_broadcast", "get_report", "get_person", "get_checkin", "handle_message", "file_report"} <= tried
    assert tried >= MINISTRY_ONLY  # that there is such a thing is not told before who may give it away


# What every mission may read.
SHARED_LISTS = {"get_missions", "list_country_rules"}


def test_a_list_shows_nothing_of_another_mission(world: World, operations: list[Operation], sign_in: Callable[..., dict[str, str]]) -> None:
    world.who["other"] = sign_in("mission_staff", "kbri-tokyo", via="token")
    for operation in operations:
        is_own = operation.is_list and not operation.path_names and operation.id not in SHARED_LISTS
        if is_own and has_right(Role.MISSION_STAFF, operation.id):  # the rest is refused: test_each_role_may_…
            answer = world.call(operation, "other").json()
            assert (answer if operation.id in QUEUES else answer["items"]) == [], operation.id
            own = world.call(operation, "mission_staff").json()
            assert (own if operation.id in QUEUES else own["items"]) != [], operation.id


# -- acting once -----------------------------------------------------------------------------------------------------------


def test_every_acting_post_needs_a_key(world: World, operations: list[Operation]) -> None:
    for operation in operations:
        if operation.method != "POST" or operation.id in WITHOUT_KEY:
            continue
        answer = world.call(operation, role_for(operation), headers={"Idempotency-Key": ""})
        assert answer.status_code == 400, operation.id
        assert "Idempotency-Key" in answer.json()["field"], operation.id


def test_repeating_gives_the_first_answer_and_another_body_is_refused(world: World, operations: list[Operation]) -> None:
    for operation in asked_at_once(operations):
        if not operation.needs_key:
            continue
        headers, role = headers_for(operation), role_for(operation)
        first, second = (world.call(operation, role, headers=headers) for _ in range(2))
        assert first.status_code not in {401, 403, 422}, (operation.id, first.text)
        assert (second.status_code, second.content) == (first.status_code, first.content), operation.id
        assert (first.headers.get("idempotency-replayed"), second.headers.get("idempotency-replayed")) == (None, "true"), operation.id
        if operation.body() is not None:
            other = world.call(operation, role, headers=headers, **another_body(operation, world))
            assert (other.status_code, faults(operation, other)) == (422, []), operation.id
            assert other.json()["code"] == "key_reused", (operation.id, other.text)


def test_a_key_stores_and_tells_nothing_for_somebody_without_an_account(
    world: World, operations: list[Operation], session: Session
) -> None:
    stored = select(func.count()).select_from(IdempotencyKey)
    for operation in asked_at_once(operations):
        if not operation.needs_key or operation.id in PUBLIC:
            continue
        headers, before = headers_for(operation), session.scalar(stored)
        assert world.call(operation, None, headers=headers).status_code == 401, operation.id
        assert session.scalar(stored) == before, operation.id
        world.call(operation, role_for(operation), headers=headers)
        for more in ({}, another_body(operation, world) if operation.body() is not None else {}):
            answer = world.call(operation, None, headers=headers, **more)
            assert (answer.status_code, "idempotency-replayed" in answer.headers) == (401, False), operation.id


def another_body(operation: Operation, world: World) -> dict[str, Any]:
    """The same thing in other bytes."""
    arguments = operation.body_arguments(world.ids)
    if "content" in arguments:
        return {"content": arguments["content"] + b"\n"}
    other = dict(reversed(arguments["json"].items())) | _spare(operation)
    assert list(other.items()) != list(arguments["json"].items()), f"{operation.id}: give it another value in _spare"
    return {"json": other}


def _spare(operation: Operation) -> dict[str, Any]:
    """For a body with one field there is no other order: another value."""
    fields: dict[str, dict[str, Any]] = {
        "withdraw_statement": {"reason": "by_mistake"},
        "set_email_address": {"email": "lain@example.org"},
        "enrol_as_tester": {"consented_at": "2026-01-01T00:00:00Z"},
        "close_incident": {"reason": "lain"},
        "reopen_incident": {"reason": "lain"},
        "answer_crew_call": {"answer": "cannot"},
        "take_over_incident": {"reason": "lain"},
        "reject_broadcast": {"reason": "lain"},
        "revoke_report_codes": {"reason": "lain"},
        "cancel_broadcast": {"reason": "lain"},
        "remove_picture": {"reason": "lain"},
        "approve_broadcast": {"content_hash": "f" * 64},
        "approve_template": {"content_hash": "f" * 64},
        "confirm_first_alert": {"content_hash": "f" * 64},
        "approve_wave": {"count": 3},
        "follow_up_broadcast": {"texts": {"id": "Lain.", "en": "Other."}},
        "grant_export": {"row_count": 4},
        "assign_message": {"mission_code": "kbri-tokyo"},
        "assign_case": {"mission_code": "kbri-tokyo"},
        "note_case": {"note": "lain"},
        "note_enquiry": {"note": "lain"},
        "assign_enquiry": {"mission_code": "kbri-tokyo"},
        "join_enquiry": {"into": "01998d5e-0000-7000-8000-000000000009"},
        "tell_caller": {"told": ["safe"]},
        "recognise_sought": {"person_id": "01998d5e-0000-7000-8000-000000000009"},
        "end_call": {"outcome": "refused"},
        "handle_message": {"answer": "safe"},
    }
    return fields.get(operation.id, {})


def test_the_same_key_at_the_same_time_acts_once(
    committed_client: TestClient, sessions: Sessions, sign_in: Callable[..., dict[str, str]]
) -> None:
    with sessions.begin() as session:
        make_incident(session)
        before = count_incidents(session)
    headers = sign_in("duty_officer", via="token") | {"Idempotency-Key": "the one"}

    def ask(_: int) -> Any:
        return committed_client.post("/api/v1/incidents", json=incident_body(), headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.headers.get("idempotency-replayed", "") for answer in answers) == ["", *["true"] * 7]
    with sessions.begin() as session:
        assert count_incidents(session) == before + 1


def count_incidents(session: Session) -> int:
    return session.execute(select(func.count()).select_from(Incident)).scalar_one()


# -- versions, lists, form ---------------------------------------------------------------------------------------------------


def test_a_change_needs_the_version_it_is_based_on(world: World, operations: list[Operation]) -> None:
    patches = [operation for operation in operations if operation.method == "PATCH"]
    assert patches
    for operation in patches:
        headers = headers_for(operation) | world.who["duty_officer"]
        del headers["If-Match"]
        path = operation.path.format(**world.ids)
        answer = world.client.patch(path, headers=headers, **operation.body_arguments(world.ids))
        assert (answer.status_code, faults(operation, answer)) == (428, []), operation.id
        stale = world.call(operation, "duty_officer", headers={"If-Match": '"0"'})
        assert (stale.status_code, faults(operation, stale)) == (412, []), operation.id
        assert stale.json()["current"]["id"], operation.id
        current = {"If-Match": stale.json()["etag"]}
        assert world.call(operation, "duty_officer", headers=current).status_code == 200, operation.id


def test_reads_have_etags(world: World, operations: list[Operation]) -> None:
    for operation in asked_at_once(operations):
        if "304" not in operation.spec["responses"] or operation.id in OPENED_FIRST:
            continue
        role = role_for(operation)
        first = world.call(operation, role)
        assert first.status_code == 200, (operation.id, first.text)
        etag = first.headers["etag"]
        again = world.call(operation, role, headers={"If-None-Match": f'"other", W/{etag}'})
        if operation.id not in {"get_summary", "get_brief", "get_broadcast"}:  # ages, and how many more match by now
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag), operation.id


def test_no_cache_keeps_for_another_what_one_was_told(world: World, operations: list[Operation]) -> None:
    for operation in asked_at_once(operations):
        if operation.path.startswith("/api/v1/"):
            headers = world.call(operation, role_for(operation)).headers
            assert headers["cache-control"] in {"no-store", "private, no-cache"} or operation.id in PUBLIC, operation.id
            assert headers["x-content-type-options"] == "nosniff", operation.id


def test_lists_go_by_cursor_newest_first(world: World, operations: list[Operation]) -> None:
    for operation in operations:
        if operation.id in {
            "open_incident",
            "draft_broadcast",
            "record_checkin",
            "open_person",
            "post_import",
            "file_report",
            "write_template",
        }:
            answer = world.call(operation, role_for(operation))
            assert answer.status_code == 201, (operation.id, answer.text)
    for operation in operations:
        if operation.is_list and operation.id not in QUEUES:
            everything = world.call(operation, role_for(operation), params={"limit": 200}).json()["items"]
            keys = [item.get("id") or item.get("code") or item.get("line") for item in everything]
            one_by_one = list(walk(world, operation))[: len(keys)]
            assert one_by_one == keys[: len(one_by_one)], operation.id
            if operation.id not in OTHER_ORDER:
                assert len(keys) > 1, operation.id
                assert keys == sorted(keys, reverse=True), operation.id


def walk(world: World, operation: Operation, pages: int = 5) -> Iterator[Any]:
    """The keys of the first pages, one thing a page."""
    cursor: dict[str, Any] = {}
    for _ in range(pages):
        page = world.call(operation, role_for(operation), params={"limit": 1} | cursor).json()
        assert len(page["items"]) == 1, operation.id
        yield from (item.get("id") or item.get("code") or item.get("line") for item in page["items"])
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def test_a_list_is_never_longer_than_200(world: World, operations: list[Operation]) -> None:
    wrong: list[dict[str, Any]] = [{"limit": 201}, {"limit": 0}, {"limit": "many"}, {"cursor": "?"}, {"cursor": "\x00"}]
    for operation in operations:
        for query in wrong if operation.is_list else ():
            if operation.id not in QUEUES or "limit" in query:
                answer = world.call(operation, role_for(operation), params=query)
                assert (answer.status_code, faults(operation, answer)) == (422, []), operation.id
                assert next(iter(query)) in answer.json()["field"], operation.id


def test_an_unknown_field_is_refused_by_its_name(world: World, operations: list[Operation]) -> None:
    for operation in operations:
        arguments = operation.body_arguments(world.ids)
        if "json" in arguments and operation.id not in STRANGERS_WORDS:
            answer = world.call(operation, role_for(operation), json=arguments["json"] | {"no_such_field": 1})
            assert (answer.status_code, faults(operation, answer)) == (422, []), operation.id
            assert answer.json()["field"] == "no_such_field", operation.id


def test_every_example_is_taken_as_written(world: World, operations: list[Operation]) -> None:
    """By whoever may; a state may forbid it, its form never."""
    for operation in asked_at_once(operations):
        if operation.body() is not None and operation.id not in PUBLIC:
            answer = world.call(operation, role_for(operation))
            assert faults(operation, answer) == [], operation.id
            assert answer.status_code not in {400, 413, 415, 422}, (operation.id, answer.text)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/v1/nothing", 404), ("PUT", "/api/v1/incidents", 405)])
def test_what_does_not_exist_is_a_problem_too(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == answer.json()["title"].lower().replace(" ", "_")
