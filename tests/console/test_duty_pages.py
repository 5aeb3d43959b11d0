"""The page of what needs a person now, own addresses, and rosters, as a browser without script sees them."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.kit.crypto import Keyring
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.alarms import raise_alarm
from alerts.notices.queries import list_contacts, list_duty
from alerts.notices.rules import AlarmKind
from alerts.staff.models import Staff
from alerts.staff.rules import Role
from tests.console.conftest import Browser
from tests.factories.notices import make_contact
from tests.factories.staff import make_staff

TEXTS = {"id": "SIAGA: sesuatu menunggu.", "en": "SIAGA: something waits."}
KEY = re.compile(r'name="form_key" value="([^"]+)"')


def start(session: Session, **more: Any) -> None:
    paged = {"kind": "alarm", "subject": ("broadcast", "b1"), "role": Role.APPROVER, "texts": TEXTS, "path": "/broadcasts/b1/approve"}
    start_paging(session, PagingStart(**(paged | more)))
    session.commit()


def test_whoever_is_paged_sees_it_in_their_language_and_takes_it_on_with_one_button(browse: Browser, session: Session) -> None:
    start(session)
    approver = browse("approver", "en")
    page = approver.get("/duty").text
    assert "SIAGA: something waits." in page
    assert "I have it" in page
    assert "sesuatu menunggu" in browse("approver").get("/duty").text
    [action] = re.findall(r'action="(/duty/pagings/[^"]+)"', page)
    key = KEY.findall(page)[0]
    assert approver.post(action, form_key=key).headers["location"] == "/broadcasts/b1/approve"
    assert approver.post(action, form_key=key).status_code == 303, "sent twice it acts once"
    assert "something waits" not in approver.get("/duty").text
    assert "Nothing waits for you." in approver.get("/duty").text


def test_other_roles_see_nothing_of_it(browse: Browser, session: Session) -> None:
    start(session)
    for role in ("duty_officer", "mission_staff", "minister", "administrator"):
        assert "sesuatu menunggu" not in browse(role).get("/duty").text


def test_an_exercise_has_a_page_of_its_own(browse: Browser, session: Session) -> None:
    start(session, status="Exercise", path="/exercise/broadcasts/b1/approve")
    approver = browse("approver")
    assert "sesuatu menunggu" not in approver.get("/duty").text
    page = approver.get("/exercise/duty").text
    assert "LATIHAN: SIAGA: sesuatu menunggu." in page
    assert "/exercise/duty/pagings/" in page


def test_alarms_are_shown_until_somebody_takes_them_on(browse: Browser, session: Session) -> None:
    raise_alarm(session, kind=AlarmKind.STOP_ALL, sender="twilio", count=1)
    session.commit()
    officer = browse("duty_officer", "en")
    page = officer.get("/duty").text
    assert "twilio refuses our account" in page
    [action] = re.findall(r'action="(/duty/alarms/[^"]+)"', page)
    assert officer.post(action, form_key=KEY.findall(page)[0]).headers["location"] == "/duty"
    assert "refuses our account" not in officer.get("/duty").text
    assert "refuses our account" not in browse("approver", "en").get("/duty").text


def test_ones_own_addresses(browse: Browser, session: Session) -> None:
    person = browse("approver")
    assert "Belum ada" in person.get("/duty").text
    assert person.post("/duty/contacts", came_from="/duty", kind="phone", address="0811 7000 321").status_code == 303
    page = person.get("/duty").text
    assert "+62•••321" in page
    assert "0811" not in page
    refused = person.post("/duty/contacts", came_from="/duty", kind="email", address="tanpa-at")
    assert refused.status_code == 422
    assert "<form" in refused.text, "the page again, with the reason"
    assert person.post("/duty/contacts", came_from="/duty", kind="push", address="x" * 30).status_code == 422
    [action] = re.findall(r'action="(/duty/contacts/[^"]+/remove)"', page)
    assert person.post(action).headers["location"] == "/duty"
    assert "•••321" not in person.get("/duty").text


def test_an_administrator_sets_addresses_of_others_and_nobody_else_does(browse: Browser, session: Session, keyring: Keyring) -> None:
    staff = make_staff(session, "approver")
    session.commit()
    admin = browse("administrator")
    assert admin.post(f"/staff/{staff.id}/contacts", kind="email", address="Jaga@Example.org").headers["location"] == f"/staff/{staff.id}"
    page = admin.get(f"/staff/{staff.id}").text
    assert "j•••@example.org" in page
    assert browse("duty_officer").post(f"/staff/{staff.id}/contacts", kind="email", address="a@example.org").status_code == 403
    [action] = re.findall(rf'action="(/staff/{staff.id}/contacts/[^"]+/remove)"', page)
    admin.post(action)
    assert list_contacts(session, staff.id) == []


def roster_form(page: str, places: dict[Staff, dict[str, str]]) -> dict[str, Any]:
    form: dict[str, Any] = {"etag": re.findall(r'name="etag" value="([^"]+)"', page)[0].replace("&#34;", '"'), "staff": []}
    for staff, fields in places.items():
        form["staff"].append(str(staff.id))
        form |= {f"{name}-{staff.id}": value for name, value in fields.items()}
    return form


def test_a_roster_is_set_on_its_page(browse: Browser, session: Session, keyring: Keyring) -> None:
    one, two, three = (make_staff(session, "approver") for _ in range(3))
    make_contact(session, keyring, one)
    session.commit()
    admin = browse("administrator", "en")
    page = admin.get("/rosters/approver").text
    assert page.count("no address") == 2
    hours = {"from": "22:00", "until": "06:00", "zone": "Asia/Tokyo"}
    form = roster_form(page, {one: {"place": "2", "on": "1"}, two: {"place": "1", "on": "1"} | hours, three: {"place": ""}})
    assert admin.post("/rosters/approver", **form).headers["location"] == "/rosters"
    lines = list_duty(session, Role.APPROVER, None)
    assert [(line.staff_id, line.zone) for line in lines] == [(two.id, "Asia/Tokyo"), (one.id, "Asia/Jakarta")]
    assert two.display_name in admin.get("/rosters").text
    stale = admin.post("/rosters/approver", **form)
    assert stale.status_code == 412
    assert "Somebody changed this roster" in stale.text
    assert browse("duty_officer").get("/rosters").status_code == 403


def test_what_cannot_be_a_roster_is_refused_with_what_was_typed(browse: Browser, session: Session) -> None:
    staff = make_staff(session, "approver")
    session.commit()
    admin = browse("administrator", "en")
    page = admin.get("/rosters/approver").text
    for fields in ({"place": "0"}, {"place": "x"}, {"place": "1", "from": "25:00", "until": "06:00"}, {"place": "1", "from": "08:00"}):
        refused = admin.post("/rosters/approver", **roster_form(page, {staff: fields}))
        assert refused.status_code == 422, fields
        assert "alert" in refused.text
    assert session.execute(text("SELECT count(*) FROM duty")).scalar_one() == 0
