from __future__ import annotations
from tests.browser.conftest import DESK, PHONE

def test_look(open_as, shot, site):
    page = open_as(None, PHONE); page.goto("/sign-in"); shot(page, "sign-in")
    page = open_as("administrator"); page.goto("/staff"); shot(page, "staff"); page.goto("/staff/new"); shot(page, "staff-new")
    page = open_as("duty_officer"); shot(page, "incidents-empty")
    page.goto("/incidents/new")
    page.fill("#place1", "Turki (TR)"); page.locator("#place1").blur(); page.wait_for_selector("#people .card")
    shot(page, "incident-new")
