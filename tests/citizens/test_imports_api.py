"""Imports over HTTP: who may, what is answered, and how results are read back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from alerts.citizens import routes
from alerts.citizens.models import Citizen

URL = "/api/v1/imports"
FILE = "external_id,name,country,phone,province\nA1,Contoh Satu,TR,+62 812-3456-789,Hatay\nA2,Contoh Dua,TR,12345,Hatay\n,Tanpa Id,TR,,\n"


@pytest.fixture
def headers(sign_in: Callable[..., dict[str, str]]) -> dict[str, str]:
    return sign_in("duty_officer") | {"Content-Type": "text/csv", "Idempotency-Key": "k1"}


@pytest.fixture
def post(client: TestClient, sign_in: Callable[..., dict[str, str]]) -> Callable[..., Response]:
    signed = sign_in("duty_officer")

    def send(content: str | bytes = FILE, *, key: str = "k1", query: str = "") -> Response:
        headers = signed | {"Content-Type": "text/csv", "Idempotency-Key": key}
        return client.post(f"{URL}{query}", content=content if isinstance(content, bytes) else content.encode(), headers=headers)

    return send


def count(session: Session) -> int:
    session.expire_all()
    return session.scalar(select(func.count()).select_from(Citizen)) or 0


def test_an_upload_is_answered_with_counts_preview_and_refusals(post: Callable[..., Response], session: Session) -> None:
    answer = post()
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["counts"] == {"created": 2, "updated": 0, "unchanged": 0, "rejected": 1, "warnings": 1}
    assert [(row["line"], row["outcome"], row["province"]) for row in body["preview"]] == [(2, "created", "TR-31"), (3, "created", "TR-31")]
    assert [(row["line"], row["problems"][0]["code"]) for row in body["refused"]] == [(4, "external_id_missing")]
    assert answer.headers["location"] == f"{URL}/{body['id']}"
    assert count(session) == 2


def test_a_dry_run_shows_the_good_rows_and_saves_nobody(post: Callable[..., Response], session: Session) -> None:
    answer = post(query="?dry_run=true")
    assert answer.status_code == 201
    assert answer.json()["is_dry_run"] is True
    assert answer.json()["preview"][0]["name"] == "C••• S•••"
    assert count(session) == 0


def test_neither_answer_nor_stored_answer_holds_personal_data(post: Callable[..., Response], session: Session) -> None:
    answer = post()
    stored = session.execute(text("SELECT body FROM idempotency_key")).scalars().all()
    for secret in ("Contoh Satu", "3456", "Contoh Dua"):
        assert secret not in answer.text
        assert all(secret.encode() not in body for body in stored)


def test_the_same_key_replays_and_another_file_under_it_is_refused(post: Callable[..., Response], session: Session) -> None:
    first, again = post(), post()
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (201, first.json(), "true")
    assert post(FILE.replace("A1", "A9")).status_code == 422
    assert post(key="k2").json()["counts"]["unchanged"] == 2
    assert count(session) == 2


def test_rows_are_read_back_by_cursor_and_outcome(post: Callable[..., Response], client: TestClient, headers: dict[str, str]) -> None:
    rows = "".join(f"P{n},Contoh,TR,,\n" for n in range(7))
    run_id = post(FILE + rows).json()["id"]
    seen, cursor = [], 0
    while cursor is not None:
        page = client.get(f"{URL}/{run_id}/rows?limit=3&cursor={cursor}", headers=headers).json()
        seen += [row["line"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert seen == list(range(2, 12))
    rejected = client.get(f"{URL}/{run_id}/rows?outcome=rejected", headers=headers).json()["items"]
    assert [(row["line"], row["citizen_id"]) for row in rejected] == [(4, None)]


def test_the_result_as_csv_holds_no_formula(post: Callable[..., Response], client: TestClient, headers: dict[str, str]) -> None:
    run_id = post("external_id,name,country\n=2+5,Contoh,TR\n@x,Contoh,TR\nA1,Contoh,TR\n").json()["id"]
    answer = client.get(f"{URL}/{run_id}/rows.csv", headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[2] for line in answer.text.splitlines()[1:]] == ["'=2+5", "'@x", "A1"]


def test_imports_are_listed_newest_first(post: Callable[..., Response], client: TestClient, headers: dict[str, str]) -> None:
    ids = [post(key=f"k{n}").json()["id"] for n in range(3)]
    page = client.get(f"{URL}?limit=2", headers=headers).json()
    assert [run["id"] for run in page["items"]] == ids[:0:-1]
    rest = client.get(f"{URL}?limit=2&cursor={page['next_cursor']}", headers=headers).json()
    assert ([run["id"] for run in rest["items"]], rest["next_cursor"]) == (ids[:1], None)
    assert client.get(f"{URL}/{ids[0]}", headers=headers).json()["counts"]["created"] == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04....", "not_a_csv_file"),
        (b"", "empty_file"),
        (b"a,b\n1,2\n", "missing_columns"),
        (b"external_id,name,country\n", "no_rows"),
        (b"external_id,name,country\n,x,TR\n", "no_acceptable_row"),
    ],
)
def test_a_wrong_file_is_a_problem_document(post: Callable[..., Response], content: bytes, code: str) -> None:
    answer = post(content)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, "file")


def test_too_many_rows(post: Callable[..., Response], session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ROWS_MAX", 2)
    answer = post()
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_rows")
    assert count(session) == 0


def test_the_key_is_required_and_so_is_the_right(
    client: TestClient, headers: dict[str, str], sign_in: Callable[..., dict[str, str]]
) -> None:
    assert client.post(URL, content=FILE.encode()).status_code == 401
    staff = sign_in("mission_staff", "kbri-ankara") | {"Idempotency-Key": "k"}
    assert client.post(URL, content=FILE.encode(), headers=staff).status_code == 403
    assert client.get(URL, headers=staff).status_code == 403
    duty = sign_in("duty_officer")
    assert client.post(URL, content=FILE.encode(), headers=duty).status_code == 400
