"""Signing in over HTTP: cookies, refusals, throttling, and what happens to a disabled account."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker
from starlette.requests import Request

from alerts.kit.actor import SYSTEM
from alerts.settings import Settings
from alerts.staff.access import LOOPBACK_COOKIE, SECURE_COOKIE, client_address, cookie_name
from alerts.staff.actions import disable_staff
from alerts.staff.models import SignInAttempt, StaffSession
from alerts.staff.rules import ACCOUNT_LIMIT, ADDRESS_LIMIT
from tests.factories.staff import PASSWORD, make_session, make_staff, session_headers, token_headers

ORIGIN = {"Origin": "http://testserver"}


def post(client: TestClient, username: str, password: str = PASSWORD, **headers: str) -> int:
    body = {"username": username, "password": password}
    return client.post("/api/v1/session", json=body, headers=ORIGIN | headers).status_code


def test_the_right_password_opens_a_session_that_me_knows(client: TestClient, session: Session) -> None:
    staff = make_staff(session, "duty_officer")
    answer = client.post("/api/v1/session", json={"username": staff.username.upper(), "password": PASSWORD})
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"].lower()
    assert f"{LOOPBACK_COOKIE}=" in cookie
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    me = client.get("/api/v1/me").json()
    assert (me["username"], me["role"], me["via"]) == (staff.username, "duty_officer", "session")
    assert "open_incident" in me["permissions"]


def test_the_cookie_is_stored_as_a_hash_only(client: TestClient, session: Session) -> None:
    staff = make_staff(session)
    answer = client.post("/api/v1/session", json={"username": staff.username, "password": PASSWORD})
    secret = answer.cookies[LOOPBACK_COOKIE]
    stored = session.scalars(select(StaffSession.token_hash)).one()
    assert len(secret) >= 22  # 128 bits in base64
    assert secret.encode() not in stored


def test_by_https_the_cookie_is_bound_to_the_host(make_settings: Callable[..., Settings], settings: Settings) -> None:
    secure = make_settings(settings.database.url.get_secret_value(), SIAGA_PUBLIC_URL="https://siaga.example")
    assert cookie_name(secure) == SECURE_COOKIE
    assert cookie_name(settings) == LOOPBACK_COOKIE


def test_signing_out_ends_the_session_on_the_server(client: TestClient, session: Session) -> None:
    headers = session_headers(session, make_staff(session), client.app.state.settings)  # type: ignore[attr-defined]
    assert client.delete("/api/v1/session", headers=headers).status_code == 204
    assert client.get("/api/v1/me", headers=headers).status_code == 401


@pytest.mark.parametrize("case", ["wrong password", "unknown account", "disabled account"])
def test_all_refusals_look_the_same(client: TestClient, session: Session, case: str) -> None:
    staff = make_staff(session, is_active=case != "disabled account")
    username = "nobody.here" if case == "unknown account" else staff.username
    password = "bukan kata sandinya" if case == "wrong password" else PASSWORD
    answer = client.post("/api/v1/session", json={"username": username, "password": password})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "sign_in_refused"
    assert "set-cookie" not in answer.headers


def test_a_refused_try_is_kept_although_the_answer_is_an_error(client: TestClient, session: Session) -> None:
    post(client, "nobody.here")
    assert session.scalar(select(func.count()).select_from(SignInAttempt).where(~SignInAttempt.is_success)) == 1


def test_the_account_is_throttled_after_its_limit_even_with_the_right_password(client: TestClient, session: Session) -> None:
    staff = make_staff(session)
    wrong = [post(client, staff.username, "bukan kata sandinya") for _ in range(ACCOUNT_LIMIT.failures)]
    assert wrong == [401] * ACCOUNT_LIMIT.failures
    answer = client.post("/api/v1/session", json={"username": staff.username, "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= ACCOUNT_LIMIT.window.total_seconds() + 1


def test_a_forged_forwarded_for_does_not_help(client: TestClient, session: Session) -> None:
    staff = make_staff(session)
    for number in range(ACCOUNT_LIMIT.failures):
        post(client, staff.username, "bukan kata sandinya", **{"X-Forwarded-For": f"203.0.113.{number}"})
    assert len(set(session.scalars(select(SignInAttempt.address_index)))) == 1
    assert post(client, staff.username, PASSWORD, **{"X-Forwarded-For": "198.51.100.7"}) == 429


def test_one_address_cannot_spray_many_accounts(client: TestClient, session: Session, settings: Settings) -> None:
    address = settings.keyring.blind_index("address:testclient")
    session.add_all(
        SignInAttempt(account_index=bytes([number]), address_index=address, is_success=False) for number in range(ADDRESS_LIMIT.failures)
    )
    session.commit()
    assert post(client, make_staff(session).username) == 429


def test_strangers_cannot_lock_out_somebody_who_signed_in_from_here_before(
    client: TestClient, session: Session, settings: Settings
) -> None:
    staff = make_staff(session)
    assert post(client, staff.username) == 201
    account = settings.keyring.blind_index(f"account:{staff.username}")
    session.add_all(SignInAttempt(account_index=account, address_index=bytes([number]), is_success=False) for number in range(50))
    session.commit()
    assert post(client, staff.username) == 201


def test_throttling_ends_when_the_window_has_passed(client: TestClient, session: Session) -> None:
    staff = make_staff(session)
    for _ in range(ACCOUNT_LIMIT.failures):
        post(client, staff.username, "bukan kata sandinya")
    session.execute(update(SignInAttempt).values(attempted_at=func.now() - ACCOUNT_LIMIT.window))
    session.commit()
    assert post(client, staff.username) == 201


def test_many_tries_at_once_count_as_many(committed_client: TestClient, sessions: sessionmaker[Session]) -> None:
    """Without the lock all of them would look before any had been counted."""
    with sessions.begin() as session:
        username = make_staff(session).username

    def wrong(_: int) -> int:
        return post(committed_client, username, "bukan kata sandinya")

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(wrong, range(ACCOUNT_LIMIT.failures + 6)))
    assert answers.count(401) == ACCOUNT_LIMIT.failures
    assert answers.count(429) == 6


def test_a_disabled_account_is_refused_at_its_next_request(client: TestClient, session: Session, settings: Settings) -> None:
    staff = make_staff(session)
    cookie, token = session_headers(session, staff, settings), token_headers(session, staff)
    assert client.get("/api/v1/me", headers=cookie).status_code == 200
    assert client.get("/api/v1/me", headers=token).status_code == 200
    disable_staff(session, actor=SYSTEM, staff_id=staff.id)
    session.commit()
    assert client.get("/api/v1/me", headers=cookie).status_code == 401
    assert client.get("/api/v1/me", headers=token).status_code == 401


@pytest.mark.parametrize(
    ("column", "past", "status"),
    [
        ("last_seen_at", timedelta(minutes=30, seconds=-5), 200),
        ("last_seen_at", timedelta(minutes=30, seconds=5), 401),
        ("created_at", timedelta(hours=12, seconds=-5), 200),
        ("created_at", timedelta(hours=12, seconds=5), 401),
    ],
)
def test_a_session_ends_when_idle_or_old(
    client: TestClient, session: Session, settings: Settings, column: str, past: timedelta, status: int
) -> None:
    headers = session_headers(session, make_staff(session), settings)
    session.execute(update(StaffSession).values({column: func.now() - past}))
    session.commit()
    assert client.get("/api/v1/me", headers=headers).status_code == status


def test_a_session_in_use_does_not_become_idle(client: TestClient, session: Session, settings: Settings) -> None:
    headers = session_headers(session, make_staff(session), settings)
    session.execute(update(StaffSession).values(last_seen_at=func.now() - timedelta(minutes=15)))
    session.commit()
    client.get("/api/v1/me", headers=headers)
    is_fresh = select(StaffSession.last_seen_at > func.now() - timedelta(seconds=5))
    assert session.scalars(is_fresh).all() == [True]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://testserver"}, 204),
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://testserver.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_change_with_a_cookie_must_come_from_our_own_pages(
    client: TestClient, session: Session, headers: dict[str, str], status: int
) -> None:
    secret = make_session(session, make_staff(session))
    cookie = {"Cookie": f"{LOOPBACK_COOKIE}={secret}"}
    assert client.delete("/api/v1/session", headers=cookie | headers).status_code == status


def test_another_site_cannot_sign_a_browser_in(client: TestClient, session: Session) -> None:
    assert post(client, make_staff(session).username, Origin="http://evil.example") == 403


def test_a_handed_over_password_opens_nothing_but_its_own_change(client: TestClient, session: Session, settings: Settings) -> None:
    headers = session_headers(session, make_staff(session, "administrator", must_change_password=True), settings)
    assert client.get("/api/v1/me", headers=headers).json()["must_change_password"] is True
    refused = client.get("/api/v1/missions", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required")


@pytest.mark.parametrize(
    "body",
    [{}, {"username": "a"}, {"username": "a\x00b", "password": "x"}, {"username": "a", "password": "x", "z": 1}],
)
def test_bad_input_is_422_naming_the_field(client: TestClient, body: dict[str, object]) -> None:
    answer = client.post("/api/v1/session", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "expected"),
    [
        ("", "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.0/8", "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.0/8", "10.0.0.2", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.2", "6.6.6.6, 198.51.100.1, 10.0.0.3", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.0/8", "10.0.0.2", "not an address", "not an address"),
    ],
)
def test_the_address_is_the_nearest_that_no_trusted_proxy_vouches_for(
    make_settings: Callable[..., Settings], settings: Settings, trusted: str, peer: str, forwarded: str, expected: str
) -> None:
    behind = make_settings(settings.database.url.get_secret_value(), SIAGA_WEB_TRUSTED_PROXIES=trusted)
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    request = Request({"type": "http", "client": (peer, 1), "headers": headers, "method": "GET", "path": "/"})
    assert client_address(request, behind) == expected
