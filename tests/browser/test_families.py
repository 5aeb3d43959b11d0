"""A family's call is written down with the keyboard alone, and who may be meant stands there at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Site


@pytest.mark.parametrize("script", [True, False])
def test_a_call_is_logged_with_the_keyboard_alone(open_as: Callable[..., Page], site: Site, script: bool) -> None:
    page = open_as("mission_staff", PHONE, script=script)
    page.goto(f"/incidents/{site.crisis.incident}/families")
    expect(page.locator("#sought")).to_be_focused()
    page.keyboard.type("Moh. Riski Tjontoh")
    page.keyboard.press("Tab")
    page.keyboard.type("0812 999 1234")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("pesan dari Antakya")
    page.keyboard.press("Enter")
    page.wait_for_url("**/families/*?call=*")
    assert "Riski" not in page.url
    expect(page.locator("blockquote").first).to_contain_text("Nomor Anda:")
    expect(page.get_by_text("Muhammad Rizky Contoh")).to_be_visible()
    expect(page.get_by_text("M. Rizki Tjontoh")).to_be_visible()
