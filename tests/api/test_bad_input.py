"""Every row of "bad input": what the caller gets. Most rows are proven where the thing lives; the table says where."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, true
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember
from alerts.citizens.queries import find_by_phone
from alerts.kit.audit import list_actions
from alerts.kit.crypto import Keyring
from tests.api.interface import problem_faults
from tests.factories.citizens import make_citizen
from tests.factories.incidents import HATAY, TURKEY, make_incident

SignIn = Callable[..., dict[str, str]]
TESTS = Path(__file__).parents[1]
HERE = "api/test_bad_input.py"
TEXTS = {"id": "Gempa kuat. Jauhi gedung retak.", "en": "Strong earthquake. Keep away from cracked buildings."}
WRITTEN = ("0812 3456 789", "+62 812-3456-789", "(0812) 3456.789", "＋６２８１２３４５６７８９")
NINETEEN = "1234567890123456789"

# The row of the design → the tests that prove it.
PROOFS: dict[str, tuple[str, ...]] = {
    "0812…, +62 812-3456-789, full-width digits → one E.164": (
        "citizens/test_phones.py::test_one_number_however_it_is_written",
        f"{HERE}::test_one_number_however_a_file_writes_it",
    ),
    "19 digits → refused by field": (
        "citizens/test_phones.py::test_what_is_no_number_is_refused_by_field",
        f"{HERE}::test_nineteen_digits_are_no_number",
    ),
    "the same person twice → one send": (
        f"{HERE}::test_somebody_in_two_areas_and_a_list_is_one_on_the_list",
        "citizens/test_import.py::test_an_id_that_stands_twice_is_taken_once",
        "deliveries/test_sending.py::test_releasing_and_sending_again_changes_nothing",
    ),
    "NUL → 422": ("api/test_fuzz.py::test_horrors", "api/test_http.py::test_a_list_is_never_longer_than_200"),
    "a URL to a UAE audience → blocked at compose with the reason": (
        "broadcasts/test_routes.py::test_a_link_or_number_to_an_emirates_number_is_refused_with_the_reason",
        "channels/test_country_rules.py::test_a_link_is_barred_with_the_reason",
    ),
    "empty audience → cannot approve": ("broadcasts/test_routes.py::test_an_empty_list_cannot_be_approved",),
    "resubmitted after submit → the old approval is void": (f"{HERE}::test_a_resubmission_is_approved_by_its_own_hash_only",),
    "author, editor or submitter approves → 403 and audit": (
        "broadcasts/test_routes.py::test_who_wrote_edited_or_submitted_cannot_approve_and_the_attempt_is_logged",
        "broadcasts/test_routes.py::test_the_database_itself_refuses_an_approval_by_the_author",
        f"{HERE}::test_who_edited_or_submitted_cannot_approve_either",
    ),
    "edit after approval → void": ("broadcasts/test_routes.py::test_an_edit_voids_a_submission_and_an_approval",),
    "same key, same body → same answer; other body → 422": (
        "api/test_http.py::test_repeating_gives_the_first_answer_and_another_body_is_refused",
        "api/test_http.py::test_the_same_key_at_the_same_time_acts_once",
    ),
    "two missions file at once → both kept, the later conflicting": (
        "reports/test_filing.py::test_two_at_once_are_both_kept_and_the_later_conflicts",
    ),
    "a stale version of a report → kept, conflicting": ("reports/test_filing.py::test_a_correction_supersedes_and_a_second_one_conflicts",),
    "negative, decimal, 1e9 casualties → 201 held": ("reports/test_filing.py::test_what_cannot_be_counted_is_held_and_kept",),
    "total not the sum within an axis → 201 held with the reason per line": ("reports/test_filing.py::test_arithmetic_within_an_axis",),
    "unknown inbound number → unmatched tray": ("inbox/test_understanding.py::test_nobody_we_know_goes_to_the_tray",),
    "STOP, stop., BERHENTI → opt-out": (
        "inbox/test_rules.py::test_opting_out_in_both_languages",
        "inbox/test_understanding.py::test_an_opt_out_is_kept_and_is_no_answer",
    ),
    "TOLONG 2, empty, 10-part → kept raw, flagged": (
        "inbox/test_rules.py::test_a_call_for_help_in_other_words_is_read_first",
        "inbox/test_understanding.py::test_odd_messages_are_flagged_and_left_to_a_person",
        "inbox/test_hook.py::test_a_message_is_kept_raw_and_answered_before_it_is_read",
    ),
    "bad signature 403": ("inbox/test_hook.py::test_a_bad_signature_is_refused", f"{HERE}::test_a_receipt_that_nobody_signed_is_refused"),
    "5 MB body 413": ("inbox/test_hook.py::test_a_large_body_is_refused_before_it_is_read", f"{HERE}::test_five_megabytes_are_too_many"),
    "a file of the wrong kind → 422 per row, the good rows shown before anything is saved": (
        "citizens/test_reading.py::test_another_kind_of_file_is_refused",
        "citizens/test_import.py::test_a_file_without_one_acceptable_row_is_refused_row_by_row",
        "citizens/test_imports_api.py::test_a_wrong_file_is_a_problem_document",
        "citizens/test_imports_api.py::test_a_dry_run_shows_the_good_rows_and_saves_nobody",
    ),
}


@pytest.mark.parametrize("row", PROOFS)
def test_every_row_has_its_proof(row: str) -> None:
    for proof in PROOFS[row]:
        file, _, name = proof.partition("::")
        tree = ast.parse((TESTS / file).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, proof


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


# -- phones ------------------------------------------------------------------------------------------------------------------


def upload(client: TestClient, headers: dict[str, str], phones: tuple[str, ...]) -> Any:
    rows = "".join(f'P-{number},Contoh Nama {number},"{phone}",ID\n' for number, phone in enumerate(phones))
    content = f"external_id,name,phone,country\n{rows}".encode()
    answer = client.post("/api/v1/imports", content=content, headers=headers | new_key() | {"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_one_number_however_a_file_writes_it(client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn) -> None:
    upload(client, sign_in("duty_officer"), WRITTEN)
    found = find_by_phone(session, keyring, "+628123456789")
    assert {citizen.external_id for citizen in found} == {f"P-{number}" for number in range(len(WRITTEN))}


def test_nineteen_digits_are_no_number(client: TestClient, sign_in: SignIn) -> None:
    headers = sign_in("duty_officer")
    run = upload(client, headers, (NINETEEN,))
    [row] = client.get(f"/api/v1/imports/{run['id']}/rows", headers=headers).json()["items"]
    assert [problem["field"] for problem in row["problems"]] == ["phone"]


# -- messages ----------------------------------------------------------------------------------------------------------------


def draft(client: TestClient, headers: dict[str, str], incident_id: object) -> str:
    answer = client.post(f"/api/v1/incidents/{incident_id}/broadcasts", json={"texts": TEXTS}, headers=headers | new_key())
    assert answer.status_code == 201, answer.text
    return f"/api/v1/broadcasts/{answer.json()['id']}"


def submit(client: TestClient, headers: dict[str, str], path: str) -> dict[str, Any]:
    answer = client.post(f"{path}/submit", headers=headers | new_key())
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def approve(client: TestClient, headers: dict[str, str], path: str, content_hash: str) -> Any:
    return client.post(f"{path}/approve", json={"content_hash": content_hash}, headers=headers | new_key())


def test_somebody_in_two_areas_and_a_list_is_one_on_the_list(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn
) -> None:
    person = make_citizen(session, keyring, province_code="TR-31")
    named = {"kind": "group", "name": "Rombongan", "source": "agen", "version": "1", "members": [person.external_id]}
    incident = make_incident(session, areas=[TURKEY, HATAY], lists=[named])
    session.commit()
    headers = sign_in("duty_officer")
    submitted = submit(client, headers, draft(client, headers, incident.id))
    assert submitted["audience_count"] == 1
    members = select(func.count()).select_from(AudienceMember).where(AudienceMember.citizen_id == person.id)
    assert session.execute(members).scalar_one() == 1


def test_a_resubmission_is_approved_by_its_own_hash_only(client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn) -> None:
    make_citizen(session, keyring)
    incident = make_incident(session)
    session.commit()
    officer, approver = sign_in("duty_officer"), sign_in("approver")
    path = draft(client, officer, incident.id)
    first, second = submit(client, officer, path), submit(client, officer, path)
    assert first["content_hash"] != second["content_hash"]
    old = approve(client, approver, path, first["content_hash"])
    assert (old.status_code, problem_faults(old)) == (409, [])
    assert approve(client, approver, path, second["content_hash"]).status_code == 200


@pytest.mark.parametrize("deed", ["edited", "submitted"])
def test_who_edited_or_submitted_cannot_approve_either(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, deed: str
) -> None:
    make_citizen(session, keyring)
    incident = make_incident(session)
    session.commit()
    author, other = sign_in("duty_officer"), sign_in("duty_officer", display_name="Orang Kedua")
    path = draft(client, author, incident.id)
    if deed == "edited":
        version = client.get(path, headers=author).headers["etag"]
        assert client.patch(path, json={"validity_seconds": 600}, headers=other | {"If-Match": version}).status_code == 200
    submitted = submit(client, other if deed == "submitted" else author, path)
    session.execute(text("UPDATE staff SET role = 'approver' WHERE display_name = 'Orang Kedua'"))
    session.commit()
    refused = approve(client, other, path, submitted["content_hash"])
    assert (refused.status_code, refused.json()["code"]) == (403, "own_work")
    assert "broadcast.decision_refused" in [row.action for row in list_actions(session, incident.id, true())]


# -- the doors -----------------------------------------------------------------------------------------------------------------


def test_a_receipt_that_nobody_signed_is_refused(client: TestClient) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    for headers in ({}, {"X-Twilio-Signature": "AAAA"}):
        answer = client.post("/hooks/twilio/status/any", data=form, headers=headers)
        assert (answer.status_code, answer.json()["code"], problem_faults(answer)) == (403, "bad_signature", [])


@pytest.mark.parametrize("path", ["/hooks/twilio/status/any", "/hooks/twilio/inbound", "/api/v1/incidents", "/api/v1/session", "/i/any"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_five_megabytes_are_too_many(client: TestClient, sign_in: SignIn, path: str, is_declared: bool) -> None:
    kind = "application/json" if path.startswith("/api") else "application/x-www-form-urlencoded"
    body = b'{"title": "' + b"x" * 5_000_000
    headers = sign_in("duty_officer", via="token") | new_key() | {"Content-Type": kind}
    pieces = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
    answer = client.post(path, content=body if is_declared else pieces, headers=headers)
    assert (answer.status_code, problem_faults(answer)) == (413, [])
