"""A report on a bad line: kept, queued, sent when the signal is back, and filed once."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect
from sqlalchemy import func, select, update

from alerts.incidents.models import Incident
from alerts.reports.models import Report
from tests.browser.conftest import DESK, PHONE, Site
from tests.browser.test_pages import AXE_OPTIONS

SENT = re.compile("terkirim dan tercatat")
WAITS = re.compile("menunggu sinyal")
HELD = re.compile("tidak diterima; kembali ke lembar")


def count(site: Site, narrative: str) -> int:
    with site.sessions.begin() as session:
        return session.scalar(select(func.count()).select_from(Report).where(Report.narrative == narrative)) or 0


def report_of(site: Site, page: Page) -> None:
    page.goto(f"/incidents/{site.crisis.incident}/report")


def test_a_draft_survives_a_closed_tab(open_as: Callable[..., Page], site: Site) -> None:
    page = open_as("mission_staff", PHONE)
    report_of(site, page)
    page.fill("#narrative", "Listrik padam di Hatay")
    page.click("#report > details:first-of-type > summary")
    page.select_option("#status-power", "not_working")
    page.close()
    again = page.context.new_page()
    report_of(site, again)
    expect(again.locator("#narrative")).to_have_value("Listrik padam di Hatay")
    expect(again.locator("#status-power")).to_have_value("not_working")
    again.click("#report button.main")
    expect(again.locator("main")).to_contain_text("Listrik padam di Hatay")
    expect(again.locator("main")).to_contain_text("tidak berfungsi")
    report_of(site, again)
    expect(again.locator("#narrative")).to_have_value("")


def test_a_report_without_a_signal_waits_and_goes_by_itself(open_as: Callable[..., Page], site: Site, shot: Callable[..., None]) -> None:
    page = open_as("mission_staff", PHONE)
    report_of(site, page)
    page.fill("#narrative", "Ditulis tanpa sinyal")
    page.context.set_offline(True)
    page.click("#report button.main")
    expect(page.locator("#outbox li")).to_have_text(WAITS)
    expect(page.locator("#draft-state")).to_be_visible()
    expect(page.locator("#narrative")).to_have_value("")
    assert not Axe().run(page, options=AXE_OPTIONS).response["violations"]
    shot(page, "report-queued")
    assert count(site, "Ditulis tanpa sinyal") == 0
    page.context.set_offline(False)
    expect(page.locator("#outbox li")).to_have_text(SENT)
    assert count(site, "Ditulis tanpa sinyal") == 1
    page.click("#outbox a")
    expect(page.locator("main")).to_contain_text("Ditulis tanpa sinyal")


def test_what_waits_goes_out_of_a_tab_opened_later_even_if_the_first_try_arrived(open_as: Callable[..., Page], site: Site) -> None:
    """The answer was lost on the way back: the same key makes the second sending harmless."""
    page = open_as("mission_staff", PHONE)
    report_of(site, page)
    page.fill("#narrative", "Jawaban hilang di jalan")

    def lose_the_answer(route: Route) -> None:
        route.fetch(max_redirects=0)
        route.abort("connectionreset")

    page.route(re.compile("/report$"), lambda route: lose_the_answer(route) if route.request.method == "POST" else route.continue_())
    page.click("#report button.main")
    expect(page.locator("#outbox li")).to_have_text(WAITS)
    assert count(site, "Jawaban hilang di jalan") == 1
    page.close()
    later = page.context.new_page()
    report_of(site, later)
    expect(later.locator("#outbox li")).to_have_text(SENT)
    assert count(site, "Jawaban hilang di jalan") == 1


def test_a_sheet_that_is_refused_says_why_and_loses_nothing(open_as: Callable[..., Page], site: Site) -> None:
    page = open_as("mission_staff", DESK)
    report_of(site, page)
    page.fill("#zero_how", "datang ke lokasi")
    page.click("#report button.main")
    expect(page.locator(".problem[role=alert]")).to_be_visible()
    expect(page.locator("#zero_how")).to_have_value("datang ke lokasi")
    page.fill("#narrative", "Sekarang ada isinya")
    page.click("#report button.main")
    expect(page.locator("main")).to_contain_text("Sekarang ada isinya")


def test_a_sheet_for_an_incident_that_was_closed_meanwhile_comes_back_when_the_form_is_free(
    open_as: Callable[..., Page], site: Site
) -> None:
    """The answer (409) says that it is taken neither now nor later; what is being written in the form stays, too."""
    page = open_as("mission_staff", PHONE)
    report_of(site, page)
    page.fill("#narrative", "Ditulis sebelum ditutup")
    page.context.set_offline(True)
    page.click("#report button.main")
    expect(page.locator("#outbox li")).to_have_text(WAITS)
    page.fill("#narrative", "Sedang ditulis")
    set_state(site, "closed")
    page.context.set_offline(False)
    try:
        expect(page.locator("#outbox li")).to_have_text(HELD)
    finally:
        set_state(site, "open")
    expect(page.locator("#narrative")).to_have_value("Sedang ditulis")
    report_of(site, page)
    expect(page.locator("#outbox li")).to_have_text(HELD)
    expect(page.locator("#narrative")).to_have_value("Sedang ditulis")
    page.fill("#narrative", "")
    report_of(site, page)
    expect(page.locator("#narrative")).to_have_value("Ditulis sebelum ditutup")
    assert count(site, "Ditulis sebelum ditutup") == 0


def set_state(site: Site, state: str) -> None:
    with site.sessions.begin() as session:
        session.execute(update(Incident).where(Incident.id == site.crisis.incident).values(state=state))


def test_another_person_on_the_same_device_does_not_send_it(open_as: Callable[..., Page], site: Site) -> None:
    page = open_as("mission_staff", PHONE)
    report_of(site, page)
    page.fill("#narrative", "Milik orang lain")
    page.context.set_offline(True)
    page.click("#report button.main")
    expect(page.locator("#outbox li")).to_have_text(WAITS)
    own = page.evaluate("Object.keys(localStorage).find((key) => key.startsWith('reports-waiting:'))")
    assert UUID(own.removeprefix("reports-waiting:"))
    kept = page.evaluate("(key) => localStorage.getItem(key)", own)
    page.context.set_offline(False)
    expect(page.locator("#outbox li")).to_have_text(SENT)
    officer = open_as("duty_officer", PHONE)
    officer.evaluate("([key, kept]) => localStorage.setItem(key, kept)", [own, kept])
    report_of(site, officer)
    expect(officer.locator("#outbox")).to_be_hidden()
    assert count(site, "Milik orang lain") == 1
