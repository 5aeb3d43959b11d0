"""Every page on a phone and on a desk: nothing for axe to find, nothing wider than the phone, a picture to look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import DESK, PHONE, Site

AXE_OPTIONS = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
INCIDENT = "/incidents/{c.incident}"
# One browser profile per role; paths with the ids of the crisis filled in.
PAGES: dict[str | None, list[tuple[str, str]]] = {
    None: [
        ("sign-in", "/sign-in"),
        ("not-found", "/static-that-is-not/there"),
        ("public", "/public/incidents/{c.slug}"),
        ("public-alert", "/public/a"),
        ("public-alert-ours", "/public/a/{c.code}"),
    ],
    "minister": [("incidents", "/incidents"), ("minister", f"{INCIDENT}/minister"), ("sheet", f"{INCIDENT}/sheet")],
    "duty_officer": [
        ("incident", INCIDENT),
        ("incident-new", "/incidents/new"),
        ("broadcast-new", f"{INCIDENT}/broadcasts/new"),
        ("broadcast-draft", "/broadcasts/{c.draft}"),
        ("broadcast-sent", "/broadcasts/{c.approved}"),
        ("exercise", "/exercise/incidents/{c.exercise}"),
        ("quiet", "/incidents/{c.quiet}"),
        ("cases", "/cases"),
        ("inbox", "/inbox"),
        ("calls", INCIDENT + "/calls"),
        ("missions", "/missions/board"),
        ("missions-incident", INCIDENT + "/missions"),
        ("missions-exercise", "/exercise/missions/board"),
        ("log", INCIDENT + "/log"),
        ("handover", INCIDENT + "/handover"),
        ("families", INCIDENT + "/families"),
        ("family", "/families/{c.family}"),
        ("persons", INCIDENT + "/persons"),
        ("person", "/persons/{c.dead}"),
        ("forward", "/broadcasts/{c.approved}/forward"),
        ("roaming", "/broadcasts/{c.approved}/roaming"),
        ("proof", "/broadcasts/{c.approved}/proof"),
        ("reach-course", "/broadcasts/{c.approved}/reach/course"),
        ("reach-course-country", "/broadcasts/{c.approved}/reach/course?by=country"),
        ("exports", "/broadcasts/{c.approved}/exports"),
        ("first-alert", f"{INCIDENT}/first-alert"),
        ("broadcast-held", "/broadcasts/{c.held}"),
        ("prepared", "/prepared"),
        ("ministry-report", f"{INCIDENT}/report"),
        ("duty-alarms", "/duty"),
    ],
    "approver": [
        ("approve", "/broadcasts/{c.submitted}/approve"),
        ("hold-approver", "/broadcasts/{c.held}"),
        ("waves", "/broadcasts/{c.approved}"),
        ("exports-approver", "/broadcasts/{c.approved}/exports"),
        ("prepared-approver", "/prepared"),
        ("duty", "/duty"),
    ],
    "mission_staff": [
        ("missions-own", "/missions/board"),
        ("mission-incident", INCIDENT),
        ("report", f"{INCIDENT}/report"),
        ("report-filed", f"{INCIDENT}/reports/{{c.report}}"),
    ],
    "public_information": [
        ("statements", f"{INCIDENT}/statements"),
        ("statement-draft", f"{INCIDENT}/statements/{{c.drafted}}"),
        ("statement-published", f"{INCIDENT}/statements/{{c.published}}"),
        ("brief", f"{INCIDENT}/brief"),
    ],
    "administrator": [
        ("staff", "/staff"),
        ("staff-new", "/staff/new"),
        ("password", "/password"),
        ("rosters", "/rosters"),
        ("roster", "/rosters/approver"),
        ("crew-roster", "/rosters/crew/spokesman"),
        ("country-rules", "/country-rules"),
        ("country-rule", "/country-rules/twilio/sms/AE"),
    ],
}


@pytest.mark.parametrize("role", list(PAGES))
def test_a_page_is_sound_at_both_widths(role: str | None, open_as: Callable[..., Page], shot: Callable[..., None], site: Site) -> None:
    page = open_as(role, PHONE)
    found: list[str] = []
    for name, path in PAGES[role]:
        answer = page.goto(path.format(c=site.crisis))
        if answer is None or (answer.status >= 400) != (name == "not-found"):
            found.append(f"{name}: answers {answer.status if answer else None}")
        found += [f"{name}: {fault}" for fault in _axe_faults(page)]
        for size in (DESK, PHONE):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            found += [f"{name}: {fault}" for fault in _too_wide(page)]
            shot(page, name)
    assert not found, "\n".join(found)


def test_on_a_phone_a_call_is_one_tap_away(open_as: Callable[..., Page], site: Site) -> None:
    page = open_as("duty_officer", PHONE)
    page.goto(f"/incidents/{site.crisis.incident}/calls")
    button = page.locator("tbody tr button").first.bounding_box()
    assert button is not None
    assert button["x"] + button["width"] <= PHONE["width"], "nobody looks for it beyond the edge"


@pytest.mark.parametrize("path", [f"{INCIDENT}/sheet", f"{INCIDENT}/persons", INCIDENT])
def test_on_a_phone_no_part_of_a_row_lies_beyond_the_edge(open_as: Callable[..., Page], site: Site, path: str) -> None:
    page = open_as("duty_officer", PHONE)
    page.goto(path.format(c=site.crisis))
    tables = page.evaluate("[...document.querySelectorAll('table.folds')].map(t => [t.scrollWidth, t.parentElement.clientWidth])")
    assert tables
    assert [(width, seen) for width, seen in tables if width > seen] == []


def _axe_faults(page: Page) -> list[str]:
    violations = Axe().run(page, options=AXE_OPTIONS).response["violations"]
    return [f"{violation['id']}: {node['html'][:160]}" for violation in violations for node in violation["nodes"]]


def _too_wide(page: Page) -> list[str]:
    width, viewport = page.evaluate("document.documentElement.scrollWidth"), page.viewport_size
    assert viewport
    return [f"{width} px wide on a screen of {viewport['width']}"] if width > viewport["width"] else []
