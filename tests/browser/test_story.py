"""The main job by hand: open, write, submit, approve as somebody else, and see the numbers move without a reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from playwright.sync_api import Page, Route, expect
from sqlalchemy import select, text

from alerts.kit.actor import Via
from alerts.kit.clock import db_now
from alerts.live.actions import refresh_one
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.staff.models import Staff
from alerts.staff.sign_in import actor_of
from tests.browser.conftest import PHONE, Site
from tests.factories.staff import PASSWORD


def test_from_something_happened_to_the_ministers_page(open_as: Callable[..., Page], site: Site) -> None:
    officer = open_as("duty_officer")
    officer.goto("/incidents")
    officer.click("a[href='/incidents/new']")
    officer.fill("#place1", "Turki (TR)")
    officer.locator("#place1").blur()
    expect(officer.locator("#people")).to_contain_text("137")
    officer.click("main button.main")
    officer.wait_for_url(re.compile(r"/incidents/[0-9a-f-]{36}$"))
    incident = officer.url.removeprefix(site.url)
    officer.click(f"a[href='{incident}/broadcasts/new'] >> nth=0")
    officer.fill("#text_id", "Gempa kuat. Jauhi gedung retak.")
    officer.click("main button.main")
    expect(officer.locator(".sms").first).to_contain_text("Jauhi gedung retak")
    officer.click("form[action$='/submit'] button")
    message = officer.url.removeprefix(site.url)
    expect(officer.locator("a[href$='/approve']")).to_have_count(0)

    minister = open_as("minister", PHONE)
    minister.goto(f"{incident}/minister")
    minister.evaluate("window.isStillHere = true")
    expect(minister.locator("#link-state")).to_contain_text("●")
    expect(minister.locator("#q-ours")).not_to_contain_text("luka ringan")

    _approve(open_as("approver"), message)
    expect(officer.locator("main")).to_be_visible()
    _file_injured(site, UUID(incident.rsplit("/", 1)[1]), 7)
    expect(minister.locator("#q-ours")).to_contain_text("7")
    assert minister.evaluate("window.isStillHere") is True


def _approve(approver: Page, message: str) -> None:
    approver.goto(f"{message}/approve")
    approver.fill("#count", "12")
    approver.click("main button.main")
    expect(approver.locator("[role=alert]")).to_be_visible()
    approver.fill("#count", "137")
    approver.click("main button.main")
    expect(approver.locator("h1 .tag.good")).to_be_visible()


def _file_injured(site: Site, incident_id: UUID, people: int) -> None:
    """What a mission would send from elsewhere, and what the worker does on its event."""
    with site.sessions.begin() as session:
        staff = session.scalars(select(Staff).where(Staff.username == site.staff["mission_staff"])).one()
        lines = [{"category": "injured", "places": ["TR-31"], "value": people}]
        body = {"source": "mission:kbri-ankara", "as_of": db_now(session), "lines": lines}
        file_report(session, actor=actor_of(staff, Via.SESSION), incident_id=incident_id, command=ReportIn.model_validate(body))
    assert refresh_one(site.settings, site.sessions, incident_id) is not None


def test_a_version_that_could_not_be_fetched_is_not_called_live_and_comes_by_itself(open_as: Callable[..., Page], site: Site) -> None:
    """The server answers the stream and not the part, as it does while it starts again: the figures on the page are old, and say so."""
    page = open_as("minister", PHONE)
    page.goto(f"/incidents/{site.crisis.incident}/minister")
    state = page.locator("#link-state")
    expect(state).to_contain_text("●")
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=503)

    page.route("**/minister/sheet*", refuse)
    before = page.locator("#sheet").inner_text()
    _file_injured(site, site.crisis.incident, 4321)
    expect(state).to_contain_text("▲")
    with page.expect_request("**/minister/sheet*"), page.expect_request("**/minister/sheet*"):
        pass  # it is asked for again and again, not once
    expect(state).to_contain_text("▲")
    assert (page.locator("#sheet").inner_text(), len(refused) >= 2) == (before, True)
    page.unroute("**/minister/sheet*")
    expect(page.locator("#sheet")).to_contain_text("4.321")
    expect(state).to_contain_text("●")


def test_a_stream_that_was_refused_is_opened_again(open_as: Callable[..., Page], site: Site) -> None:
    """The browser itself gives such a one up for good."""
    page = open_as("minister", PHONE)
    page.route("**/pulse*", lambda route: route.fulfill(status=502))
    page.goto(f"/incidents/{site.crisis.incident}/minister")
    state = page.locator("#link-state")
    expect(state).to_contain_text("▲")
    page.unroute("**/pulse*")
    expect(state).to_contain_text("●", timeout=15_000)


def test_a_screen_that_slept_for_an_hour_has_the_whole_truth_on_waking(open_as: Callable[..., Page], site: Site) -> None:
    """Its own clock jumps, its stream is from before: it says so, opens another and shows what was filed meanwhile."""
    page = open_as("minister", PHONE)
    page.clock.install()
    page.goto(f"/incidents/{site.crisis.incident}/minister")
    state = page.locator("#link-state")
    expect(state).to_contain_text("●")
    page.context.set_offline(True)
    _file_injured(site, site.crisis.incident, 5432)
    page.clock.fast_forward("01:00:00")
    expect(state).to_contain_text("▲")
    expect(state).to_contain_text("Yang terlihat di sini diambil 60 menit yang lalu.")
    expect(page.locator("#sheet")).not_to_contain_text("5.432")
    with page.expect_request("**/pulse*"):
        page.context.set_offline(False)
        page.clock.fast_forward("00:01:00")
    expect(page.locator("#sheet")).to_contain_text("5.432")
    expect(state).to_contain_text("●")


def test_a_screen_whose_session_ended_in_its_sleep_asks_who_it_is(open_as: Callable[..., Page], site: Site) -> None:
    page = open_as("minister", PHONE)
    page.clock.install()
    address = f"/incidents/{site.crisis.incident}/minister"
    page.goto(address)
    state = page.locator("#link-state")
    expect(state).to_contain_text("●")
    page.context.set_offline(True)
    with site.sessions.begin() as session:
        session.execute(text("UPDATE staff_session SET last_seen_at = last_seen_at - interval '1 hour'"))
    _file_injured(site, site.crisis.incident, 6543)
    page.clock.fast_forward("01:00:00")
    expect(state).to_contain_text("60 menit yang lalu")
    with page.expect_navigation(url=lambda url: "/sign-in" in url):
        page.context.set_offline(False)
        page.clock.fast_forward("00:01:00")
    page.fill("#username", site.staff["minister"])
    page.fill("#password", PASSWORD)
    page.click("main button.main")
    page.wait_for_url(f"**{address}")
    expect(page.locator("#sheet")).to_contain_text("6.543")
    expect(state).to_contain_text("●")


def test_the_pages_work_without_script(open_as: Callable[..., Page], site: Site) -> None:
    page = open_as("duty_officer", script=False)
    page.goto("/incidents/new")
    page.fill("#place1", "Suriah")
    page.click("main button.main")
    page.wait_for_url(re.compile(r"/incidents/[0-9a-f-]{36}$"))
    assert page.locator("#map svg path.land.hit").count() == 1
    mission = open_as("mission_staff", PHONE, script=False)
    mission.goto(f"/incidents/{site.crisis.incident}/report")
    mission.click("form[action$='/nothing'] button")
    expect(mission.locator("main")).to_contain_text("belum ditanyakan")


def test_the_language_is_the_readers_choice(open_as: Callable[..., Page]) -> None:
    page = open_as(None, PHONE)
    page.goto("/sign-in")
    expect(page.locator("h1")).to_have_text("Masuk")
    page.click("button[value=en]")
    expect(page.locator("h1")).to_have_text("Sign in")
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_map_moves_where_it_can_and_is_drawn_where_it_cannot(open_as: Callable[..., Page], site: Site) -> None:
    for webgl, ready in ((True, "map"), (False, "drawing")):
        page = open_as("duty_officer", webgl=webgl)
        page.goto(f"/incidents/{site.crisis.incident}")
        expect(page.locator("#map")).to_have_attribute("data-ready", ready, timeout=20_000)
        seen = page.locator("#map canvas" if webgl else "#map > svg").bounding_box()
        assert seen
        assert seen["height"] > 200
