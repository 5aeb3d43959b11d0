"""The forms of a report's pictures: added, seen by its mission and the ministry, taken away with a reason."""

from __future__ import annotations

import io

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.reports.pictures.models import ReportPicture
from tests.console.conftest import Browser, Person
from tests.console.test_report_pages import form_key, reporting
from tests.reports.test_pictures import camera, picture


def report_of(person: Person, incident: str) -> str:
    key = form_key(person.get(f"{incident}/report").text)
    return str(person.post(f"{incident}/report", narrative="Halaman rusak", form_key=key).headers["location"])


def test_a_picture_is_added_seen_and_taken_away(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    report = report_of(person, incident)
    form = {
        "caption": "Halaman KBRI",
        "keep_location": "yes",
        "location_reason": "Titik kumpul",
        "form_key": form_key(person.get(report).text),
    }
    file = ("dcim.jpg", io.BytesIO(picture(exif=camera())), "image/jpeg")
    answer = person.send_file(f"{report}/pictures", "picture", file, came_from=report, **form)
    assert answer.headers["location"] == f"{report}#pictures", answer.text
    kept = session.scalars(select(ReportPicture)).one()
    page = browse("minister").get(report).text
    assert f'src="/api/v1{report}/pictures/{kept.id}?size=small" alt="Halaman KBRI"' in page
    assert "diambil di 36.2, 36.16 (Titik kumpul)" in page
    assert "Tambah foto" not in page
    removal = f"{report}/pictures/{kept.id}/remove"
    without = person.post(removal, came_from=report, reason=" ", form_key=form_key(person.get(report).text))
    assert without.status_code == 422
    assert person.post(removal, came_from=report, reason="Wajah korban", form_key=form_key(person.get(report).text)).status_code == 303
    page = person.get(report).text
    assert "Foto ini telah ditarik: Wajah korban" in page
    assert "36.2" not in page


def test_what_is_no_picture_comes_back_with_what_was_typed(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    report = report_of(person, incident)
    file = ("surat.pdf", io.BytesIO(b"%PDF-1.7"), "application/pdf")
    form = {"caption": "Surat polisi", "form_key": form_key(person.get(report).text)}
    answer = person.send_file(f"{report}/pictures", "picture", file, came_from=report, **form)
    assert answer.status_code == 422
    assert "Berkas ini bukan foto JPEG, PNG, WebP, atau GIF." in answer.text
    assert 'value="Surat polisi"' in answer.text
