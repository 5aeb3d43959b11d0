"""A picture from a telephone: made smaller by the page where it can, sent as it is where it cannot, and seen by the ministry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import select

from alerts.reports.pictures.models import ReportPicture
from tests.browser.conftest import PHONE, Site
from tests.browser.test_pages import AXE_OPTIONS
from tests.reports.test_pictures import camera, picture


@pytest.mark.parametrize("is_kept", [False, True], ids=["place-forgotten", "place-kept"])
@pytest.mark.parametrize("can_draw", [True, False], ids=["canvas", "no-canvas"])
def test_a_picture_is_added_on_a_phone(
    open_as: Callable[..., Page], site: Site, shot: Callable[..., None], tmp_path: Path, *, can_draw: bool, is_kept: bool
) -> None:
    file = tmp_path / "dcim.jpg"
    file.write_bytes(picture(size=(3000, 1500), exif=camera(), quality=98))
    page = open_as("mission_staff", PHONE, webgl=can_draw)
    page.goto(f"/incidents/{site.crisis.incident}/reports/{site.crisis.report}")
    sent: list[int] = []
    page.on("request", lambda request: sent.append(int(request.all_headers()["content-length"])) if request.method == "POST" else None)
    page.click("summary:has-text('Tambah foto')")
    page.set_input_files("#picture", file)
    name = f"Halaman {can_draw} {is_kept}"
    page.fill("#caption", name)
    if is_kept:
        page.check("[name=keep_location]")
        page.fill("#location_reason", "Titik kumpul")
    page.click("#picture-form button")
    shown = page.get_by_role("img", name=name)
    expect(shown).to_be_visible()
    expect(shown).to_have_js_property("naturalWidth", 400)
    assert not Axe().run(page, options=AXE_OPTIONS).response["violations"]
    shot(page, "report-picture")
    with site.sessions.begin() as session:
        kept = session.scalars(select(ReportPicture).where(ReportPicture.caption == name)).one()
    assert ((kept.width, kept.height), kept.lat is not None) == ((2048, 1024), is_kept)
    assert (sent[0] < file.stat().st_size) == (can_draw and not is_kept)
