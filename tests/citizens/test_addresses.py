"""A person's browsers and mail address: sealed, one owner at a time, replaced and retired; and who may do so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from email_validator import EmailNotValidError, validate_email
from fastapi.testclient import TestClient
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from alerts.citizens.addresses import register_browser, retire_browser, retire_email, set_email
from alerts.citizens.models import EmailAddress, WebPushSubscription
from alerts.citizens.queries import find_email, list_browsers, open_email, open_subscription
from alerts.citizens.rules import Browser, parse_email
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring, UndecipherableError
from alerts.kit.db import Sessions
from alerts.kit.errors import InvalidError, NotFoundError
from alerts.sandbox.browsers import browser_of
from tests.factories.citizens import make_citizen

ENDPOINT = "https://fcm.googleapis.com/fcm/send/geheim-ziel"
PRIVATE_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
PUBLIC_KEY = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"


def browser(name: str = "b1", endpoint: str = ENDPOINT) -> Browser:
    keys = browser_of("secret", name).keys
    return Browser(endpoint, keys["p256dh"], keys["auth"])


def opened(keyring: Keyring, row: WebPushSubscription) -> Browser:
    return open_subscription(keyring, row.id, endpoint_enc=row.endpoint_enc, p256dh_enc=row.p256dh_enc, auth_enc=row.auth_enc)


# -- what is kept --------------------------------------------------------------------------------------------------------


def test_a_browser_comes_is_seen_again_changes_keys_moves_and_goes(session: Session, keyring: Keyring) -> None:
    first, second = make_citizen(session, keyring), make_citizen(session, keyring)

    def register(who: Any, keys: str) -> WebPushSubscription:
        return register_browser(session, keyring, citizen_id=who.id, browser=browser(keys), actor=SYSTEM)

    row = register(first, "b1")
    assert opened(keyring, row) == browser("b1")
    assert register(first, "b1").id == row.id, "seen again"
    renewed = register(first, "b2")
    assert renewed.id != row.id, "new keys: a new row, the old one retires"
    assert [each.id for each in list_browsers(session, first.id)] == [renewed.id]
    moved = register(second, "b2")
    assert list_browsers(session, first.id) == [], "one browser, one reader"
    retire_browser(session, moved.id)
    assert session.scalar(select(func.count()).where(WebPushSubscription.retired_at.is_(None))) == 0
    again = register(second, "b2")
    assert again.id != moved.id, "what is retired stays so"


def test_a_person_has_several_browsers_and_one_mail_address(session: Session, keyring: Keyring) -> None:
    citizen = make_citizen(session, keyring)
    for number in range(2):
        register_browser(session, keyring, citizen_id=citizen.id, browser=browser(endpoint=f"{ENDPOINT}{number}"), actor=SYSTEM)
    assert len(list_browsers(session, citizen.id)) == 2
    first = set_email(session, keyring, citizen_id=citizen.id, written="Warga@Example.ORG", actor=SYSTEM)
    assert open_email(keyring, first.id, first.address_enc) == "Warga@example.org"
    assert set_email(session, keyring, citizen_id=citizen.id, written=" warga@example.org ", actor=SYSTEM).id == first.id
    second = set_email(session, keyring, citizen_id=citizen.id, written="lain@example.org", actor=SYSTEM)
    assert second.id != first.id
    current = find_email(session, citizen.id)
    assert current is not None
    assert current.id == second.id
    retire_email(session, second.id)
    assert find_email(session, citizen.id) is None
    assert session.scalar(select(func.count()).select_from(EmailAddress)) == 2


def test_nothing_is_stored_in_clear_and_a_ciphertext_opens_in_its_place_only(session: Session, keyring: Keyring) -> None:
    citizen = make_citizen(session, keyring)
    one = register_browser(session, keyring, citizen_id=citizen.id, browser=browser(), actor=SYSTEM)
    other = register_browser(session, keyring, citizen_id=citizen.id, browser=browser("b2", f"{ENDPOINT}2"), actor=SYSTEM)
    set_email(session, keyring, citizen_id=citizen.id, written="rahasia@example.org", actor=SYSTEM)
    tables = ("web_push_subscription", "email_address", "action_log", "outbox_event")
    stored = "".join(str(session.execute(text(f"SELECT t::text FROM {table} t")).scalars().all()) for table in tables)
    for secret in ("geheim", "rahasia", browser().auth, browser().p256dh):
        assert secret not in stored
        assert secret.encode().hex() not in stored
    with pytest.raises(UndecipherableError):
        open_subscription(keyring, one.id, endpoint_enc=other.endpoint_enc, p256dh_enc=one.p256dh_enc, auth_enc=one.auth_enc)
    with pytest.raises(UndecipherableError):
        open_subscription(keyring, one.id, endpoint_enc=one.endpoint_enc, p256dh_enc=one.auth_enc, auth_enc=one.p256dh_enc)


def test_nobody_is_no_person_and_nor_is_who_was_merged(session: Session, keyring: Keyring) -> None:
    citizen = make_citizen(session, keyring)
    merged = make_citizen(session, keyring, merged_into=citizen.id)
    for citizen_id in (uuid4(), merged.id):
        with pytest.raises(NotFoundError):
            set_email(session, keyring, citizen_id=citizen_id, written="a@example.org", actor=SYSTEM)
        with pytest.raises(NotFoundError):
            register_browser(session, keyring, citizen_id=citizen_id, browser=browser(), actor=SYSTEM)


def test_two_at_once_with_one_browser_leave_one_owner(sessions: Sessions, keyring: Keyring) -> None:
    with sessions.begin() as session:
        people = [make_citizen(session, keyring).id for _ in range(2)]

    def register(number: int) -> None:
        with sessions.begin() as own:
            register_browser(own, keyring, citizen_id=people[number % 2], browser=browser(), actor=SYSTEM)
            set_email(own, keyring, citizen_id=people[0], written=f"w{number}@example.org", actor=SYSTEM)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(register, range(12)))
    with sessions() as session:
        assert session.scalar(select(func.count()).where(WebPushSubscription.retired_at.is_(None))) == 1
        assert session.scalar(select(func.count()).where(EmailAddress.retired_at.is_(None))) == 1


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("warga@example.org", "warga@example.org"),
        ("  Warga.Satu+siaga@EXAMPLE.org ", "Warga.Satu+siaga@example.org"),
        ("\u200bwarga@example.org\u202e", "warga@example.org"),
        ("ｗａｒｇａ＠example.org", "warga@example.org"),
        ("warga@bücher.example", "warga@xn--bcher-kva.example"),
    ],
)
def test_one_address_however_it_is_written(written: str, address: str) -> None:
    assert parse_email(written) == address


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "warga", "@example.org", "warga@", "warga@@example.org", "warga@example", "a b@example.org", "<warga@example.org>"),
        *("Warga <warga@example.org>", "a@example.org,b@example.org", "a@example.org\nBcc: b@example.org", "a\x00@example.org"),
        *("a@[10.0.0.1]", "a@localhost", "wärga@example.org", '"a b"@example.org', ".a@example.org", "a..b@example.org", "a@-x.org"),
        "x" * 65 + "@example.org",
        "a@" + "x" * 300 + ".org",
    ],
)
def test_what_is_no_address_is_refused_by_field(written: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        parse_email(written)
    assert (refusal.value.code, refusal.value.field) == ("email_malformed", "email")


@given(st.one_of(st.emails(), st.from_regex(r"[A-Za-z0-9_+.-]{1,70}@[A-Za-z0-9.-]{1,20}(\.(org|test|id|local))?", fullmatch=True)))
def test_the_short_way_for_usual_addresses_ends_where_the_long_one_does(written: str) -> None:
    try:
        found = validate_email(written, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True)
        expected = found.ascii_email
    except EmailNotValidError:
        expected = None
    try:
        assert parse_email(written) == expected
    except InvalidError:
        assert expected is None or len(written) > 254


# -- over HTTP -------------------------------------------------------------------------------------------------------------


class Api:
    """The duty officer and one person."""

    def __init__(self, client: TestClient, headers: dict[str, str], citizen_id: object) -> None:
        self.client, self.headers, self.base = client, headers, f"/api/v1/citizens/{citizen_id}"

    def post(self, path: str, body: object = None, **headers: str) -> Response:
        given = self.headers | {"Idempotency-Key": str(uuid4())} | headers
        return self.client.post(f"{self.base}/{path}", json=body, headers=given)

    def addresses(self) -> Any:
        return self.client.get(f"{self.base}/addresses", headers=self.headers).json()


def as_json(one: Browser, **changes: Any) -> dict[str, Any]:
    return {"endpoint": one.endpoint, "expirationTime": None, "keys": {"p256dh": one.p256dh, "auth": one.auth}} | changes


@pytest.fixture
def api(client: TestClient, session: Session, keyring: Keyring, sign_in: Callable[..., dict[str, str]]) -> Api:
    citizen = make_citizen(session, keyring, device="t")
    session.flush()
    return Api(client, sign_in("duty_officer"), citizen.id)


def test_a_browser_by_http(api: Api) -> None:
    answer = api.post("browsers", as_json(browser()))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{api.base}/addresses"
    assert api.post("browsers", as_json(browser())).json()["id"] == answer.json()["id"]
    shown = api.addresses()
    assert (shown["phones"], shown["devices"], shown["email"]) == (1, 1, None)
    assert [each["id"] for each in shown["browsers"]] == [answer.json()["id"]]
    assert "geheim" not in str(shown) + answer.text
    gone = api.post(f"browsers/{answer.json()['id']}/retire")
    assert (gone.status_code, gone.json()["browsers"]) == (200, [])
    assert api.post(f"browsers/{answer.json()['id']}/retire").status_code == 200
    assert api.post(f"browsers/{uuid4()}/retire").status_code == 404


def test_the_mail_address_by_http(api: Api, session: Session) -> None:
    answer = api.post("email", {"email": "Rahasia@Example.org"}, **{"Idempotency-Key": "k1"})
    assert answer.status_code == 201, answer.text
    again = api.post("email", {"email": "Rahasia@Example.org"}, **{"Idempotency-Key": "k1"})
    assert (again.json(), again.headers["idempotency-replayed"]) == (answer.json(), "true")
    assert api.addresses()["email"]["id"] == answer.json()["id"]
    assert "ahasia" not in answer.text + str(session.execute(text("SELECT body FROM idempotency_key")).scalars().all())
    gone = api.post("email/retire")
    assert (gone.status_code, gone.json()["email"]) == (200, None)
    assert api.post("email/retire").status_code == 200


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"endpoint": "https://169.254.169.254/latest/meta-data"}, "endpoint", "endpoint_not_listed"),
        ({"endpoint": "https://siaga.kemlu.example/api"}, "endpoint", "endpoint_not_listed"),
        ({"endpoint": "http://fcm.googleapis.com/fcm/send/x"}, "endpoint", "endpoint_not_https"),
        ({"endpoint": "javascript:alert(1)"}, "endpoint", "endpoint_unreadable"),
        ({"keys": {"p256dh": "AAAA", "auth": browser().auth}}, "keys.p256dh", "key_malformed"),
        ({"keys": {"p256dh": browser().p256dh, "auth": "AAAA"}}, "keys.auth", "key_malformed"),
        ({"keys": {"p256dh": browser().p256dh}}, None, None),
        ({"more": 1}, None, None),
        ({"endpoint": "a\x00b"}, None, None),
    ],
    ids=str,
)
def test_what_is_no_subscription_is_refused_by_field(api: Api, changes: dict[str, Any], field: str | None, code: str | None) -> None:
    answer = api.post("browsers", as_json(browser(), **changes))
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert problem["field"]
    if code:
        assert (problem["field"], problem["code"]) == (field, code)
    assert api.addresses()["browsers"] == []


def test_what_is_no_mail_address_is_refused_by_field(api: Api) -> None:
    answer = api.post("email", {"email": "a@example.org\r\nBcc: b@example.org"})
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (422, "email", "email_malformed")


def test_only_who_keeps_the_register_and_only_with_a_key(api: Api, sign_in: Callable[..., dict[str, str]]) -> None:
    assert api.client.post(f"{api.base}/email", json={"email": "a@example.org"}, headers=api.headers).status_code == 400
    api.headers = sign_in("mission_staff", "kbri-ankara")
    assert api.post("email", {"email": "a@example.org"}).status_code == 403
    api.base = f"/api/v1/citizens/{uuid4()}"
    api.headers = sign_in("duty_officer")
    assert api.post("email", {"email": "a@example.org"}).status_code == 404


def test_the_key_that_browsers_subscribe_for_is_public(
    client: TestClient, make_settings: Callable[..., Any], worker_database_url: str, savepoint_sessions: Sessions
) -> None:
    from alerts.app import create_app

    nothing = client.get("/api/v1/web-push/key")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "no_web_push")
    more = {"SIAGA_WEB_PUSH_PRIVATE_KEY": PRIVATE_KEY, "SIAGA_WEB_PUSH_SUBJECT": "mailto:siaga@example.org"}
    app = create_app(make_settings(worker_database_url, **more), savepoint_sessions)
    with TestClient(app) as other:
        answer = other.get("/api/v1/web-push/key")
    assert answer.json() == {"public_key": PUBLIC_KEY, "exercise_public_key": None}
    assert PRIVATE_KEY not in answer.text
