"""Pictures: only pixels are kept, a place only on purpose, hostile files end in a clear answer, and taking away takes the bytes."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from PIL import ExifTags, Image
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.kit.errors import ThrottledError
from alerts.reports.pictures.remaking import AT_ONCE, WAITING, remake
from alerts.reports.pictures.rules import PER_REPORT_MAX
from tests.factories.reports import line, new_key, report_body
from tests.reports.test_filing import SignIn, open_incident

Add = Callable[..., Response]
SECRET = b"KAMERA-PRIBADI-0815"
HATAY = {ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (36, 12, 0), ExifTags.GPS.GPSLongitudeRef: "E"} | {
    ExifTags.GPS.GPSLongitude: (36, 9, 36)
}


def picture(
    kind: str = "JPEG", size: tuple[int, int] = (60, 40), *, exif: Image.Exif | None = None, mode: str = "RGB", **more: Any
) -> bytes:
    out = io.BytesIO()
    drawn = Image.new(mode, size, 0)
    drawn.paste(255 if mode in ("L", "P") else (200, 30, 30, 255)[: len(mode)], (0, 0, size[0] // 2, size[1]))
    drawn.save(out, kind, exif=exif or Image.Exif(), **more)
    return out.getvalue()


def camera(gps: dict[int, Any] | None = None, orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = SECRET.decode()
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(HATAY if gps is None else gps)
    return exif


@pytest.fixture
def incident_id(client: TestClient, sign_in: SignIn) -> str:
    return open_incident(client, sign_in)


@pytest.fixture
def report(client: TestClient, sign_in: SignIn, incident_id: str) -> str:
    """The address of a report of kbri-ankara."""
    answer = client.post(
        f"/api/v1/incidents/{incident_id}/reports", json=report_body(line("injured", 2)), headers=sign_in("mission_staff") | new_key()
    )
    assert answer.status_code == 201, answer.text
    return f"/api/v1/incidents/{incident_id}/reports/{answer.json()['id']}/pictures"


@pytest.fixture
def add(client: TestClient, sign_in: SignIn, report: str) -> Add:
    headers = sign_in("mission_staff")

    def added(content: bytes, **more: Any) -> Response:
        body = {"picture": base64.b64encode(content).decode(), **more}
        return client.post(report, json=body, headers=headers | new_key())

    return added


def fetch(client: TestClient, sign_in: SignIn, report: str, picture_id: str, size: str = "large", role: str = "mission_staff") -> Response:
    return client.get(f"{report}/{picture_id}", params={"size": size}, headers=sign_in(role))


def test_only_pixels_are_kept(client: TestClient, sign_in: SignIn, report: str, add: Add) -> None:
    sent = picture(size=(3000, 1500), exif=camera(), comment=SECRET, quality=95)
    assert SECRET in sent
    answer = add(sent, caption="Posko di halaman KBRI")
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["width"], told["height"], told["caption"], told["location"]) == (2048, 1024, "Posko di halaman KBRI", None)
    for size, side in (("large", 2048), ("small", 400)):
        kept = fetch(client, sign_in, report, told["id"], size)
        assert kept.headers["content-type"] == "image/jpeg"
        assert SECRET not in kept.content
        made = Image.open(io.BytesIO(kept.content))
        assert made.size == (side, side // 2)
        assert not made.getexif()
        assert set(made.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert told["octets"] == len(fetch(client, sign_in, report, told["id"]).content)


def test_nothing_of_a_place_is_stored_unless_it_is_wanted(add: Add, session: Session) -> None:
    assert add(picture(exif=camera())).status_code == 201
    assert session.execute(text("SELECT lat, lon, location_reason FROM report_picture")).one() == (None, None, None)
    refused = add(picture(exif=camera()), keep_location=True)
    assert (refused.status_code, refused.json()["field"]) == (422, "location_reason")
    kept = add(picture(exif=camera()), keep_location=True, location_reason="Titik evakuasi").json()
    assert kept["location"] == {"lat": 36.2, "lon": 36.16, "reason": "Titik evakuasi"}


@pytest.mark.parametrize(
    "gps",
    [
        {},
        HATAY | {ExifTags.GPS.GPSLatitude: (97, 0, 0)},
        HATAY | {ExifTags.GPS.GPSLatitude: (1, 2)},
        HATAY | {ExifTags.GPS.GPSLatitude: (0, 0, 0), ExifTags.GPS.GPSLongitude: (0, 0, 0)},
    ],
    ids=["none", "past-the-pole", "two-parts", "null-island"],
)
def test_a_place_that_cannot_be_is_none(add: Add, gps: dict[int, Any]) -> None:
    kept = add(picture(exif=camera(gps)), keep_location=True, location_reason="Titik evakuasi")
    assert kept.status_code == 201, kept.text
    assert kept.json()["location"] is None


def test_it_stands_upright(client: TestClient, sign_in: SignIn, report: str, add: Add) -> None:
    told = add(picture(exif=camera(orientation=6))).json()
    assert (told["width"], told["height"]) == (40, 60)
    made = Image.open(io.BytesIO(fetch(client, sign_in, report, told["id"]).content)).convert("RGB")
    top, bottom = (made.getpixel((20, y)) for y in (5, 55))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 150 + bottom[0]


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("PNG", "L"), ("PNG", "P"), ("WEBP", "RGB"), ("GIF", "P"), ("JPEG", "CMYK")])
def test_each_common_kind_is_taken(add: Add, kind: str, mode: str) -> None:
    answer = add(picture(kind, mode=mode))
    assert answer.status_code == 201, answer.text


def bomb() -> bytes:
    """A PNG that says it is 60,000 pixels wide and high."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1_000_000))), (b"IEND", b"")]
    packed = b"".join(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + packed


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_a_picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not_a_picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_a_picture"),
        (picture("TIFF"), "not_a_picture"),
        (picture(size=(600, 400))[:900], "damaged"),
        (bomb(), "too_many_pixels"),
    ],
    ids=["empty", "svg", "postscript", "tiff", "cut-off", "bomb"],
)
def test_what_is_no_picture_is_told_so(add: Add, session: Session, content: bytes, code: str) -> None:
    answer = add(content)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, "picture")
    assert session.execute(text("SELECT count(*) FROM report_picture")).scalar_one() == 0


def test_a_rush_of_pictures_is_sent_away_at_once_and_leaves_room_for_the_next() -> None:
    content, gate = picture(size=(2000, 1500)), Barrier(12)

    def one(_: int) -> str | None:
        gate.wait()
        try:
            remake(content)
        except ThrottledError as error:
            return error.headers["Retry-After"]
        return None

    with ThreadPoolExecutor(12) as pool:
        waits = list(pool.map(one, range(12)))
    assert AT_ONCE + WAITING <= waits.count(None) < len(waits)
    assert set(waits) == {None, "2"}
    assert remake(content).width == 2000


def test_a_program_behind_the_pixels_is_gone(client: TestClient, sign_in: SignIn, report: str, add: Add) -> None:
    told = add(picture() + b"<script>alert(1)</script>").json()
    assert b"script" not in fetch(client, sign_in, report, told["id"]).content


def test_a_report_has_so_many(committed_client: TestClient, sign_in: SignIn) -> None:
    headers = sign_in("mission_staff")
    incident = f"/api/v1/incidents/{open_incident(committed_client, sign_in)}/reports"
    report = committed_client.post(incident, json=report_body(line("injured", 2)), headers=headers | new_key()).json()["id"]
    body = {"picture": base64.b64encode(picture("PNG", (2, 2))).decode()}

    def one(_: int) -> int:
        return committed_client.post(f"{incident}/{report}/pictures", json=body, headers=headers | new_key()).status_code

    assert [one(number) for number in range(PER_REPORT_MAX - 1)] == [201] * (PER_REPORT_MAX - 1)
    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(one, range(3))) == [201, 409, 409]
    items = committed_client.get(f"{incident}/{report}/pictures", headers=headers).json()["items"]
    assert len(items) == PER_REPORT_MAX


def test_who_may_not_file_adds_nothing_and_other_missions_see_nothing(client: TestClient, sign_in: SignIn, report: str, add: Add) -> None:
    told = add(picture()).json()
    stranger = sign_in("mission_staff", mission_code="kbri-tokyo")
    body = {"picture": base64.b64encode(picture()).decode()}
    assert client.post(report, json=body, headers=stranger | new_key()).status_code == 404
    assert client.get(report, headers=stranger).status_code == 404
    assert client.get(f"{report}/{told['id']}", headers=stranger).status_code == 404
    assert (
        client.post(f"{report}/{told['id']}/remove", json={"reason": "bukan milik saya"}, headers=stranger | new_key()).status_code == 404
    )
    assert fetch(client, sign_in, report, told["id"], role="minister").status_code == 200


def test_taken_away_is_gone_and_known(client: TestClient, sign_in: SignIn, report: str, add: Add, session: Session) -> None:
    told = add(picture(exif=camera()), keep_location=True, location_reason="Titik evakuasi").json()
    headers = sign_in("mission_staff")
    for _ in range(2):
        answer = client.post(f"{report}/{told['id']}/remove", json={"reason": "Wajah korban terlihat"}, headers=headers | new_key())
        assert answer.status_code == 200, answer.text
        assert (answer.json()["removal"]["reason"], answer.json()["location"]) == ("Wajah korban terlihat", None)
    assert fetch(client, sign_in, report, told["id"]).json()["code"] == "picture_removed"
    assert session.execute(text("SELECT count(*) FROM report_picture_file")).scalar_one() == 0
    actions = session.execute(text("SELECT action FROM action_log WHERE subject_kind = 'report_picture' ORDER BY id")).scalars().all()
    assert actions == ["picture.added", "picture.removed"]


def test_a_closed_incident_takes_no_picture(client: TestClient, sign_in: SignIn, incident_id: str, add: Add) -> None:
    headers = sign_in("duty_officer")
    etag = client.get(f"/api/v1/incidents/{incident_id}", headers=headers).headers["etag"]
    closed = client.post(
        f"/api/v1/incidents/{incident_id}/close", json={"reason": "selesai"}, headers=headers | new_key() | {"If-Match": etag}
    )
    assert closed.status_code == 200, closed.text
    assert add(picture()).status_code == 409


@pytest.mark.parametrize("table", ["report_picture", "report_picture_removal", "report_picture_file"])
def test_no_row_is_changed(add: Add, session: Session, table: str) -> None:
    add(picture())
    column = "large" if table == "report_picture_file" else "known_at"
    with pytest.raises(DBAPIError):
        session.execute(text(f"UPDATE {table} SET {column} = {column}"))


def test_a_body_too_large_is_refused_at_the_door(client: TestClient, sign_in: SignIn, report: str) -> None:
    headers = sign_in("mission_staff") | new_key() | {"Content-Type": "application/json"}
    assert client.post(report, content=b" " * 23_000_000, headers=headers).status_code == 413
