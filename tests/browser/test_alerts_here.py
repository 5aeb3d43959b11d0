"""The citizen's page offers alerts in the browser, and the service worker shows what comes. Headless chromium has no push service:
its `subscribe` is answered by the test, and messages are handed to the worker by the debugger."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import text

from alerts.kit.ids import member_token
from tests.browser.conftest import DESK, PHONE, Site
from tests.browser.test_pages import AXE_OPTIONS
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import make_incident

ENDPOINT = "http://127.0.0.1:9/wpush/contoh"
KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
GIVEN = json.dumps({"endpoint": ENDPOINT, "expirationTime": None, "keys": KEYS})
# What a browser with a push service would give; kept by the page's origin, so that a reload finds it again.
PUSH_SERVICE = """
    const made = () => Object.assign(JSON.parse(GIVEN), { async unsubscribe() { localStorage.removeItem("subscribed"); return true; } });
    PushManager.prototype.subscribe = async function (options) {
        localStorage.setItem("subscribed", options.applicationServerKey);
        return made();
    };
    PushManager.prototype.getSubscription = async function () { return localStorage.getItem("subscribed") ? made() : null; };
""".replace("GIVEN", json.dumps(GIVEN))
SHOWN = """async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(
    (each) => [each.title, each.body, each.silent, each.data.link])"""


@pytest.fixture
def links(site: Site) -> dict[str, str]:
    """A link of each world, by its prefix."""
    made = {}
    with site.sessions.begin() as session:
        for prefix, status in (("", "Actual"), ("/exercise", "Exercise")):
            person = make_citizen(session, site.settings.keyring, country_iso2="EG", province_code=None)  # others count who is in TR
            member = make_member(session, make_incident(session, status=status, title="Gempa uji peramban"), person)
            made[prefix] = f"{prefix}/i/{member_token(site.settings.keyring.link, number=member.id, generation=member.link_generation)}"
    return made


def subscriptions(site: Site) -> list[tuple[bool, bool]]:
    with site.sessions.begin() as session:
        rows = session.execute(text("SELECT is_exercise, retired_at IS NULL FROM web_push_subscription ORDER BY id"))
        return [(row[0], row[1]) for row in rows]


@pytest.mark.parametrize("prefix", ["", "/exercise"])
def test_a_tap_turns_alerts_on_and_another_off(
    open_as: Callable[..., Page], shot: Callable[..., None], site: Site, links: dict[str, str], prefix: str
) -> None:
    page, before = open_as(None, PHONE), len(subscriptions(site))
    page.context.grant_permissions(["notifications"])
    page.add_init_script(PUSH_SERVICE)
    page.goto(links[prefix])
    on, off = (page.get_by_role("button", name=name) for name in ("Terima peringatan di peramban ini", "Berhenti menerima peringatan"))
    expect(on).to_be_visible()
    expect(off).to_be_hidden()
    _look(page, shot, f"citizen-alerts-off{prefix.replace('/', '-')}")
    assert subscriptions(site)[before:] == [], "nothing before somebody taps"
    on.click()
    expect(page.get_by_text("Mulai sekarang peramban ini juga menerima peringatan")).to_be_visible()
    assert subscriptions(site)[before:] == [(prefix != "", True)]
    _look(page, shot, f"citizen-alerts-on{prefix.replace('/', '-')}")
    page.reload()
    expect(off).to_be_visible()
    expect(on).to_be_hidden()
    off.click()
    expect(page.get_by_text("Peramban ini tidak lagi menerima peringatan")).to_be_visible()
    assert subscriptions(site)[before:] == [(prefix != "", False)]


def test_the_worker_shows_what_comes_quietly_where_it_must(open_as: Callable[..., Page], site: Site, links: dict[str, str]) -> None:
    page = open_as(None, PHONE)
    page.context.grant_permissions(["notifications"])
    page.add_init_script(PUSH_SERVICE)
    page.goto(links[""])
    page.get_by_role("button", name="Terima peringatan").click()
    expect(page.get_by_text("Mulai sekarang")).to_be_visible()
    link = site.url + links[""]
    for number, is_quiet in enumerate((False, True)):
        data = {"link": link, "incident_id": "x", "attempt_id": f"{number + 64}-1"}
        _deliver(page, site, {"title": f"Gempa {number}", "body": "Jauhi gedung retak.", "data": data, "is_quiet": is_quiet})
    shown = page.evaluate(SHOWN)
    assert sorted(shown) == [["Gempa 0", "Jauhi gedung retak.", False, link], ["Gempa 1", "Jauhi gedung retak.", True, link]]


def test_an_address_that_changed_is_made_known_by_the_worker_itself(
    open_as: Callable[..., Page], site: Site, links: dict[str, str]
) -> None:
    page, before = open_as(None, PHONE), len(subscriptions(site))
    page.context.grant_permissions(["notifications"])
    page.add_init_script(PUSH_SERVICE)
    page.goto(links[""])
    page.get_by_role("button", name="Terima peringatan").click()
    expect(page.get_by_text("Mulai sekarang")).to_be_visible()
    [worker] = page.context.service_workers
    renewed = GIVEN.replace("contoh", "contoh-baru")
    with page.context.expect_event("response", lambda answer: answer.url.endswith("/api/v1/link/browsers")) as told:
        worker.evaluate(
            """(given) => {
                PushManager.prototype.subscribe = async () => JSON.parse(given);
                self.dispatchEvent(new ExtendableEvent("pushsubscriptionchange"));
            }""",
            renewed,
        )
    assert told.value.status == 201
    assert subscriptions(site)[before:] == [(False, True), (False, True)]


def test_a_browser_without_a_push_service_is_told_so_and_one_without_script_is_not_asked(
    open_as: Callable[..., Page], shot: Callable[..., None], site: Site, links: dict[str, str]
) -> None:
    page, before = open_as(None, PHONE), len(subscriptions(site))
    page.context.grant_permissions(["notifications"])
    page.add_init_script("PushManager.prototype.subscribe = async () => { throw new DOMException('no service', 'AbortError'); };")
    page.goto(links[""])
    page.get_by_role("button", name="Terima peringatan").click()
    expect(page.get_by_text("Tidak berhasil.")).to_be_visible()
    _look(page, shot, "citizen-alerts-failed")
    for script, ability in ((False, ""), (True, "delete window.PushManager;")):
        other = open_as(None, PHONE, script=script)
        other.add_init_script(ability)
        other.goto(links[""])
        expect(other.get_by_role("button", name="Saya selamat")).to_be_visible()
        expect(other.locator("#alerts")).to_be_hidden()
    assert len(subscriptions(site)) == before


def _deliver(page: Page, site: Site, said: dict[str, Any]) -> None:
    """As a push service would: to the worker, whether its page is open or not."""
    debugger = page.context.new_cdp_session(page)
    ids: list[str] = []
    debugger.on(
        "ServiceWorker.workerRegistrationUpdated", lambda told: ids.extend(each["registrationId"] for each in told["registrations"])
    )
    debugger.send("ServiceWorker.enable")
    page.wait_for_function("async () => (await navigator.serviceWorker.ready).active.state === 'activated'")
    assert ids
    debugger.send("ServiceWorker.deliverPushMessage", {"origin": site.url, "registrationId": ids[-1], "data": json.dumps(said)})
    want = "async (title) => (await (await navigator.serviceWorker.ready).getNotifications()).some((each) => each.title === title)"
    page.wait_for_function(want, arg=said["title"])
    debugger.detach()


def _look(page: Page, shot: Callable[..., None], name: str) -> None:
    faults = Axe().run(page, options=AXE_OPTIONS).response["violations"]
    assert not faults, [f"{fault['id']}: {fault['nodes'][0]['html'][:160]}" for fault in faults]
    for size in (DESK, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        shot(page, name)
