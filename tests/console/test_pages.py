"""Pages over HTTP, without a browser: who sees what, headers, exercises, refused forms, forms sent twice."""

from __future__ import annotations

import hashlib
import re
from html import unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.console.assets import STATIC_FOLDER
from alerts.incidents.models import Incident
from alerts.incidents.rules import Status
from tests.console.conftest import Browser, Person
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.staff import PASSWORD, make_staff

OPENING = {"kind": "earthquake", "urgency": "Immediate", "severity": "Extreme", "certainty": "Observed", "clock": "event"}
TEXTS = {"text_id": "Gempa kuat. Jauhi gedung retak.", "text_en": "Strong earthquake.", "channel": ["push", "sms"]}


def form_key(page: str) -> str:
    found = re.search(r'name="form_key" value="([0-9a-f]{32})"', page)
    assert found
    return found.group(1)


def open_one(person: Person, **fields: object) -> str:
    """Through the form; gives the path of the incident."""
    key = form_key(person.get("/incidents/new").text)
    answer = person.post("/incidents/new", **(OPENING | {"place": ["Turki (TR)"], "form_key": key} | fields))
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


# -- signing in ---------------------------------------------------------------------------------------------------------


def test_signing_in_goes_on_to_where_one_wanted_to_go(client: TestClient, session: Session) -> None:
    staff = make_staff(session, "minister")
    session.commit()
    refused = client.get("/incidents", follow_redirects=False)
    assert (refused.status_code, refused.headers["location"]) == (303, "/sign-in?next=/incidents")
    form = {"username": staff.username, "password": PASSWORD, "next": "/incidents"}
    answer = client.post("/sign-in", data=form, headers={"Origin": "http://testserver"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents")


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "\x01/"])
def test_signing_in_never_leads_to_another_site(client: TestClient, session: Session, wanted: str) -> None:
    staff = make_staff(session, "minister")
    session.commit()
    form = {"username": staff.username, "password": PASSWORD, "next": wanted}
    answer = client.post("/sign-in", data=form, headers={"Origin": "http://testserver"}, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_a_wrong_password_keeps_the_name_but_never_the_password(client: TestClient, session: Session) -> None:
    staff = make_staff(session)
    session.commit()
    form = {"username": staff.username, "password": "salah sama sekali"}
    answer = client.post("/sign-in", data=form, headers={"Origin": "http://testserver"})
    assert answer.status_code == 401
    assert staff.username in answer.text
    assert "salah sama sekali" not in answer.text
    assert "Nama pengguna atau kata sandi tidak benar." in answer.text


def test_the_language_of_the_account_is_kept(browse: Browser, session: Session) -> None:
    person = browse("minister", lang="en")
    assert "There is none." in person.get("/incidents").text
    assert person.post("/language", language="id", next="/incidents").headers["location"] == "/incidents"
    assert "Belum ada." in person.get("/incidents").text


# -- headers and files ------------------------------------------------------------------------------------------------------


def test_no_page_lets_foreign_script_in(browse: Browser) -> None:
    answer = browse("duty_officer").get("/incidents/new")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", answer.text)


def test_vendored_files_are_those_of_the_list() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (STATIC_FOLDER.parent / "VENDOR.md").read_text(), re.MULTILINE)
    assert len(listed) == 5
    for name, digest in listed:
        assert hashlib.sha256((STATIC_FOLDER.parent / name).read_bytes()).hexdigest() == digest, name
    kept = {path.name for path in (STATIC_FOLDER / "vendor").iterdir() if not path.name.startswith("LICENSE")}
    assert kept == {Path(name).name for name, _ in listed if name.startswith("static/")}


def test_a_static_file_with_its_version_may_be_kept(client: TestClient, browse: Browser) -> None:
    page = browse("minister").get("/incidents").text
    href = re.search(r'href="(/static/siaga\.css\?v=[0-9a-f]{10})"', page)
    assert href
    assert "immutable" in client.get(href.group(1)).headers["cache-control"]
    assert "immutable" not in client.get("/static/siaga.css").headers["cache-control"]
    assert client.get("/static/../pages.py").status_code == 404


def test_the_ministers_page_is_small_before_anything_else(browse: Browser, session: Session) -> None:
    incident = make_incident(session)
    session.commit()
    page = browse("minister").get(f"/incidents/{incident.id}/minister")
    assert page.status_code == 200
    assert len(page.content) + len((STATIC_FOLDER / "siaga.css").read_bytes()) < 20_000


# -- opening -------------------------------------------------------------------------------------------------------------


def test_a_place_is_enough_to_open_an_incident(browse: Browser, session: Session) -> None:
    session.commit()
    path = open_one(browse("duty_officer"))
    incident = session.scalars(select(Incident)).one()
    assert path == f"/incidents/{incident.id}"
    assert incident.title == "Gempa bumi – Turki"


def test_the_clock_of_the_place_is_understood(browse: Browser, session: Session) -> None:
    session.commit()
    open_one(browse("duty_officer"), occurred_at="2023-02-06T04:17")
    assert session.scalars(select(Incident.occurred_at)).one().isoformat() == "2023-02-06T01:17:00+00:00"


def test_a_form_sent_twice_acts_once(browse: Browser, session: Session) -> None:
    session.commit()
    person = browse("duty_officer")
    form = OPENING | {"place": ["Turki (TR)"], "form_key": form_key(person.get("/incidents/new").text)}
    first, second = person.post("/incidents/new", **form), person.post("/incidents/new", **form)
    assert first.headers["location"] == second.headers["location"]
    assert session.scalar(select(func.count()).select_from(Incident)) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"place": ["Wakanda"]}, "Tidak ada negara atau provinsi dengan nama ini."),
        ({"place": []}, "Sebutkan paling sedikit satu wilayah"),
        ({"kind": "meteor"}, "Pilih salah satu nilai"),
        ({"lat": "abc", "lon": "1", "radius_km": "5"}, "berupa angka"),
        ({"lat": "95", "lon": "1", "radius_km": "5"}, "Lintang"),
        ({"polygon": "1,1\n2,2"}, "Poligon"),
        ({"occurred_at": "kemarin"}, "Tulis waktu"),
        ({"occurred_at": "2999-01-01T00:00"}, "masa depan"),
        ({"members": "A-1"}, "Daftar orang memerlukan nama"),
        ({"form_key": ""}, "tidak lengkap"),
        ({"title": "x\x00y"}, "NUL"),
        ({"title": "x" * 201}, ""),
    ],
)
def test_a_refused_form_comes_back_with_the_reason_and_what_was_typed(
    browse: Browser, session: Session, fields: dict[str, object], says: str
) -> None:
    person = browse("duty_officer")
    form = OPENING | {"place": ["Turki (TR)"], "title": "Judul saya", "form_key": form_key(person.get("/incidents/new").text)} | fields
    answer = person.post("/incidents/new", **form)
    assert answer.status_code == 422
    assert says in unescape(answer.text)
    assert unescape(str(form["title"])).replace("\x00", "") in unescape(answer.text).replace("\x00", "")
    assert session.scalar(select(func.count()).select_from(Incident)) == 0


def test_what_a_stranger_typed_is_shown_as_text(browse: Browser) -> None:
    person = browse("duty_officer")
    form = OPENING | {"place": ["<script>alert(1)</script>"], "form_key": form_key(person.get("/incidents/new").text)}
    answer = person.post("/incidents/new", **form)
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text


def test_who_is_there_stands_in_the_form_at_once(browse: Browser, session: Session, keyring: object) -> None:
    make_citizen(session, keyring, province_code="TR-31")  # type: ignore[arg-type]
    session.commit()
    part = browse("duty_officer").get("/incidents/new/people?place=Turki+(TR)&place=").text
    assert "1 orang terdaftar di sana" in part
    assert "Wakanda" in browse("duty_officer").get("/incidents/new/people?place=Wakanda").text


# -- exercises ---------------------------------------------------------------------------------------------------------------


def test_an_exercise_has_its_own_addresses_and_its_own_word(browse: Browser, session: Session) -> None:
    exercise = make_incident(session, status=Status.EXERCISE)
    actual = make_incident(session)
    session.commit()
    person = browse("duty_officer")
    moved = person.get(f"/incidents/{exercise.id}")
    assert (moved.status_code, moved.headers["location"]) == (303, f"/exercise/incidents/{exercise.id}")
    back = person.get(f"/exercise/incidents/{actual.id}")
    assert (back.status_code, back.headers["location"]) == (303, f"/incidents/{actual.id}")
    for suffix in ("", "/minister", "/sheet", "/report", "/broadcasts/new"):
        page = person.get(f"/exercise/incidents/{exercise.id}{suffix}").text
        assert 'class="exercise"' in page
        assert page.count("LATIHAN") >= 2
        assert "LATIHAN" not in person.get(f"/incidents/{actual.id}{suffix}").text
    assert str(exercise.id) not in person.get("/incidents").text
    assert str(actual.id) not in person.get("/exercise/incidents").text


def test_nothing_is_done_at_the_wrong_address(browse: Browser, session: Session) -> None:
    actual = make_incident(session)
    session.commit()
    answer = browse("duty_officer").post(f"/exercise/incidents/{actual.id}/close", reason="salah alamat")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    session.expire_all()
    assert session.get_one(Incident, actual.id).state == "open"


# -- messages ----------------------------------------------------------------------------------------------------------------


def written(person: Person, incident: str, **fields: object) -> str:
    key = form_key(person.get(f"{incident}/broadcasts/new").text)
    answer = person.post(f"{incident}/broadcasts/new", **(TEXTS | {"form_key": key} | fields))
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_message_needs_another_person_and_the_typed_count(browse: Browser, session: Session, keyring: object) -> None:
    for _ in range(3):
        make_citizen(session, keyring, province_code="TR-31")  # type: ignore[arg-type]
    session.commit()
    officer, approver = browse("duty_officer"), browse("approver")
    message = written(officer, open_one(officer))
    assert officer.post(f"{message}/submit").status_code == 303
    assert officer.get(f"{message}/approve").status_code == 403
    page = approver.get(f"{message}/approve").text
    content_hash = re.search(r'name="content_hash" value="([0-9a-f]{64})"', page)
    assert content_hash
    for wrong in ("4", "", "tiga"):
        refused = approver.post(f"{message}/approve", count=wrong, content_hash=content_hash.group(1))
        assert refused.status_code == 422
        assert "bukan jumlah orang" in refused.text
    assert approver.post(f"{message}/approve", count="3", content_hash="0" * 64).status_code == 409
    assert approver.post(f"{message}/approve", count="3", content_hash=content_hash.group(1)).status_code == 303
    broadcast = session.scalars(select(Broadcast)).one()
    session.refresh(broadcast)
    assert broadcast.state == "approved"


def test_an_edit_over_somebody_elses_edit_is_refused(browse: Browser, session: Session) -> None:
    session.commit()
    one, two = browse("duty_officer"), browse("duty_officer")
    message = written(one, open_one(one))
    version = re.search(r'name="version" value="(\d+)"', two.get(f"{message}/edit").text)
    assert version
    assert one.post(f"{message}/edit", **(TEXTS | {"version": version.group(1), "text_id": "Teks satu."})).status_code == 303
    refused = two.post(f"{message}/edit", **(TEXTS | {"version": version.group(1), "text_id": "Teks dua."}))
    assert refused.status_code == 409
    assert "Teks dua." in refused.text


# -- staff -------------------------------------------------------------------------------------------------------------------


def test_an_account_is_made_its_password_shown_once_and_changed(browse: Browser, client: TestClient) -> None:
    admin = browse("administrator")
    made = admin.post("/staff/new", display_name="Petugas Baru", username="petugas.baru", role="duty_officer", language="id")
    secret = re.search(r'class="secret">([^<]+)<', made.text)
    assert secret
    assert secret.group(1) not in admin.get("/staff").text
    form = {"username": "petugas.baru", "password": secret.group(1)}
    headers = {"Origin": "http://testserver"}
    signed_in = client.post("/sign-in", data=form, headers=headers, follow_redirects=False)
    assert signed_in.status_code == 303
    assert client.get("/incidents", follow_redirects=False).headers["location"] == "/password"
    change = {"current": secret.group(1), "new": "empat kata yang baru", "new_again": "empat kata yang baru"}
    assert client.post("/password", data=change, headers=headers, follow_redirects=False).status_code == 303
    assert client.get("/incidents", follow_redirects=False).status_code == 200


def test_a_refusal_on_an_account_comes_back_to_its_page(browse: Browser, session: Session) -> None:
    admin = browse("administrator")
    own = re.search(r'href="(/staff/[0-9a-f-]{36})"', admin.get("/staff").text)
    assert own
    answer = admin.post(f"{own.group(1)}/disable", came_from=own.group(1))
    assert answer.status_code == 409
    assert "administrator lain" in answer.text
    assert "Nonaktifkan akun" in answer.text


@pytest.mark.parametrize("role", ["minister", "duty_officer", "approver", "mission_staff", "head_of_mission"])
def test_only_an_administrator_manages_staff(browse: Browser, role: str) -> None:
    person = browse(role)
    assert person.get("/staff").status_code == 403
    assert person.post("/staff/new", username="x").status_code == 403


def test_a_page_that_is_not_there_says_so_in_the_readers_language(client: TestClient) -> None:
    answer = client.get("/tidak-ada", headers={"Accept-Language": "en-GB,en;q=0.8"})
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
