"""Alerts in this browser, or this app: whoever holds the citizen's link may say so, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import literal, select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.audience import gather, preview_selected
from alerts.broadcasts.ways import find_ways
from alerts.channels.rule_book_outlets import configured_outlets
from alerts.checkins.devices.rules import NEW_ONES
from alerts.citizens.actions import register_device
from alerts.citizens.addresses import read_browser, register_browser
from alerts.citizens.models import Citizen
from alerts.citizens.schemas import BrowserIn
from alerts.incidents.rules import Status
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring
from alerts.settings import Settings
from tests.factories.checkins import Person, link_of, make_citizen, make_member
from tests.factories.incidents import make_incident

LIVE, DRILL = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/geheim"
_keys = count(1)


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    """With Web Push in both worlds."""
    more = {"web_push": {"private_key": LIVE, "subject": "mailto:siaga@example.org"}}
    more["exercise_web_push"] = {"private_key": DRILL, "subject": "mailto:latihan@example.org"}
    return Settings.model_validate(settings.model_dump() | more)


@pytest.fixture
def person(session: Session, keyring: Keyring) -> Person:
    return make_citizen(session, keyring)


@pytest.fixture
def token(session: Session, keyring: Keyring, person: Person) -> str:
    member = make_member(session, make_incident(session), person)
    session.commit()
    return link_of(keyring, member).removeprefix("/i/")


@pytest.fixture
def drill(session: Session, keyring: Keyring, person: Person) -> str:
    member = make_member(session, make_incident(session, status="Exercise"), person)
    session.commit()
    return link_of(keyring, member).removeprefix("/i/")


@pytest.fixture
def post(client: TestClient) -> Callable[..., Response]:
    def send(act: str, **body: Any) -> Response:
        return client.post(f"/api/v1/link/{act}", json=body, headers={"Idempotency-Key": f"link-{next(_keys)}"})

    return send


def given(endpoint: str = ENDPOINT) -> dict[str, Any]:
    return {"endpoint": endpoint, "expirationTime": None, "keys": KEYS}


def browsers(session: Session) -> list[tuple[Any, bool, bool]]:
    rows = session.execute(text("SELECT citizen_id, is_exercise, retired_at IS NULL AS is_on FROM web_push_subscription ORDER BY id"))
    return [tuple(row) for row in rows]  # type: ignore[misc]


def test_a_browser_comes_and_goes_by_the_link_alone(session: Session, post: Callable[..., Response], token: str, person: Person) -> None:
    for _ in range(2):
        answer = post("browsers", link=token, subscription=given())
        assert (answer.status_code, answer.json()) == (201, {"is_registered": True})
    assert browsers(session) == [(person.id, False, True)]
    for _ in range(2):
        answer = post("browsers/retire", link=token, endpoint=ENDPOINT)
        assert (answer.status_code, answer.json()) == (200, {"is_registered": False})
    assert browsers(session) == [(person.id, False, False)]
    kept = str(session.execute(text("SELECT path, headers, convert_from(body, 'UTF8') FROM idempotency_key")).all())
    assert token not in kept
    assert "geheim" not in kept


def test_an_app_comes_and_goes_by_the_link_alone(session: Session, post: Callable[..., Response], token: str, person: Person) -> None:
    def devices() -> list[tuple[Any, ...]]:
        return [tuple(row) for row in session.execute(text("SELECT citizen_id, platform, retired_at IS NULL FROM device"))]

    for _ in range(2):
        assert post("devices", link=token, token="token-of-an-app").status_code == 201
    assert devices() == [(person.id, "fcm", True)]
    assert post("devices/retire", link=token, token="another-token").status_code == 200
    assert devices() == [(person.id, "fcm", True)]
    assert post("devices/retire", link=token, token="token-of-an-app").json() == {"is_registered": False}
    assert devices() == [(person.id, "fcm", False)]


def test_nobody_without_a_link_of_that_world(
    session: Session, client: TestClient, post: Callable[..., Response], token: str, drill: str
) -> None:
    forged, foreign = f"{token[:-1]}{'1' if token[-1] != '1' else '2'}", drill
    for link, is_exercise in ((forged, False), ("x", False), (foreign, False), (token, True)):
        for act, body in (("browsers", {"subscription": given()}), ("browsers/retire", {"endpoint": ENDPOINT})):
            answer = post(act, link=link, is_exercise=is_exercise, **body)
            assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (404, "link_not_found", "link")
            assert answer.headers["content-type"] == "application/problem+json"
    for act in ("devices", "devices/retire"):
        assert post(act, link=foreign, token="token-of-an-app").status_code == 404
    without = client.post("/api/v1/link/browsers", json={"link": token, "subscription": given()})
    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_required")
    assert browsers(session) == []


@pytest.mark.parametrize(
    "endpoint", ["http://169.254.169.254/latest", "https://intern.example/x", "file:///etc/passwd", "https://fcm.googleapis.com/v1/x"]
)
def test_only_push_services_that_we_know(session: Session, post: Callable[..., Response], token: str, endpoint: str) -> None:
    answer = post("browsers", link=token, subscription=given(endpoint))
    assert (answer.status_code, answer.json()["field"]) == (422, "endpoint")
    assert post("browsers", link=token, subscription=given() | {"keys": KEYS | {"auth": "x"}}).json()["field"] == "keys.auth"
    assert browsers(session) == []


def test_a_program_is_slowed_down_and_a_person_is_not(session: Session, post: Callable[..., Response], token: str) -> None:
    for number in range(NEW_ONES.failures):
        assert post("browsers", link=token, subscription=given(f"{ENDPOINT}{number}")).status_code == 201
        assert post("devices", link=token, token=f"token-of-app-{number}").status_code == 201
    for act, body in (("browsers", {"subscription": given(f"{ENDPOINT}x")}), ("devices", {"token": "token-of-app-x"})):
        refused = post(act, link=token, **body)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_devices")
        assert int(refused.headers["retry-after"]) > 0
    assert post("browsers", link=token, subscription=given(f"{ENDPOINT}3")).status_code == 201, "a known one may come back"
    assert len(browsers(session)) == NEW_ONES.failures


def test_a_browser_of_exercises_takes_no_alert_and_the_other_way(
    session: Session, settings: Settings, post: Callable[..., Response], token: str, drill: str, person: Person
) -> None:
    session.get_one(Citizen, person.id).is_tester = True
    assert post("browsers", link=drill, is_exercise=True, subscription=given()).status_code == 201
    session.execute(text("UPDATE phone SET retired_at = now()"))

    def ways(status: Status) -> set[str]:
        gather(session, select(Citizen.id.label("citizen_id"), literal("x").label("reason")).where(Citizen.id == person.id), status=status)
        outlets = configured_outlets(settings, is_exercise=status is Status.EXERCISE)
        return {row["channel"] for row in preview_selected(session, outlets).rows}

    assert (ways(Status.EXERCISE), ways(Status.ACTUAL)) == ({"web_push"}, {"none"})
    assert post("browsers", link=token, subscription=given(f"{ENDPOINT}2")).status_code == 201
    assert ways(Status.ACTUAL) == {"web_push"}
    assert [row[1:] for row in browsers(session)] == [(True, True), (False, True)]


@pytest.fixture
def ways(session: Session, settings: Settings, person: Person) -> Callable[[], list[str]]:
    """The person's ways to an alert, in the order in which they are tried."""

    def find() -> list[str]:
        found = select(Citizen.id.label("citizen_id"), literal("x").label("reason")).where(Citizen.id == person.id)
        gather(session, found, status=Status.ACTUAL)
        find_ways(session, configured_outlets(settings, is_exercise=False))
        return list(session.scalars(text("SELECT channel || ':' || id FROM selected_way ORDER BY place")))

    return find


def test_what_came_by_a_link_comes_last_and_goes_with_the_link(
    session: Session, keyring: Keyring, post: Callable[..., Response], token: str, person: Person, ways: Callable[[], list[str]]
) -> None:
    own = register_device(session, keyring, citizen_id=person.id, token="token-that-the-import-gave")
    session.commit()
    before = ways()
    assert before[0] == f"push:{own}"
    assert before[1].startswith("sms:")
    session.commit()
    for _ in range(2):
        assert post("devices", link=token, token="token-of-a-stranger").status_code == 201
        assert post("browsers", link=token, subscription=given()).status_code == 201
        assert post("devices", link=token, token="token-that-the-import-gave").status_code == 201
    after = ways()
    assert after[: len(before)] == before, "the person's own ways stay as they were, and first"
    assert [way.split(":")[0] for way in after[len(before) :]] == ["push", "web_push"]
    session.execute(text("UPDATE audience_member SET link_generation = link_generation + 1"))
    assert ways() == before, "a raised generation revokes them"


def test_a_link_takes_nothing_from_whom_it_was_registered_for(
    session: Session, keyring: Keyring, settings: Settings, post: Callable[..., Response], token: str
) -> None:
    other = make_citizen(session, keyring)
    register_device(session, keyring, citizen_id=other.id, token="token-of-another")
    browser = read_browser(settings, BrowserIn.model_validate({"endpoint": ENDPOINT, "keys": KEYS}))
    register_browser(session, keyring, citizen_id=other.id, browser=browser, actor=SYSTEM)
    session.commit()
    for act, body in (("browsers", {"subscription": given()}), ("devices", {"token": "token-of-another"})):
        refused = post(act, link=token, **body)
        assert (refused.status_code, refused.json()["code"]) == (409, "registered_otherwise")
    assert browsers(session) == [(other.id, False, True)]
    assert session.scalars(text("SELECT citizen_id FROM device WHERE retired_at IS NULL")).all() == [other.id]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("UPDATE incident SET state = 'closed'", "link_over", "Tautan ini sudah lama"),
        ("UPDATE broadcast SET state = 'cancelled'", "link_over", "Tautan ini sudah lama"),
        ("UPDATE citizen SET opted_out_at = now()", "opted_out", "balas salah satu SMS kami dengan MULAI"),
        ("UPDATE citizen SET is_tester = false, tester_consented_at = NULL", "not_a_tester", "tidak lagi ikut latihan"),
    ],
)
def test_nobody_is_promised_what_will_not_come(
    session: Session, client: TestClient, post: Callable[..., Response], drill: str, change: str, code: str, words: str
) -> None:
    session.execute(text(change))
    session.commit()
    refused = post("browsers", link=drill, is_exercise=True, subscription=given())
    assert (refused.status_code, refused.json()["code"]) == (409, code)
    assert words in refused.json()["detail"]
    assert browsers(session) == []
    assert re.search(f'data-when="{code}" hidden>[^<]*{words}', client.get(f"/exercise/i/{drill}").text)
    assert post("browsers/retire", link=drill, is_exercise=True, endpoint=ENDPOINT).status_code == 200


def test_other_keys_are_a_new_browser_for_the_limit(session: Session, post: Callable[..., Response], token: str) -> None:
    def keys(number: int) -> dict[str, Any]:
        return given() | {"keys": KEYS | {"auth": f"BTBZMqHH6r4Tts7J_aSI{number:x}w"}}

    codes = [post("browsers", link=token, subscription=keys(number)).status_code for number in range(NEW_ONES.failures + 2)]
    assert codes == [201] * NEW_ONES.failures + [429] * 2
    assert len(browsers(session)) == NEW_ONES.failures


def test_the_page_offers_it_and_stays_what_it_was(client: TestClient, session: Session, token: str, drill: str, person: Person) -> None:
    shown = {}
    for path in (f"/i/{token}", f"/exercise/i/{drill}"):
        page = client.get(path)
        shown[path] = re.findall(r'data-key="([^"]+)"', page.text)[0]
        assert len(page.content) < 10_000
        assert re.findall(r"<script[^>]*>", page.text) == ['<script type="module" src="/i/alerts.js">']
        assert '<section id="alerts" hidden' in page.text, "without script it is not there"
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'; connect-src 'self'; worker-src 'self'" in policy
        assert "unsafe" not in policy
        for personal in ("Warga Uji", person.e164, person.external_id):
            assert personal not in page.text
    assert len(set(shown.values())) == 2, "each world has a key of its own"
    assert browsers(session) == [], "looking changes nothing"
    for script in ("/i/alerts.js", "/i/worker.js", "/exercise/i/worker.js"):
        answer = client.get(script)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert answer.headers["content-security-policy"] == "default-src 'none'; connect-src 'self'"
    assert "<script" not in client.get("/i/nobody").text
