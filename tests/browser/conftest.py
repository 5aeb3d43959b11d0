"""A real server, a real browser: Debian's chromium against uvicorn over a database of its own."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy.orm import Session

from alerts.app import create_app
from alerts.console.routes import install
from alerts.embedded.scratch import RUN_FOLDER
from alerts.kit.db import Sessions, make_engine, make_sessions
from alerts.settings import Settings
from tests.browser.crisis import Crisis, make_crisis
from tests.factories.citizens import make_citizen
from tests.factories.staff import PASSWORD, make_staff
from tests.support.servers import Servers, fresh_database

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENSHOTS = RUN_FOLDER / "screenshots"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
WEB_PUSH = {
    "SIAGA_WEB_PUSH_PRIVATE_KEY": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    "SIAGA_WEB_PUSH_SUBJECT": "mailto:siaga@example.org",
    "SIAGA_EXERCISE_WEB_PUSH_PRIVATE_KEY": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    "SIAGA_EXERCISE_WEB_PUSH_SUBJECT": "mailto:latihan@example.org",
}
PEOPLE = {"TR-31": 40, "TR-27": 30, "TR-34": 60, "TR-46": 3}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not Path(CHROMIUM).exists():
        for item in items:
            if "/browser/" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="missing: chromium"))


@dataclass(frozen=True)
class Site:
    """The running server, its database, and the accounts that everybody signs in with (password: PASSWORD)."""

    url: str
    sessions: Sessions
    settings: Settings
    staff: dict[str, str]
    crisis: Crisis


@pytest.fixture(scope="session")
def site(servers: Servers, worker_name: str, make_settings: Callable[..., Settings]) -> Iterator[Site]:
    with fresh_database(servers, f"{worker_name}_browser") as database_url:
        listener = socket()
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = make_settings(database_url, SIAGA_PUBLIC_URL=url, **WEB_PUSH)
        engine = make_engine(database_url, pool_size=10)
        sessions = make_sessions(engine)
        staff = _seed(sessions, settings)
        crisis = make_crisis(sessions, settings, staff)
        app = create_app(settings, sessions)
        install(app)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield Site(url, sessions, settings, staff, crisis)
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive(), "the server did not end: somebody holds a stream open"
        engine.dispose()


def _seed(sessions: Sessions, settings: Settings) -> dict[str, str]:
    with sessions.begin() as session:
        for place, people in PEOPLE.items():
            for number in range(people):
                _citizen(session, settings, place, number)
        roles = ("minister", "duty_officer", "approver", "mission_staff", "administrator", "public_information")
        return {role: make_staff(session, role, display_name=f"Akun {role.replace('_', ' ')}").username for role in roles}


def _citizen(session: Session, settings: Settings, place: str, number: int) -> None:
    """Every tenth has no number: somebody is always out of reach."""
    phones: dict[str, tuple[str, ...]] = {} if number % 10 else {"phones": ()}
    make_citizen(session, settings.keyring, country_iso2=place[:2], province_code=place, **phones)


@pytest.fixture(scope="module")  # not longer: its event loop would stand in the way of other tests' asyncio.run
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS), env=dict(os.environ))
        with closing(browser):
            yield browser


@pytest.fixture
def open_as(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """`open_as("approver")` → a page signed in through the form, in a browser profile of its own.

    A script error or a refused resource (CSP) on any page fails the test at its end.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(role: str | None, viewport: dict[str, int] = DESK, *, script: bool = True, webgl: bool = False) -> Page:
        context = browser.new_context(base_url=site.url, viewport=viewport, locale="id-ID", java_script_enabled=script)  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        if not webgl:  # drawn in software it takes the whole machine; one test looks at the movable map
            context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda line: complaints.append(f"{page.url}: {line.text}") if "Content Security" in line.text else None)
        page.on("request", lambda request: _check_own(request.url, site.url, complaints))
        if role:
            page.goto("/sign-in")
            page.fill("#username", site.staff[role])
            page.fill("#password", PASSWORD)
            page.click("main button.main")
            page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def _check_own(url: str, own: str, complaints: list[str]) -> None:
    if not url.startswith((own, "data:", "blob:")):
        complaints.append(f"a request to elsewhere: {url}")


@pytest.fixture
def shot() -> Callable[..., None]:
    """Saves a picture of the whole page, to be looked at by a person."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"{name}-{page.viewport_size['width'] if page.viewport_size else 0}.png", full_page=True)

    return take
