"""Open screens while parts of a Siaga die, and one that sleeps: each shows by itself, soon after, all that was filed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from socket import SHUT_RDWR
from threading import Event, Thread
from time import monotonic

import psutil
import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from alerts.stage import Account
from tests.browser.conftest import ARGUMENTS, CHROMIUM, DESK, PHONE
from tests.support.breaking import SETTLE_SECONDS, SMALL, Scene
from tests.support.filing import BACK_SECONDS, BREAKS, Filing, finish, reports_on
from tests.support.stages import wait_until

pytestmark = [
    pytest.mark.breaks_servers,
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="missing: chromium"),
]
CLIENTS, ROUNDS, AGAIN_SECONDS, PATIENCE_MS = 4, 12, 0.5, 40_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS), env=dict(os.environ))
        with closing(browser):
            yield browser


def test_screens_show_by_themselves_what_was_filed_while_a_part_was_gone(scene: Scene, browser: Browser) -> None:
    """The minister's sheet, the officer's screen, and bare clients of the stream; nobody touches any of them."""
    filing = Filing.begun(scene)
    filing.file()
    with watched(filing, browser) as (pages, clients), ThreadPoolExecutor(1) as pool:
        for part in parts(scene):
            with BREAKS[part](scene):
                waiting = pool.submit(filing.file)
                if part == "serve":
                    for page in pages:
                        expect(page.locator("#link-state")).to_contain_text("Yang terlihat di sini diambil", timeout=PATIENCE_MS)
                else:
                    finish([waiting])
            back_at = monotonic()
            finish([waiting])
            all_is_seen(filing, pages, clients)
            took = monotonic() - back_at
            print(f"{part}: on all screens {took:.1f} s after it was started again")
            assert took <= BACK_SECONDS, f"seed {scene.seed}"
    filing.keeps_the_promise()


def test_a_screen_that_slept_while_the_server_forgot_it_has_the_whole_truth_on_waking(scene: Scene, browser: Browser) -> None:
    """As on a telephone in a pocket: its browser runs nothing, its stream dies, and the server that held it is another."""
    filing = Filing.begun(scene)
    filing.file()
    with watched(filing, browser) as (pages, clients):
        with asleep():
            with BREAKS["serve"](scene):
                pass
            for _ in range(3):
                filing.file()
            wait_until(filing.is_shown, seconds=SETTLE_SECONDS)
        woken_at = monotonic()
        all_is_seen(filing, pages, clients)
        took = monotonic() - woken_at
        print(f"awake: on all screens {took:.1f} s after waking")
        assert took <= BACK_SECONDS, f"seed {scene.seed}"


@contextmanager
def asleep() -> Iterator[None]:
    """No process of the browser runs meanwhile. (Chromium freezes no page that it takes for visible, whatever it is told.)"""
    processes = [each for each in psutil.Process().children(recursive=True) if each.name().startswith("chrom")]
    assert processes
    for each in processes:
        each.suspend()
    try:
        yield
    finally:
        for each in processes:
            each.resume()


def parts(scene: Scene) -> list[str]:
    """The API, and one of the others by the seed; in the large run many."""
    others = sorted(set(BREAKS) - {"serve"})
    if scene.size is SMALL:
        return ["serve", scene.rng.choice(others)]
    return scene.rng.sample([*BREAKS, *BREAKS], ROUNDS)


@contextmanager
def watched(filing: Filing, browser: Browser) -> Iterator[tuple[list[Page], list[Client]]]:
    """Two pages and some bare clients that show the incident as it is now."""
    accounts, url = filing.scene.ministry.accounts, filing.scene.stage.url
    with ExitStack() as stack:
        pages = []
        for who, viewport, tail in (("minister", PHONE, "/minister"), ("duty_officer", DESK, "")):
            context = browser.new_context(base_url=url, viewport=viewport, locale="id-ID")  # type: ignore[arg-type]
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
            pages.append(signed_in(context.new_page(), accounts[who]))
            pages[-1].goto(f"/incidents/{filing.incident_id}{tail}")
        clients = [stack.enter_context(closing(Client(f"{url}{filing.path}/live", accounts["minister"].token))) for _ in range(CLIENTS)]
        all_is_seen(filing, pages, clients)
        yield pages, clients


def signed_in(page: Page, account: Account) -> Page:
    page.goto("/sign-in")
    page.fill("#username", account.username)
    page.fill("#password", account.password)
    page.click("main button.main")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def all_is_seen(filing: Filing, pages: list[Page], clients: list[Client]) -> None:
    """Every report on every screen, which says that it is live."""
    shown = re.compile(rf"tidak disebut\): (sedikitnya )?{len(filing.answered)}\b")
    for page in pages:
        expect(page.locator("#sheet")).to_contain_text(shown, timeout=PATIENCE_MS)
        expect(page.locator("#link-state")).to_contain_text("●", timeout=PATIENCE_MS)
    wait_until(lambda: all(set(client.reports) >= set(filing.answered) for client in clients))


class Client:
    """Reads the stream and comes back whenever it ends, as the documentation asks; it needs no memory of what it had."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._headers = url, {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        self.reports: list[str] = []
        self._stop = Event()
        self._answer: requests.Response | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        line = self._answer and self._answer.raw.connection
        if line is not None and line.sock is not None:
            with suppress(OSError):  # it ended by itself
                line.sock.shutdown(SHUT_RDWR)
        self._thread.join(PATIENCE_MS / 1000)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with requests.get(self._url, headers=self._headers, stream=True, timeout=2 * BACK_SECONDS) as answer:
                    self._answer = answer
                    self._read(answer)
            except requests.RequestException:
                self._stop.wait(AGAIN_SECONDS)

    def _read(self, answer: requests.Response) -> None:
        for line in answer.iter_lines(chunk_size=1024):
            if self._stop.is_set():
                return
            if line.startswith(b"data: "):
                self.reports = reports_on(json.loads(line.removeprefix(b"data: ")))
