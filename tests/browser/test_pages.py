from __future__ import annotations
from tests.browser.conftest import DESK, PHONE

def test_look(open_as, shot, site):
    page = open_as("duty_officer")
    page.goto("/incidents/new")
    page.fill("#place1", "Turki (TR)"); page.locator("#place1").blur(); page.wait_for_selector("#people .card")
    page.click("main button.main")
    page.wait_for_url("**/incidents/*"); 
    shot(page, "incident"); base = page.url
    page.set_viewport_size(PHONE); shot(page, "incident"); page.set_viewport_size(DESK)
    page.click("text=Write an alert >> nth=0"); shot(page, "broadcast-new")
    page.click("main button.main"); shot(page, "broadcast")
    page.click("main button.main"); shot(page, "broadcast-submitted")
    url = page.url
    page = open_as("approver"); page.goto(url + "/approve"); shot(page, "approve"); page.set_viewport_size(PHONE); shot(page, "approve")
    page.fill("#count", "133"); page.click("main button.main.big"); shot(page, "broadcast-approved")
    page = open_as("mission_staff", PHONE); page.goto(base); shot(page, "incident-mission"); page.goto(base + "/report"); shot(page, "report")
    page.click("main button.main >> nth=0"); shot(page, "report-filed")
    page = open_as("minister", PHONE); page.goto(base + "/minister"); shot(page, "minister"); page.set_viewport_size(DESK); shot(page, "minister")
    page.goto(base + "/sheet"); shot(page, "sheet")
